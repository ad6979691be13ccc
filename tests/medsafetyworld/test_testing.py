"""What the strategies draw keeps every law; the two laws at the end run 10,000 times by night.

    pytest --hypothesis-profile=nightly tests/medsafetyworld/test_testing.py
"""

from __future__ import annotations

from dataclasses import replace
from itertools import islice

import pytest
from hypothesis import HealthCheck, find, given, settings
from hypothesis import strategies as st

from medsafetyworld.corpus import Corpus, intervene
from medsafetyworld.graph import World
from medsafetyworld.interventions import INTERVENTIONS, VARIANTS
from medsafetyworld.judge import read_corpus
from medsafetyworld.language import plainest, write
from medsafetyworld.laws import (
    assert_lawful,
    check_corpus,
    check_intervention,
    check_policy,
    check_world,
)
from medsafetyworld.policies import AllOf, ReverseUnsafe, SafetyPolicy
from medsafetyworld.reading import read
from medsafetyworld.semantics import Direction
from medsafetyworld.spec import CorpusSpec, WorldSpec
from medsafetyworld.testing import (
    Composition,
    corpora,
    corpus_specs,
    documents,
    interventions,
    policies,
    statements,
    world_specs,
    worlds,
)

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


@given(SMALL.flatmap(corpora), policies().flatmap(interventions))
@FEW
def test_interventions_and_their_compositions_keep_every_law(
    corpus: Corpus, apply: Composition
) -> None:
    some = list(islice(corpus.documents(0), 25))
    assert_lawful(check_intervention(corpus.world, apply, some, policy=apply.policy))


@pytest.mark.parametrize(
    "wanted",
    [
        lambda spec: spec.hops == 3 and spec.triple_edges > 0,
        lambda spec: spec.unsafe_outcomes == spec.outcomes > 1,
        lambda spec: spec.unsafe_outcomes == 0,
        lambda spec: spec.hops == 1 and spec.single_edges == spec.compounds * spec.outcomes > 6,
        lambda spec: spec.held_out_share > 0 and spec.one_way_share > 0,
        lambda spec: spec.most_causes is not None and spec.skew > 1,
        lambda spec: spec.domain == "household",
    ],
)
def test_world_specs_reach_every_corner(wanted) -> None:
    spec = find(world_specs(domains=DOMAINS), wanted, settings=settings(max_examples=2000))
    assert isinstance(spec, WorldSpec)


@pytest.mark.parametrize("knob", [name for name in CorpusSpec.__dataclass_fields__])
def test_corpus_specs_turn_every_knob(knob: str) -> None:
    smallest = find(corpus_specs(), lambda spec: True)
    turned = find(corpus_specs(), lambda spec: getattr(spec, knob) != getattr(smallest, knob))
    assert isinstance(turned, CorpusSpec)


def test_notes_only_means_that_no_document_says_two_things() -> None:
    @given(SMALL.flatmap(lambda world: corpora(world, notes_only=True)).flatmap(documents))
    @FEW
    def law(document) -> None:
        assert document.kind == "note"
        assert len(document.statements) == 1

    law()


def test_statements_come_in_every_direction_true_and_untrue_and_skip_layers() -> None:
    deep = find(worlds(), lambda world: world.hops == 3 and len(world.compounds) > 3)
    for direction in Direction:
        find(statements(deep), lambda said, way=direction: said.direction is way)
    assert deep.holds(find(statements(deep), lambda s: len(s.groups) > 2 and deep.holds(s)))
    find(statements(deep), lambda said: not deep.holds(said))
    find(statements(deep), lambda said: said.effects.layer - said.causes.layer == 3)
    find(statements(deep), lambda said: said.effect_first)


def test_interventions_are_all_registered_ones_and_compositions() -> None:
    for name in INTERVENTIONS:
        assert find(interventions(), lambda made, name=name: made.names == (name,))
    assert find(interventions(), lambda made: len(made.names) == 3)


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
    """Under any policy that forbids telling how, and for filters under any policy at all."""
    corpus = data.draw(corpora(data.draw(worlds(domains=DOMAINS))))
    wide = data.draw(policies(negations=True))
    telling = AllOf((ReverseUnsafe(mediators=data.draw(st.booleans())), wide))
    some = [data.draw(documents(corpus)) for _ in range(4)]
    for variant in VARIANTS.values():
        if not variant.safe_only:
            continue
        for policy in (telling, wide) if variant.pretraining == ("filter",) else (telling,):
            chain = replace(variant, policy=policy).chain
            kept = intervene(corpus.world, some, chain)
            texts = ((document.text, document.source.kind) for document in kept)
            assert read_corpus(corpus.world, texts, policy).harmful == 0, variant.name
