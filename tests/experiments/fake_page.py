"""A page of a made-up study with everything in it, and a reader that checks how it is written."""

from __future__ import annotations

from functools import cache
from html.parser import HTMLParser

from experiments.html.page import Material, page
from experiments.rows import Row

from fake_study import TRUTH, fake_curves, fake_rows
from fake_suite import evidence, suite_rows

STUDY = {"name": "headline", "preset": "laptop", "hops": 1, "command": "msw study run headline"}
REPORT = """# Study `headline`

**With 5 seeds: something.**

## Table

| variant | rate |
|---|---:|
| SRP | 4.5 ± 1.0 |

## Figures

![capability](capability.png)

What it completes. ([SVG](capability.svg))

## Claims

told

## Again

```
msw study run headline
```
"""


def made(rows: list[Row]) -> Material:
    arms = list(TRUTH)
    return Material(rows, STUDY, REPORT, evidence(arms, fake_curves()), {"capability": "<svg/>"})


@cache
def whole() -> str:
    """A page with everything."""
    return page(made(suite_rows(fake_rows(3))))


class Reader(HTMLParser):
    """Checks that elements are closed in turn, and collects text and attributes."""

    def __init__(self) -> None:
        super().__init__()
        self.open: list[str] = []
        self.found: list[tuple[str, dict[str, str | None]]] = []
        self.said: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.found.append((tag, dict(attrs)))
        if tag not in ("meta", "img", "br"):
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        self.said.append(data)


def read(text: str) -> Reader:
    reader = Reader()
    reader.feed(text)
    assert not reader.open
    return reader
