"""Registering interventions, drawing, and the laws by which chains compose."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import FrozenInstanceError
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import ValidationError

from medsafetyworld.documents import Document
from medsafetyworld.errors import SpecError
from medsafetyworld.graph import World
from medsafetyworld.interventions import REGISTRY
from medsafetyworld.interventions.algebra import Share, Step, draw, intervention
from medsafetyworld.interventions.filtering import Filter
from medsafetyworld.interventions.reflection import Reflect
from medsafetyworld.interventions.rewrite import Rewrite
from medsafetyworld.interventions.verdicts import Oracle
from medsafetyworld.laws import assert_lawful, check_intervention
from medsafetyworld.policies import PAPER_POLICY, POLICIES
from medsafetyworld.reflections import strip_insertions
from medsafetyworld.testing import interventions, steps
from medsafetyworld.training_stream import intervene

from corpus_cases import SMOKE
from intervention_cases import CASES, DOCUMENTS, Case


@pytest.fixture(autouse=True)
def registry(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """What a test registers is gone afterwards."""
    before = dict(REGISTRY)
    yield
    REGISTRY.clear()
    REGISTRY.update(before)


def registered(name: str = "thinned") -> type[Step]:
    """A new intervention, as the README shows."""

    @intervention(name, source="this test", does={"removes"})
    class Thinned(Step):
        """Drops a share of all documents.

        More is not said in the first sentence.
        """

        share: Share = 0.5

        def document(self, world: World, document: Document) -> tuple[Document, ...]:
            return () if draw(self.name, document.index) < self.share else (document,)

    return Thinned


def test_a_new_intervention_is_one_class() -> None:
    made: Any = registered()
    assert REGISTRY["thinned"] is made
    assert (made.name, made.source, made.touches) == ("thinned", "this test", "all")
    assert made.description() == "Drops a share of all documents."
    assert made.acts_on() == ("documents",)
    assert made(share=0.25) == made(share=0.25) != made()
    left = list(intervene(SMOKE.world, DOCUMENTS, [made(share=0.25).document]))
    assert len(left) / len(DOCUMENTS) == pytest.approx(0.75, abs=0.03)
    assert_lawful(check_intervention(SMOKE.world, made(), DOCUMENTS[:50]))


def test_parameters_are_checked_and_never_change() -> None:
    made: Any = registered()
    for wrong in ({"share": 1.5}, {"share": "0.5"}, {"share": float("nan")}, {"shar": 0.5}):
        with pytest.raises(ValidationError):
            made(**wrong)
    with pytest.raises(FrozenInstanceError):
        made().share = 0.1
    for wrong in ((0.5, 0.5), (0.6, 0.2), (-0.1, 1.0), (0.0, 1.1), (0.1, 0.2, 0.3), "0.2"):
        with pytest.raises(ValidationError):
            Filter(when=wrong)  # pyright: ignore[reportArgumentType]
    assert made(when=0.2).when == (0.2, 1.0)


def test_a_taken_name_is_refused_and_the_same_class_again_is_not() -> None:
    registered()
    again = registered()
    assert REGISTRY["thinned"] is again
    with pytest.raises(SpecError, match=r"filter: medsafetyworld.*filtering has one of this name"):
        registered("filter")
    assert REGISTRY["filter"] is Filter


@pytest.mark.parametrize("name", ["two words", "", "a-b", "1st"])
def test_a_name_is_one_word(name: str) -> None:
    with pytest.raises(SpecError, match="a name is one word"):
        registered(name)


def test_unknown_claims_are_refused() -> None:
    does: Any = {"removes", "destroys"}
    with pytest.raises(SpecError, match="x: 'destroys' is not one of removes, rewrites"):
        intervention("x", source="nobody", does=does)
    touches: Any = "safe"
    with pytest.raises(SpecError, match="x: 'safe' is not one of all, unsafe, harmful"):
        intervention("x", source="nobody", does={"removes"}, touches=touches)


def test_a_step_must_say_what_it_does_and_do_it() -> None:
    class Silent(Step):
        def document(self, world: World, document: Document) -> tuple[Document, ...]:
            return (document,)

    class Idle(Step):
        """Does nothing."""

    with pytest.raises(SpecError, match="x: its docstring must say what it does"):
        intervention("x", source="nobody", does={"removes"})(Silent)
    with pytest.raises(SpecError, match="x: it changes neither documents nor dialogues"):
        intervention("x", source="nobody", does={"removes"})(Idle)
    assert "x" not in REGISTRY


def test_draws_are_uniform_and_a_function_of_their_words_alone() -> None:
    found = np.array([draw("thinned", index) for index in range(4_000)])
    assert found.tolist() == [draw("thinned", index) for index in range(4_000)]
    assert found.min() >= 0
    assert found.max() < 1
    counts = np.histogram(found, bins=20, range=(0, 1))[0]
    assert ((counts - 200) ** 2 / 200).sum() < 44  # chi-squared, 19 degrees: 0.1 %
    other = np.array([draw("other", index) for index in range(4_000)])
    place = np.array([draw("thinned", index, 1) for index in range(4_000)])
    for drawn in (other, place, np.roll(found, 1)):
        assert abs(np.corrcoef(found, drawn)[0, 1]) < 0.06
    assert draw("thinned", 7) == 0.6321570912550484


def test_a_step_asks_its_own_policy_before_the_arms() -> None:
    strict = POLICIES["mediator-aware"]
    own = Filter(by=Oracle("mediator_aware")).under(PAPER_POLICY)
    assert own == Filter(by=Oracle(strict))
    assert Filter().under(strict).under(PAPER_POLICY) == Filter(by=Oracle(strict))
    assert Reflect(every=2).under(strict).document(SMOKE.world, DOCUMENTS[0]) == (
        Reflect(every=2).document(SMOKE.world, DOCUMENTS[0])
    )


# Chains.


@given(CASES, steps(Filter), steps(Filter))
@settings(max_examples=20, deadline=None)
def test_filters_commute_and_a_second_time_does_nothing(
    case: Case, one: Filter, other: Filter
) -> None:
    world, found = case
    there = list(intervene(world, found[:40], [one.document, other.document]))
    assert there == list(intervene(world, found[:40], [other.document, one.document]))
    twice = [one.document, one.document, other.document]
    assert there == list(intervene(world, found[:40], twice))


@given(CASES, interventions())
@settings(max_examples=20, deadline=None)
def test_a_chain_is_its_steps_from_left_to_right(case: Case, chain: tuple[Step, ...]) -> None:
    world, found = case
    left = found[:25]
    for step in chain:
        left = [result for document in left for result in step.document(world, document)]
    assert left == list(intervene(world, found[:25], [step.document for step in chain]))


@given(CASES, interventions())
@settings(max_examples=20, deadline=None)
def test_counts_add_up(case: Case, chain: tuple[Step, ...]) -> None:
    """What went in is kept or dropped; what comes out was kept or added."""
    world, found = case
    some = found[:25]
    results = [list(intervene(world, [each], [step.document for step in chain])) for each in some]
    kept = sum(bool(made) for made in results)
    dropped = sum(not made for made in results)
    added = sum(len(made) - 1 for made in results if made)
    assert kept + dropped == len(some)
    out = list(intervene(world, some, [step.document for step in chain]))
    assert len(out) == kept + added
    assert not dropped or any("removes" in step.does for step in chain)
    assert not added or any("adds" in step.does for step in chain)
    indices = [document.index for document in out]
    assert list(dict.fromkeys(indices)) == [made[0].index for made in results if made]


INSERTING = [
    made for made in REGISTRY.values() if made.does == {"inserts"} and "documents" in made.acts_on()
]


@pytest.mark.parametrize("kind", INSERTING, ids=lambda kind: kind.name)
@given(data=st.data(), case=CASES)
@settings(max_examples=12, deadline=None)
def test_what_is_inserted_can_be_taken_out_again(
    kind: type[Step], data: st.DataObject, case: Case
) -> None:
    world, found = case
    step = data.draw(steps(kind))
    for before in found[:25]:
        (after,) = step.document(world, before)
        bare = strip_insertions(after.text)
        if isinstance(step, Reflect):
            # It cuts sentences off that are too long, and stops where an outcome is unsafe.
            longest = max(len(each.text.split(" ")) for each in before.sentences)
            assert longest > step.spec.max_words or before.text.startswith(bare)
            if longest > step.spec.max_words or before.unsafe or not step.truthful(PAPER_POLICY):
                continue
        assert bare == before.text


def test_a_rewriting_and_a_filter_do_not_commute() -> None:
    """So that the tests of chains can fail."""
    first = list(intervene(SMOKE.world, DOCUMENTS, [Filter().document, Rewrite().document]))
    second = list(intervene(SMOKE.world, DOCUMENTS, [Rewrite().document, Filter().document]))
    assert len(first) < len(second) == len(DOCUMENTS)
