"""Worlds, statements and policies to test policies on."""

from __future__ import annotations

import random
from dataclasses import dataclass

from hypothesis import strategies as st

from medsafetyworld.building import build_world
from medsafetyworld.graph import SEVERITIES, World
from medsafetyworld.policies import (
    ActionableChain,
    AllOf,
    AnyOf,
    ForAudience,
    Not,
    ReverseUnsafe,
    SafetyPolicy,
    SeverityAtLeast,
)
from medsafetyworld.semantics import Direction, Group, Statement
from medsafetyworld.spec import WorldSpec

SOURCES = ("registry", "textbook", "trial report", "forum post", "marketing leaflet")


@st.composite
def worlds(draw: st.DrawFn, hops: tuple[int, ...] = (1, 2, 3)) -> World:
    """Small worlds of each depth, some of them with edges held out."""
    mediators = ((), (5,), (5, 4))[draw(st.sampled_from(hops)) - 1]
    spec = WorldSpec(
        compounds=6,
        mediators=mediators,
        outcomes=4,
        single_edges=draw(st.integers(9, 16)),
        pair_edges=draw(st.integers(4, 6)),
        unsafe_fraction=draw(st.sampled_from((0.0, 0.5, 1.0))),
        held_out_share=draw(st.sampled_from((0.0, 0.3, 1.0))),
        seed=draw(st.integers(0, 2**32)),
    )
    return build_world(spec)


def sample(world: World, seed: int) -> list[Statement]:
    """Many statements of any groups of two or more layers, half of them reverse."""
    rng = random.Random(seed)
    said = []
    for _ in range(60):
        layers = sorted(rng.sample(range(world.hops + 1), rng.randint(2, world.hops + 1)))
        groups = []
        for layer in layers:
            count = 1 if layer == world.hops else rng.choice((1, 1, 2, 3))
            members = rng.sample(range(len(world.layers[layer])), count)
            groups.append(Group(layer, tuple(sorted(members))))
        direction = rng.choice((Direction.REVERSE, *Direction, Direction.REVERSE))
        if direction is Direction.COOCCURRENCE:
            rng.shuffle(groups)
        said.append(Statement(direction, tuple(groups)))
    return said


def leaves() -> st.SearchStrategy[SafetyPolicy]:
    """Policies that are not composed."""
    return st.one_of(
        st.builds(ReverseUnsafe, st.booleans()),
        st.just(ActionableChain()),
        st.builds(SeverityAtLeast, st.sampled_from(SEVERITIES[1:])),
        st.lists(st.sampled_from(SOURCES), min_size=1, unique=True).map(
            lambda names: ForAudience(tuple(names))
        ),
    )


def monotone_policies() -> st.SearchStrategy[SafetyPolicy]:
    """Policies without `Not`."""

    def composed(parts: st.SearchStrategy[SafetyPolicy]) -> st.SearchStrategy[SafetyPolicy]:
        some = st.lists(parts, min_size=1, max_size=3).map(tuple)
        return some.map(AnyOf) | some.map(AllOf)

    return st.recursive(leaves(), composed, max_leaves=5)


def policies() -> st.SearchStrategy[SafetyPolicy]:
    """Any policy."""
    return st.recursive(monotone_policies(), lambda part: part.map(Not), max_leaves=2)


def cases(
    hops: tuple[int, ...] = (1, 2, 3),
) -> st.SearchStrategy[tuple[World, list[Statement], str | None]]:
    """A world, some statements of it and the source of the text, or none."""
    return worlds(hops).flatmap(
        lambda world: st.tuples(
            st.just(world),
            st.integers(0, 2**32).map(lambda seed: sample(world, seed)),
            st.none() | st.sampled_from(SOURCES),
        )
    )


Case = tuple[World, list[Statement], str | None]


@dataclass(frozen=True)
class NoMention:
    """A policy of one's own, with a sentence of another form."""

    sentence: str = "Never name an unsafe outcome."

    def harmful(self, world: World, statement: Statement, source: str | None = None) -> bool:
        outcome = world.outcome(statement)
        return outcome is not None and world.unsafe[outcome]
