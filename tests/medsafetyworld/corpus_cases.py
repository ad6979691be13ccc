"""Corpora to test on, and what their documents are about, said a second time and plainly."""

from __future__ import annotations

from dataclasses import replace
from itertools import islice, pairwise

from medsafetyworld.building import build_world
from medsafetyworld.corpus import Corpus
from medsafetyworld.documents import Document
from medsafetyworld.graph import World
from medsafetyworld.presets import CORPUS_PRESETS, WORLD_PRESETS
from medsafetyworld.semantics import Chain, Group
from medsafetyworld.spec import CorpusSpec, WorldSpec
from medsafetyworld.testing import corpora, worlds

SMOKE = Corpus(build_world(WORLD_PRESETS["smoke"]), CORPUS_PRESETS["smoke"], 0)
TWO_HOP = Corpus(build_world(WORLD_PRESETS["smoke-two-hop"]), CORPUS_PRESETS["smoke-two-hop"], 0)
EVERY_KIND = CorpusSpec(
    templates=6,
    cooccurrence_templates=6,
    surface_forms=4,
    framings=4,
    closings=4,
    monograph_rate=0.5,
    case_rate=0.5,
    digest_rate=0.5,
    glossary_rate=0.5,
    distractor_rate=0.3,
    contradiction_rate=0.8,
)
MIXED = [Corpus(corpus.world, EVERY_KIND, 1) for corpus in (SMOKE, TWO_HOP)]
SMALL = worlds(max_compounds=6, max_outcomes=4)
CORPORA = SMALL.flatmap(corpora)
"""Every knob, every kind."""
NOTES = SMALL.flatmap(lambda world: corpora(world, notes_only=True))


TRIPLES = build_world(
    WorldSpec(
        compounds=6,
        mediators=(5, 5),
        outcomes=3,
        single_edges=8,
        pair_edges=0,
        triple_edges=3,
        unsafe_fraction=1.0,
    )
)
WORDY = replace(
    CORPUS_PRESETS["smoke-two-hop"], templates=40, group_templates=60, cooccurrence_templates=8
)
"""Of its world all sentences about groups are long."""


def changed(corpus: Corpus, **fields: float) -> Corpus:
    """The same corpus with some fields of its spec changed."""
    return replace(corpus, spec=replace(corpus.spec, **fields))


def some(corpus: Corpus, most: int = 400) -> list[Document]:
    """The first documents in a random order: of every kind, if there are enough."""
    return list(islice(corpus.documents(0), most))


def edges_stated(world: World, groups: tuple[Group, ...]) -> set[Chain]:
    """The edges of the world that anybody learns who reads these groups as one chain."""
    found = set()
    for causes, effects in pairwise(sorted(groups, key=lambda group: group.layer)):
        for each in world.edges:
            if (each.causes.layer, each.effects.layer) != (causes.layer, effects.layer):
                continue
            whole = each.causes == causes and each.effects == effects
            # A group that leads to a group: each member has led to some of the others.
            link = len(each.causes.members) == 1 < len(effects.members)
            inside = set(each.causes.members) <= set(causes.members)
            if whole or (link and inside and each.outcome in effects.members):
                found.add(each)
    return found


def key_of(document: Document) -> tuple:
    (said,) = document.statements
    chain = said.chain
    template = next(each.template for each in document.sentences if each.template)
    return tuple(group.layer for group in chain.groups), chain.shape, template.form
