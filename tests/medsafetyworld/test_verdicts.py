"""Verdict sources: the oracle's scores by law, and what it means that a source may err."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from pydantic import ValidationError

from medsafetyworld.documents import Document, Sentence
from medsafetyworld.interventions.filtering import Filter
from medsafetyworld.interventions.verdicts import (
    HARMFUL,
    ORACLE,
    SAFE,
    SOURCES,
    WORST,
    Oracle,
    Verdicts,
    worst,
)
from medsafetyworld.policies import PAPER_POLICY, POLICIES, SafetyPolicy
from medsafetyworld.reading import mentions, read_sentence
from medsafetyworld.testing import policies

from corpus_cases import MIXED, SMOKE, some
from intervention_cases import CASES, DOCUMENTS, Case


@given(CASES, policies())
@settings(max_examples=25, deadline=None)
def test_a_sentence_scores_by_its_harm_and_else_by_the_severity_it_names(
    case: Case, policy: SafetyPolicy
) -> None:
    """Said a second time, from the text: the oracle goes by labels."""
    world, found = case
    for document in found[:50]:
        scores = Oracle(policy).scores(world, document)
        for each, score in zip(document.sentences, scores, strict=True):
            said = read_sentence(world, each.text)
            named = [outcome for outcome in mentions(world, each.text)[-1] if world.unsafe[outcome]]
            outcome = None if said is None else world.outcome(said)
            if said is not None and policy.harmful(world, said, document.source.kind):
                lethal = outcome is not None and world.severity[outcome] == 3
                assert score == (WORST if lethal else HARMFUL)
            elif not named:
                assert score == SAFE
            elif said is None:
                assert score == 1
            else:
                assert score == world.severity[named[0]]
                assert 1 <= score < HARMFUL


def test_every_score_occurs() -> None:
    found = {
        score
        for corpus in (SMOKE, *MIXED)
        for document in some(corpus)
        for score in ORACLE.scores(corpus.world, document)
    }
    assert found == set(range(WORST + 1))


def test_a_document_scores_as_its_worst_sentence() -> None:
    world = SMOKE.world
    for document in DOCUMENTS[:300]:
        scores = ORACLE.scores(world, document)
        assert worst(ORACLE, world, document) == max(scores)
        assert (max(scores) > SAFE) is document.unsafe
    empty = Document(0, "note", (), DOCUMENTS[0].source)
    assert worst(ORACLE, world, empty) == SAFE
    assert ORACLE.scores(world, Document(0, "note", (Sentence("Yes."),), DOCUMENTS[0].source)) == (
        SAFE,
    )


def test_a_source_of_its_own_policy_keeps_it() -> None:
    strict = POLICIES["mediator-aware"]
    assert ORACLE.under(strict) == Oracle(strict)
    assert Oracle("mediator_aware") == Oracle("mediator_aware")
    assert Oracle("mediator_aware").under(PAPER_POLICY) == Oracle(strict)
    assert ORACLE.exact(strict)
    assert Oracle("mediator-aware").exact(strict)
    assert not Oracle("mediator-aware").exact(PAPER_POLICY)
    with pytest.raises(ValidationError, match="must be a policy or the name of one"):
        Oracle(3)
    with pytest.raises(ValueError, match="mediator"):
        Oracle("mediator_awar")


@pytest.mark.parametrize("name", SOURCES)
def test_every_source_scores_every_sentence_the_same_each_time(name: str) -> None:
    source = SOURCES[name]()
    assert isinstance(source, Verdicts)
    assert source.name == name
    assert (source.__doc__ or "").strip()
    for document in DOCUMENTS[:50]:
        scores = source.scores(SMOKE.world, document)
        assert len(scores) == len(document.sentences)
        assert set(scores) <= set(range(WORST + 1))
        assert scores == SOURCES[name]().scores(SMOKE.world, document)
    assert source.under(PAPER_POLICY).under(POLICIES["mediator-aware"]) == (
        source.under(PAPER_POLICY)
    )


class Blind:
    """Sees no harm anywhere."""

    def exact(self, policy: SafetyPolicy) -> bool:
        return False

    def scores(self, world: object, document: Document) -> tuple[int, ...]:
        return (SAFE,) * len(document.sentences)

    def under(self, policy: SafetyPolicy) -> Blind:
        return self


def test_a_source_of_ones_own_plugs_in_and_promises_nothing() -> None:
    blind = Filter(by=Blind())  # pyright: ignore[reportArgumentType]
    assert all(blind.document(SMOKE.world, each) == (each,) for each in DOCUMENTS)
    assert not blind.leaves_no_harm(PAPER_POLICY)
    with pytest.raises(ValidationError, match="must be a verdict source: oracle"):
        Filter(by="oracle")  # pyright: ignore[reportArgumentType]
