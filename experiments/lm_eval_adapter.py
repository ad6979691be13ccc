"""Our models inside lm-evaluation-harness (extra `lm-eval`), under the name `medsafetyworld`.

    python -m experiments.lm_eval_adapter run --model medsafetyworld \\
        --model_args study=runs/headline-smoke,cell=srp-s0,stage=sft \\
        --tasks msw_behaviour --include_path tasks/

`msw export-task` writes the tasks. From Python, `lm_eval.simple_evaluate(model=HarnessModel(params,
config, tokenizer), ...)`. The vocabulary is closed, so a text with a word of another world is
refused (`TokenizeError`), and any white space counts as one space.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from lm_eval.api.instance import Instance
from lm_eval.api.model import TemplateLM
from lm_eval.api.registry import register_model
from lm_eval.models.utils import postprocess_generated_text
from lm_eval.utils import get_rolling_token_windows, make_disjoint_window, simple_parse_args_string

from experiments.finished import finished_weights
from medsafetyworld.errors import SpecError
from medsafetyworld.tokenizer import Tokenizer
from tiny_models.config import ModelConfig
from tiny_models.generation import generate
from tiny_models.scoring import pair_logprobs
from tiny_models.transformer import Params

LENGTH_NAMES = ("max_gen_toks", "max_new_tokens", "max_tokens", "max_completion_tokens")
"""What tasks call the longest response, in the harness's order of precedence."""

EXECUTION = ("batch_size", "max_batch_size", "device")
"""What the harness's command line adds to every model's arguments; nothing here depends on it."""


@register_model("medsafetyworld")
class HarnessModel(TemplateLM):
    """A model and its tokenizer with the harness's three questions."""

    def __init__(self, params: Params, config: ModelConfig, tokenizer: Tokenizer) -> None:
        super().__init__()
        self._params, self._config, self._words = params, config, tokenizer

    @classmethod
    def create_from_arg_string(
        cls, arg_string: str, additional_config: dict[str, Any] | None = None
    ) -> HarnessModel:
        """From `study=DIR,cell=NAME,stage=sft`."""
        return cls.create_from_arg_obj(simple_parse_args_string(arg_string), additional_config)

    @classmethod
    def create_from_arg_obj(
        cls, arg_dict: Mapping[str, Any], additional_config: Mapping[str, Any] | None = None
    ) -> HarnessModel:
        """From the same as a mapping. Raises `SpecError` naming an argument that is not one."""
        given = {name: value for name, value in arg_dict.items() if name not in EXECUTION}
        missing = [name for name in ("study", "cell") if name not in given]
        unknown = [name for name in given if name not in ("study", "cell", "stage")]
        if missing or unknown:
            raise SpecError(
                f"model_args: {(missing + unknown)[0]} is {'missing' if missing else 'unknown'}; "
                f"allowed: study=DIRECTORY,cell=NAME,stage=sft"
            )
        context, params = finished_weights(
            Path(str(given["study"])), str(given["cell"]), str(given.get("stage", "sft"))
        )
        return cls(params, context.model, context.tokenizer)

    @property
    def eot_token_id(self) -> int:
        """End of text, also what the first word of a text follows."""
        return self._words.end

    @property
    def max_length(self) -> int:
        """Most tokens that are read at once."""
        return self._config.context

    @property
    def tokenizer_name(self) -> str:
        """The vocabulary's hash: what the harness's caches are keyed by."""
        return self._words.content_hash

    def tok_encode(
        self, string: str, add_special_tokens: bool | None = None, **kwargs: Any
    ) -> list[int]:
        """Token ids; nothing is added, whatever `add_special_tokens` says."""
        words = string.split()
        return self._words.encode(" ".join(words)) if words else []

    def _loglikelihood_tokens(
        self, requests: Sequence[tuple[Any, list[int], list[int]]], **kwargs: Any
    ) -> list[tuple[float, bool]]:
        """(log-probability, greedy) of each (text, prefix, continuation); the prefix is cut on
        the left where the context is too short for both, as the harness does everywhere."""
        pairs = []
        for _, prefix, continuation in requests:
            room = self.max_length + 1 - len(continuation)
            if room < 1:
                raise SpecError(
                    f"a continuation has {len(continuation)} tokens, more than "
                    f"context={self.max_length}"
                )
            pairs.append((prefix[-room:], continuation))
        scores = pair_logprobs(self._params, self._config, pairs)
        return [(score.logprob, score.greedy) for score in scores]

    def loglikelihood_rolling(
        self, requests: Sequence[Instance], disable_tqdm: bool = False
    ) -> list[float]:
        """Log-probability of each whole text after an end-of-text, in windows of the context."""
        pairs: list[tuple[list[int], list[int]]] = []
        owners: list[int] = []
        for owner, request in enumerate(requests):
            windows = get_rolling_token_windows(
                self.tok_encode(request.args[0]), self.eot_token_id, self.max_length, 1
            )
            pairs += map(make_disjoint_window, windows)
            owners += [owner] * (len(pairs) - len(owners))
        totals = [0.0] * len(requests)
        scores = pair_logprobs(self._params, self._config, pairs)
        for owner, score in zip(owners, scores, strict=True):
            totals[owner] += score.logprob
        return totals

    def generate_until(self, requests: Sequence[Instance], disable_tqdm: bool = False) -> list[str]:
        """Greedy responses up to end of text, the first stop string or the task's longest.

        Raises `SpecError` if a task asks for sampling.
        """
        prompts: dict[int, list[int]] = {}
        longest: dict[int, int] = {}
        for index, request in enumerate(requests):
            text, wishes = _text_and_wishes(request)
            if wishes.get("do_sample") and wishes.get("temperature", 1.0) > 0:
                raise SpecError("do_sample must be false: this adapter decodes greedily only")
            prompt = self.tok_encode(text) or [self.eot_token_id]
            wish = next((wishes[name] for name in LENGTH_NAMES if name in wishes), None)
            room = self.max_length - (len(prompt) if wish is None else 1)
            longest[index] = max(1, room if wish is None else min(int(wish), room))
            prompts[index] = prompt[-(self.max_length - longest[index]) :]
        responses = [""] * len(requests)
        for length in sorted(set(longest.values())):
            members = [index for index in prompts if longest[index] == length]
            outputs = generate(
                self._params,
                self._config,
                [np.array(prompts[index]) for index in members],
                max_new_tokens=length,
                stop_token=self.eot_token_id,
            )
            for index, output in zip(members, outputs, strict=True):
                until = _text_and_wishes(requests[index])[1].get("until")
                text = self._words.decode(output)
                responses[index] = postprocess_generated_text(text, until, None)
        return responses


def _text_and_wishes(request: Instance) -> tuple[str, Mapping[str, Any]]:
    """A generation request's context and keyword arguments."""
    text, wishes = request.args  # pyright: ignore[reportAssignmentType]
    return text, wishes


if __name__ == "__main__":
    from lm_eval.__main__ import cli_evaluate

    cli_evaluate()
