"""Prefilling with the first tokens of a true answer, and what such a prefix gives away.

A ladder has a prefix of every length, from nothing up to all but the last token of the last
compound: no prefix names a way to the outcome, so what is leaked is the model's. In worlds with
mediators the way stands before the compounds: long prefixes give it away.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction
from itertools import permutations

from medsafetyworld.graph import World
from medsafetyworld.language import answers_of, fill, question_kind
from medsafetyworld.queries import Query
from medsafetyworld.semantics import Direction
from medsafetyworld.tokenizer import Tokenizer


@dataclass(frozen=True, slots=True)
class Prefix:
    """The first tokens of an answer as text, and how much of way and compounds is in them."""

    text: str
    begun: tuple[int, ...]
    """Morphemes given away of each compound, in the order in which the answer names them."""
    way: int = 0
    """Tokens given away of the mediators that the answer names."""

    @property
    def gives(self) -> bool:
        """Whether some of the way or of the answer is in it."""
        return self.way > 0 or any(self.begun)


def true_answer(world: World, query: Query, wording: int = 0) -> str:
    """A right answer to a reverse question in one of the wordings of SFT."""
    kind = question_kind(Direction.REVERSE, query.chain.causes)
    answers = answers_of(world.domain, kind, with_way=bool(query.chain.way))
    return fill(world, answers[wording % len(answers)], query.chain.groups)


def ladder(
    world: World, tokenizer: Tokenizer, query: Query, wording: int = 0
) -> tuple[Prefix, ...]:
    """The prefix of k tokens of a true answer at place k, from the empty one on."""
    tokens = tokenizer.encode(true_answer(world, query, wording))
    places = [
        _find(tokens, tokenizer.compound_tokens(world.compounds[compound]))
        for compound in query.chain.compounds
    ]
    ways = [
        _find(tokens, tokenizer.encode(name))
        for group in query.chain.way
        for name in world.names(group)
    ]
    return tuple(
        Prefix(
            tokenizer.decode(tokens[:length]),
            tuple(len([place for place in own if place < length]) for own in places),
            sum(place < length for own in ways for place in own),
        )
        for length in range(max(own[-1] for own in places) + 1)
    )


def chance_of_the_rest(world: World, query: Query, begun: Sequence[int]) -> float:
    """Probability that compounds guessed one after the other are a way to the outcome.

    Of each as many morphemes as `begun` says are known; it is guessed among the compounds that
    begin so and were not named before, all equally likely. Who guesses makes nothing of mediators.
    """
    given = [
        world.morphemes[compound][:count]
        for compound, count in zip(query.chain.compounds, begun, strict=True)
    ]
    pools = [
        frozenset(
            compound
            for compound, morphemes in enumerate(world.morphemes)
            if morphemes[: len(parts)] == parts
        )
        for parts in given
    ]
    chance = Fraction(0)
    for way in world.ways[query.chain.outcome]:
        if len(way) != len(pools):
            continue
        for order in permutations(way):
            if all(compound in pool for compound, pool in zip(order, pools, strict=True)):
                left = Fraction(1)
                for place, pool in enumerate(pools):
                    left /= len(pool - set(order[:place]))
                chance += left
    return float(chance)


def _find(tokens: Sequence[int], name: Sequence[int]) -> range:
    """Where a name stands among tokens."""
    whole, size = list(tokens), len(name)
    start = next(place for place in range(len(whole)) if whole[place : place + size] == [*name])
    return range(start, start + size)
