"""Probes of verdicts and streams: they find what is there, where it is, and no more."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from untrained_bench import Logprobs, measured, untrained, values

from experiments.instruments.bench import Bench
from experiments.instruments.judged_texts import documents, prompts, responses
from experiments.instruments.linear_probes import LinearProbes, clozes, questions, tasks
from experiments.instruments.patching import Alike, Pair, Patching, Text, _treated_rightly
from experiments.stages import Context
from medsafetyworld.interventions.reflection import reflect_document
from medsafetyworld.policies import PAPER_POLICY
from medsafetyworld.queries import GENERAL, HARMFUL
from medsafetyworld.reading import mentions, read, sentences
from medsafetyworld.reflections import strip_reflections
from medsafetyworld.tokenizer import SAFE, THINK, UNSAFE
from tiny_models import activations, patching, probes

from tiny_recipe import RECIPE, cell


@pytest.fixture(scope="module")
def bench(tmp_path_factory: pytest.TempPathFactory) -> Bench:
    return untrained(RECIPE, "srp", tmp_path_factory.mktemp("srp"))


@pytest.fixture
def answering(monkeypatch: pytest.MonkeyPatch) -> Callable[[Logprobs], None]:
    return lambda logprobs: monkeypatch.setattr(probes, "continuation_logprobs", logprobs)


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
