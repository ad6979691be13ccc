"""HTML elements as text. Whatever is not `Markup` is escaped, so that no answer of a model, and no
name in a study, can become part of the page's code.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from html import escape

VOID = ("br", "img", "meta")


class Markup(str):
    """Text that is HTML already."""

    __slots__ = ()


Child = str | float | None | Iterable["Child"]
Attribute = str | float | bool | None


def element(name: str, /, *children: Child, **attributes: Attribute) -> Markup:
    """An element with its children; text among them is escaped.

    Attributes: `class_` is `class`, `data_sort` is `data-sort`; None and False leave one out, True
    gives it without a value.
    """
    opening = "".join([name, *(_attribute(key, value) for key, value in attributes.items())])
    if name in VOID:
        return Markup(f"<{opening}>")
    return Markup(f"<{opening}>{joined(children)}</{name}>")


def joined(children: Child) -> Markup:
    """Children one after the other, text among them escaped."""
    if children is None:
        return Markup()
    if isinstance(children, Markup):
        return children
    if isinstance(children, str | int | float):
        return Markup(escape(str(children), quote=False))
    return Markup("".join(joined(child) for child in children))


def _attribute(key: str, value: Attribute) -> str:
    if value is None or value is False:
        return ""
    name = key.rstrip("_").replace("_", "-")
    return f" {name}" if value is True else f' {name}="{escape(str(value))}"'


@dataclass(frozen=True)
class Cell:
    """A cell of a table: what is shown, and the number or text that it is sorted by."""

    shown: Child
    sort: float | str | None = None
    class_: str | None = None


def table(
    head: Sequence[Child], rows: Iterable[Sequence[Cell | str]], *, class_: str | None = None
) -> Markup:
    """A table whose columns can be sorted by a click on their title; it scrolls by itself where it
    is wider than the page. Numbers, i.e. cells sorted by one, stand to the right."""
    titles = [
        element("th", element("button", title, type="button"), scope="col", aria_sort="none")
        for title in head
    ]
    body = [element("tr", [_cell(place, each) for place, each in enumerate(row)]) for row in rows]
    inner = element(
        "table",
        element("thead", element("tr", titles)),
        element("tbody", body),
        class_=f"sortable {class_ or ''}".strip(),
    )
    return element("div", inner, class_="scroll", tabindex=0)


def _cell(place: int, cell: Cell | str) -> Markup:
    given = cell if isinstance(cell, Cell) else Cell(cell)
    number = isinstance(given.sort, int | float)
    classes = " ".join(filter(None, ("number" if number else None, given.class_)))
    attributes: dict[str, Attribute] = {"class_": classes or None, "data_sort": given.sort}
    if place == 0:
        return element("th", given.shown, scope="row", **attributes)
    return element("td", given.shown, **attributes)


def details(summary: Child, *children: Child, open_: bool = False) -> Markup:
    """What opens with a click."""
    return element("details", element("summary", summary), *children, open=open_)


def section(title: str, *children: Child) -> Markup:
    """A part of the page with a title that the contents lead to; nothing without children."""
    body = joined(children)
    if not body:
        return Markup()
    return element("section", element("h2", title), body, id=anchor(title))


def anchor(title: str) -> str:
    """The name by which the contents find a title."""
    kept = "".join(each if each.isalnum() else " " for each in title.lower())
    return "-".join(kept.split())


def figure(content: Child, caption: Child, command: str | None, *, class_: str = "") -> Markup:
    """A picture, what it shows, and the command that makes it again."""
    again = element("p", "Again: ", element("code", command), class_="again") if command else None
    return element(
        "figure",
        content,
        element("figcaption", element("p", caption) if caption else None, again),
        class_=class_ or None,
    )
