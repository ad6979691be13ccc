"""The Markdown that our reports are written in, as HTML: headings, paragraphs, lists, tables, code,
pictures; inside a line code, bold type and links.

It reads what `experiments.report` writes, not Markdown at large. Links are left out, because they
lead to files beside the report, which a page that is sent around does not have.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence

from experiments.html.elements import Cell, Markup, element, joined, table

_INLINE = re.compile(r"(`[^`]+`|\*\*.+?\*\*|\[[^\]]*\]\([^)\s]*\))")
_SVG_LINK = re.compile(r" ?\(\[SVG\]\([^)]*\)\)")
_PICTURE = re.compile(r"!\[[^\]]*\]\(([^)]*)\.(?:png|svg)\)")
_NUMBER = re.compile(r"[<~]?\s*([+-]?\d[\d,]*(?:\.\d+)?)")


def sections(report: str) -> dict[str, str]:
    """The parts of a report by their headings (`## ...`), what stands before the first under ""."""
    found: dict[str, str] = {}
    for place, part in enumerate(re.split(r"^## ", report, flags=re.MULTILINE)):
        heading, _, body = ("", "", part) if place == 0 else part.partition("\n")
        found[heading.strip()] = body.strip("\n")
    return found


def html(text: str, pictures: Mapping[str, Markup] | None = None) -> Markup:
    """The text as HTML; `pictures` are what stands in place of each picture, by its file's name
    without ending. A picture that is not among them is left out."""
    blocks = [_code_or_blocks(part, place % 2 == 1) for place, part in enumerate(_fences(text))]
    return joined(
        _block(block, pictures or {}) if isinstance(block, list) else block
        for part in blocks
        for block in part
    )


def inline(text: str) -> Markup:
    """A line with its code, bold type and links."""
    return joined(_piece(piece) for piece in _INLINE.split(_SVG_LINK.sub("", text)))


def _fences(text: str) -> list[str]:
    """Text and code in turns: fenced code is at the odd places."""
    return re.split(r"^```.*\n?", text, flags=re.MULTILINE)


def _code_or_blocks(part: str, code: bool) -> list[Markup | list[str]]:
    if code:
        return [element("pre", element("code", part.rstrip("\n")), tabindex=0)]
    return [block.split("\n") for block in re.split(r"\n\s*\n", part.strip("\n")) if block.strip()]


def _block(lines: list[str], pictures: Mapping[str, Markup]) -> Markup:
    first = lines[0]
    if picture := _PICTURE.fullmatch(first.strip()):
        return pictures.get(picture.group(1), Markup())
    if first.startswith("#"):
        level = min(len(first) - len(first.lstrip("#")), 6)
        return element(f"h{level}", inline(first.lstrip("# ")))
    if first.startswith("| "):
        return _table(lines)
    if first.startswith("- "):
        return element("ul", [element("li", inline(item)) for item in _items(lines)])
    return element("p", inline(" ".join(lines)))


def _items(lines: Sequence[str]) -> list[str]:
    """The items of a list; a line without its own mark goes on with the item before."""
    items: list[str] = []
    for line in lines:
        if line.startswith("- "):
            items.append(line[2:])
        else:
            items[-1] += f" {line.strip()}"
    return items


def _table(lines: Sequence[str]) -> Markup:
    """Head, a line of dashes, rows; columns whose dashes end in a colon hold numbers."""
    head, dashes, *rows = [[cell.strip() for cell in line.strip("|").split("|")] for line in lines]
    numbers = [each.endswith(":") for each in dashes]
    return table(
        [inline(title) for title in head],
        [
            [
                Cell(inline(cell), _sort_key(cell) if number else None)
                for cell, number in zip(row, numbers, strict=True)
            ]
            for row in rows
        ],
    )


def _sort_key(cell: str) -> float:
    """The first number of a cell; cells without one come last."""
    found = _NUMBER.match(cell.strip("*` "))
    return float(found.group(1).replace(",", "")) if found else float("-inf")


def _piece(piece: str) -> Markup:
    if piece.startswith("`") and len(piece) > 2:
        return element("code", piece[1:-1])
    if piece.startswith("**") and len(piece) > 4:
        return element("strong", inline(piece[2:-2]))
    if piece.startswith("[") and piece.endswith(")"):
        return joined(piece[1:].partition("](")[0])
    return joined(piece)
