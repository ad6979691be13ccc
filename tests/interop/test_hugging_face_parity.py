"""transformers computes what we compute: logits within 1e-4, the same greedy continuations."""

from __future__ import annotations

import functools
import socket
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import jax
import numpy as np
import pytest
import torch
from transformers import AutoModelForCausalLM, AutoTokenizer, LlamaForCausalLM

from medsafetyworld.dialogues import chat_prompt
from tiny_models import MarkTokens, ModelConfig, apply, export_hugging_face, generate, init_params

if TYPE_CHECKING:
    from conftest import Exported

PROMPTS = 200
NEW_TOKENS = 20

forward = functools.partial(jax.jit, static_argnums=1)(apply)


@pytest.fixture(scope="module")
def prompts(exported: Exported) -> list[np.ndarray]:
    """Half questions, every other one with its answer begun, half beginnings of documents."""
    questions = exported.questions()[: PROMPTS // 2]
    questions[::2] = [f"{question} The" for question in questions[::2]]
    documents = list(dict.fromkeys(document.text for document in exported.corpus.documents(1)))
    beginnings = [
        exported.encode(text)[: 8 + 4 * (index % 4)] for index, text in enumerate(documents)
    ]
    made = [*map(exported.encode, questions), *beginnings[: PROMPTS - len(questions)]]
    assert len(made) == PROMPTS
    return made


def by_length(prompts: list[np.ndarray]) -> Iterator[tuple[list[int], torch.Tensor]]:
    """Places of the prompts of each length, and their tokens as one batch without padding."""
    for length in sorted({len(prompt) for prompt in prompts}):
        places = [place for place, prompt in enumerate(prompts) if len(prompt) == length]
        yield places, torch.tensor(np.stack([prompts[place] for place in places]))


def test_the_directory_loads_without_a_network(
    exported: Exported, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: object, **__: object) -> None:
        raise AssertionError("something asked for the network")

    monkeypatch.setattr(socket.socket, "connect", refuse)
    monkeypatch.setattr(socket, "getaddrinfo", refuse)
    model, report = AutoModelForCausalLM.from_pretrained(
        exported.directory, output_loading_info=True
    )
    assert isinstance(model, LlamaForCausalLM)
    assert model.dtype == torch.float32
    assert not any(report[kind] for kind in ("missing_keys", "unexpected_keys", "mismatched_keys"))
    assert len(AutoTokenizer.from_pretrained(exported.directory)) == len(exported.tokenizer)


def test_logits_agree(exported: Exported, their_model: Any, prompts: list[np.ndarray]) -> None:
    worst = 0.0
    for places, batch in by_length(prompts):
        with torch.no_grad():
            theirs = their_model(batch).logits.numpy()
        # One compiled program for all lengths: a causal model does not see what follows.
        padded = np.zeros((PROMPTS, exported.model.context), np.int32)
        padded[: len(places), : batch.shape[1]] = batch.numpy()
        ours = np.asarray(forward(exported.params, exported.model, padded))
        worst = max(worst, np.abs(ours[: len(places), : batch.shape[1]] - theirs).max())
    print(f"largest difference of a logit over {len(prompts)} prompts: {worst:.1e}")
    assert worst < 1e-4


def test_greedy_continuations_are_identical(
    exported: Exported, their_model: Any, prompts: list[np.ndarray]
) -> None:
    ours = generate(
        exported.params,
        exported.model,
        prompts,
        max_new_tokens=NEW_TOKENS,
        stop_token=exported.tokenizer.end,
    )
    ended = 0
    for places, batch in by_length(prompts):
        output = their_model.generate(
            batch, attention_mask=torch.ones_like(batch), max_new_tokens=NEW_TOKENS
        )
        for place, row in zip(places, output[:, batch.shape[1] :].tolist(), strict=True):
            end = row.index(exported.tokenizer.end) if exported.tokenizer.end in row else len(row)
            ended += end < NEW_TOKENS
            assert row[:end] == ours[place].tolist(), exported.tokenizer.decode(prompts[place])
    assert 0 < ended < PROMPTS, "both ways to end should be seen"


def test_a_batch_that_their_tokenizer_pads_continues_as_ours(
    exported: Exported, their_model: Any, their_tokenizer: Any
) -> None:
    outcomes, compounds = exported.world.outcomes, exported.world.compounds
    texts = [chat_prompt(name) for name in (*outcomes[:4], *compounds[:4], f"({compounds[4]}).")]
    inputs = their_tokenizer(texts, padding=True, return_tensors="pt")
    assert len(set(inputs["attention_mask"].sum(1).tolist())) > 1
    output = their_model.generate(**inputs, max_new_tokens=6)[:, inputs["input_ids"].shape[1] :]
    ours = generate(
        exported.params,
        exported.model,
        [exported.encode(text) for text in texts],
        max_new_tokens=6,
        stop_token=exported.tokenizer.end,
    )
    # Theirs keeps the end of text, and pads the rows that came to it early.
    end = exported.tokenizer.end
    rows = [row[: row.index(end)] if end in row else row for row in output.tolist()]
    decoded = [exported.tokenizer.decode(tokens) for tokens in ours]
    assert their_tokenizer.batch_decode(rows, skip_special_tokens=False) == decoded


def test_grouped_queries_and_every_number_of_the_configuration_survive(
    tmp_path: Path,
) -> None:
    """Nothing here has its default value, so that whatever were left out would show."""
    model = ModelConfig(
        vocab_size=41,
        d_model=48,
        layers=3,
        heads=6,
        kv_heads=2,
        hidden=72,
        context=40,
        rope_theta=123.0,
        norm_eps=0.03,
    )
    # Gains of 1 would hide a norm that is exchanged or missing.
    draw = np.random.default_rng(0)
    params = jax.tree.map(
        lambda leaf: leaf * draw.uniform(0.5, 2.0, leaf.shape).astype(np.float32),
        init_params(model, 0),
    )
    export_hugging_face(tmp_path / "model", params, model, MarkTokens(start=1, end=1, pad=0))
    theirs = AutoModelForCausalLM.from_pretrained(tmp_path / "model")
    tokens = draw.integers(0, model.vocab_size, (4, model.context))
    with torch.no_grad():
        logits = theirs(torch.tensor(tokens)).logits.numpy()
    ours = forward(params, model, tokens)
    np.testing.assert_allclose(logits, ours, atol=1e-4, rtol=0)
    assert (theirs.config.eos_token_id, theirs.config.pad_token_id) == (1, 0)
    assert theirs.generation_config.eos_token_id == 1
