"""What the strategies draw keeps every law; the two laws at the end run 10,000 times by night.

pytest --hypothesis-profile=nightly tests/medsafetyworld/test_testing.py
"""

from __future__ import annotations

from dataclasses import fields, replace
from itertools import islice, product
from typing import TypeVar

import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from medsafetyworld.building import build_world
from medsafetyworld.corpus import Corpus
from medsafetyworld.graph import World
from medsafetyworld.interventions import REGISTRY, VARIANTS, Step
from medsafetyworld.interventions.reflection import Reflect
from medsafetyworld.interventions.rewrite import Rewrite
from medsafetyworld.judge import read_corpus
from medsafetyworld.language import plainest, write
from medsafetyworld.laws import (
    assert_lawful,
    check_corpus,
    check_intervention,
    check_policy,
    check_world,
)
from medsafetyworld.policies import ActionableChain, AllOf, ReverseUnsafe, SafetyPolicy
from medsafetyworld.reading import read
from medsafetyworld.semantics import Direction
from medsafetyworld.spec import CorpusSpec, WorldSpec
from medsafetyworld.testing import (
    corpora,
    corpus_specs,
    documents,
    interventions,
    policies,
    statements,
    steps,
    world_specs,
    worlds,
)
from medsafetyworld.training_stream import intervene

DOMAINS = ("medical", "household")
SMALL = worlds(max_compounds=6, max_outcomes=4, domains=DOMAINS)
FEW = settings(max_examples=10, deadline=None, suppress_health_check=[HealthCheck.too_slow])


@given(worlds(domains=DOMAINS))
@FEW
def test_worlds_keep_every_law(world: World) -> None:
    assert_lawful(check_world(world))


@given(SMALL, policies())
@FEW
def test_policies_without_negations_keep_every_law(world: World, policy: SafetyPolicy) -> None:
    assert_lawful(check_policy(policy, world))


@given(SMALL.flatmap(corpora))
@FEW
def test_corpora_keep_every_law(corpus: Corpus) -> None:
    assert_lawful(check_corpus(corpus, most=25))


ON_DOCUMENTS = [name for name, made in REGISTRY.items() if "documents" in made.acts_on()]


@pytest.mark.parametrize("name", ON_DOCUMENTS)
@given(data=st.data())
@settings(FEW, max_examples=15)
def test_every_intervention_keeps_every_law_whatever_its_parameters(
    name: str, data: st.DataObject
) -> None:
    corpus = data.draw(SMALL.flatmap(corpora))
    step = data.draw(steps(REGISTRY[name]))
    some = list(islice(corpus.documents(0), 20))
    assert_lawful(check_intervention(corpus.world, step, some, policy=data.draw(policies())))


@given(SMALL.flatmap(corpora), interventions(), policies())
@settings(FEW, max_examples=20)
def test_interventions_keep_every_law_on_what_others_have_made(
    corpus: Corpus, chain: tuple[Step, ...], policy: SafetyPolicy
) -> None:
    some = list(islice(corpus.documents(0), 20))
    for step in chain:
        assert_lawful(check_intervention(corpus.world, step, some, policy=policy))
        some = list(intervene(corpus.world, some, [step.under(policy).document]))


@given(SMALL.flatmap(corpora), st.integers(4, 16), st.integers(1, 3))
@FEW
def test_reflections_of_any_size_keep_every_law_on_rewritten_documents(
    corpus: Corpus, words: int, count: int
) -> None:
    some = list(intervene(corpus.world, islice(corpus.documents(0), 15), [Rewrite().document]))
    assert_lawful(check_intervention(corpus.world, Reflect(every=count, words=words), some))


Drawn = TypeVar("Drawn")


def drawn(strategy: st.SearchStrategy[Drawn], count: int = 200) -> list[Drawn]:
    """So many examples, the same ones every time."""
    found: list[Drawn] = []

    @given(strategy)
    @settings(max_examples=count, phases=[Phase.generate], database=None, derandomize=True)
    def collect(example: Drawn) -> None:
        found.append(example)

    collect()
    return found


def test_world_specs_reach_every_corner() -> None:
    specs = drawn(world_specs(domains=DOMAINS), 600)
    assert {(spec.hops, spec.domain) for spec in specs} == set(product((1, 2, 3), DOMAINS))
    for spec_is_there in (
        [spec.hops == 3 and spec.triple_edges > 0 for spec in specs],
        [spec.unsafe_outcomes == spec.outcomes > 1 for spec in specs],
        [spec.unsafe_outcomes == 0 for spec in specs],
        [spec.hops == 1 and spec.single_edges == spec.compounds * spec.outcomes for spec in specs],
        [spec.held_out_share > 0 and spec.one_way_share > 0 for spec in specs],
        [spec.most_causes is not None and spec.skew > 1 for spec in specs],
    ):
        assert any(spec_is_there)


def test_corpus_specs_turn_every_knob() -> None:
    specs = drawn(corpus_specs())
    for knob in fields(CorpusSpec):
        assert len({getattr(spec, knob.name) for spec in specs}) > 1, knob.name


def test_notes_only_means_that_every_document_says_one_thing() -> None:
    notes = SMALL.flatmap(lambda world: corpora(world, notes_only=True)).flatmap(documents)
    for document in drawn(notes, 20):
        assert document.kind == "note"
        assert len(document.statements) == 1


def test_statements_come_in_every_direction_true_and_untrue_and_skip_layers() -> None:
    deep = build_world(WorldSpec(compounds=4, mediators=(3, 2), outcomes=2, single_edges=6,
                                 pair_edges=1, mediator_edges=1))  # fmt: skip
    found = drawn(statements(deep), 400)
    assert {said.direction for said in found} == set(Direction)
    assert {len(said.groups) for said in found} == {2, 3, 4}
    assert {len(said.causes.members) for said in found} == {1, 2, 3}
    assert {deep.holds(said) for said in found if said.direction is Direction.REVERSE} == {
        True,
        False,
    }
    assert {said.effects.layer - said.causes.layer for said in found} == {1, 2, 3}
    assert any(said.effect_first for said in found)


def test_interventions_are_all_registered_ones_and_chains_of_them() -> None:
    chains = drawn(interventions(), 300)
    assert {step.name for chain in chains for step in chain} == set(ON_DOCUMENTS)
    assert {len(chain) for chain in chains} == {1, 2, 3}


@pytest.mark.parametrize("name", REGISTRY)
def test_steps_turn_every_parameter(name: str) -> None:
    """All that a text can give but the window, which is no matter of a single document."""
    found = drawn(steps(REGISTRY[name]), 100)
    for each in fields(REGISTRY[name]):
        if each.name != "when" and each.metadata.get("text", True):
            values = {repr(getattr(step, each.name)) for step in found}
            assert len(values) > 1 or each.type == "By", each.name
    assert {step.when for step in found} == {(0.0, 1.0)}


# Without `max_examples`, so that the profile decides.


@given(st.data())
@settings(deadline=None)
def test_whatever_is_written_reads_as_it_was_meant(data: st.DataObject) -> None:
    world = data.draw(worlds(domains=DOMAINS))
    statement = data.draw(statements(world))
    domain, plain = world.domain, plainest(statement)
    sizes = (
        len(domain.cores[plain.role, plain.form, plain.arity]),
        len(domain.framings),
        len(domain.closings),
    )
    template = plainest(statement, *(data.draw(st.integers(0, size - 1)) for size in sizes))
    text = write(world, statement, template)
    assert read(world, text) == (statement,), text
    document = data.draw(documents(data.draw(corpora(world))))
    assert read(world, document.text) == document.statements, document.text


@given(st.data())
@settings(deadline=None)
def test_no_setting_that_promises_safe_data_leaves_harm(data: st.DataObject) -> None:
    """Under any policy that forbids telling how, and for filters under any policy at all.

    What leads to harm below an unsafe outcome names none: only settings that ask the policy know.
    """
    corpus = data.draw(corpora(data.draw(worlds(domains=DOMAINS))))
    wide = data.draw(policies(negations=True))
    telling = AllOf((ReverseUnsafe(mediators=data.draw(st.booleans())), wide))
    some = [data.draw(documents(corpus)) for _ in range(4)]
    for variant in VARIANTS.values():
        if not variant.safe_only:
            continue
        asked: list[SafetyPolicy] = [telling]
        if not any(step.leaves_no_mention for step in variant.pretraining):
            asked.append(AllOf((ActionableChain(), wide)))
        if variant.name == "filtering":
            asked.append(wide)
        for policy in asked:
            chain = replace(variant, policy=policy).phases[-1][1]
            kept = intervene(corpus.world, some, chain)
            texts = ((document.text, document.source.kind) for document in kept)
            assert read_corpus(corpus.world, texts, policy).harmful == 0, variant.name
