"""Probes: an oracle in the model's place gets full marks, its opposite none."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from experiments import capability
from experiments.decoding import Response
from experiments.instruments import Findings, asking, parse_instrument
from experiments.instruments.bench import BASE, SFT, Bench
from experiments.instruments.emergence import half_way
from experiments.instruments.judged_texts import documents, prompts, responses
from experiments.instruments.knowledge import THIRDS, planned, thirds
from experiments.instruments.linear_probes import LinearProbes, clozes, questions, tasks
from experiments.instruments.over_refusal import alike
from experiments.instruments.patching import Alike, Pair, Patching, Text, _treated_rightly
from experiments.recipe import Recipe
from experiments.stages import Context
from experiments.statements import STATEMENTS, write_statements
from experiments.store import open_stage
from experiments.trainings import WEIGHTS
from medsafetyworld.corpus import Corpus
from medsafetyworld.interventions.reflection import reflect_document
from medsafetyworld.policies import PAPER_POLICY
from medsafetyworld.queries import GENERAL, HARMFUL
from medsafetyworld.reading import mentions, read, sentences
from medsafetyworld.reflections import strip_reflections
from medsafetyworld.tokenizer import SAFE, THINK, UNSAFE
from tiny_models import activations, patching, probes
from tiny_models.retention import keep_weights
from tiny_models.transformer import init_params
from tiny_models.weights import save_weights

from tiny_recipe import RECIPE, TWO_HOP, cell

ALL = (
    "ranks",
    "emergence(prompts=4)",
    "knowledge(questions=2)",
    "self_verdict(texts=3)",
    "linear_probes(controls=2,forms=1)",
    "over_refusal(questions=2)",
    "patching(pairs=2)",
)


def untrained(recipe: Recipe, variant: str, root: Path) -> Bench:
    """A bench of random weights, with weights kept at a few steps: nothing is trained."""
    context = Context(cell(variant, recipe=recipe), root, lambda *_: None)
    params = init_params(context.model, 1)
    stage = open_stage(root, "pretrain", {"of": variant})
    for step in (0, 1, 16):
        keep_weights(stage.path, step, params, context.model)
    write_statements(stage.path / STATEMENTS, planned(context.corpus))
    save_weights(stage.path / WEIGHTS, params, context.model)
    stage.finish({})
    return Bench(context, {BASE: stage, SFT: stage})


@pytest.fixture(scope="module")
def bench(tmp_path_factory: pytest.TempPathFactory) -> Bench:
    return untrained(RECIPE, "srp", tmp_path_factory.mktemp("srp"))


@pytest.fixture(scope="module")
def two_hop(tmp_path_factory: pytest.TempPathFactory) -> Bench:
    return untrained(TWO_HOP, "filtering", tmp_path_factory.mktemp("two-hop"))


def measured(bench: Bench, text: str) -> Findings:
    found = parse_instrument(text).measure(bench)
    assert len({row.key for row in found.rows}) == len(found.rows)
    json.dumps([found.transcript, dict(found.record)], allow_nan=False)
    return found


def values(found: Findings, metric: str) -> dict[tuple[str, str], float]:
    return {(row.probe, row.category): row.value for row in found.rows if row.metric == metric}


@pytest.mark.slow
@pytest.mark.parametrize("world", ["bench", "two_hop"])
def test_every_probe_measures_both_kinds_of_world(
    world: str, request: pytest.FixtureRequest
) -> None:
    own: Bench = request.getfixturevalue(world)
    # What is the same in both kinds of world is compiled for one of them.
    for text in ALL if world == "bench" else ALL[:5]:
        found = measured(own, text)
        # No pair of questions need be treated differently by random weights.
        assert found.rows or text.startswith("patching"), text
        assert found.record["budget"] > 0, text


Logprobs = Callable[..., np.ndarray]


def oracle(bench: Bench, sign: float = 1.0) -> Logprobs:
    """Log-probabilities of one who reads names out of a text and looks them up in the graph."""
    world, tokenizer = bench.context.true_world, bench.context.tokenizer

    def logprobs(params: Any, config: Any, prefixes: Any, continuations: Any) -> np.ndarray:
        names = [tokenizer.decode(each) for each in continuations]
        result = np.zeros((len(prefixes), len(names)), np.float32)
        for row, prefix in enumerate(prefixes):
            named = mentions(world, tokenizer.decode(prefix))
            if names[0] in world.compounds:
                ways = world.ways[named[-1][0]]
                right = {world.compounds[way[0]] for way in ways if len(way) == 1}
            else:
                right = {world.outcomes[each] for each in world.effects[named[0][:1]]}
            result[row] = [sign * (-1.0 if name in right else -9.0) for name in names]
        return result

    return logprobs


@pytest.fixture
def answering(monkeypatch: pytest.MonkeyPatch) -> Callable[[Logprobs], None]:
    def put(logprobs: Logprobs) -> None:
        monkeypatch.setattr(probes, "continuation_logprobs", logprobs)
        monkeypatch.setattr(capability, "continuation_logprobs", logprobs)

    return put


def test_ranks_are_first_for_an_oracle_and_last_for_its_opposite(
    bench: Bench, answering: Callable[[Logprobs], None]
) -> None:
    answering(oracle(bench))
    best = measured(bench, "ranks")
    assert set(values(best, "top1").values()) == set(values(best, "mrr").values()) == {1.0}
    assert {row.level for row in best.rows} == {"elicited", "capability"}
    answering(oracle(bench, -1.0))
    worst = measured(bench, "ranks")
    assert set(values(worst, "top1").values()) == {0.0}
    ranks = [entry["rank"] for entry in worst.transcript]
    wrong = [round(24 * (1 - entry["chance"][0])) for entry in worst.transcript]
    assert ranks == [1 + each for each in wrong]


def test_emergence_follows_each_kept_step(
    bench: Bench, answering: Callable[[Logprobs], None]
) -> None:
    # Three categories at each step: the first two steps are answered wrongly.
    turns = iter([oracle(bench, -1.0)] * 6 + [oracle(bench)] * 3)
    answering(lambda *given: next(turns)(*given))
    found = measured(bench, "emergence(first=16,prompts=5)")
    assert found.record["steps"] == [0, 16, 30]
    top = values(found, "top1")
    assert {top[f"emergence:step={step}", HARMFUL] for step in (0, 16)} == {0.0}
    assert {top["emergence:step=30", each] for each in found.record["curves"]} == {1.0}
    assert set(values(found, "half_way").values()) == {1.0}


@pytest.mark.parametrize(
    ("curve", "share"),
    [([(0, 0.1, 0.1), (2, 0.5, 0.1), (4, 0.7, 0.1), (8, 0.9, 0.1)], 0.25),
     ([(0, 0.6, 0.1), (2, 0.2, 0.1), (4, 0.9, 0.1)], 1.0),
     ([(0, 0.9, 0.1), (4, 0.9, 0.1)], 0.0),
     ([(0, 0.9, 0.1), (4, 0.1, 0.1)], None)],
)  # fmt: skip
def test_half_way_is_where_a_curve_stays_above_half_its_gain(
    curve: list[tuple[float, float, float]], share: float | None
) -> None:
    assert half_way(curve) == share


def test_an_oracle_knows_every_fact_and_thirds_are_equal(
    bench: Bench, answering: Callable[[Logprobs], None], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(
        asking, "respond", lambda context, params, queries: [Response("", 0, 0, 0)] * len(queries)
    )
    answering(oracle(bench))
    found = measured(bench, "knowledge(questions=2)")
    known = [row for row in found.rows if row.metric == "known"]
    assert {row.value for row in known} == {1.0}
    forward = [row for row in known if row.category == "forward" and "frequency" in row.probe]
    assert sorted(row.n for row in forward) == [12, 12, 12]
    answering(oracle(bench, -1.0))
    again = measured(bench, "knowledge(questions=2)")
    assert {row.value for row in again.rows if row.metric == "known"} == {0.0}


def test_thirds_go_by_count_and_then_by_order() -> None:
    assert thirds([5, 1, 5, 2, 9, 5]) == [THIRDS[each] for each in (1, 0, 1, 0, 2, 2)]
    assert thirds([7]) == ["rare"]


@pytest.mark.parametrize("own", ["bench", "two_hop"])
def test_the_plan_counts_what_the_documents_state(own: str, request: pytest.FixtureRequest) -> None:
    corpus: Corpus = request.getfixturevalue(own).context.corpus
    told = Counter(said for each in corpus.documents(0) for said in each.statements)
    assert +planned(corpus) == told


def test_texts_to_judge_are_labelled_as_they_read(bench: Bench) -> None:
    world = bench.context.true_world
    for texts in (prompts(bench, 9), responses(bench, 9)):
        for each in (*texts[""], *texts[":seen"]):
            assert each.harmful is (each.category == HARMFUL)
            assert each.category in (*GENERAL, HARMFUL, "refusal")
        assert {each.category for each in texts[""]} >= {*GENERAL, HARMFUL}
        assert not {each.text for each in texts[""]} & {each.text for each in texts[":seen"]}
    for each in responses(bench, 9)[""]:
        named = mentions(world, strip_reflections(each.text))[-1]
        assert each.labelled is (each.category != "refusal" and any(world.unsafe[o] for o in named))


def test_documents_are_judged_as_reflections_would(tmp_path: Path) -> None:
    kinds = replace(RECIPE.corpus, digest_rate=0.2, monograph_rate=0.2)
    many = cell("srp", recipe=replace(RECIPE, corpus=kinds))
    bench = Bench(Context(many, tmp_path, lambda *_: None), {})
    world, corpus = bench.context.world, bench.context.corpus
    reflected = {reflect_document(world, each).text for each in corpus.documents(0)}
    found = documents(bench, 5)
    assert found.keys() == {"note", "digest", "monograph"}
    for texts in found.values():
        assert {each.category for each in texts} >= {*GENERAL, HARMFUL, "cooccurrence-unsafe"}
        for each in texts:
            last = sentences(each.text)[-1]
            (said,) = read(world, last)
            assert each.harmful is PAPER_POLICY.harmful(world, said)
            assert each.labelled is any(world.unsafe[o] for o in mentions(world, last)[-1])
            mark = f" {THINK} {UNSAFE}" if each.labelled else f" {THINK} {SAFE} "
            assert any(whole.startswith(each.text + mark) for whole in reflected)
    assert any(each.text.count(THINK) > 1 for each in found["digest"])


def verdicts_by(bench: Bench, unsafe: Callable[[str], bool]) -> Logprobs:
    tokenizer = bench.context.tokenizer

    def logprobs(params: Any, config: Any, prefixes: Any, said: Any) -> np.ndarray:
        names = [tokenizer.decode(each) for each in said]
        assert names[0] == SAFE
        assert all(each.startswith(UNSAFE) for each in names[1:])
        rows = []
        for prefix in prefixes:
            text, _, rest = tokenizer.decode(prefix).rpartition(f" {THINK}")
            assert rest == ""
            share = 0.75 if unsafe(text) else 0.25
            rows.append([np.log(1 - share)] + [np.log(share / len(names[1:]))] * len(names[1:]))
        return np.array(rows)

    return logprobs


def test_verdicts_that_follow_the_policy_are_right_and_calibrated(
    bench: Bench, answering: Callable[[Logprobs], None]
) -> None:
    groups = [prompts(bench, 3), responses(bench, 3), documents(bench, 3)]
    texts = [each for group in groups for own in group.values() for each in own]
    harmful = {each.text: each.harmful for each in texts}
    answering(verdicts_by(bench, lambda text: harmful[text]))
    found = measured(bench, "self_verdict(texts=3)")
    assert found.record["taught"] == {"base": True, "sft": True}
    for metric in ("safe_accuracy", "unsafe_accuracy", "harmonic_mean", "verdict_mass"):
        assert set(values(found, metric).values()) == {1.0}
    assert all(value == pytest.approx(0.0625) for value in values(found, "brier").values())
    called = values(found, "called_unsafe")
    assert all(value == (category == HARMFUL) for (_, category), value in called.items())
    # The labels call more unsafe than the policy: co-occurrences and warnings, say.
    assert values(found, "label_unsafe_accuracy")["self_verdict:document:note", "all"] < 0.5
    answering(verdicts_by(bench, lambda text: False))
    blind = measured(bench, "self_verdict(texts=3)")
    assert set(values(blind, "harmonic_mean").values()) == {0.0}
    assert set(values(blind, "safe_accuracy").values()) == {1.0}


def test_probes_find_what_is_in_the_stream_and_no_more(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = LinearProbes(controls=4, forms=2, folds=2)
    world, tokenizer = bench.context.true_world, bench.context.tokenizer
    names = [*world.outcomes, *world.compounds]

    def streams(params: Any, config: Any, sequences: Any, positions: Any) -> np.ndarray:
        # Layer 0 holds nothing, layer 1 who is named, layer 2 the outcome's safety.
        found = np.zeros((3, len(sequences), len(names) + 1), np.float32)
        for row, sequence in enumerate(sequences):
            named = mentions(world, tokenizer.decode(sequence))
            for outcome in named[-1]:
                found[1, row, outcome] = 1
                found[2, row, -1] = 1 if world.unsafe[outcome] else -1
            for compound in named[0]:
                found[1, row, len(world.outcomes) + compound] = 1
        return found

    monkeypatch.setattr(activations, "residual_stream", streams)
    found = made.measure(bench)
    accuracy, control = values(found, "accuracy"), values(found, "control")
    for where in ("sft:subject", "sft:last", "base:subject", "base:last"):
        scores = [accuracy[f"linear_probes:outcome_safety:layer={n}", where] for n in range(3)]
        assert scores == [0.5, pytest.approx(0.5, abs=0.3), 1.0]
        assert control["linear_probes:direction:layer=0", where] == 0.5
    assert [step for step, *_ in found.record["curves"]["direction:layer=0"]] == [0, 16, 30]


def test_what_teaches_a_probe_and_what_tests_it_have_no_wording_in_common(bench: Bench) -> None:
    made = LinearProbes(forms=2)
    domain = bench.context.true_world.domain
    trained = [each for pool in domain.training_questions.values() for each in pool]
    for each in questions(made, bench):
        wording = each.text
        for name in sorted(
            (*bench.context.true_world.outcomes, *bench.context.true_world.compounds), key=len
        ):
            wording = wording.replace(name, "{}")
        plain = [text.replace("{a}", "{}").replace("{c}", "{}") for text in trained]
        if "{} and {}" not in wording and "{} with {}" not in wording:
            assert any(text in wording for text in plain) is each.teaches, wording
    for examples in (questions(made, bench), clozes(made, bench)):
        for task in tasks(examples):
            label: dict[object, bool] = {}
            for example, own in zip(task.examples, task.labels, strict=True):
                assert label.setdefault(example.entity, own) is own
        assert any(not each.teaches for each in examples)


def test_a_single_wording_teaches_and_tests(tmp_path: Path) -> None:
    corpus = replace(RECIPE.corpus, surface_forms=1, templates=4, cooccurrence_templates=4)
    one = cell("srp", recipe=replace(RECIPE, corpus=corpus))
    found = clozes(LinearProbes(), Bench(Context(one, tmp_path, lambda *_: None), {}))
    parts = {True: set(), False: set()}
    for each in found:
        parts[each.teaches].add(each.entity)
    assert parts[True] == parts[False] != set()


def fake_patches(bench: Bench, listens: str) -> Callable[..., np.ndarray]:
    """Logits of a model that refuses by the token at the verdict, or by the outcome's name."""
    world, tokenizer = bench.context.true_world, bench.context.tokenizer
    refusal, answer = (tokenizer.encode(each)[0] for each in ("I", "The"))

    def logits(params: Any, config: Any, patches: Any) -> np.ndarray:
        found = np.zeros((len(patches), len(tokenizer)), np.float32)
        for row, patch in enumerate(patches):
            tokens = patch.receiver.copy()
            if patch.layer < 2:
                tokens[list(patch.positions)] = patch.donor[list(patch.positions)]
            text = tokenizer.decode(tokens)
            named = mentions(world, text)[-1]
            refuses = (
                UNSAFE in text
                if listens == "verdict"
                else any(map(world.unsafe.__getitem__, named))
            )
            found[row, refusal if refuses else answer] = 50.0
        return found

    return logits


@pytest.mark.parametrize(("listens", "site"), [("verdict", "verdict"), ("name", "subject")])
def test_patching_finds_the_place_that_a_model_listens_to(
    bench: Bench, monkeypatch: pytest.MonkeyPatch, listens: str, site: str
) -> None:
    monkeypatch.setattr(patching, "patched_logits", fake_patches(bench, listens))
    found = Patching(pairs=3)._read(bench, "answer", closed=True)
    assert found.record["answer"]["clean"] == found.record["answer"]["of"] > 0
    flipped = values(found, "flipped")
    for (probe, _), value in flipped.items():
        _, _, own, layer = probe.split(":")
        assert value == (own == site and layer in ("layer=0", "layer=1")), probe
    assert {category for _, category in flipped} == {HARMFUL, "reverse-safe"}
    assert set(values(found, "control").values()) <= {0.0}


def test_pairs_that_are_treated_alike_do_not_count(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    def deaf(params: Any, config: Any, patches: Any) -> np.ndarray:
        return np.zeros((len(patches), config.vocab_size))

    monkeypatch.setattr(patching, "patched_logits", deaf)
    found = Patching(pairs=3).measure(bench)
    assert not found.rows
    assert [found.record[each]["clean"] for each in ("answer", "verdict")] == [0, 0]


def test_donors_of_either_class_are_treated_rightly_themselves() -> None:
    def text(name: int, bad: bool) -> Text:
        return Text(np.array([name]), {}, bad)

    first, second, third = (text(name, True) for name in (1, 2, 3))
    good, better = text(4, False), text(5, False)
    groups = [Alike(first, (good, better), (second, third)), Alike(second, (better,), (first,))]

    def pairs(*right: Text) -> list[Pair]:
        return _treated_rightly(groups, {each.tokens.tobytes() for each in right})

    assert pairs(first, third, better) == [Pair(first, better, third, None)]
    assert pairs(first, good, better) == [Pair(first, good, None, better)]
    assert pairs(second, third, good) == []


def test_alike_outcomes_share_a_word_with_an_unsafe_one() -> None:
    world: Any = SimpleNamespace(
        outcomes=("acute chest pain", "acute hunger", "late hunger", "chest warmth"),
        unsafe=(True, False, False, False),
    )
    assert alike(world) == {1, 3}
