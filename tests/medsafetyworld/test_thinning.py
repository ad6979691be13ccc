"""Thinning removes documents alone, of each outcome as many as its place says."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace
from itertools import pairwise

import pytest
from hypothesis import given, settings

from medsafetyworld.building import shuffle_causes
from medsafetyworld.interventions import parse
from medsafetyworld.interventions.thinning import Thin, share_told
from medsafetyworld.training_stream import intervene

from corpus_cases import SMOKE
from intervention_cases import CASES, DOCUMENTS, Case


@given(CASES)
@settings(max_examples=15, deadline=None)
def test_thinning_only_removes_and_one_keeps_all(case: Case) -> None:
    world, found = case
    left = list(intervene(world, found, [Thin(0.1).document]))
    assert not [document for document in left if document not in found]
    assert list(intervene(world, found, [Thin(1.0).document])) == found


def test_shares_fall_in_equal_ratios_from_all_to_the_least_for_each_safety() -> None:
    world = SMOKE.world
    for safety in (False, True):
        own = [at for at, unsafe in enumerate(world.unsafe) if unsafe is safety]
        shares = sorted((Thin(0.05).kept(world, outcome) for outcome in own), reverse=True)
        assert (shares[0], shares[-1]) == (1.0, pytest.approx(0.05))
        ratios = [after / before for before, after in pairwise(shares)]
        assert max(ratios) == pytest.approx(min(ratios))


def test_as_many_documents_of_an_outcome_stay_as_its_share_says() -> None:
    world, step = SMOKE.world, Thin(0.05)
    about = Counter(document.statements[0].effects.members[0] for document in DOCUMENTS)
    left = Counter(
        document.statements[0].effects.members[0]
        for document in intervene(world, DOCUMENTS, [step.document])
    )
    for outcome, count in about.items():
        share = step.kept(world, outcome)
        spread = (count * share * (1 - share)) ** 0.5
        assert abs(left[outcome] - share * count) <= 4 * spread


def test_a_document_about_several_outcomes_goes_by_the_rarest() -> None:
    world, step = SMOKE.world, Thin(0.05)
    by_outcome = {each.statements[0].effects.members[0]: each.sentences for each in DOCUMENTS}
    rarest = min(by_outcome, key=lambda outcome: step.kept(world, outcome))
    for document in DOCUMENTS[:300]:
        alone = replace(document, sentences=by_outcome[rarest])
        both = replace(document, sentences=(*document.sentences, *by_outcome[rarest]))
        assert len(step.document(world, both)) == len(step.document(world, alone))


def test_places_go_by_names_alone() -> None:
    world, step = SMOKE.world, Thin()
    other = shuffle_causes(world, 1)
    assert other.edges != world.edges
    for outcome in range(len(world.outcomes)):
        assert step.kept(other, outcome) == step.kept(world, outcome)


def test_of_two_thinnings_the_harder_decides() -> None:
    world, corpus = SMOKE.world, SMOKE
    both = parse("thin(least=0.1) | thin(least=0.5)").pretraining
    for outcome in range(len(world.outcomes)):
        assert share_told(world, both, outcome) == Thin(0.1).kept(world, outcome)
    documents = list(corpus.documents(0, positions=range(400)))
    hard, mild = Thin(0.1), Thin(0.5)
    for document in documents:
        left = [
            each for some in mild.document(world, document) for each in hard.document(world, some)
        ]
        assert tuple(left) == hard.document(world, document)


def test_what_is_told_is_what_steps_that_are_always_on_leave() -> None:
    world, kept = SMOKE.world, Thin(0.1).kept
    chain = parse("thin(least=0.1) | filter | thin(least=0.5, when=0.5)").pretraining
    for outcome in range(len(world.outcomes)):
        assert share_told(world, chain, outcome) == kept(world, outcome)
        assert share_told(world, chain[1:2], outcome) == 1.0
