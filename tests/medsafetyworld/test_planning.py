"""Laws of the plan: a part is planned as the whole is, and both renderers follow it."""

from __future__ import annotations

import json
from collections import Counter
from dataclasses import fields, replace
from itertools import islice
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from medsafetyworld.building import build_world
from medsafetyworld.corpus import Corpus
from medsafetyworld.domain import KINDS
from medsafetyworld.errors import SpecError
from medsafetyworld.planning import NOTE, Plan
from medsafetyworld.presets import CORPUS_PRESETS, WORLD_PRESETS
from medsafetyworld.semantics import Direction
from medsafetyworld.spec import CorpusSpec, WorldSpec
from medsafetyworld.testing import corpora, worlds

MEDICAL = Path(__file__).parents[2] / "medsafetyworld" / "domains" / "medical"
CORPORA = worlds(max_compounds=6, max_outcomes=4).flatmap(corpora)
BY_STATEMENT = ("row", "core", "framing", "wrong", "distractor")
BY_DOCUMENT = ("kind", "opening", "subject", "closing", "source")


def cut(plan: Plan, place: int) -> dict[str, list[int]]:
    """One document's part of a plan."""
    mine = plan.document == place
    parts = {name: getattr(plan, name)[mine].tolist() for name in BY_STATEMENT}
    return parts | {name: [int(getattr(plan, name)[place])] for name in BY_DOCUMENT}


def test_a_plan_has_an_entry_per_statement_or_per_document() -> None:
    assert {field.name for field in fields(Plan)} == {"document", *BY_STATEMENT, *BY_DOCUMENT}


@given(CORPORA, st.data())
@settings(max_examples=25, deadline=None)
def test_a_document_is_planned_alone_as_among_any_others(
    corpus: Corpus, data: st.DataObject
) -> None:
    some = data.draw(st.lists(st.integers(0, len(corpus) - 1), min_size=1, max_size=12))
    together = corpus.planner.plan(np.array(some, dtype=np.int64))
    assert (np.diff(together.document) >= 0).all()
    assert set(together.document.tolist()) == set(range(len(some)))
    for place, index in enumerate(some):
        alone = corpus.planner.plan(np.array([index], dtype=np.int64))
        assert cut(alone, 0) == cut(together, place)


@given(CORPORA)
@settings(max_examples=25, deadline=None)
def test_documents_say_exactly_what_is_planned(corpus: Corpus) -> None:
    found = list(islice(corpus.documents(0), 100))
    plan = corpus.planner.plan(np.array([document.index for document in found]))
    rows, wrong = corpus.planner.rows, 0
    for place, document in enumerate(found):
        part = cut(plan, place)
        assert document.kind == ("note", *KINDS)[part["kind"][0]]
        assert document.source.kind == corpus.world.domain.sources[part["source"][0]].name
        for said, row, error in zip(document.statements, part["row"], part["wrong"], strict=True):
            block = corpus.planner.notes[rows.block[row]]
            truth = block.statement(int(rows.chain[row]))
            assert said.direction is truth.direction
            assert corpus.world.outcome(said) == (
                error if error >= 0 else corpus.world.outcome(truth)
            )
            assert (said == truth) is (error < 0)
            wrong += error >= 0
    assert wrong == int((plan.wrong >= 0).sum())


@given(CORPORA)
@settings(max_examples=25, deadline=None)
def test_pieces_put_together_are_the_text(corpus: Corpus) -> None:
    found = list(islice(corpus.documents(0), 100))
    pieces = corpus.pieces(np.array([document.index for document in found]))
    texts: list[list[str]] = [[] for _ in found]
    for place, wording, names in zip(
        pieces.document.tolist(), pieces.wording.tolist(), pieces.names.tolist(), strict=True
    ):
        used = [corpus.entities[name] for name in names if name >= 0]
        texts[place].append(corpus.wordings[wording].format(*used))
    assert [" ".join(parts) for parts in texts] == [document.text for document in found]


@pytest.mark.parametrize("name", ["smoke", "smoke-two-hop"])
def test_untrue_statements_of_a_corpus_are_counted_exactly_by_the_plan(name: str) -> None:
    world = build_world(WORLD_PRESETS[name])
    spec = replace(CORPUS_PRESETS[name], templates=12, contradiction_rate=0.7, digest_rate=0.5)
    corpus = Corpus(world, spec, 3)
    plan = corpus.planner.plan(np.arange(len(corpus), dtype=np.int64))
    kinds = [source.name for source in world.domain.sources]
    blocks = corpus.planner.notes
    claims = [block.direction is not Direction.COOCCURRENCE for block in blocks]
    claimed = np.array(claims)[corpus.planner.rows.block[plan.row]]
    planned = Counter(
        kinds[source] for source in plan.source[plan.document[(plan.wrong >= 0) & claimed]].tolist()
    )
    untrue = Counter(
        document.source.kind
        for document in corpus.documents(0)
        for said in document.statements
        if not world.holds(said)
    )
    assert untrue == planned
    assert untrue["marketing leaflet"] > untrue["forum post"] > untrue["textbook"] > 0


def test_a_corpus_of_notes_alone_plans_one_statement_a_document() -> None:
    corpus = Corpus(build_world(WORLD_PRESETS["smoke"]), CORPUS_PRESETS["smoke"], 0)
    plan = corpus.planner.plan(np.arange(0, len(corpus), 7, dtype=np.int64))
    assert (plan.kind == NOTE).all()
    assert plan.document.tolist() == list(range(len(plan.kind)))
    for none in (plan.wrong, plan.distractor, plan.opening, plan.subject):
        assert (none == -1).all()


@pytest.fixture
def small_domain(tmp_path: Path) -> str:
    """The medical domain with few wordings."""
    for source in MEDICAL.glob("*.json"):
        data = json.loads(source.read_text())
        if source.stem in ("framings", "closings"):
            data = data[:5]
        if source.stem == "statements":
            data["mediator"]["reverse"]["2"] = data["mediator"]["reverse"]["2"][:3]
        (tmp_path / source.name).write_text(json.dumps(data))
    return str(tmp_path)


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"surface_forms": 4}, "surface_forms must be between 1 and 3 .*wordings of the domain"),
        ({"surface_forms": 3}, "framings must be between 1 and 5 .*, got 8"),
        ({"surface_forms": 3, "framings": 5}, "closings must be between 1 and 5 .*, got 8"),
    ],
)
def test_more_wordings_than_the_domain_has_are_refused(
    small_domain: str, values: dict, message: str
) -> None:
    world = build_world(replace(WORLD_PRESETS["smoke"], domain=small_domain))
    spec = CorpusSpec(templates=9, cooccurrence_templates=9, **values)
    with pytest.raises(SpecError, match=message):
        len(Corpus(world, spec, 0))
    enough = replace(spec, surface_forms=3, framings=5, closings=5)
    assert len(Corpus(world, enough, 0)) > 0


def test_co_occurrences_are_never_contradicted() -> None:
    spec = replace(
        CORPUS_PRESETS["smoke"], contradiction_rate=1.0, reliability=(0.0, 0.0, 0.0, 0.0, 0.0)
    )
    planner = Corpus(build_world(WORLD_PRESETS["smoke"]), spec, 1).planner
    plan = planner.plan(np.arange(planner.size))
    kinds = np.array([str(block.direction) for block in planner.notes])[
        planner.rows.block[plan.row]
    ]
    assert (plan.wrong[kinds == "cooccurrence"] < 0).all()
    assert (plan.wrong[kinds == "forward"] >= 0).all()


def test_a_world_with_one_outcome_has_no_wrong_one_to_state() -> None:
    world = build_world(WorldSpec(compounds=3, outcomes=1, single_edges=3, pair_edges=0))
    with pytest.raises(SpecError, match="contradiction_rate must be 0"):
        len(Corpus(world, CorpusSpec(contradiction_rate=0.5), 0))


def test_case_reports_need_something_to_tell() -> None:
    world = build_world(replace(WORLD_PRESETS["smoke"], held_out_share=1.0, pair_edges=8))
    assert len(Corpus(world, CorpusSpec(case_rate=1.0), 0)) == 0
    only_asked = replace(CORPUS_PRESETS["smoke"], pair_rate=0.0, pair_cooccurrence_rate=0.0)
    spec = replace(only_asked, case_rate=1.0)
    asked = Corpus(world, spec, 0)
    held = replace(world.spec, held_out_share=0.0)
    assert len(asked) == 0
    assert len(Corpus(build_world(held), spec, 0)) > 0
