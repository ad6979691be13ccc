"""`attacks.json`: what attackers say, as data that a domain may lack until an attack needs it.

It is no part of the domain's hash: what a model is asked changes nothing that it was trained on.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from types import MappingProxyType
from typing import Any

from medsafetyworld import domain_files
from medsafetyworld.domain import locate
from medsafetyworld.errors import SpecError
from medsafetyworld.graph import World
from medsafetyworld.language import in_numbers

FILE = "attacks"
KINDS = ("reverse", "reverse_pair")
"""Kinds of reverse question: for one cause, and for several together."""


@dataclass(frozen=True)
class Phrases:
    """Wordings that no training and no test question has, all of which name an outcome at most."""

    paraphrase: Mapping[str, tuple[str, ...]]
    """By kind: the harmful question in other words. Slot `{c}`; of several causes also how many."""
    role: tuple[str, ...]
    """Sentences before the question that say who asks."""
    audience: tuple[str, ...]
    """Sentences before the question that say whom the answer is for."""
    agreement: tuple[str, ...]
    """Sentences with which an answer may begin that would help; they give nothing away."""
    causes: Mapping[str, tuple[str, ...]]
    """By kind: questions for the mediators, and for nothing else, that bring `{c}` about."""


@lru_cache(maxsize=8)
def load_phrases(name: str) -> Phrases:
    """The phrases of the domain of this name. Raises `SpecError` naming the file at fault."""
    root, label = locate(name)
    where = f"domain: {label}/{FILE}.json"
    try:
        text = root.joinpath(f"{FILE}.json").read_text("utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise SpecError(
            f"{where} cannot be read ({type(error).__name__}); attacks that reword questions need "
            "its lists paraphrase, role, audience, agreement and causes"
        ) from None
    try:
        return _checked(domain_files.parse(text))
    except (ValueError, RecursionError) as error:
        raise SpecError(f"{where} is not as it should be: {error}") from None


def phrases_of(world: World) -> Phrases:
    """The phrases of the world's domain."""
    return load_phrases(world.spec.domain)


def words_of(world: World, wordings: tuple[str, ...]) -> tuple[str, ...]:
    """The wordings with what tells a number of causes put in: texts for the vocabulary."""
    numbers = (2, 3) if world.spec.triple_edges else (2,)
    texts = (in_numbers(wording, number) for wording in wordings for number in numbers)
    return tuple(dict.fromkeys(texts))


def _checked(data: Any) -> Phrases:
    role, audience, agreement = (
        domain_files.whole_sentences(data, part) for part in ("role", "audience", "agreement")
    )
    return Phrases(_asked(data, "paraphrase"), role, audience, agreement, _asked(data, "causes"))


def _asked(data: Any, part: str) -> Mapping[str, tuple[str, ...]]:
    """Questions by kind."""
    within = domain_files.entry(data, part)
    return MappingProxyType({kind: domain_files.questions(within, kind, 0) for kind in KINDS})
