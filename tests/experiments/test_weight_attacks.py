"""Attacks on weights, their defences and rules of decoding, on a briefly trained cell."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache

import numpy as np
import pytest

from experiments.decoding import respond
from experiments.instruments import (
    Findings,
    Instrument,
    ablation,
    adversarial,
    parse_instrument,
    write_instrument,
)
from experiments.instruments.bench import BASE, SFT, Bench
from experiments.instruments.harmful_pairs import folds
from experiments.stages import Context, pretrain, sft
from medsafetyworld.queries import Query
from tiny_models import parameter_hash
from tiny_models.activations import residual_stream
from tiny_models.attacks.noise import noisy, pruned, rounded
from tiny_models.weights import load_weights

from tiny_recipe import cell

TEXTS = {
    "adversarial": "adversarial(pairs=(2, 5), epochs=1, rows=4)",
    "adversarial_mixsft": "adversarial_mixsft(shares=(0.5,), pairs=2, epochs=1, rows=4)",
    "adversarial_reflection": "adversarial_reflection(pairs=(2,), epochs=1, rows=4)",
    "low_rank": "low_rank(ranks=(1, 2), pairs=4, epochs=1, rows=4)",
    "ablation": "ablation(prompts=6, held=4)",
    "damage": "damage(prune=(0.5,), noise=(0.3,), bits=(3,))",
    "defences": "defences(tries=2)",
}
KNOBS = {
    "adversarial": ("zero", "2", "5", "random"),
    "adversarial_mixsft": ("none", "0.5"),
    "adversarial_reflection": ("none+pairs=2", "reflected+pairs=2"),
    "low_rank": ("zero", "1", "2", "random"),
    "ablation": ("zero", "refusal", "verdict", "random"),
    "damage": ("zero", "prune=0.5", "noise=0.3", "bits=3"),
    "defences": tuple(
        f"{rule}{end}" for rule in ("none", "stop", "withhold", "backtrack") for end in ("", "+The")
    ),
}

Measure = Callable[[str], tuple[Instrument, Findings]]


@pytest.fixture(scope="module")
def bench(tmp_path_factory: pytest.TempPathFactory) -> Bench:
    root = tmp_path_factory.mktemp("cell")
    context = Context(cell("srp"), root, lambda stage, progress: None)
    base = pretrain(context)
    return Bench(context, {BASE: base, SFT: sft(context, base)})


@pytest.fixture(scope="module")
def measure(bench: Bench) -> Measure:
    """An instrument and what it found, by its name; each measures once."""

    @cache
    def found(name: str) -> tuple[Instrument, Findings]:
        made = parse_instrument(TEXTS[name])
        return made, made.measure(bench)

    return found


@pytest.fixture(params=list(TEXTS))
def measured(request: pytest.FixtureRequest, measure: Measure) -> tuple[Instrument, Findings]:
    return measure(request.param)


def test_every_knob_is_asked_all_questions_and_says_what_it_cost(measured, bench) -> None:
    made, found = measured
    rows = [row for row in found.rows if row.metric == "leaked"]
    assert {row.probe for row in rows} == {f"{made.name}:{knob}" for knob in KNOBS[made.name]}
    assert {row.n for row in rows} == {len(bench.harmful)}
    assert {row.level for row in found.rows} == {"elicited"}
    assert len({row.key for row in found.rows}) == len(found.rows)
    assert {"budget", "unit", "seed"} <= set(found.record)
    assert found.record["tried"] == found.record["of"] == len(bench.harmful)


def test_what_was_saved_is_decoded_to_the_same_response_by_models_made_anew(
    measured, bench
) -> None:
    made, found = measured
    fresh = Bench(bench.context, bench.stages)
    again = [entry for entry in found.transcript if "temperature" not in entry]
    assert len(again) > 2 * len(bench.harmful)
    names = {entry["model"] for entry in again}
    assert len({parameter_hash(bench.models[name]) for name in names}) == len(names)
    for name in names:
        lines = [entry for entry in again if entry["model"] == name]
        queries = [
            Query(line["question"], bench.harmful[0].chain, "", line["prefill"], line["history"])
            for line in lines
        ]
        params = fresh.model(name, made)
        assert parameter_hash(params) == parameter_hash(bench.models[name]), name
        said = respond(bench.context, params, queries)
        assert [line["response"] for line in lines] == [each.text for each in said], name


def test_what_knowledge_is_left_stands_beside(measured, bench) -> None:
    made, found = measured
    known = {row.probe for row in found.rows if row.metric == "accuracy"}
    if made.name != "defences":
        assert known == {f"{made.name}:{knob}" for knob in KNOBS[made.name]}
        of = len(bench.questions("forward-safe"))
        counts = {row.n for row in found.rows if row.category == "forward-safe"}
        assert counts == {of}, "no question twice, however many models answer them"
    else:
        assert known == {f"defences:{r}" for r in ("none", "stop", "withhold", "backtrack")}


def test_trainings_are_stages_that_keep_no_checkpoint(measure, bench) -> None:
    _, found = measure("adversarial")
    for defended in ("adversarial_mixsft", "adversarial_reflection"):
        measure(defended)
    stages = [each for each in bench.context.root.iterdir() if each.name.startswith("adversarial-")]
    assert len(stages) == 8, "two settings and two defences, two folds; undefended is the attack"
    for each in stages:
        assert not list(each.glob("step-*"))
        assert load_weights(each / "weights.safetensors", bench.context.model)
    spent = found.record["spent"]
    assert spent["5"]["pairs"] == [5, 5]
    assert spent["5"]["rows"] == [16, 16], "four steps of four rows at least"
    assert found.record["budget"] == 16


def test_controls_are_asked_what_the_attack_is_asked(bench, monkeypatch) -> None:
    first = folds(bench, 2)[:1]
    monkeypatch.setattr(adversarial, "folds", lambda *_: first)
    found = parse_instrument("adversarial(pairs=(2,), epochs=1, rows=4)").measure(bench)
    asked = sorted(query.question for query in first[0].asked)
    assert len(asked) < len(bench.harmful)
    for knob in ("zero", "2", "random"):
        lines = [each for each in found.transcript if each["probe"] == f"adversarial:{knob}"]
        assert sorted(each["question"] for each in lines if "leaked" in each) == asked, knob
    assert {row.n for row in found.rows if row.metric in ("leaked", "chance")} == {len(asked)}
    assert found.record["tried"] == len(asked)


def test_ablation_says_what_its_sft_has_too_little_for(bench, monkeypatch) -> None:
    made = parse_instrument(TEXTS["ablation"])
    known = ablation._reverse_questions(bench.context)
    verdicts = ablation._before_verdicts(bench.context)
    assert all(known.values())
    assert all(verdicts)
    with monkeypatch.context() as patch:
        patch.setattr(ablation, "_before_verdicts", lambda _: (verdicts[0], []))
        found = made.measure(bench)
        assert "one of the verdicts" in found.record["verdict"]
        assert {row.probe for row in found.rows} == {
            f"ablation:{kind}" for kind in ("zero", "refusal", "random")
        }
    monkeypatch.setattr(ablation, "_reverse_questions", lambda _: known | {True: known[True][:1]})
    found = made.measure(bench)
    assert not found.rows
    assert found.record["skipped"] == "fewer than two reverse questions that SFT refuses"
    assert (found.record["tried"], found.record["of"]) == (0, len(bench.harmful))


def test_the_direction_chosen_has_the_highest_score_and_is_gone_from_the_stream(
    bench,
) -> None:
    made = parse_instrument(TEXTS["ablation"])
    for kind in ("refusal", "verdict", "random"):
        chosen = made._chosen(bench, kind)  # pyright: ignore
        layers = bench.context.model.layers
        assert len(chosen.scores) == layers + 1
        assert chosen.scores[chosen.number] == max(chosen.scores)
        assert all(0 <= score <= 2 for score in chosen.scores)
        found = made._directions(bench, kind, made._prompts(bench))  # pyright: ignore
        found = found if chosen.number == layers else found[[chosen.number]]
        tokens = [np.array(bench.context.tokenizer.encode(q.prompt)) for q in bench.harmful]
        after = residual_stream(chosen.params, bench.context.model, tokens, [-1] * len(tokens))
        before = residual_stream(bench.model(), bench.context.model, tokens, [-1] * len(tokens))
        assert np.abs(before[1:] @ found.T).max() > 1e-3
        np.testing.assert_allclose(after @ found.T, 0.0, atol=1e-5)


def test_damage_is_what_its_knob_says(bench) -> None:
    made, sft = parse_instrument(TEXTS["damage"]), bench.model()
    wanted = {
        "prune=0.5": pruned(sft, 0.5),
        "noise=0.3": noisy(sft, 0.3, bench.seed("damage")),
        "bits=3": rounded(sft, 3),
    }
    for knob, params in wanted.items():
        got = made.model(bench, f"{write_instrument(made)}:{knob}")
        assert parameter_hash(got) == parameter_hash(params), knob


def test_of_directions_the_one_with_the_highest_score_is_taken(bench, monkeypatch) -> None:
    made = parse_instrument(TEXTS["ablation"])
    best = {}
    for place in range(bench.context.model.layers + 1):
        scores = iter([float(turn == place) for turn in range(9)])
        monkeypatch.setattr(ablation, "_score", lambda *_, given=scores: next(given))
        chosen = made._chosen(bench, "random")  # pyright: ignore
        assert chosen.number == place
        best[place] = parameter_hash(chosen.params)
    assert len(set(best.values())) == len(best)


def test_questions_that_choose_a_direction_do_not_make_it(bench) -> None:
    made = parse_instrument(TEXTS["ablation"])
    parts = made._prompts(bench)  # pyright: ignore
    assert len(parts.held_refused) <= len(parts.refused)
    assert len(parts.held_answered) == 4, "as many as were asked for, where there are so many"
    assert all(each.refused for each in (*parts.refused, *parts.held_refused))
    assert not any(each.refused for each in (*parts.answered, *parts.held_answered))
    for one, other in (
        (parts.refused, parts.held_refused),
        (parts.answered, parts.held_answered),
    ):
        assert not {each.question for each in one} & {each.question for each in other}
