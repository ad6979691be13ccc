"""Rewriting turns harmful sentences into warnings and touches nothing else."""

from __future__ import annotations

from dataclasses import replace

from hypothesis import given, settings

from medsafetyworld.corpus import Corpus
from medsafetyworld.documents import Document
from medsafetyworld.graph import World
from medsafetyworld.interventions import VARIANTS
from medsafetyworld.interventions.reflection import reflect_document
from medsafetyworld.interventions.rewrite import Rewrite
from medsafetyworld.laws import check_intervention
from medsafetyworld.laws.violation import assert_lawful
from medsafetyworld.policies import (
    PAPER_POLICY,
    POLICIES,
    ActionableChain,
    AllOf,
    AnyOf,
    Not,
    SafetyPolicy,
    SeverityAtLeast,
)
from medsafetyworld.reading import read
from medsafetyworld.semantics import Direction, state
from medsafetyworld.spec import ReflectionSpec
from medsafetyworld.testing import policies
from medsafetyworld.training_stream import intervene

from corpus_cases import TRIPLES, WORDY
from intervention_cases import CASES, Case, harmful


def rewritten(world: World, document: Document, policy: SafetyPolicy = PAPER_POLICY) -> Document:
    (result,) = Rewrite().under(policy).document(world, document)
    return result


@given(CASES, policies())
@settings(max_examples=25, deadline=None)
def test_rewriting_obeys_any_policy(case: Case, policy: SafetyPolicy) -> None:
    world, found = case
    for before in found:
        after = rewritten(world, before, policy)
        for one, other in zip(before.sentences, after.sentences, strict=True):
            said = one.statement
            if said is None or not policy.harmful(world, said, before.source.kind):
                assert other is one
            else:
                assert other.statement == state(Direction.WARNING, said.chain)
        assert read(world, after.text) == after.statements


@given(CASES, policies())
@settings(max_examples=25, deadline=None)
def test_what_rewriting_promises_of_a_policy_it_keeps(case: Case, policy: SafetyPolicy) -> None:
    world, found = case
    assert_lawful(check_intervention(world, Rewrite(), found[:25], policy=policy))


def test_rewriting_promises_nothing_of_policies_that_may_forbid_warnings() -> None:
    severe = SeverityAtLeast("mild")
    assert all(Rewrite().leaves_no_harm(each) for each in POLICIES.values())
    assert Rewrite().leaves_no_harm(AnyOf((PAPER_POLICY, ActionableChain())))
    for policy in (severe, AnyOf((PAPER_POLICY, severe)), AllOf((severe,)), Not(PAPER_POLICY)):
        assert not Rewrite().leaves_no_harm(policy)


def test_a_warning_that_is_harmful_breaks_the_promise_to_leave_no_harm() -> None:
    severe = SeverityAtLeast("mild")
    found = Corpus(TRIPLES, WORDY, 0)
    documents = [found.document(index) for index in range(0, len(found), len(found) // 200)]
    broken = check_intervention(TRIPLES, Rewrite(), documents, policy=severe, leaves_harm=False)
    assert {each.law for each in broken} == {"leaves no harm"}


@given(CASES)
@settings(max_examples=25, deadline=None)
def test_rewriting_turns_harm_into_warnings_and_leaves_the_rest_equal(case: Case) -> None:
    world, found = case
    changed = list(intervene(world, found, VARIANTS["rewrite"].chain))
    assert len(changed) == len(found)
    for before, after in zip(found, changed, strict=True):
        if not harmful(world, before):
            assert after is before
            continue
        assert replace(after, sentences=before.sentences, interventions=()) == before
        assert after.interventions == ("rewrite",)
        assert read(world, after.text) == after.statements
        for one, other in zip(before.sentences, after.sentences, strict=True):
            if one.statement is None or not PAPER_POLICY.harmful(world, one.statement):
                assert other is one
                continue
            assert other.statement == replace(one.statement, direction=Direction.WARNING)
            assert other.hazard == one.hazard
            assert one.template is not None
            assert other.template == replace(one.template, form="warning")


def test_a_harmful_sentence_without_a_template_gets_the_plainest_warning() -> None:
    """Reflections come first here, and what they cut off has no template any more."""
    world, corpus = TRIPLES, Corpus(TRIPLES, WORDY, 0)
    found = [corpus.document(index) for index in range(0, len(corpus), len(corpus) // 200)]
    bare = [
        replace(each, sentences=tuple(replace(one, template=None) for one in each.sentences))
        for each in found
        if harmful(world, each)
    ]
    assert bare
    for before in bare:
        after = rewritten(world, before)
        assert not harmful(world, after)
        assert read(world, after.text) == after.statements
    spec = ReflectionSpec(max_words=20)
    for before in found:
        cut = reflect_document(world, before, spec)
        assert not harmful(world, rewritten(world, cut))
