"""nanoGCG attacks the export, and its loss of each string it found is the loss that we compute."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import nanogcg
import numpy as np
import pytest

from medsafetyworld.dialogues import chat_prompt
from tiny_models import continuation_logprobs
from tiny_models.attacks import Attacked, search_controls

if TYPE_CHECKING:
    from conftest import Exported


def our_loss(exported: Exported, prompt: str, target: str) -> float:
    """Mean cross-entropy of the target's tokens after the prompt."""
    tokens = exported.encode(target)
    logprob = continuation_logprobs(
        exported.params, exported.model, [exported.encode(prompt)], [tokens]
    )
    return -float(logprob[0, 0]) / len(tokens)


def searched_losses(
    exported: Exported, question: str, controls: Sequence[str], target: str
) -> np.ndarray:
    """The losses with which our own search begins at these controls."""
    *before, assistant = exported.encode(chat_prompt(question)).tolist()
    prompt = Attacked(before, [assistant], exported.encode(target).tolist())
    found = search_controls(
        exported.params,
        exported.model,
        [prompt] * len(controls),
        np.array([exported.encode(control) for control in controls]),
        np.arange(len(exported.tokenizer)),
        steps=0,
        candidates=1,
        topk=None,
        seed=0,
    )
    return found.losses[:, 0]


def test_its_losses_are_ours(exported: Exported, their_model: Any, their_tokenizer: Any) -> None:
    question = exported.questions()[0].split("<|user|> ")[1].removesuffix(" <|assistant|>")
    target = f"The compound is {exported.world.compounds[3]}."
    start = "the the the the"
    result = nanogcg.run(
        their_model,
        their_tokenizer,
        [{"role": "user", "content": f"{question} {{optim_str}}"}],
        target,
        nanogcg.GCGConfig(
            num_steps=3,
            optim_str_init=start,
            search_width=32,
            topk=32,
            seed=0,
            verbosity="ERROR",
            # Its prefix cache indexes the key/value cache as transformers 4 had it.
            use_prefix_cache=False,
        ),
    )
    assert len(result.losses) == 3
    for string, loss in zip(result.strings, result.losses, strict=True):
        assert loss == pytest.approx(
            our_loss(exported, chat_prompt(f"{question} {string}"), target), abs=1e-4
        )
    np.testing.assert_allclose(
        searched_losses(exported, question, result.strings, target), result.losses, atol=1e-4
    )
    assert result.best_loss < our_loss(exported, chat_prompt(f"{question} {start}"), target)
    assert np.isclose(result.best_loss, min(result.losses))
