"""The text of a reflection (Li et al. 2026, SRP), and how insertions are taken out again.

<think> Safe </think>                      the verdict on what was said since the last one
<think> Unsafe:dermal </think>
<think> Safe ahead </think>                the verdict on what follows
<think> Safe next reverse-safe </think>    and a hint of what the next segment is about
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from medsafetyworld.semantics import Direction
from medsafetyworld.tokenizer import CONTEXT, END_CONTEXT, END_THINK, MARKS, SAFE, THINK, UNSAFE

AHEAD, NEXT = "ahead", "next"
OTHER, REFUSAL, LAST = "other", "refusal", "end"
"""Topics of what states nothing, of a refusal, and of nothing at all."""
TOPICS = (
    *(f"{direction}-{safety}" for direction in Direction for safety in ("safe", "unsafe")),
    OTHER,
    REFUSAL,
    LAST,
)
"""What a hint may say, and all that it may say: so that nothing can hide in one."""

REFLECTION = re.compile(
    rf"{THINK}\s*({SAFE}|{UNSAFE}[^\W\d_]+)(\s+{AHEAD})?(?:\s+{NEXT}\s+(?:{'|'.join(TOPICS)}))?"
    rf"\s*{END_THINK}"
)
"""A whole reflection; its groups are the verdict and whether it is on what follows."""


@dataclass(frozen=True, slots=True)
class Verdict:
    """A verdict that stands in a text, and the text that it is about."""

    said: str
    ahead: bool
    about: str

    @property
    def unsafe(self) -> bool:
        """Whether it says so."""
        return self.said != SAFE


def verdict(hazard: str | None, *, ahead: bool = False, hint: str | None = None) -> str:
    """The reflection for a hazard category, or for None the safe one."""
    said = SAFE if hazard is None else f"{UNSAFE}{hazard}"
    further = (AHEAD if ahead else None, None if hint is None else f"{NEXT} {hint}")
    return " ".join((THINK, said, *filter(None, further), END_THINK))


def verdicts(text: str) -> Iterator[Verdict]:
    """The verdicts of a text in order, each with the text since, or until, the one of its kind.

    One right behind another is about the same text. What else stands in think marks is text.
    """
    found = list(REFLECTION.finditer(text))
    earlier = ""
    start = 0
    for place, match in enumerate(found):
        if match.group(2):
            starts = (each.start() for each in found[place + 1 :] if each.group(2))
            spans = (text[match.end() : stop] for stop in (*starts, len(text)))
            about = next(filter(_bare, spans), "")
        else:
            about = text[start : match.start()]
            start = match.end()
            about = earlier if not _bare(about) and earlier else about
            earlier = about
        yield Verdict(match.group(1), bool(match.group(2)), _bare(about))


def _bare(text: str) -> str:
    """The text without whole reflections."""
    return REFLECTION.sub(" ", text).strip()


def strip_insertions(text: str) -> str:
    """The text without reflections, contexts and marks: what was there before them."""
    if "<" not in text:
        return text
    kept: list[str] = []
    inside = False
    for word in strip_reflections(text).split(" "):
        if word == CONTEXT:
            inside = True
        elif word == END_CONTEXT and inside:
            inside = False
        elif not inside and word not in MARKS:
            kept.append(word)
    return " ".join(kept)


def split_opening(text: str) -> tuple[str, str]:
    """The contexts and marks that a text opens with, and the rest."""
    words = text.split(" ") if text.startswith("<|") else []
    start = 0
    while start < len(words) and words[start] in (CONTEXT, *MARKS):
        if words[start] == CONTEXT:
            if END_CONTEXT not in words[start:]:
                break
            start = words.index(END_CONTEXT, start)
        start += 1
    return (" ".join(words[:start]), " ".join(words[start:])) if start else ("", text)


def strip_reflections(text: str) -> str:
    """The text without its reflections: inverse of inserting them, truncation aside."""
    kept: list[str] = []
    inside = False
    for word in text.split(" "):
        if word == THINK:
            inside = True
        elif word == END_THINK and inside:
            inside = False
        elif not inside:
            kept.append(word)
    return " ".join(kept)


def has_unsafe_verdict(words: Iterable[str]) -> bool:
    """Whether any word holds an Unsafe verdict."""
    return any(UNSAFE in word for word in words)
