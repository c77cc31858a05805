"""The two pages of the shop."""

import logging
import os

from django import forms
from django.http import HttpResponseRedirect
from django.shortcuts import render

log = logging.getLogger(__name__)


class OrderForm(forms.Form):
    """What can be ordered."""

    item = forms.ChoiceField(choices=[("apples", "Apples"), ("pears", "Pears")])
    number = forms.IntegerField(min_value=1, max_value=100, initial=1)


def order(request):
    """Show the form; take an order and answer with a relative redirect."""
    form = OrderForm(request.POST or None)
    if request.method == "POST" and form.is_valid():
        item, number = form.cleaned_data["item"], form.cleaned_data["number"]
        log.info("order: %d %s", number, item)
        # Relative on purpose: the browser must see this 302, whatever web
        # server stands in front.
        return HttpResponseRedirect("thanks/%d/%s" % (number, item))
    return render(request, "shop/order.html", {"form": form, "backend": os.getpid()})


def thanks(request, number, item):
    """Confirm the order."""
    return render(request, "shop/thanks.html", {"number": number, "item": item})
