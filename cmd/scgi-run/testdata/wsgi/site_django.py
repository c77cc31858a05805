"""A Django project in one file: ROOT_URLCONF is this module."""

from django.conf import settings
from django.core.wsgi import get_wsgi_application
from django.http import FileResponse, HttpResponse, HttpResponseRedirect
from django.urls import path, reverse

settings.configure(ALLOWED_HOSTS=["*"], ROOT_URLCONF=__name__, SECRET_KEY="x", MIDDLEWARE=["django.middleware.common.CommonMiddleware"])


def index(request):
    return HttpResponse("%s %s %r %r" % (request.method, reverse("form"), request.GET.get("q"), request.META["SCRIPT_NAME"]))


def form(request):
    if request.method == "POST":
        return HttpResponseRedirect("target?name=" + request.POST["name"])
    return HttpResponse("form")


def this_file(request):
    return FileResponse(open(__file__, "rb"))


urlpatterns = [path("", index), path("form", form, name="form"), path("file", this_file)]
application = get_wsgi_application()
