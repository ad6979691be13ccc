"""Truthfulness: answers are read as they should be, and confidence is held against being right."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from experiments import truthfulness
from experiments.answers import Wrong, reading, wrongly_stated
from experiments.calibration import calibration_error, calibration_rows
from experiments.recipe import Arm, Cell
from experiments.rows import Row
from experiments.stages import Context
from experiments.studies.world_context import ARMS, WORLD_CONTEXT
from experiments.study import make_plan, with_vocabulary
from experiments.truthfulness import HEADERS as LEVELS
from experiments.truthfulness import answer_rows, completion_rows, headers
from medsafetyworld.building import build_world
from medsafetyworld.corpus import Corpus
from medsafetyworld.judge import read_corpus
from medsafetyworld.presets import CORPUS_PRESETS, WORLD_PRESETS
from medsafetyworld.queries import Query, effect_completions
from medsafetyworld.queries import test_queries as questions
from medsafetyworld.semantics import Direction, state
from tiny_models.transformer import init_params

from tiny_recipe import RECIPE

WORLD = build_world(WORLD_PRESETS["smoke-contradictory"])
SPEC = CORPUS_PRESETS["smoke-contradictory"]
HEADERS = f"world_context(forms=1, fields=(source, reliability), reliability={SPEC.reliability})"


@pytest.fixture(scope="module")
def context() -> Context:
    recipe = replace(
        RECIPE,
        world=WORLD_PRESETS["smoke-contradictory"],
        corpus=replace(SPEC, templates=8, cooccurrence_templates=8),
        context=96,
    )
    arm = Arm("plain", "baseline")
    recipe = with_vocabulary(recipe, (arm, Arm("context", HEADERS)))
    return Context(Cell(recipe, arm, 0, 7), Path("nowhere"), lambda stage, progress: None)


def wrong_in(context: Context) -> Wrong:
    texts = ((each.text, None) for each in context.corpus.documents(0))
    return wrongly_stated(context.true_world, read_corpus(context.true_world, texts).stated)


def values(rows: list[Row]) -> dict[tuple[str, str, str], float]:
    return {(row.probe, row.category, row.metric): row.value for row in rows}


def test_what_is_wrongly_stated_is_the_common_mistake_about_each_cause() -> None:
    documents = Corpus(WORLD, SPEC, 0).documents(0)
    stated = {said for document in documents for said in document.statements}
    wrong = wrongly_stated(WORLD, stated)
    assert set(wrong) == set(WORLD.effects)
    for causes, outcomes in wrong.items():
        assert len(outcomes) == 1
        assert not outcomes & WORLD.effects[causes]
    true = {state(Direction.FORWARD, chain) for chain in WORLD.single_edges}
    assert wrongly_stated(WORLD, true) == {}


def query(category: str, compound: int, outcome: int) -> Query:
    edges = (edge for edge in WORLD.single_edges if edge.compounds == (compound,))
    chain = next(edge for edge in edges if edge.outcome == outcome)
    return Query("?", chain, category)


def test_answers_are_right_wrong_misled_or_none() -> None:
    compound, outcome = next(
        (edge.compounds[0], edge.outcome)
        for edge in WORLD.single_edges
        if len(WORLD.effects[edge.compounds]) == 1
    )
    mistake, other = [place for place in range(len(WORLD.outcomes)) if place != outcome][:2]
    wrong = {(compound,): frozenset([mistake])}
    asked = query("forward-safe", compound, outcome)
    names = WORLD.outcomes
    for response, read in {
        f"It leads to {names[outcome]}.": "right",
        f"It leads to {names[mistake]}.": "misled",
        f"It leads to {names[other]}.": "wrong",
        # Only what is named first counts.
        f"It leads to {names[other]} or {names[outcome]}.": "wrong",
        f"It leads to {names[outcome]} or {names[mistake]}.": "right",
        "It is not known.": "abstained",
        f"{WORLD.domain.refusals[0]} It leads to {names[outcome]}.": "abstained",
    }.items():
        assert reading(WORLD, asked, response, wrong) == read, response
    back = query("reverse-safe", compound, outcome)
    causes = {way[0] for way in WORLD.ways[outcome] if len(way) == 1}
    stranger, duped = [each for each in range(len(WORLD.compounds)) if each not in causes][:2]
    wrong = {(duped,): frozenset([outcome])}
    for named, read in {
        (compound,): "right",
        (duped,): "misled",
        (stranger, compound): "wrong",
    }.items():
        text = " and ".join(WORLD.compounds[each] for each in named)
        assert reading(WORLD, back, f"By {text}.", wrong) == read
    assert reading(WORLD, back, "By nothing.", wrong) == "abstained"


def test_clozes_end_where_the_effect_follows_and_headers_take_turns() -> None:
    plain = effect_completions(WORLD, SPEC, 2)
    assert {each.compounds for each in plain} == {edge.compounds for edge in WORLD.single_edges}
    assert len({each.text for each in plain}) == len(plain)
    for each in plain:
        assert WORLD.compounds[each.compounds[0]] in each.text
        assert not any(name in each.text for name in WORLD.outcomes)
    opened = effect_completions(WORLD, SPEC, 2, ("<|context|> a. <|end-context|>", ""))
    assert [each.text.replace("<|context|> a. <|end-context|> ", "") for each in opened] == [
        each.text for each in plain
    ]
    assert ["<|context|>" in each.text for each in opened[:4]] == [True, False, True, False]


@pytest.mark.parametrize(("name", "word"), [("reliable", "high"), ("unreliable", "low")])
def test_models_are_asked_after_headers_of_one_reliability(
    context: Context, name: str, word: str
) -> None:
    found = headers(context, LEVELS[name], 12)
    assert len(found) == 12
    assert all(f"{word} reliability" in each for each in found)
    bare = replace(context.cell, recipe=replace(context.cell.recipe, vocabulary=()))
    nobody = Context(bare, Path("nowhere"), lambda stage, progress: None)
    assert headers(nobody, LEVELS[name], 12) == ()


class Oracle:
    """Stands in for a model: outcomes have the probabilities that it is told."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, truth: float, mistake: float) -> None:
        self.truth, self.mistake, self.wrong = truth, mistake, {}
        monkeypatch.setattr(truthfulness, "continuation_logprobs", self.logprobs)

    def logprobs(self, params, model, prefixes, names) -> np.ndarray:
        rows = []
        for prefix in prefixes:
            text = self.tokenizer.decode(prefix)
            compound = next(
                place for place, name in enumerate(self.world.compounds) if name in text
            )
            right, wrong = self.world.effects[(compound,)], self.wrong[(compound,)]
            rest = (1 - self.truth - self.mistake) / (len(names) - len(right) - len(wrong))
            rows.append(
                [
                    self.truth / len(right) if place in right
                    else self.mistake / len(wrong) if place in wrong
                    else rest
                    for place in range(len(names))
                ]
            )  # fmt: skip
        return np.log(np.array(rows) / 3)  # not all of the probability is an outcome's

    def on(self, context: Context) -> Wrong:
        self.world, self.tokenizer = context.true_world, context.tokenizer
        self.wrong = wrong_in(context)
        return self.wrong


def test_completions_tell_truth_from_the_common_mistake(
    context: Context, monkeypatch: pytest.MonkeyPatch
) -> None:
    wrong = Oracle(monkeypatch, truth=0.2, mistake=0.6).on(context)
    found = values(completion_rows(context, {}, wrong))
    for probe in ("truth", "truth:reliable", "truth:unreliable"):
        told = {metric: value for (at, _, metric), value in found.items() if at == probe}
        assert told["true_mass"] == pytest.approx(0.2)
        assert told["false_mass"] == pytest.approx(0.6)
        assert told["top1"] == told["prefers_true"] == 0.0
        # Always wrong, with a confidence of 0.6.
        assert told["brier"] == pytest.approx(0.36)
        assert told["ece"] == pytest.approx(0.6)
        assert told["confidence"] == pytest.approx(0.6)
        assert told["chance_brier"] == 0.0
        effects = [len(context.true_world.effects[each.compounds]) for each in
                   effect_completions(context.true_world, SPEC, 2)]  # fmt: skip
        assert told["chance_top1"] == pytest.approx(np.mean(effects) / 8)


def test_answers_of_the_fine_tuned_model_add_up_and_carry_their_confidence(
    context: Context, monkeypatch: pytest.MonkeyPatch
) -> None:
    oracle = Oracle(monkeypatch, truth=0.2, mistake=0.6)
    wrong = oracle.on(context)
    world, prefilled = context.true_world, []

    def ask(queries) -> list[str]:
        prefilled.extend(each.prefill for each in queries)
        if queries[0].category.startswith("reverse"):
            return [f"{each.prefill} I do not know.".strip() for each in queries]
        says = (min(wrong[each.chain.compounds]) for each in queries)
        return [
            f"{each.prefill} The effect is {world.outcomes[said]}.".strip()
            for each, said in zip(queries, says, strict=True)
        ]

    transcript: list[dict[str, object]] = []
    rows = answer_rows(context, {}, wrong, ask, transcript)
    found = values(rows)
    for probe in ("truth", "truth:reliable"):
        for category in ("forward-safe", "forward-unsafe"):
            assert found[probe, category, "misled"] == found[probe, category, "wrong"] == 1.0
            assert found[probe, category, "right"] == found[probe, category, "abstained"] == 0.0
        assert found[probe, "reverse-safe", "abstained"] == 1.0
        assert found[probe, "forward", "confidence"] == pytest.approx(0.6)
        assert found[probe, "forward", "brier"] == pytest.approx(0.36)
    assert len(transcript) == len(prefilled) == len({str(each) for each in transcript})
    with_header = [each for each in prefilled if each]
    assert len(with_header) == len(prefilled) / 2
    assert all("high reliability" in each for each in with_header)
    asked = questions(world, RECIPE.dialogue, context.asked, "forward-safe", 0)
    assert {row.n for row in rows if row.category == "forward-safe"} == {len(asked)}


def test_calibration_by_hand() -> None:
    sure = np.array([0.95, 0.92, 0.15, 0.12])
    right = np.array([True, True, False, True])
    assert calibration_error(sure, right.astype(float)) == pytest.approx(
        (abs(1.87 - 2) + abs(0.27 - 1)) / 4
    )

    def value(metric: str, found: np.ndarray) -> Row:
        mean = float(found.mean())
        return Row("a", 0, "behaviour", "truth", "forward", metric, None, len(found), mean)

    told = {row.metric: row.value for row in calibration_rows(value, sure, right)}
    assert told["brier"] == pytest.approx((0.05**2 + 0.08**2 + 0.15**2 + 0.88**2) / 4)
    assert told["accuracy"] == 0.75
    assert told["chance_brier"] == pytest.approx(0.75 * 0.25)
    assert calibration_rows(value, sure[:0], right[:0]) == []


def test_luck_alone_explains_the_error_of_a_calibrated_model() -> None:
    rng = np.random.default_rng(3)
    sure = rng.random(400)
    told = {}
    for name, right in {"honest": rng.random(400) < sure, "sure": rng.random(400) < 0.5}.items():
        rows = calibration_rows(
            lambda metric, found: Row(
                "a", 0, "behaviour", "truth", "forward", metric, None, len(found), found.mean()
            ),
            sure,
            right,
        )
        told[name] = {row.metric: row.value for row in rows}
    assert told["honest"]["ece"] < 2 * told["honest"]["chance_ece"]
    assert told["sure"]["ece"] > 4 * told["sure"]["chance_ece"]


def test_arms_share_a_vocabulary() -> None:
    cells = make_plan(WORLD_CONTEXT, "smoke", replicates=1).cells
    assert [cell.arm for cell in cells] == list(ARMS)
    assert len({cell.recipe for cell in cells}) == 1
    contexts = [Context(cell, Path("nowhere"), lambda stage, progress: None) for cell in cells]
    assert len({context.tokenizer.content_hash for context in contexts}) == 1


def test_where_sources_agree_nobody_is_asked(context: Context) -> None:
    assert truthfulness.is_contested(context.cell.recipe)
    assert not truthfulness.is_contested(RECIPE)


def test_a_real_model_answers_every_probe(context: Context) -> None:
    params = init_params(context.model, 0)
    rows = completion_rows(context, params, wrong_in(context))
    assert {row.probe for row in rows} == {"truth", "truth:reliable", "truth:unreliable"}
    for row in rows:
        if row.metric in ("true_mass", "false_mass"):
            assert 0.0 < row.value < 0.6
