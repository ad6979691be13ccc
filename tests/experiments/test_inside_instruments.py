"""Probes of streams: they find what is there, where it is, and no more."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from untrained_bench import untrained, values

from experiments.instruments.bench import Bench
from experiments.instruments.linear_probes import (
    Example,
    LinearProbes,
    Task,
    clozes,
    questions,
    tasks,
)
from experiments.instruments.mediator_probe import _by_majority, _control, _true
from experiments.instruments.patching import (
    Alike,
    Pair,
    Patching,
    Text,
    _opposed,
    _treated_rightly,
    _trials,
)
from experiments.stages import Context
from medsafetyworld.queries import HARMFUL
from medsafetyworld.reading import mentions
from medsafetyworld.tokenizer import UNSAFE
from tiny_models import activations, patching

from tiny_recipe import RECIPE, TWO_HOP, cell


@pytest.fixture(scope="module")
def bench(tmp_path_factory: pytest.TempPathFactory) -> Bench:
    return untrained(RECIPE, "srp", tmp_path_factory.mktemp("srp"))


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
    heart = values(found, "control_taught_accuracy")
    for where in ("sft:subject", "sft:last", "base:subject", "base:last"):
        scores = [accuracy[f"linear_probes:outcome_safety:layer={n}", where] for n in range(3)]
        assert scores == [0.5, pytest.approx(0.5, abs=0.3), 1.0]
        assert control["linear_probes:direction:layer=0", where] == 0.5
        # A name can be learned by heart with any label, and then nothing is left to select.
        assert heart["linear_probes:outcome_safety:layer=0", where] == 0.5
        assert heart["linear_probes:outcome_safety:layer=1", where] == 1.0
    # Labels dealt among outcomes leave it readable that compounds are asked about.
    assert control["linear_probes:harmful:layer=2", "sft:last"] > 0.6
    steps = {probe for probe, _ in accuracy if ":step=" in probe}
    assert "linear_probes:direction:layer=2:step=16" in steps
    assert all(":layer=2:" in each for each in steps) is (bench.context.model.layers == 2)
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


def about(arity: int, number: int, unsafe: bool, teaches: bool) -> Example:
    entity = (0, (number,) * arity)
    return Example(f"{entity}", "", entity, False, unsafe, teaches, arity=arity)


def test_what_the_number_of_compounds_tells_is_left_in_the_control() -> None:
    # Three of four single compounds are safe, three of four pairs are not; the stream is the arity.
    kinds = [(1, number, number % 4 == 0) for number in range(16)]
    kinds += [(2, number, number % 4 > 0) for number in range(16)]
    examples = tuple(about(*kind, teaches) for kind in kinds for teaches in (True, False))
    labels = tuple(bool(each.unsafe) for each in examples)
    stream = np.array([[[float(each.arity)] for each in examples]])
    scored = LinearProbes(controls=4)._scored(Task("effect_safety", examples, labels), stream, 0)
    assert scored is not None
    assert set(scored[0].values()) == {0.75}


def test_a_class_in_too_few_of_each_wording_is_not_probed() -> None:
    # An unsafe compound and an unsafe pair would be in the same fold, and none be left to teach.
    kinds = [(arity, number, number == 0) for arity in (1, 2) for number in range(4)]
    examples = tuple(about(*kind, teaches) for kind in kinds for teaches in (True, False))
    labels = tuple(bool(each.unsafe) for each in examples)
    task = Task("effect_safety", examples, labels)
    assert LinearProbes()._scored(task, np.zeros((1, len(examples), 1)), 0) is None


def test_questions_say_of_how_many_compounds_they_speak(bench: Bench) -> None:
    made = questions(LinearProbes(), bench)
    assert {each.arity for each in made if not each.reverse} == {1, 2}
    for each in made:
        named = mentions(bench.context.true_world, each.text)[0]
        assert each.reverse or len(named) == each.arity


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
    counts = {(row.probe, row.category, row.metric): row.n for row in found.rows}
    for (probe, category, metric), n in counts.items():
        assert counts[probe, category, "control"] == n > 0, metric
        assert not probe.endswith(f"layer={bench.context.model.layers}")
    left_out = found.record["answer"]["by_construction"]
    assert {"after:layer=0", "assistant:layer=0"} <= set(left_out)
    assert not {"subject:layer=0", "verdict:layer=0"} & set(left_out), "both tell them apart"


@pytest.mark.parametrize("broken", [HARMFUL, "reverse-safe"])
def test_what_neither_refuses_nor_answers_is_no_flip(
    bench: Bench, monkeypatch: pytest.MonkeyPatch, broken: str
) -> None:
    whole = fake_patches(bench, "name")

    def logits(params: Any, config: Any, patches: Any) -> np.ndarray:
        found = whole(params, config, patches)
        for row, patch in enumerate(patches):
            text = bench.context.tokenizer.decode(patch.receiver)
            bad = any(bench.context.true_world.unsafe[each] for each in mentions(
                bench.context.true_world, text)[-1])  # fmt: skip
            if patch.positions and bad is (broken == HARMFUL):
                found[row] = 0.0
        return found

    monkeypatch.setattr(patching, "patched_logits", logits)
    found = Patching(pairs=3)._read(bench, "answer", closed=True)
    for metric, highest in (("flipped", 1.0), ("control", 0.0)):
        rates: dict[str, set[float]] = {}
        for (_, category), value in values(found, metric).items():
            rates.setdefault(category, set()).add(value)
        assert rates.pop(broken) == {0.0}
        (other,) = rates.values()
        assert max(other) == highest


def test_a_verdict_is_opposed_to_every_other(bench: Bench) -> None:
    words = bench.context.tokenizer.decode
    unsafe, safe = (words(np.array(each)).split() for each in _opposed(bench, "verdict"))
    assert safe == ["Safe"]
    assert all(each.startswith(UNSAFE) for each in unsafe)
    assert len(unsafe) == len(bench.context.true_world.domain.lexicon.systems)


def test_what_can_only_come_out_one_way_is_no_finding() -> None:
    def text(tokens: list[int], bad: bool) -> Text:
        return Text(np.array(tokens), {"subject": (0,), "assistant": (1,)}, bad)

    pair = Pair(text([1, 9], True), text([2, 9], False), text([3, 9], True), None)
    keys = [key for key, _ in _trials(pair, 2)]
    assert keys == [
        (f"{site}:layer=1", HARMFUL, metric)
        for site in ("subject", "assistant")
        for metric in ("flipped", "control")
    ]


def test_the_control_and_chance_of_mediators_follow_their_frequencies(tmp_path: Path) -> None:
    deep = Context(cell("filtering", recipe=TWO_HOP), tmp_path, lambda *_: None).true_world
    true = _true(deep.chains, len(deep.layers[1]))
    dealt = _control(deep.chains, true, np.random.default_rng(0))
    edges: dict[Any, set[tuple[float, ...]]] = {}
    for chain, row in zip(deep.chains, dealt.tolist(), strict=True):
        edges.setdefault(chain.groups[:2], set()).add(tuple(row))
    assert all(len(own) == 1 for own in edges.values()), "a compound's edge has one label"
    first = {chain.groups[:2]: tuple(row) for chain, row in zip(deep.chains, true, strict=True)}
    assert Counter(next(iter(own)) for own in edges.values()) == Counter(first.values())
    assert (dealt != true).any()
    labels = np.eye(2)[[0, 0, 0, 1, 1, 0]]
    hits = _by_majority(labels, np.array([0, 0, 0, 1, 1, 1]))
    assert hits.tolist() == [False, False, False, False, False, True]


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
