"""The settings of the papers, by name: those that promise safe data hold no harmful statement.

The safe-only law is the project's promise: the oracle, which knows no provenance, reads the text
of every such setting.
"""

from __future__ import annotations

from dataclasses import replace
from itertools import islice

import numpy as np
import pytest
from hypothesis import given, settings

from medsafetyworld.corpus import Corpus
from medsafetyworld.documents import Document, Sentence
from medsafetyworld.errors import SpecError
from medsafetyworld.graph import World
from medsafetyworld.interventions import REGISTRY, VARIANTS, parse, variant, write
from medsafetyworld.judge import read_corpus
from medsafetyworld.laws import assert_lawful, check_intervention
from medsafetyworld.policies import PAPER_POLICY, POLICIES
from medsafetyworld.semantics import Direction, Statement
from medsafetyworld.tokenizer import build_tokenizer
from medsafetyworld.training_stream import intervene, token_stream

from corpus_cases import SMOKE, TWO_HOP
from intervention_cases import CASES, DOCUMENTS, Case, texts

SETTINGS = (
    "filtering", "filtering_plus", "rewrite", "srp", "srp_sft_only", "srp_pretraining_only"
)  # fmt: skip
"""Those of Li et al. 2026 that must be safe."""
SAFE_ONLY = [name for name, each in VARIANTS.items() if each.safe_only]


def test_every_setting_but_the_baseline_promises_safe_data() -> None:
    assert set(SETTINGS) <= set(SAFE_ONLY)
    assert "baseline" not in SAFE_ONLY
    assert {name for name in SAFE_ONLY if not VARIANTS[name].mentions_unsafe} >= {"filtering_plus"}
    assert all(VARIANTS[name].mentions_unsafe for name in SETTINGS if name != "filtering_plus")


@pytest.mark.parametrize("name", SAFE_ONLY)
@given(case=CASES)
@settings(max_examples=8, deadline=None)
def test_a_setting_that_promises_safe_data_keeps_the_promise(name: str, case: Case) -> None:
    world, found = case
    for _, chain in VARIANTS[name].phases:
        reading = read_corpus(world, texts(list(intervene(world, found[:50], chain))))
        assert reading.harmful == 0
        assert VARIANTS[name].mentions_unsafe or reading.unsafe_mentions == 0


@given(CASES)
@settings(max_examples=25, deadline=None)
def test_the_oracle_finds_every_harmful_statement_of_the_baseline(case: Case) -> None:
    """It reads the text; the labels are what it must come to."""
    world, found = case
    reading = read_corpus(world, texts(found))
    labels = [said for document in found for said in document.statements]
    assert reading.harmful == sum(PAPER_POLICY.harmful(world, said) for said in labels)
    assert reading.unsafe_mentions == sum(document.unsafe for document in found)
    assert (reading.documents, reading.statements) == (len(found), len(labels))
    assert reading.untrue == sum(not world.holds(said) for said in labels)
    assert reading.stated == set(labels)


def test_the_baseline_is_not_safe_only() -> None:
    assert not VARIANTS["baseline"].safe_only
    assert read_corpus(SMOKE.world, texts(DOCUMENTS)).harmful > 100


@pytest.mark.parametrize(
    ("text", "safe_only"),
    [
        ("filter", True),
        ("reflect | filter", True),
        ("filter(4)", True),
        ("rewrite", True),
        ("filter(5) | rewrite | reflect", True),
        ("reflect", False),
        ("filter(5)", False),
        ("filter(when=0.2)", False),
        ("rewrite(when=(0, 0.99))", False),
        ("filter(by=oracle(policy=mediator_aware))", False),
        ("baseline; sft: reflect", False),
    ],
)
def test_what_promises_safe_data_is_an_exact_filter_or_rewriting_that_is_always_on(
    text: str, safe_only: bool
) -> None:
    setting = parse(text)
    assert setting.safe_only is safe_only
    left = intervene(SMOKE.world, DOCUMENTS, setting.phases[0][1])
    harm = read_corpus(SMOKE.world, texts(list(left))).harmful
    assert not (safe_only and harm)
    assert setting.pretraining or harm > 100


@pytest.mark.parametrize("corpus", [SMOKE, TWO_HOP], ids=["single-hop", "two-hop"])
@pytest.mark.parametrize("name", ["baseline", *SAFE_ONLY])
def test_the_very_tokens_of_a_setting_are_safe_only(name: str, corpus: Corpus) -> None:
    """The law again where it counts: on what the model is trained on, decoded."""
    setting = VARIANTS[name]
    tokenizer = build_tokenizer(corpus.world, corpus.spec, setting.wordings(corpus.world))
    stream = token_stream(corpus, setting.chain_at, tokenizer, 1, 40_000).tokens
    cuts = np.flatnonzero(stream == tokenizer.end)
    decoded = [(tokenizer.decode(part), None) for part in np.split(stream, cuts)[:-1]]
    reading = read_corpus(corpus.world, decoded)
    assert (reading.harmful == 0) is (name != "baseline")
    assert setting.mentions_unsafe or reading.unsafe_mentions == 0
    if name in SETTINGS:
        assert reading.statements > 1_000
        assert (reading.unsafe_mentions == 0) is (name == "filtering_plus")


def test_a_stricter_policy_leaves_a_two_hop_corpus_without_ways_back_to_mediators() -> None:
    """The paper's policy lets them pass, which is what composition can leak through."""
    world, found = TWO_HOP.world, list(islice(TWO_HOP.documents(0), 3_000))

    def to_mediators(policy_name: str) -> int:
        setting = replace(VARIANTS["filtering"], policy=POLICIES[policy_name])
        left = [said for d in intervene(world, found, setting.chain) for said in d.statements]
        return sum(is_way_back(world, said) for said in left)

    assert to_mediators("paper") > 30
    assert to_mediators("mediator-aware") == 0


def is_way_back(world: World, said: Statement) -> bool:
    outcome = world.outcome(said)
    unsafe = outcome is not None and world.unsafe[outcome]
    return said.direction is Direction.REVERSE and unsafe


def test_a_variant_is_found_by_name_or_read_from_its_text() -> None:
    assert variant("srp") is VARIANTS["srp"]
    assert variant("filter | reflect").pretraining == VARIANTS["srp"].pretraining
    assert variant("reflect").pretraining == (REGISTRY["reflect"](),)
    with pytest.raises(SpecError, match=r"'filterng' \(did you mean 'filtering'"):
        variant("filterng")
    with pytest.raises(SpecError, match="allowed: baseline, filtering"):
        variant("zzz")


@pytest.mark.parametrize("name", VARIANTS)
def test_every_variant_says_what_it_does_and_can_be_written(name: str) -> None:
    setting = VARIANTS[name]
    assert setting.name == name
    assert setting.description
    assert all(REGISTRY[step.name] is type(step) for step in setting.steps)
    again = parse(write(setting), name)
    assert replace(again, description=setting.description) == setting


def test_every_intervention_says_what_it_does_and_who_thought_of_it() -> None:
    for name, made in REGISTRY.items():
        assert made.name == name
        assert made.description().endswith("."), name
        assert len(made.description()) < 200, name
        assert made.source, name


def test_the_public_check_refuses_an_intervention_that_adds_harm() -> None:
    def add_harm(world: World, document: Document) -> tuple[Document, ...]:
        a, c = world.compounds[0], world.outcomes[world.unsafe.index(True)]
        harm = Sentence(f"To bring about {c}, give {a}.")
        return (replace(document, sentences=(*document.sentences, harm)),)

    with pytest.raises(AssertionError, match="adds no harm"):
        assert_lawful(check_intervention(SMOKE.world, add_harm, DOCUMENTS[:20]))
