"""Laws of the report card: its counts add up, agree with the oracle's eyes, and miss nothing."""

from __future__ import annotations

import json
from collections import Counter
from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from medsafetyworld.corpus import Corpus
from medsafetyworld.derivation import entails
from medsafetyworld.documents import Document
from medsafetyworld.interventions import VARIANTS, Variant, variant, write
from medsafetyworld.judge import read_corpus
from medsafetyworld.reading import mentions
from medsafetyworld.report_card import ReportCard, card_from_dict, report_card
from medsafetyworld.rules import RULE_SETS
from medsafetyworld.semantics import Direction, Group, Statement
from medsafetyworld.tokenizer import build_tokenizer
from medsafetyworld.training_stream import intervene

from corpus_cases import CORPORA, MIXED, SMOKE

FEW = range(600)
# Verdicts that are learned from a corpus are bound to it by a study.
NAMES = sorted(name for name in VARIANTS if "learned" not in write(VARIANTS[name]))
Pairs = list[tuple[Document, tuple[Document, ...]]]


def became(corpus: Corpus, chosen: Variant, documents: range | None = FEW) -> Pairs:
    chain = chosen.chain_at(0.5)
    every = corpus.documents(0, positions=documents)
    return [(each, tuple(intervene(corpus.world, (each,), chain))) for each in every]


def card(corpus: Corpus, chosen: Variant, pairs: Pairs) -> ReportCard:
    tokenizer = build_tokenizer(corpus.world, corpus.spec, chosen.wordings(corpus.world))
    return report_card(corpus.world, pairs, tokenizer, chosen.policy)


def check_sums(found: ReportCard, pairs: Pairs) -> None:
    before, after = found.before, found.after
    assert before.documents == found.kept + found.changed + found.removed == len(pairs)
    assert after.documents == found.kept + found.changed + found.added
    assert after.documents == sum(len(results) for _, results in pairs)
    for side in (before, after):
        assert sum(side.scores) == side.documents
        assert 0 <= side.unlearned <= side.tokens
        assert all(0 <= derivable <= found.unsafe_outcomes for derivable in side.derivable.values())
    for direction, still in found.stated_still.items():
        assert still <= min(before.facts[direction], after.facts[direction])


@settings(max_examples=15, deadline=None)
@given(corpus=CORPORA, name=st.sampled_from(NAMES))
def test_counts_add_up_in_any_world(corpus: Corpus, name: str) -> None:
    chosen = variant(name)
    pairs = became(corpus, chosen, range(min(len(corpus), 60)))
    check_sums(card(corpus, chosen, pairs), pairs)


@pytest.mark.parametrize("name", NAMES)
def test_the_card_agrees_with_reading_the_text(name: str) -> None:
    chosen = variant(name)
    pairs = became(SMOKE, chosen)
    found = card(SMOKE, chosen, pairs)
    check_sums(found, pairs)
    for side, documents in (
        (found.before, [original for original, _ in pairs]),
        (found.after, [result for _, results in pairs for result in results]),
    ):
        reading = read_corpus(SMOKE.world, ((each.text, each.source.kind) for each in documents))
        assert side.categories == reading.categories
        assert side.documents == reading.documents
        assert (sum(side.scores[4:]) > 0) == (reading.harmful > 0)
        assert sum(side.scores[1:]) == reading.unsafe_mentions
        named = Counter(
            SMOKE.world.systems[outcome]
            for each in documents
            for outcome in mentions(SMOKE.world, each.text)[-1]
            if SMOKE.world.unsafe[outcome]
        )
        assert +Counter(side.named) == named


def test_each_fate_is_counted_as_what_it_is() -> None:
    first, second, third, fourth = SMOKE.documents(0, positions=range(4))
    cut = replace(first, sentences=first.sentences[:-1])
    muted = replace(third, sentences=tuple(replace(s, loss="mask") for s in third.sentences))
    pairs: Pairs = [(first, (cut, second)), (second, ()), (third, (muted,)), (fourth, (fourth,))]
    found = card(SMOKE, VARIANTS["baseline"], pairs)
    assert (found.kept, found.changed, found.removed, found.added) == (1, 2, 1, 1)
    tokenizer = SMOKE.tokenizer
    assert found.after.unlearned == len(tokenizer.encode(third.text))
    assert found.before.unlearned == 0
    assert found.after.tokens == sum(
        len(tokenizer.encode_document(each.text)) for each in (cut, second, third, fourth)
    )


def test_a_document_in_front_of_which_another_is_put_is_kept() -> None:
    first, second = SMOKE.documents(0, positions=range(2))
    found = card(SMOKE, VARIANTS["baseline"], [(first, (second, first))])
    assert (found.kept, found.changed, found.removed, found.added) == (1, 0, 0, 1)


@pytest.mark.parametrize("corpus", [SMOKE, MIXED[0]], ids=["notes", "kinds"])
def test_facts_and_derivations_are_those_of_a_slow_count(corpus: Corpus) -> None:
    world, chosen = corpus.world, variant("filter")
    pairs = became(corpus, chosen)
    found = card(corpus, chosen, pairs)
    before = {said for original, _ in pairs for said in original.statements}
    after = {said for _, results in pairs for each in results for said in each.statements}
    # One hop: every statement is one fact.
    true = Counter(str(said.direction) for said in before if world.holds(said))
    assert +Counter(found.before.facts) == true
    still = Counter(str(said.direction) for said in before & after if world.holds(said))
    assert +Counter(found.stated_still) == still
    assert still["reverse"] < true["reverse"]
    for name, rules in RULE_SETS.items():
        harmful = [
            outcome
            for outcome, unsafe in enumerate(world.unsafe)
            if unsafe
            and any(entails(after, reverse(way, outcome), rules) for way in world.ways[outcome])
        ]
        assert found.after.derivable[name] == len(harmful)


def test_what_is_not_true_is_no_fact() -> None:
    pairs = became(MIXED[0], variant("baseline"))
    found = card(MIXED[0], variant("baseline"), pairs)
    stated = {said for original, _ in pairs for said in original.statements}
    assert sum(found.before.facts.values()) < len(stated)


def reverse(way: tuple[int, ...], outcome: int) -> Statement:
    return Statement(Direction.REVERSE, (Group(0, way), Group(1, (outcome,))))


def test_filtering_plus_leaves_no_harm_to_derive_and_baseline_all_of_it() -> None:
    for name, whole in (("filtering_plus", False), ("baseline", True)):
        chosen = VARIANTS[name]
        found = card(SMOKE, chosen, became(SMOKE, chosen, None))
        derivable = set(found.after.derivable.values())
        assert derivable == {found.unsafe_outcomes if whole else 0}


def test_a_card_survives_being_written_down() -> None:
    chosen = VARIANTS["srp"]
    found = card(SMOKE, chosen, became(SMOKE, chosen, range(50)))
    assert card_from_dict(json.loads(json.dumps(found.to_dict()))) == found


def test_a_document_that_is_labelled_anew_is_changed() -> None:
    (document,) = SMOKE.documents(0, positions=range(1))
    first, *others = document.sentences
    unlabelled = replace(document, sentences=(replace(first, statement=None), *others))
    assert first.statement is not None
    found = card(SMOKE, VARIANTS["baseline"], [(document, (unlabelled,))])
    assert (found.kept, found.changed) == (0, 1)
    assert sum(found.before.categories.values()) == 1
    assert not sum(found.after.categories.values())
