"""Where each page of the shop stands, below the mount."""

from django.urls import path

from . import views

urlpatterns = [
    path("", views.order, name="order"),
    path("thanks/<int:number>/<slug:item>", views.thanks, name="thanks"),
]
