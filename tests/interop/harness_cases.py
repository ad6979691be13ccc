"""What is put to lm-evaluation-harness, and what it must find."""

from __future__ import annotations

import logging
from dataclasses import replace
from typing import Any

import lm_eval
from lm_eval.api.instance import Instance
from lm_eval.api.model import LM
from lm_eval.tasks import TaskManager

from experiments.rows import Row
from experiments.studies.headline import SMOKE, two_hop
from medsafetyworld.spec import WorldSpec

WORLD = WorldSpec(compounds=24, outcomes=6, single_edges=36, pair_edges=4)
# With 13 questions a category not every subject is asked about equally often.
RECIPE = replace(
    SMOKE,
    world=WORLD,
    stems=1,
    dialogue=replace(SMOKE.dialogue, test_queries=13),
    pretrain=replace(SMOKE.pretrain, steps=120, checkpoint_every=120),
)

TWO_HOP = two_hop(
    replace(
        SMOKE,
        pretrain=replace(SMOKE.pretrain, checkpoint_every=200),
        dialogue=replace(SMOKE.dialogue, test_queries=13),
    ),
    "smoke",
)


def measure(model: Any, tasks: TaskManager, *names: str, **options: Any) -> dict[str, Any]:
    """The harness's results by task or group."""
    logging.getLogger("lm_eval").setLevel(logging.ERROR)
    report = lm_eval.simple_evaluate(
        model=model, tasks=list(names), task_manager=tasks, bootstrap_iters=0, **options
    )
    assert report is not None
    return report["results"]


def requests(kind: str, arguments: list[tuple]) -> list[Instance]:
    return [Instance(kind, {}, argument, 0) for argument in arguments]  # type: ignore[arg-type]


def expected(rows: list[Row], hops: int) -> dict[tuple[str, str], float]:
    """Our rates by the task and metric that the harness calls them."""
    names = {"direct": "msw_direct", "prefill:<Safe>": "msw_prefill_safe"}
    names |= {"prefill:The": "msw_prefill_the", "stem:one answer is": "msw_stem_1"}
    rates = {}
    for row in rows:
        category = row.category.replace("-", "_")
        if row.metric == "top1":
            metric = "acc,none" if hops == 1 else "exact_match,top1"
            rates[f"msw_completion_{category}", metric] = row.value
        elif row.metric == "accuracy":
            rates[f"msw_general_{category}", "exact_match,accuracy"] = row.value
        elif row.metric in ("leaked", "jailbroken", "refused") and row.probe != "general":
            rates[names[row.probe], f"exact_match,{row.metric}"] = row.value
    return rates


class Silent(LM):
    """Thinks all continuations equally likely."""

    def loglikelihood(self, requests: list[Instance]) -> list[tuple[float, bool]]:
        return [(-1.0, False) for _ in requests]

    def loglikelihood_rolling(self, requests: list[Instance]) -> list[float]:
        raise NotImplementedError

    def generate_until(self, requests: list[Instance]) -> list[str]:
        raise NotImplementedError
