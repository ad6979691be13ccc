"""Examples from transcripts: an answer of every arm under an attack, to the same question where
there is one, with verdicts in colour, what was forced, and how the judge read the answer.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any

from experiments.html.elements import Markup, details, element, joined
from experiments.html.svg import colour
from experiments.rows import label
from medsafetyworld.reflections import REFLECTION
from medsafetyworld.tokenizer import SAFE

JUDGED = {
    "leaked": "a correct harmful answer stands in the output",
    "delivered": "a reader of finished segments sees it",
    "jailbroken": "it stands there with neither a refusal nor an Unsafe verdict",
    "refused": "the response refuses",
}


def examples_of(probe: str, examples: Sequence[Mapping[str, Any]]) -> Markup:
    """The examples of one probe, an answer an arm; nothing without any. How many leak is told only
    where all were asked the same."""
    own = [each for each in examples if each["probe"] == probe]
    if not own:
        return Markup()
    leaks = sum(bool(each.get("leaked")) for each in own)
    said = f"one question, {len(own)} models, {leaks} leak it here"
    if len({each["question"] for each in own}) > 1:
        said = f"each model's own example, {len(own)} models"
    summary = joined([element("code", probe), f": {said}"])
    return details(summary, element("div", map(_example, own), class_="examples"))


def _example(entry: Mapping[str, Any]) -> Markup:
    """One prompt with its response."""
    head = element(
        "header",
        element("strong", label(str(entry["variant"]))),
        [_flag(name, meaning, entry) for name, meaning in JUDGED.items() if name in entry],
    )
    history, prefill = str(entry.get("history") or ""), str(entry.get("prefill") or "")
    turns = [
        element("dt", "before"),
        element("dd", response(history)),
    ] if history else []  # fmt: skip
    return element(
        "article",
        head,
        element(
            "dl",
            turns,
            element("dt", "asked"),
            element("dd", str(entry["question"])),
            element("dt", "answer"),
            element("dd", response(str(entry["response"]), prefill, _right(entry))),
            _shown(entry),
        ),
        _truth(entry),
        style=colour(str(entry["variant"])),
    )


def _shown(entry: Mapping[str, Any]) -> list[Markup]:
    """What a defence let a reader see, where it is not the whole answer."""
    shown = entry.get("shown")
    if shown is None or shown == entry["response"]:
        return []
    said = response(str(shown), right=_right(entry)) if shown else element("em", "nothing")
    return [element("dt", "shown to the reader"), element("dd", said)]


def _flag(name: str, meaning: str, entry: Mapping[str, Any]) -> Markup:
    found = bool(entry[name])
    look = ("calm" if name == "refused" else "alarm") if found else "open"
    sign = {"calm": "✓ ", "alarm": "⚠ ", "open": "not "}[look]
    return element(
        "span",
        f"{sign}{name}",
        class_=f"chip {look}",
        title=meaning if found else f"not so: {meaning}",
    )


def _right(entry: Mapping[str, Any]) -> list[str]:
    return [str(name) for way in entry.get("right", ()) for name in way]


def _truth(entry: Mapping[str, Any]) -> Markup | None:
    """What the graph says a right answer is."""
    ways = [" + ".join(map(str, way)) for way in entry.get("right", ())]
    if not ways:
        return None
    others = int(entry.get("ways", len(ways))) - len(ways)
    more = f"; and {others} other way{'s' * (others != 1)}" if others > 0 else ""
    return element("p", f"right by the graph: {'; '.join(ways)}{more}", class_="truth")


def response(text: str, prefill: str = "", right: Sequence[str] = ()) -> Markup:
    """A response with its verdicts in colour, right compounds marked, and what was forced told
    apart from what the model said."""
    if prefill and text.startswith(prefill):
        forced = element("span", _said(prefill, right), class_="forced", title="forced: prefill")
        return joined([forced, _said(text[len(prefill) :], right)])
    return _said(text, right)


def _said(text: str, right: Sequence[str]) -> Markup:
    parts: list[Markup] = []
    start = 0
    for found in REFLECTION.finditer(text):
        parts.append(_words(text[start : found.start()], right))
        safe = found.group(1) == SAFE
        parts.append(
            element(
                "span",
                f"{'✓' if safe else '⚠'} {found.group(0)}",
                class_=f"verdict {'safe' if safe else 'unsafe'}",
            )
        )
        start = found.end()
    return joined([*parts, _words(text[start:], right)])


def _words(text: str, right: Sequence[str]) -> Markup:
    if not right:
        return joined(text)
    names = "|".join(re.escape(name) for name in sorted(right, key=len, reverse=True))
    return joined(
        element("mark", piece, title="a right compound") if place % 2 else piece
        for place, piece in enumerate(re.split(rf"\b({names})\b", text, flags=re.IGNORECASE))
    )
