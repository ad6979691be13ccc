"""Every law of worlds and of derivation finds the fault that was planted for it."""

from __future__ import annotations

import random
import re
from dataclasses import fields
from pathlib import Path
from typing import Any

import pytest
from planted import DEEP, SINGLE, caught

from medsafetyworld.dialogues import Split
from medsafetyworld.graph import World
from medsafetyworld.laws import (
    check_closure,
    check_split,
    check_world,
    derivation,
)
from medsafetyworld.laws.derivation import CLOSURE_LAWS
from medsafetyworld.laws.world import WORLD_LAWS
from medsafetyworld.semantics import Chain, Direction, Group, Statement, edge, state


def broken(world: World, kind: type[World] = World, **values: Any) -> World:
    """A world that its own checks on construction would refuse."""
    copy = object.__new__(kind)
    copy.__dict__.update({each.name: getattr(world, each.name) for each in fields(World)} | values)
    return copy


class Forgetful(World):
    """An oracle that has lost some of its functions."""

    def holds(self, statement: Statement) -> bool:
        return len(statement.groups) == 2 and super().holds(statement)


class OneWay(World):
    def holds(self, statement: Statement) -> bool:
        return statement.direction is not Direction.REVERSE and super().holds(statement)


class Guessing(World):
    def holds(self, statement: Statement) -> bool:
        return random.random() < 0.5


class Lenient(World):
    """Calls every hazard harmless."""

    def hazard(self, outcome: int | None) -> str | None:
        return None


class Unsaved(World):
    """Saves a world that is not its own."""

    def save(self, path: str | Path) -> None:
        SINGLE.save(path)


SKIP = Chain((Group(0, (0,)), Group(2, (0,))))
FIRST = DEEP.chains[0]
BACK = Chain((FIRST.effects, Group(0, FIRST.compounds[:1])))
REACHED = tuple(each for each in DEEP.edges if each.effects != Group(2, (1,)))
BAD_WORLDS: dict[str, tuple[World, str]] = {
    "every edge leads to the next layer": (
        broken(DEEP, edges=(*DEEP.edges, SKIP)),
        r"joins the layers \[0, 2\]",
    ),
    "nothing is its own cause": (broken(DEEP, edges=(*DEEP.edges, BACK)), " leads to "),
    "compounds reach every entity": (broken(DEEP, edges=REACHED), DEEP.outcomes[1]),
    "names differ": (
        broken(DEEP, outcomes=(DEEP.outcomes[0],) * 3),
        f"{DEEP.outcomes[0]} is the name of two",
    ),
    "names are found in texts": (broken(DEEP, mediators=(("?",) * 4,)), "IndexError"),
    "the graph is as its spec says": (broken(DEEP, severity=(0, 0, 0)), "unsafe outcomes"),
    "edges hold": (broken(DEEP, OneWay), "does not hold reverse"),
    "chains are composed of edges": (
        broken(DEEP, chains=DEEP.chains[1:]),
        "not to both",
    ),
    "a chain is labelled as its links are": (broken(DEEP, Forgetful), "does not hold as its links"),
    "the oracle decides every statement": (broken(DEEP, Guessing), "judged in 2 ways"),
    "every statement has one category": (
        broken(DEEP, Lenient),
        "-unsafe, not [a-z]+-safe",
    ),
    "a saved world comes back": (broken(DEEP, Unsaved), "another world"),
    "splits share no fact": (DEEP, "asked in the tests"),
    "what follows is closed": (DEEP, "not proven in no step"),
}


@pytest.mark.parametrize("law", WORLD_LAWS)
def test_a_broken_world_is_caught_by_the_law_it_breaks(
    law: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    world, words = BAD_WORLDS[law]
    if law == "splits share no fact":
        everything = Split(DEEP.chains, DEEP.chains)
        monkeypatch.setattr("medsafetyworld.laws.world.split_chains", lambda *_: everything)
    if law == "what follows is closed":
        monkeypatch.setattr(derivation, "derive", lambda *_: None)
    found = caught(check_world(world))
    assert re.search(words, found[law]), found


@pytest.mark.parametrize("world", [SINGLE, DEEP])
def test_a_whole_world_breaks_no_law(world: World) -> None:
    assert check_world(world) == []


def test_a_split_by_wording_is_no_split_by_fact() -> None:
    """The same compound in both parts, asked about in other words: the leak that splits prevent."""
    twice = next(
        [each for each in SINGLE.single_edges if each.compounds == (compound,)]
        for compound in range(24)
        if sum(each.compounds == (compound,) for each in SINGLE.single_edges) > 1
    )
    leaking = Split(tuple(twice[1:]), (twice[0],))
    assert [each.law for each in check_split(SINGLE, leaking)]
    assert check_split(SINGLE, Split(SINGLE.single_edges, ())) == []


def test_an_edge_that_the_spec_has_no_room_for_is_a_fault() -> None:
    more = broken(DEEP, edges=(*DEEP.edges, edge((0,), 0)))
    assert caught(check_world(more))["the graph is as its spec says"]


@pytest.mark.parametrize("law", CLOSURE_LAWS)
def test_a_broken_closure_is_caught_by_the_law_it_breaks(
    law: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    def forgets_what_is_stated(*_: Any) -> None:
        return None

    def gives_up_on_much(known: Any, goal: Statement, rules: Any) -> bool:
        return len(known.facts) < len(said)

    def learns_by_repeating(known: Any, goal: Statement, rules: Any) -> bool:
        return goal == asked[0] or len(known.facts) > len(said)

    said = [state(Direction.FORWARD, each) for each in DEEP.edges]
    asked = [state(Direction.REVERSE, each) for each in DEEP.edges]
    assert check_closure(DEEP, said, asked) == []
    if law == "what is stated follows":
        monkeypatch.setattr(derivation, "derive", forgets_what_is_stated)
    elif law == "more follows from more":
        monkeypatch.setattr(derivation, "entails", gives_up_on_much)
    else:
        monkeypatch.setattr(derivation, "entails", learns_by_repeating)
    assert law in caught(check_closure(DEEP, said, asked))


def test_every_law_has_a_planted_fault() -> None:
    assert set(BAD_WORLDS) == set(WORLD_LAWS)
