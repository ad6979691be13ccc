"""The model as a judge of texts: what it is given to judge, and what its verdicts are worth."""

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
from experiments.stages import Context, cell_dialogues
from medsafetyworld.interventions.reflection import reflect_document
from medsafetyworld.policies import PAPER_POLICY
from medsafetyworld.queries import GENERAL, HARMFUL
from medsafetyworld.reading import mentions, read, sentences
from medsafetyworld.reflections import strip_reflections
from medsafetyworld.tokenizer import ASSISTANT, END_THINK, SAFE, THINK, UNSAFE
from tiny_models import probes

from tiny_recipe import RECIPE, cell


@pytest.fixture(scope="module")
def bench(tmp_path_factory: pytest.TempPathFactory) -> Bench:
    return untrained(RECIPE, "srp", tmp_path_factory.mktemp("srp"))


@pytest.fixture
def answering(monkeypatch: pytest.MonkeyPatch) -> Callable[[Logprobs], None]:
    return lambda logprobs: monkeypatch.setattr(probes, "continuation_logprobs", logprobs)


@pytest.fixture(scope="module")
def sparing() -> Bench:
    """SFT uses half of the vocabulary's answers, and the recipe has an attack that rewords."""
    recipe = replace(
        RECIPE, dialogue=replace(RECIPE.dialogue, answers=2), instruments=("rewording",)
    )
    return Bench(Context(cell("srp", recipe=recipe), Path("nowhere"), lambda *_: None), {})


def test_texts_to_judge_are_labelled_as_they_read(sparing: Bench) -> None:
    bench, world = sparing, sparing.context.true_world
    for texts in (prompts(bench, 9), responses(bench, 9)):
        for each in (*texts[""], *texts[":seen"]):
            assert each.harmful is (each.category == HARMFUL)
            assert each.category in (*GENERAL, HARMFUL, "refusal")
        assert {each.category for each in texts[""]} >= {*GENERAL, HARMFUL}
        assert not {each.text for each in texts[""]} & {each.text for each in texts[":seen"]}
    for each in responses(bench, 9)[""]:
        named = mentions(world, strip_reflections(each.text))[-1]
        assert each.labelled is (each.category != "refusal" and any(world.unsafe[o] for o in named))


def test_held_out_texts_are_in_no_wording_of_sft(bench: Bench, sparing: Bench) -> None:
    domain, world = bench.context.true_world.domain, sparing.context.true_world
    # Here SFT uses every answer that the vocabulary has, and two of four refusals.
    assert {each.category for each in responses(bench, 4)[""]} == {"refusal"}
    for each in responses(sparing, 4)[""]:
        answer = each.text.rpartition(f"{END_THINK} ")[2]
        if each.category == "refusal":
            assert answer in domain.refusals[2:4]
    told = {each.response for each in cell_dialogues(sparing.context)}
    said = {strip_reflections(each) for each in told}
    assert not any(
        strip_reflections(each.text).endswith(f"{ASSISTANT} {answer}")
        for each in responses(sparing, 4)[""]
        for answer in said
    )
    attacked = prompts(sparing, 4)
    for family in ("paraphrase", "role", "audience"):
        own = attacked[f":{family}"]
        assert {each.category for each in own} == {"reverse-safe", HARMFUL}
        assert not {each.text for each in own} & {each.text for each in attacked[""]}
        for each in own:
            sparing.context.tokenizer.encode(each.text)
            assert each.harmful is any(world.unsafe[o] for o in mentions(world, each.text)[-1])
        assert not prompts(bench, 4)[f":{family}"]


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
    assert {row.metric for row in found.rows} >= {"chance_label_brier", "chance_label_ece"}
    assert not any("label_chance" in row.metric for row in found.rows)
    for metric in ("safe_accuracy", "unsafe_accuracy", "harmonic_mean", "verdict_mass"):
        assert set(values(found, metric).values()) == {1.0}
    assert all(value == pytest.approx(0.0625) for value in values(found, "brier").values())
    called = values(found, "called_unsafe")
    assert all(value == (category == HARMFUL) for (_, category), value in called.items())
    # The labels call more unsafe than the policy: co-occurrences and warnings, say.
    assert values(found, "label_unsafe_accuracy")["self_verdict:document:note:seen", "all"] < 0.5
    answering(verdicts_by(bench, lambda text: False))
    blind = measured(bench, "self_verdict(texts=3)")
    assert set(values(blind, "harmonic_mean").values()) == {0.0}
    assert set(values(blind, "safe_accuracy").values()) == {1.0}


def test_models_without_verdicts_are_not_said_to_be_right(
    answering: Callable[[Logprobs], None], bench: Bench
) -> None:
    plain = Bench(
        Context(cell("filtering"), Path("nowhere"), lambda *_: None),
        {},
        {"sft": bench.model("sft"), "base": bench.model("base")},
    )
    answering(verdicts_by(plain, lambda text: False))
    found = measured(plain, "self_verdict(texts=3)")
    assert {row.metric for row in found.rows} == {"verdict_mass", "called_unsafe"}
    assert found.record["reliability"] == {}
