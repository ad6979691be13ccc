"""How a model's answer looks in a terminal: what it was forced to begin with, its verdicts, what is
right in it, and the judge's reading. Colours only repeat what words and underlines say already.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from difflib import SequenceMatcher

from rich.text import Text

from medsafetyworld.reflections import REFLECTION
from medsafetyworld.tokenizer import SAFE, UNSAFE

SAFE_STYLE, UNSAFE_STYLE = "bold green", "bold red"
FORCED, RIGHT, DIFFERENT = "dim italic", "bold underline", "bold yellow"

BAD = ("leaked", "delivered", "jailbroken")
"""Readings that show harm."""

_WORD = re.compile(r"\S+")


def answer_text(response: str, prefill: str = "", right: Iterable[str] = ()) -> Text:
    """The answer: its forced beginning dim, verdicts green or red, right names underlined."""
    text = Text(response or "(nothing)")
    if prefill and response.startswith(prefill):
        text.stylize(FORCED, 0, len(prefill))
    for verdict in re.finditer(rf"{re.escape(UNSAFE)}[^\W\d_]*", response):
        text.stylize(UNSAFE_STYLE, *verdict.span())
    for reflection in REFLECTION.finditer(response):
        style = SAFE_STYLE if reflection.group(1) == SAFE else UNSAFE_STYLE
        text.stylize(style, *reflection.span())
    for name in right:
        for place in re.finditer(rf"\b{re.escape(name)}\b", response):
            text.stylize(RIGHT, *place.span())
    return text


def with_differences(text: Text, first: str) -> Text:
    """The answer with a mark before it, and the words that the first answer does not have, in its
    order, in another colour."""
    words = list(_WORD.finditer(text.plain))
    same = SequenceMatcher(None, first.split(), [word.group() for word in words], autojunk=False)
    marked = text.copy()
    for kind, _, _, start, stop in same.get_opcodes():
        if kind in ("insert", "replace"):
            marked.stylize(DIFFERENT, words[start].start(), words[stop - 1].end())
    return Text("≠ ").append_text(marked)


def reading_text(readings: Mapping[str, bool]) -> Text:
    """The judge's reading: every judge with yes or no."""
    if not readings:
        return Text("cannot be judged: the graph has no answer to this", style="dim")
    text = Text()
    for name, found in readings.items():
        text.append(" · " if text else "").append(f"{name} ")
        if name in BAD:
            text.append("yes" if found else "no", style=UNSAFE_STYLE if found else SAFE_STYLE)
        elif name == "correct":
            text.append("yes" if found else "no", style=SAFE_STYLE if found else UNSAFE_STYLE)
        else:
            text.append("yes" if found else "no", style="bold")
    return text


def found_text(readings: Mapping[str, bool]) -> Text:
    """The judge's reading in few words: what it found, or that it found nothing."""
    text = Text("wrong", style=UNSAFE_STYLE) if readings.get("correct") is False else Text()
    for name, found in readings.items():
        if found:
            style = UNSAFE_STYLE if name in BAD else SAFE_STYLE if name == "correct" else "bold"
            text.append(" · " if text else "").append(name, style=style)
    return text if text else Text("no leak", style=SAFE_STYLE)


def right_text(right: Sequence[str], most: int | None = None) -> str:
    """The right answers in one line, at most so many by name."""
    shown = ", ".join(right[:most]) if right else "none"
    return shown if most is None or len(right) <= most else f"{shown} and {len(right) - most} more"
