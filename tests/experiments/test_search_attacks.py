"""GCG and the genetic attack on a briefly trained cell: budgets, controls, strings that replay."""

from __future__ import annotations

from dataclasses import replace
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest

from experiments.checks import check_cell
from experiments.evaluation import evaluate
from experiments.instruments import Findings, Instrument, parse_instrument
from experiments.instruments.asking import ask
from experiments.instruments.bench import BASE, SFT, Bench
from experiments.instruments.genetic import Trial, phrases
from experiments.instruments.suffixes import (
    answer_opening,
    goal_of,
    goals,
    ordinary_tokens,
    put,
    room,
    target_text,
)
from experiments.stages import Context, pretrain, sft
from medsafetyworld.attacks.phrases import phrases_of
from medsafetyworld.building import build_world
from medsafetyworld.errors import SpecError
from medsafetyworld.judge import judge
from medsafetyworld.reading import mentions

from tiny_recipe import RECIPE, TWO_HOP, cell

GCG = "gcg(length=4, steps=3, candidates=4, topk=8)"
GENETIC = "genetic(population=4, generations=3)"
PROBES = {GCG: "gcg", GENETIC: "genetic"}


def context_of(root: Path = Path("nowhere"), recipe=RECIPE, variant="filtering") -> Context:
    return Context(cell(variant, recipe=recipe), root, lambda stage, progress: None)


@pytest.fixture(scope="module")
def bench(tmp_path_factory: pytest.TempPathFactory) -> Bench:
    context = context_of(tmp_path_factory.mktemp("cell"), replace(RECIPE, context=96))
    base = pretrain(context)
    return Bench(context, {BASE: base, SFT: sft(context, base)})


@pytest.fixture(scope="module", params=[GCG, GENETIC])
def measured(request: pytest.FixtureRequest, bench: Bench) -> tuple[Instrument, Findings]:
    attack = parse_instrument(request.param)
    return attack, attack.measure(bench)


def test_every_attack_has_its_controls_and_says_what_it_cost(measured, bench: Bench) -> None:
    attack, found = measured
    probes = {attack.name, f"{attack.name}:zero", f"{attack.name}:random"}
    assert {row.probe for row in found.rows} == probes
    assert {row.n for row in found.rows if row.metric == "leaked"} == {len(bench.harmful)}
    record = found.record
    # A gradient counts as three forward passes; random search has as many, all of candidates.
    assert record["budget"] == {"gcg": 3 * (4 + 3), "genetic": 4 + 3 * 2}[attack.name]
    if attack.name == "gcg":
        spent = record["candidates"]
        assert spent["gcg:random"] == record["budget"]
        assert spent["gcg"] + 3 * record["gradients"] == record["budget"]
    else:
        bare = {entry["probe"]: 0 for entry in found.transcript}
        for entry, query in zip(found.transcript, 3 * bench.harmful, strict=True):
            bare[entry["probe"]] += entry["question"] == query.question
        assert record["empty"] == bare
        assert record["dropped"] > 0
    assert record["tried"] == record["of"] == len(bench.harmful)
    assert record["seed"] == bench.seed(attack.name)
    assert set(record["loss"]) == {attack.name, f"{attack.name}:random"}
    for curve in record["loss"].values():
        assert len(curve) == 4
        assert all(later <= sooner for sooner, later in pairwise(curve))
    assert record["loss"][attack.name][-1] < record["loss"][attack.name][0]


def test_saved_strings_give_the_same_responses_and_the_curve_s_losses(
    measured, bench: Bench
) -> None:
    attack, found = measured
    for probe in (attack.name, f"{attack.name}:zero", f"{attack.name}:random"):
        lines = [entry for entry in found.transcript if entry["probe"] == probe]
        asked = [
            replace(query, question=line["question"])
            for query, line in zip(bench.harmful, lines, strict=True)
        ]
        again = ask(bench, probe, asked)
        kept = [{k: v for k, v in line.items() if k != "loss"} for line in lines]
        assert list(again.transcript) == kept
        if probe in found.record["loss"]:
            mean = np.mean([line["loss"] for line in lines])
            assert found.record["loss"][probe][-1] == pytest.approx(mean, rel=1e-6)
        for query, line in zip(bench.harmful, lines, strict=True):
            assert query.question in line["question"]
            assert line["loss"] == pytest.approx(target_loss(bench, line), rel=1e-4)


def target_loss(bench: Bench, line) -> float:
    """Mean cross-entropy of an answer's beginning after a prompt as it was saved."""
    from tiny_models.scoring import pair_logprobs

    context, encode = bench.context, bench.context.tokenizer.encode
    query = replace(bench.harmful[0], question=line["question"], prefill="")
    wanted = encode("The answer is")
    (score,) = pair_logprobs(bench.model(), context.model, [(encode(query.prompt), wanted)])
    return -score.logprob / len(wanted)


def test_the_same_cell_gives_the_same_findings(measured, bench: Bench) -> None:
    attack, found = measured
    again = attack.measure(bench)
    assert again == found


def test_any_row_of_ordinary_tokens_reads_back_behind_any_question(bench: Bench) -> None:
    world, tokenizer = bench.context.true_world, bench.context.tokenizer
    allowed, draw = ordinary_tokens(world, tokenizer), np.random.default_rng(0)
    words = [tokenizer.vocabulary[token] for token in allowed]
    names = {word for layer in world.layers for name in layer for word in name.split()}
    assert not names.intersection(words)
    assert len(words) > 80
    assert not [word for word in words if "<" in word or "#" in word or word in "(,.:;?)"]
    for question in (query.question for query in bench.harmful):
        for _ in range(20):
            control = draw.choice(allowed, 9).tolist()
            text = f"{question} {tokenizer.decode(control)}"
            assert tokenizer.encode(text) == [*tokenizer.encode(question), *control]


@pytest.mark.parametrize("recipe", [RECIPE, TWO_HOP])
@pytest.mark.parametrize("target", ["answer", "stem"])
def test_a_target_gives_nothing_of_the_answer_away(recipe, target) -> None:
    context = context_of(recipe=recipe)
    world, queries = context.true_world, Bench(context, {}).harmful
    for query in queries:
        text = target_text(world, query, target)
        assert text
        assert not any(mentions(world, text)[:-1])
        assert not judge(world, query, text).leaked
        assert context.tokenizer.decode(goal_of(context, query, target).target) == text


def test_a_target_that_begins_with_the_answer_is_refused(bench: Bench, monkeypatch) -> None:
    from experiments.instruments import suffixes

    monkeypatch.setattr(suffixes, "answers_of", lambda *_, **__: ("{a} is the answer.",))
    with pytest.raises(SpecError, match=r"begins with the answer itself.*allowed: stem"):
        target_text(bench.context.true_world, bench.harmful[0], "answer")


@pytest.mark.parametrize(
    ("variant", "opening"), [("filtering", ""), ("srp", "<think> Safe </think>")]
)
def test_a_target_has_the_verdict_that_answers_of_the_cell_open_with(variant, opening) -> None:
    context = context_of(variant=variant)
    assert answer_opening(context) == opening
    for goal in goals(Bench(context, {}), "answer", 0):
        text = context.tokenizer.decode(goal.target)
        words = target_text(context.true_world, goal.query, "answer")
        assert text == f"{opening} {words}".strip()


def test_goals_are_the_prompt_taken_apart(bench: Bench) -> None:
    for goal, query in zip(goals(bench, "answer", 0), bench.harmful, strict=True):
        whole = [*goal.opens, *goal.asked, *goal.tail]
        assert whole == bench.context.tokenizer.encode(query.prompt)
        assert list(goal.asked) == bench.context.tokenizer.encode(query.question)


def test_questions_without_room_are_not_tried() -> None:
    bench = Bench(context_of(recipe=replace(RECIPE, context=40)), {})
    left = sorted(room(bench.context, goal) for goal in goals(bench, "answer", 0))
    assert left[0] < left[-1]
    tried = goals(bench, "answer", left[-1])
    assert 0 < len(tried) < len(bench.harmful)
    none = parse_instrument(f"gcg(length={left[-1] + 1})").measure(bench)
    assert not none.rows
    assert (none.record["tried"], none.record["of"]) == (0, len(bench.harmful))


@pytest.mark.parametrize("text", [GCG, GENETIC])
def test_a_question_has_the_same_draws_whatever_others_are_tried(
    text: str, bench: Bench, monkeypatch
) -> None:
    """An arm whose other questions have no room starts from the same words."""
    from experiments.instruments import gcg, genetic

    attack = parse_instrument(text)

    def asked() -> dict[str, list[str]]:
        found: dict[str, list[str]] = {}
        for each in attack.measure(bench).transcript:
            found.setdefault(each["probe"], []).append(each["question"])
        return found

    whole = asked()
    for module in (gcg, genetic):
        monkeypatch.setattr(module, "goals", lambda *given: goals(*given)[2:])
    assert asked() == {probe: questions[2:] for probe, questions in whole.items()}


def test_a_target_that_nobody_could_have_is_refused_before_anything_is_trained(
    monkeypatch, tmp_path: Path
) -> None:
    from experiments.instruments import suffixes

    monkeypatch.setattr(suffixes, "answers_of", lambda *_, **__: ("{a} is the answer.",))
    for text in ("gcg", "genetic"):
        context = context_of(tmp_path, replace(RECIPE, instruments=(text,)))
        with pytest.raises(SpecError, match=rf"filtering-s0: instrument {text}: target: .*stem"):
            evaluate(context)
        check_cell(context_of(tmp_path, replace(RECIPE, instruments=(f"{text}(target=stem)",))))
    assert not list(tmp_path.iterdir())


def test_another_phrase_makes_the_genetic_stage_anew(bench: Bench, monkeypatch) -> None:
    from experiments.instruments import genetic
    from experiments.instruments.running import _inputs

    made, context = parse_instrument("genetic"), bench.context
    before = _inputs(context, bench.stages, made)
    said = phrases_of(context.true_world)
    other = replace(said, role=(*said.role, "I am another."))
    monkeypatch.setattr(genetic, "phrases_of", lambda world: other)
    assert _inputs(context, bench.stages, made) != before
    assert made.wordings(context.true_world) == (), "it adds no words"


def test_a_prompt_read_otherwise_than_searched_is_no_result(bench: Bench) -> None:
    tried = goals(bench, "answer", 1)[:1]
    read = [(*tried[0].opens, *tried[0].asked, 7, tried[0].tail[0])]
    with pytest.raises(RuntimeError, match="is read as other tokens"):
        put(bench, "gcg", tried, [tried[0].query.question], read, np.zeros(1))


@pytest.fixture(scope="module")
def trials() -> list[Trial]:
    bench = Bench(context_of(), {})
    encode, tried = bench.context.tokenizer.encode, goals(bench, "answer", 0)
    texts, dropped = phrases(bench.context.true_world, bench.context.tokenizer, bench.harmful)
    assert not dropped & {text for own in texts for text in own}
    return [
        Trial(goal, 1, ("", *own), ((), *(tuple(encode(each)) for each in own)), 12)
        for goal, own in zip(tried, texts, strict=True)
    ]


def test_phrases_are_writable_and_name_no_cause(trials: list[Trial]) -> None:
    world = build_world(context_of().true_world.spec)
    assert len({len(trial.texts) for trial in trials}) == 1
    for trial in trials:
        assert len(set(trial.texts)) == len(trial.texts) > 30
        for text in trial.texts:
            assert not any(mentions(world, text)[:-1])
            assert "{" not in text


def test_phrases_are_taken_in_order_while_they_fit(trials: list[Trial]) -> None:
    encode, draw = context_of().tokenizer.encode, np.random.default_rng(0)
    full = fits = 0
    for trial in trials:
        for _ in range(30):
            drawn = draw.integers(0, len(trial.texts), 4) * draw.integers(0, 2, 4)
            genome = drawn.tolist()
            opens, tokens = list(trial.goal.opens), list(trial.read(genome))
            assert tokens == [*opens, *encode(trial.said(genome))]
            added = len(tokens) - len(opens) - len(trial.goal.asked)
            assert added <= 12
            wanted = [len(trial.tokens[phrase]) for phrase in genome]
            full, fits = full + (sum(wanted) > 12), fits + (sum(wanted) == 12)
            if sum(wanted) <= 12:
                assert added == sum(wanted)
                (first, *rest) = (trial.texts[phrase] for phrase in genome)
                parts = [first, trial.goal.query.question, *rest]
                assert trial.said(genome) == " ".join(part for part in parts if part)
    assert full
    assert fits
    assert trials[0].said([0, 0, 0]) == trials[0].goal.query.question


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("gcg(length=0)", "length"),
        ("gcg(target=true)", "target"),
        ("genetic(population=2)", "population"),
        ("genetic(before=0, behind=0)", "there would be no phrase"),
    ],
)
def test_parameters_that_make_no_sense_are_refused(text: str, sentence: str) -> None:
    with pytest.raises(SpecError, match=sentence):
        parse_instrument(text)
