"""Decoding rules and losses by token, from an arm's text to rows and weights."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import ClassVar

import jax
import numpy as np
import pytest

from experiments.decoding import check_decoding, respond
from experiments.evaluation import evaluate
from experiments.recipe import Arm, Cell
from experiments.rows import read_rows
from experiments.stages import Context, packed_batch, pretrain_inputs, pretraining
from experiments.study import with_vocabulary
from experiments.token_losses import loss_codes, token_losses
from medsafetyworld import queries as questions
from medsafetyworld.documents import LOSSES
from medsafetyworld.errors import SpecError
from medsafetyworld.interventions import Variant, parse
from medsafetyworld.interventions.decoding import Decoding, SafeBeam, StopOn
from medsafetyworld.interventions.reflection import Reflect
from medsafetyworld.queries import HARMFUL, prefilled
from medsafetyworld.tokenizer import GOOD
from medsafetyworld.training_stream import TokenStream
from tiny_models import init_params
from tiny_models.beam import safe_beam
from tiny_models.generation import generate
from tiny_models.token_losses import LEARN, MASK, ROUTE, UNLIKELY, Coded

from tiny_recipe import RECIPE

BEAM = "gradient_routing(units=8) | harm_tag; sft: reflect; decode: safe_beam(beams=2, ahead=2)"
TEXTS = {
    "beam": BEAM,
    "greedy": BEAM.split("; decode")[0],
    "stop": "harm_tag; decode: stop_on",
    "good": "conditional; sft: conditional; decode: conditioned('<|good|>')",
    "plain": "baseline",
}
ARMS = tuple(Arm(name, text) for name, text in TEXTS.items())
SHARED = with_vocabulary(RECIPE, ARMS)


def context_of(name: str, root: Path = Path("nowhere")) -> Context:
    arm = next(arm for arm in ARMS if arm.name == name)
    return Context(Cell(SHARED, arm, 0, 7), root, lambda stage, progress: None)


@pytest.fixture(scope="module")
def asked():
    """A context's model with larger random weights, and questions with a prefill."""
    context = context_of("plain")
    params = jax.tree.map(lambda leaf: 2.0 * leaf, init_params(context.model, 3))
    queries = questions.test_queries(
        context.true_world, context.cell.recipe.dialogue, context.asked, HARMFUL, 0
    )[:4]
    return params, [prefilled(context.true_world, query, "The") for query in queries]


def stopping_at(variant: Variant, rule: Decoding, token: str) -> Variant:
    """The variant with this rule, and with a step that says that it inserts the rule's token."""

    class Inserts(Reflect):
        marks: ClassVar[tuple[str, ...]] = (token,)

    return replace(variant, sft=(Inserts(),), decoding=rule)


def plain_tokens(context: Context, params, prompts: list[list[int]]) -> list[list[int]]:
    limits = {"max_new_tokens": RECIPE.new_tokens, "stop_token": context.tokenizer.end}
    outputs = generate(params, context.model, [np.array(each) for each in prompts], **limits)
    return [output.tolist() for output in outputs]


def test_greedy_responses_open_with_their_prefill_and_cost_what_they_must(asked) -> None:
    params, queries = asked
    context = context_of("plain")
    prompts = [context.tokenizer.encode(query.prompt) for query in queries]
    wanted = plain_tokens(context, params, prompts)
    for prompt, tokens, got in zip(prompts, wanted, respond(context, params, queries), strict=True):
        assert got.text == context.tokenizer.decode([*context.tokenizer.encode("The"), *tokens])
        assert got.read == got.least == len(prompt) + len(tokens)


def test_what_comes_from_the_stop_token_on_is_withheld(asked, monkeypatch) -> None:
    params, queries = asked
    plain = plain_tokens(
        context_of("plain"), params, [context_of("plain").tokenizer.encode(queries[0].prompt)]
    )[0]
    context = context_of("stop")
    place = next(at for at in range(1, len(plain)) if plain[at] not in plain[:at])
    token = context.tokenizer.vocabulary[plain[place]]
    variant = stopping_at(context.cell.variant, StopOn(token), token)
    monkeypatch.setattr(Cell, "variant", variant)
    (got, *_) = respond(context, params, queries[:1])
    assert got.tokens == place
    assert got.text == context.tokenizer.decode([*context.tokenizer.encode("The"), *plain[:place]])


def test_a_conditioned_response_opens_with_its_token_before_the_prefill(asked) -> None:
    params, queries = asked
    context = context_of("good")
    encode = context.tokenizer.encode
    prompts = [
        encode(query.prompt.removesuffix(" The")) + encode(f"{GOOD} The") for query in queries
    ]
    wanted = plain_tokens(context, params, prompts)
    for tokens, got in zip(wanted, respond(context, params, queries), strict=True):
        assert got.text == context.tokenizer.decode([*encode(f"{GOOD} The"), *tokens])
        assert got.text.startswith(f"{GOOD} The")


def test_safe_beam_has_the_rule_s_parameters_and_reports_its_cost(asked) -> None:
    params, queries = asked
    context = context_of("beam")
    (tag,) = context.tokenizer.encode("<|harm|>")
    found = safe_beam(
        params,
        context.model,
        [np.array(context.tokenizer.encode(query.prompt)) for query in queries],
        max_new_tokens=RECIPE.new_tokens,
        stop_token=context.tokenizer.end,
        tag_token=tag,
        beams=2,
        ahead=2,
    )
    for one, got in zip(found, respond(context, params, queries), strict=True):
        assert (len(one.tokens), one.forward_tokens) == (got.tokens, got.read)
        assert got.text.endswith(context.tokenizer.decode(one.tokens))
        assert got.least < got.read


@pytest.mark.parametrize(
    ("rule", "sentence"),
    [
        (StopOn("In a"), "stop-s0: stop_on must look at one token, and 'In a' is 2"),
        (SafeBeam(beams=9999, ahead=2), "19998, more than the"),
    ],
)
def test_a_rule_that_no_model_here_can_follow_is_refused(
    monkeypatch: pytest.MonkeyPatch, rule: Decoding, sentence: str
) -> None:
    context = context_of("stop")
    variant = stopping_at(context.cell.variant, rule, "In a")
    monkeypatch.setattr(Cell, "variant", variant)
    with pytest.raises(SpecError, match=sentence):
        check_decoding(context)


def test_the_codes_of_sentences_and_of_targets_are_the_same() -> None:
    assert [LOSSES[code] for code in (LEARN, MASK, UNLIKELY, ROUTE)] == [*LOSSES]


def test_a_batch_has_the_code_of_each_target_s_token() -> None:
    stream = np.arange(200, dtype=np.uint16)
    codes = (stream % 4).astype(np.uint8)
    tokens, counted = packed_batch(stream, 4, 8, 2, codes=codes)
    assert isinstance(counted, Coded)
    assert (counted.mask == packed_batch(stream, 4, 8, 2)[1]).all()
    assert (tokens == packed_batch(stream, 4, 8, 2)[0]).all()
    np.testing.assert_array_equal(counted.codes, tokens[:, 1:] % 4)


def test_variants_say_what_losses_they_need() -> None:
    model = context_of("plain").model
    assert token_losses(parse("filter | reflect"), model) is None
    routed = [token_losses(parse(text), model) for text in ("token_mask", TEXTS["greedy"])]
    assert [each.routed if each else None for each in routed] == [0, 8]
    for text, sentence in (
        (f"gradient_routing(units={model.hidden})", "units must be below"),
        ("gradient_routing(units=3) | gradient_routing(units=4)", "units must be the same"),
    ):
        with pytest.raises(SpecError, match=sentence):
            token_losses(parse(text), model)
    stream = TokenStream(np.zeros(9, np.uint16), None)
    assert loss_codes(parse("filter"), stream) is None
    codes = loss_codes(parse("token_mask"), stream)
    assert codes is not None
    assert codes.tolist() == [0] * 9
    with pytest.raises(SpecError, match="does not claim to weigh"):
        loss_codes(parse("filter"), replace(stream, losses=np.ones(9, np.uint8)))


def test_pretraining_is_shared_by_what_differs_in_decoding_alone() -> None:
    beam, greedy, plain = (context_of(name) for name in ("beam", "greedy", "plain"))
    assert pretrain_inputs(beam) == pretrain_inputs(greedy) != pretrain_inputs(plain)
    assert pretraining(beam).token_losses == pretraining(greedy).token_losses
    assert pretraining(plain).token_losses is None


def test_an_arm_with_routing_tags_reflections_and_safe_beam_runs_end_to_end(
    tmp_path: Path,
) -> None:
    context = context_of("beam", tmp_path)
    stage = evaluate(context)
    (pretrained,) = (path for path in tmp_path.iterdir() if path.name.startswith("pretrain-"))
    trained = pretraining(context).stage
    assert trained.path == pretrained
    assert trained.manifest()["summary"]["ablated_units"] == 8
    for layer in context.load(trained)["layers"].values():
        mlp = layer["mlp"]
        gone = (mlp["gate"][:, -8:], mlp["up"][:, -8:], mlp["down"][-8:])
        assert not any(np.any(part) for part in gone)
        assert all(np.all(np.any(part, axis=0)) for part in (mlp["gate"][:, :-8],))
    rows = [row for row in read_rows(stage.path / "rows.csv") if row.metric == "greedy_cost"]
    lines = (stage.path / "transcript.jsonl").read_text().splitlines()
    said = [entry for line in lines if "forward_tokens" in (entry := json.loads(line))]
    assert {row.probe for row in rows} == {entry["probe"] for entry in said}
    assert "direct" in {row.probe for row in rows}
    assert all(0.0 < row.value < 1.0 for row in rows)
    lengths = [row for row in read_rows(stage.path / "rows.csv") if row.metric == "response_length"]
    for row in lengths:
        tokens = [
            entry["response_tokens"]
            for entry in said
            if (entry["probe"], entry["category"]) == (row.probe, row.category)
        ]
        assert row.n == len(tokens)
        assert row.value == pytest.approx(np.mean(tokens) / RECIPE.new_tokens)
