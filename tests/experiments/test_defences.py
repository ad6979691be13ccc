"""Rules of decoding that act on the model's own verdicts: what is shown, kept, and sampled anew."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import jax
import numpy as np
import pytest

from experiments.decoding import respond
from experiments.instruments import defences as defences_module
from experiments.instruments.bench import SFT, Bench
from experiments.instruments.defences import BACKTRACK, BEAM, Defences
from experiments.instruments.rewinding import Reading, Written, fitting, greedy, stopped, withheld
from experiments.recipe import Arm, Cell
from experiments.stages import Context
from experiments.study import with_vocabulary
from medsafetyworld.queries import prefilled
from tiny_models.generation import generate
from tiny_models.transformer import init_params

from tiny_recipe import RECIPE, cell


@pytest.fixture(scope="module")
def bench() -> Bench:
    """A cell whose model has larger random weights."""
    context = Context(cell("srp"), Path("nowhere"), lambda stage, progress: None)
    params = jax.tree.map(lambda leaf: 2.0 * leaf, init_params(context.model, 3))
    return Bench(context, {}, {SFT: params})


@pytest.fixture(scope="module")
def conditioned() -> Bench:
    """The same in an arm whose responses open with a control token, reflections behind it."""
    text = "conditional; sft: reflect | conditional; decode: conditioned('<|good|>')"
    arm = Arm("good", text)
    recipe = with_vocabulary(RECIPE, (arm,))
    context = Context(Cell(recipe, arm, 0, 7), Path("nowhere"), lambda stage, progress: None)
    params = jax.tree.map(lambda leaf: 2.0 * leaf, init_params(context.model, 3))
    return Bench(context, {}, {SFT: params})


SEGMENT = (
    "<think> Safe </think> The answer is one. <think> Unsafe:dermal </think> It comes from two."
)


def test_what_is_stopped_or_withheld_is_answered_with_a_refusal(bench) -> None:
    world = bench.context.true_world
    notice = world.domain.refusals[0]
    assert stopped(world, SEGMENT) == f"<think> Safe </think> The answer is one. {notice}"
    assert withheld(world, SEGMENT) == notice
    later = "The answer is one. <think> Safe </think> Two. <think> Unsafe:dermal </think>"
    assert withheld(world, later) == f"The answer is one. {notice}"
    on_question = "<think> Unsafe:dermal </think> I cannot help with that."
    assert stopped(world, on_question) == withheld(world, on_question) == notice
    bare = "The answer is one. Unsafe:dermal It comes from two."
    assert stopped(world, bare) == withheld(world, bare) == f"The answer is one. {notice}"
    closed = f"<think> Safe </think> {bare}"
    assert stopped(world, closed) == f"<think> Safe </think> The answer is one. {notice}"
    harmless = "<think> Safe </think> The answer is one. <think> Safe </think>"
    assert stopped(world, harmless) == withheld(world, harmless) == harmless


def test_going_back_is_to_before_the_segment_that_was_judged(bench) -> None:
    tokenizer = bench.context.tokenizer
    reading, unsafe = Reading.of(tokenizer), min(Reading.of(tokenizer).unsafe)

    def kept(text: str) -> str | None:
        found = reading.kept([*tokenizer.encode(text)])
        return None if found is None else tokenizer.decode(found)

    bad = tokenizer.vocabulary[unsafe]
    assert kept("<think> Safe </think> The answer.") is None
    assert kept(f"<think> {bad} </think> The answer.") is None, "a verdict on the question stays"
    assert kept(f"The answer. <think> {bad} </think>") == ""
    first = "<think> Safe </think>"
    assert kept(f"{first} The answer. <think> {bad} </think> The") == first
    assert kept(f"The. {first} The answer. <think> {bad} </think>") == f"The. {first}"
    assert kept(f"{first} The answer. {bad} The") == first, "a verdict that no mark opens"
    assert kept(f"{bad} The answer.") is None
    ahead = replace(reading, ahead=tokenizer.encode("answer")[0])
    tokens = tokenizer.encode(f"{first} The. <think> {bad} answer </think> The.")
    assert tokenizer.decode(ahead.kept(tokens) or ()) == f"{first} The."
    unopened = tokenizer.encode(f"{first} The. {bad} answer")
    assert tokenizer.decode(ahead.kept(unopened) or ()) == f"{first} The."


def test_only_responses_judged_unsafe_are_sampled_anew_until_they_are_not(
    bench, monkeypatch
) -> None:
    """The model is replaced by a script: two questions judged Unsafe, one of them for good."""
    tokenizer, queries = bench.context.tokenizer, bench.harmful[:3]
    bad = tokenizer.vocabulary[min(Reading.of(tokenizer).unsafe)]
    safe, unsafe = (f"The answer. <think> {word} </think>" for word in ("Safe", bad))
    script = iter([[safe, unsafe, unsafe], [unsafe, safe], [unsafe]])
    asked = []

    def scripted(bench, prompts, begun, call):
        asked.append((len(prompts), call.get("seed"), [*begun]))
        texts = next(script)
        return [
            Written(prompt, tuple(tokenizer.encode(text)), 0, 10, call)
            for prompt, text in zip(prompts, texts, strict=True)
        ]

    monkeypatch.setattr(defences_module, "generated", scripted)
    monkeypatch.setattr(
        defences_module,
        "greedy",
        lambda bench, queries: scripted(bench, [()] * len(queries), [], {}),
    )
    rules = Defences(tries=2)._rules(bench, queries, "")
    final, lines = rules[BACKTRACK]
    notice = bench.context.true_world.domain.refusals[0]
    assert [each.text for each in final] == [safe, notice, safe]
    assert [each.read for each in final] == [10, 30, 20]
    assert [count for count, _, _ in asked] == [3, 2, 1]
    assert len({seed for _, seed, _ in asked}) == 3
    assert asked[1][2] == [(), ()]
    assert [number for number, _ in lines] == [0, 1, 2, 1]
    assert ["seed" in each.call for _, each in lines] == [False, True, True, True]
    plain, withheld_now = rules["none"][0], rules["withhold"][0]
    assert [each.text for each in plain] == [safe, unsafe, unsafe]
    assert [each.text for each in withheld_now] == [safe, notice, notice]
    # The closing mark behind the verdict is not written any more.
    assert [p.given - w.given for p, w in zip(plain, withheld_now, strict=True)] == [0, 1, 1]


def test_what_is_sampled_is_what_its_line_says(bench) -> None:
    """One call with the line's prompts, temperature and seed gives the same again."""
    made = Defences(temperature=2.0)
    context = bench.context
    queries = [prefilled(context.true_world, query, "The") for query in bench.harmful[:2]]
    # Whatever follows `The` counts as an Unsafe verdict, and `The` as the end of the one before.
    (the,) = context.tokenizer.encode("The")
    anything = frozenset(range(len(context.tokenizer))) - {the}
    reading = replace(Reading.of(context.tokenizer), unsafe=anything, end_think=the)
    _, lines = made._backtracked(bench, greedy(bench, queries), reading, "test")
    sampled = [(number, each) for number, each in lines if each.call]
    assert len(sampled) == 2 * made.tries
    assert {each.call["prefill"] for _, each in sampled} == {"The"}
    for seed in dict.fromkeys(each.call["seed"] for _, each in sampled):
        call = [(number, each) for number, each in sampled if each.call["seed"] == seed]
        encode = context.tokenizer.encode
        begun = [encode(each.call["prefill"]) if each.call["prefill"] else [] for _, each in call]
        again = generate(
            bench.model(),
            context.model,
            [
                np.array([*encode(queries[number].opening), *start])
                for (number, _), start in zip(call, begun, strict=True)
            ],
            max_new_tokens=context.cell.recipe.new_tokens,
            stop_token=context.tokenizer.end,
            temperature=2.0,
            seed=seed,
        )
        for (_, each), start, tokens in zip(call, begun, again, strict=True):
            assert each.whole == context.tokenizer.decode([*start, *tokens])


def test_the_token_that_a_rule_opens_with_is_neither_kept_nor_saved(conditioned) -> None:
    """Another start after the control token is told by what was begun behind it."""
    made, context = Defences(temperature=2.0), conditioned.context
    queries = [prefilled(context.true_world, query, "The") for query in conditioned.harmful[:2]]
    first = greedy(conditioned, queries)
    said = respond(context, conditioned.model(), queries)
    assert [context.tokenizer.decode(each.tokens) for each in first] == [e.text for e in said]
    (the,) = context.tokenizer.encode("The")
    anything = frozenset(range(len(context.tokenizer))) - {the}
    reading = replace(Reading.of(context.tokenizer), unsafe=anything, end_think=the)
    _, lines = made._backtracked(conditioned, first, reading, "test")
    sampled = [(number, each) for number, each in lines if each.call]
    assert len(sampled) == 2 * made.tries
    assert {each.call["prefill"] for _, each in sampled} == {"The"}
    for seed in dict.fromkeys(each.call["seed"] for _, each in sampled):
        call = [(number, each) for number, each in sampled if each.call["seed"] == seed]
        asked = [replace(queries[number], prefill=each.call["prefill"]) for number, each in call]
        again = respond(context, conditioned.model(), asked, temperature=2.0, seed=seed)
        assert [each.whole for _, each in call] == [each.text for each in again]
        assert all(each.text.startswith("<|good|> The") for each in again)


def test_behind_a_control_token_a_verdict_on_the_question_stays(conditioned) -> None:
    tokenizer = conditioned.context.tokenizer
    reading = Reading.of(tokenizer)
    bad = tokenizer.vocabulary[min(reading.unsafe)]
    tokens = tuple(tokenizer.encode(f"<|good|> <think> {bad} </think> The answer."))
    _, lines = Defences()._backtracked(
        conditioned, [Written((1,), tokens, 1, 9, {}, opening=1)], reading, "test"
    )
    assert ["seed" in each.call for _, each in lines] == [False]


def test_a_beginning_is_kept_only_where_an_answer_fits_behind_it(bench) -> None:
    tokens = tuple(bench.context.tokenizer.encode("The answer is"))
    room = RECIPE.context - RECIPE.new_tokens
    assert fitting(bench, [1] * (room - 3), tokens) == tokens
    assert fitting(bench, [1] * (room - 2), tokens) == ()
    torn = next(
        index
        for index, token in enumerate(bench.context.tokenizer.vocabulary)
        if token.startswith("##")
    )
    assert fitting(bench, [1], (torn,)) == ()


def test_safe_beam_is_tried_where_its_tag_is_a_token(bench) -> None:
    queries, made = bench.harmful[:2], Defences(beams=2, ahead=2)
    assert BEAM not in made._rules(bench, queries, "")
    recipe = replace(RECIPE, vocabulary=("harm_tag",))
    context = Context(cell("srp", recipe=recipe), Path("nowhere"), lambda stage, progress: None)
    tagged = Bench(context, {}, {SFT: init_params(context.model, 3)})
    final, lines = made._rules(tagged, queries, "")[BEAM]
    assert [each for _, each in lines] == final
    for each in final:
        assert each.call == {"decoding": "safe_beam(beams=2, ahead=2)"}
        assert each.read > each.least
