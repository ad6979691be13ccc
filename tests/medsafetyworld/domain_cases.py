"""The packaged domain's wordings, and their slots and words."""

from __future__ import annotations

import re
from itertools import chain

from medsafetyworld.domain import (
    QUESTION_KINDS,
    load_domain,
)
from medsafetyworld.language import in_numbers, slotted
from medsafetyworld.reading import _families

BOOK = load_domain()
CORES = [(*key, core) for key, cores in BOOK.cores.items() for core in cores]
SLOTS = {1: ["a", "c"], 2: ["a1", "a2", "c"]}
EVERY_QUESTION = {
    kind: BOOK.training_questions[kind] + BOOK.test_questions[kind] for kind in QUESTION_KINDS
}
CHAINED = [kind for kind in BOOK.answers if kind.endswith("_chain")]
ROUND_ABOUT = [
    *(framing.text for framing in BOOK.framings),
    *BOOK.closings,
    *BOOK.distractors,
    *chain(*BOOK.openings.values()),
    *chain(*BOOK.kind_closings.values()),
]
"""Everything in a document but its statements."""
EVERY_WORDING = [
    *(core for *_, core in CORES),
    *ROUND_ABOUT,
    *chain(*EVERY_QUESTION.values()),
    *chain(*BOOK.answers.values()),
    *BOOK.refusals,
    *BOOK.stems,
]


def slots(wording: str) -> list[str]:
    """The slots for names, in order."""
    return re.findall(r"\{(\w+)\}", in_numbers(wording, 2))


def words(wording: str, causes: int = 2) -> list[str]:
    return re.findall(r"\w+", re.sub(r"\{\w+\}", "", in_numbers(wording, causes)))


def slots_of(role: str, arity: int) -> list[str]:
    """The slots that a core must have, sorted: in a chain the way too."""
    return sorted([*SLOTS[arity], *(["b"] if role == "chain" else [])])


def arity_of(kind: str) -> int:
    return 2 if "pair" in kind else 1


def cues_of(role: str, arity: int, wording: str) -> tuple[str, ...]:
    """Families of the cues in a core whose slots hold the reader's marks."""
    marks = ["A"] * arity + (["B"] * arity if role == "chain" else []) + ["C"]
    shape = (arity,) * (2 if role == "chain" else 1) + (1,)
    return _families(BOOK, " ".join(re.findall(r"\w+", slotted(wording, shape).format(*marks))))
