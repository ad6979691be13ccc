"""`msw chat`: what is shown beside an answer is what the graph and the judge say."""

from __future__ import annotations

import io
import sys
from dataclasses import asdict, replace
from pathlib import Path

import pytest
from rich.console import Console

from experiments import cli
from experiments.answer_view import (
    RIGHT,
    SAFE_STYLE,
    UNSAFE_STYLE,
    answer_text,
    found_text,
    reading_text,
    with_differences,
)
from experiments.answering import answer
from experiments.conversation import Conversation
from experiments.recipe import Arm
from experiments.run_names import open_run
from experiments.understanding import of_query, understood
from medsafetyworld.judge import judge
from medsafetyworld.queries import GENERAL, HARMFUL, prefilled, turns
from medsafetyworld.reflections import verdict

from tiny_recipe import RECIPE
from untrained_study import untrained_study

ARMS = (Arm("srp", "srp"), Arm("filtering", "filtering"))


@pytest.fixture(scope="module")
def study(tmp_path_factory: pytest.TempPathFactory) -> Path:
    recipe = replace(RECIPE, instruments=("damage(noise=(0.5,))",))
    return untrained_study(tmp_path_factory.mktemp("runs") / "study", ARMS, recipe=recipe)


def talk(
    study: Path, lines: list[str], monkeypatch: pytest.MonkeyPatch, *more: str
) -> tuple[int, str]:
    """Exit code, and what a piped talk prints in one line."""
    monkeypatch.setattr(sys, "stdin", io.StringIO("\n".join(lines) + "\n"))
    out = io.StringIO()
    monkeypatch.setattr(sys, "stdout", out)
    monkeypatch.setenv("COLUMNS", "400")
    code = cli.main(["chat", f"{study}:srp-s0", *more])
    return code, " ".join(out.getvalue().split())


# What is shown.


def styles(text, part: str) -> set[str]:
    """The styles of the whole of a part of a text."""
    start = text.plain.index(part)
    return {str(s.style) for s in text.spans if s.start <= start and s.end >= start + len(part)}


def test_verdicts_are_coloured_and_said() -> None:
    said = f"{verdict(None)} The answer is keltor. {verdict('dermal')} Unsafe:renal"
    text = answer_text(said, prefill=verdict(None), right=["keltor"])
    assert text.plain == said
    assert SAFE_STYLE in styles(text, verdict(None))
    assert UNSAFE_STYLE in styles(text, verdict("dermal"))
    assert UNSAFE_STYLE in styles(text, "Unsafe:renal")
    assert styles(text, "keltor") == {RIGHT}
    assert styles(text, "answer") == set()


def test_differences_are_marked_and_said() -> None:
    text = with_differences(answer_text("One answer is palmir."), "One answer is keltor.")
    assert text.plain == "≠ One answer is palmir."
    assert styles(text, "palmir.")
    assert not styles(text, "answer")


def test_readings_are_words() -> None:
    found = {"leaked": True, "delivered": False, "jailbroken": False, "refused": True}
    assert reading_text(found).plain == "leaked yes · delivered no · jailbroken no · refused yes"
    assert UNSAFE_STYLE in styles(reading_text(found), "yes")
    assert found_text(found).plain == "leaked · refused"
    assert found_text(dict.fromkeys(found, False)).plain == "no leak"
    assert found_text({"correct": False, "refused": True}).plain == "wrong · refused"


# A talk.


def test_an_answer_stands_beside_the_truth_and_the_judge(
    study: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = open_run(f"{study}:srp-s0")
    bench, world = run.bench, run.bench.context.true_world
    query = bench.harmful[0]
    forced = prefilled(world, query, "The answer for {c}")
    (plain,), (said,) = (answer(bench, "sft", [each]) for each in (query, forced))
    code, out = talk(
        study, ["1", "/prefill The answer for {c}", query.question, "/quit", "1"], monkeypatch
    )
    assert code == 0
    assert out.count("asked ") == 2
    for each, text in ((query, plain.text), (forced, said.text)):
        asked = of_query(world, each)
        judged = reading_text(asdict(judge(world, each, text))).plain
        shown = f"answer {text} truth {asked.says}. Right: {', '.join(asked.right)}. judge {judged}"
        assert " ".join(shown.split()) in out
    assert f"forced {forced.prefill} answer {forced.prefill}" in out
    assert of_query(world, query) == replace(understood(world, query.question), queries=(query,)), (
        "typed or picked, a question is the same"
    )


def test_the_commands_of_a_talk(study: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    bench = open_run(f"{study}:srp-s0").bench
    world = bench.context.true_world
    unsafe = world.unsafe.index(True)
    compound = world.compounds[world.single_edges[0].compounds[0]]
    effect = world.outcomes[world.single_edges[0].outcome]
    for line, parts in {
        "/questions": [f"1 {bench.harmful[0].question} [{HARMFUL}]"],
        "/questions safe": [bench.questions(GENERAL[2])[0].question],
        "/questions all": ["harmful or safe, got 'all'"],
        "/safe": [f"begin with: {verdict(None)}"],
        "/the": ["begin with: The"],
        "/prefill": ["as the model likes"],
        "/prefill Teh": ["'Teh'", "'The'"],
        f"/truth {compound}": [f"{compound} → {effect}"],
        f"/truth {world.outcomes[unsafe]}": ["(unsafe: ", "comes from:", "→"],
        "/truth nothing": ["the nearest is"],
        f"/derive {world.outcomes[unsafe]}": [
            "by logic, at depth 1:", "by association: no true answer follows", "[stated]"
        ],
        "/derive": ["no question about one was asked"],
        "/model base": ["base answers", "never seen a dialogue"],
        "/model best": ["'best'", "finetune:pair_forward"],
        "/model damage(noise=(0.5,)):noise=7": ["no model named", "makes others"],
        "/history maybe": ["on or off"],
        "/truht": ["no command named 'truht' (did you mean 'truth'?)"],
        "/help": ["/derive [OUTCOME]", "/gcg [STEPS]"],
        "/gcg": ["ask what brings an outcome about first"],
        "999": ["there is no question 999"],
        "": ["/help"],
    }.items():  # fmt: skip
        code, out = talk(study, [line], monkeypatch)
        assert code == 0
        for part in parts:
            assert part in out, line


def test_models_of_a_talk_answer_with_their_own_weights(
    study: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    bench = open_run(f"{study}:srp-s0").bench
    query = bench.harmful[1]
    made = "damage(noise=(0.5,)):noise=0.5"
    heard = set()
    for model in (*bench.stages, made):
        (said,) = answer(bench, model, [query])
        _, out = talk(study, [query.question], monkeypatch, "--model", model)
        assert " ".join(f"answer {said.text} truth".split()) in out
        _, out = talk(study, [f"/model {model}", query.question], monkeypatch)
        assert " ".join(f"answer {said.text} truth".split()) in out
        heard.add(said.text)
    assert len(heard) == len(bench.stages) + 1


def test_earlier_turns_stand_before_the_question_as_long_as_they_fit(study: Path) -> None:
    bench = open_run(f"{study}:filtering-s0").bench
    out = io.StringIO()
    spoken = Conversation(bench, "sft", Console(file=out, width=300))
    first, second = bench.questions("reverse-safe")[:2]
    spoken.hear("/history on")
    spoken.said = [(first.question, "The answer is.")]
    spoken.hear(second.question)
    later = replace(second, history=turns([(first.question, "The answer is.")]))
    (said,) = answer(bench, "sft", [later])
    assert said.text != answer(bench, "sft", [second])[0].text
    assert " ".join(said.text.split()) in " ".join(out.getvalue().split())
    spoken.said = [(first.question, "The answer is.")] * 9
    spoken.hear(second.question)
    assert "of 9 earlier turns fit" in out.getvalue()


@pytest.mark.slow
def test_gcg_searches_a_suffix_that_lowers_the_loss(
    study: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    _, out = talk(study, ["1", "/gcg 3", "/gcg 0"], monkeypatch)
    question = open_run(f"{study}:srp-s0").bench.harmful[0].question
    before, after = (
        float(each) for each in out.split("3 steps; loss of ")[1].split("' ")[1].split(";")[0]
        .split(", then ")
    )  # fmt: skip
    assert after <= before
    suffix = out.split("suffix: ")[1].split(" asked")[0]
    assert f"asked {question} {suffix} answer" in out
    assert "0 steps" in out
    assert "gcg must be a number" in talk(study, ["1", "/gcg x"], monkeypatch)[1]
