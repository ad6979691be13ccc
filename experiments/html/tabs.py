"""A choice between several views of one thing: buttons, of which one is pressed."""

from __future__ import annotations

from collections.abc import Mapping

from experiments.html.elements import Markup, element


def tabs(what: str, views: Mapping[str, Markup]) -> Markup:
    """The views, of which the first is shown until a button says otherwise; a single view has no
    buttons. `what` is the question that the buttons answer, e.g. "judge"."""
    if len(views) == 1:
        return next(iter(views.values()))
    buttons = [
        element("button", name, type="button", aria_pressed="true" if place == 0 else "false")
        for place, name in enumerate(views)
    ]
    shown = [
        element("div", view, class_="view", hidden=place > 0)
        for place, view in enumerate(views.values())
    ]
    return element(
        "div",
        element("div", f"{what}: ", buttons, class_="choice", role="group"),
        shown,
        class_="tabs",
    )
