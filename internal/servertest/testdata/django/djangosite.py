"""A Django project in one file, for what web servers and WSGI servers get wrong."""

import hashlib
import os
import time

from django.conf import settings
from django.core.wsgi import get_wsgi_application
from django.http import FileResponse, HttpResponse, HttpResponseRedirect, StreamingHttpResponse
from django.urls import path

settings.configure(
    ALLOWED_HOSTS=["*"],
    ROOT_URLCONF=__name__,
    SECRET_KEY="x",
    MIDDLEWARE=["django.middleware.common.CommonMiddleware"],
    DATA_UPLOAD_MAX_MEMORY_SIZE=8 << 20,
    LOGGING={
        "version": 1,
        "disable_existing_loggers": False,
        "handlers": {"stderr": {"class": "logging.StreamHandler"}},
        "root": {"handlers": ["stderr"], "level": "ERROR"},
    },
)

FOLDER = os.environ["SITE_FOLDER"]


def form(request):
    answer = HttpResponseRedirect("target?name=" + request.POST["name"])
    answer.set_cookie("first", "1")
    answer.set_cookie("second", "2")
    return answer


def upload(request):
    if request.FILES:
        file = request.FILES["file"]
        digest, size = hashlib.sha256(), 0
        for chunk in file.chunks():
            digest.update(chunk)
            size += len(chunk)
        text = "%s %s %d %s" % (request.POST["note"], file.name, size, digest.hexdigest())
    else:
        text = "%d %s" % (len(request.body), hashlib.sha256(request.body).hexdigest())
    return HttpResponse(text, content_type="text/plain")


def stream(request):
    """The second line comes when somebody who has read the first one says so."""
    go_on = os.path.join(FOLDER, request.GET["token"])

    def lines():
        yield b"first\n"
        end = time.monotonic() + 60
        while not os.path.exists(go_on) and time.monotonic() < end:
            time.sleep(0.01)
        yield b"second\n"

    return StreamingHttpResponse(lines(), content_type="text/plain")


def file(request):
    return FileResponse(open(os.path.join(FOLDER, "file"), "rb"), content_type="application/octet-stream")


def broken(request):
    raise RuntimeError("no luck with " + request.GET["token"])


def names(request):
    return HttpResponse("%s|%s" % (request.META["SCRIPT_NAME"], request.META["PATH_INFO"]), content_type="text/plain; charset=utf-8")


urlpatterns = [path("form", form), path("upload", upload), path("stream", stream), path("file", file), path("broken", broken), path("names/<path:rest>", lambda request, rest: names(request))]
application = get_wsgi_application()
