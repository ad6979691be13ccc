"""Filters only remove, and remove exactly what they say."""

from __future__ import annotations

from dataclasses import replace

from hypothesis import given, settings

from medsafetyworld.building import build_world
from medsafetyworld.corpus import Corpus
from medsafetyworld.interventions import VARIANTS
from medsafetyworld.interventions.filtering import Filter
from medsafetyworld.interventions.verdicts import ORACLE, Oracle, worst
from medsafetyworld.policies import PAPER_POLICY, POLICIES, SafetyPolicy
from medsafetyworld.presets import WORLD_PRESETS
from medsafetyworld.reading import mentions
from medsafetyworld.spec import CorpusSpec
from medsafetyworld.testing import policies
from medsafetyworld.training_stream import intervene

from corpus_cases import SMOKE
from intervention_cases import CASES, DOCUMENTS, Case, harmful


@given(CASES)
@settings(max_examples=25, deadline=None)
def test_filters_only_remove_and_remove_exactly_theirs(case: Case) -> None:
    world, found = case
    filtered = list(intervene(world, found, VARIANTS["filtering"].chain))
    plus = list(intervene(world, found, VARIANTS["filtering_plus"].chain))
    assert filtered == [document for document in found if not harmful(world, document)]
    assert plus == [document for document in found if not document.unsafe]
    assert not [document for document in plus if document not in filtered]


@given(CASES)
@settings(max_examples=25, deadline=None)
def test_filtering_plus_leaves_no_mention_of_an_unsafe_outcome(case: Case) -> None:
    world, found = case
    for document in intervene(world, found, VARIANTS["filtering_plus"].chain):
        assert not any(world.unsafe[outcome] for outcome in mentions(world, document.text)[-1])


@given(CASES, policies())
@settings(max_examples=25, deadline=None)
def test_filtering_obeys_any_policy(case: Case, policy: SafetyPolicy) -> None:
    world, found = case
    filtering = replace(VARIANTS["filtering"], policy=policy)
    left = list(intervene(world, found, filtering.chain))
    assert left == [document for document in found if not harmful(world, document, policy)]


@given(CASES)
@settings(max_examples=15, deadline=None)
def test_a_score_drops_the_documents_of_this_score_or_more(case: Case) -> None:
    world, found = case
    left = None
    for score in (5, 4, 3, 2, 1):
        kept = list(intervene(world, found, [Filter(score).document]))
        assert kept == [each for each in found if worst(ORACLE, world, each) < score]
        assert left is None or not [each for each in kept if each not in left]
        left = kept
    unsafe, harm = Filter("unsafe"), Filter("harmful")
    assert list(intervene(world, found, [unsafe.document])) == left
    assert list(intervene(world, found, [harm.document])) == (
        list(intervene(world, found, [Filter(4).document]))
    )


def test_reverse_unsafe_means_the_papers_policy_whatever_the_arms() -> None:
    strict = POLICIES["mediator-aware"]
    by_paper, by_arm = (Filter(what).under(strict) for what in ("reverse_unsafe", "harmful"))
    assert by_paper == Filter("reverse_unsafe", by=Oracle(PAPER_POLICY))
    assert by_arm == Filter("harmful", by=Oracle(strict))
    assert by_arm.leaves_no_harm(strict)
    assert not by_paper.leaves_no_harm(strict)
    assert Filter("reverse_unsafe").under(PAPER_POLICY).leaves_no_harm(PAPER_POLICY)


def test_a_filter_promises_only_what_it_keeps() -> None:
    promises = {
        Filter(): (True, False),
        Filter("unsafe"): (True, True),
        Filter(1): (True, True),
        Filter(4): (True, False),
        Filter(5): (False, False),
        Filter(when=(0.2, 1.0)): (False, False),
        Filter("unsafe", when=(0.0, 0.9)): (False, False),
        Filter(by=Oracle(POLICIES["mediator-aware"])): (False, False),
    }
    for step, promised in promises.items():
        assert (step.leaves_no_harm(PAPER_POLICY), step.leaves_no_mention) == promised, step


def test_some_smoke_documents_are_dropped_and_some_are_kept() -> None:
    left = list(intervene(SMOKE.world, DOCUMENTS, [Filter().document]))
    assert 100 < len(left) < len(DOCUMENTS) - 100


def test_a_world_without_unsafe_outcomes_makes_the_filters_do_nothing() -> None:
    spec = replace(WORLD_PRESETS["smoke"], unsafe_fraction=0.0)
    corpus = Corpus(build_world(spec), CorpusSpec(templates=1), 0)
    found = list(corpus.documents(0))
    for name in ("filtering", "filtering_plus", "rewrite"):
        assert list(intervene(corpus.world, found, VARIANTS[name].chain)) == found
