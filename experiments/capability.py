"""What a pretrained model can complete: which compounds it names as the causes of an outcome.

In single-hop worlds every compound is scored after each stem, so nothing is sampled and ranks are
known. In worlds with mediators the model writes the way and the compounds itself, greedily, and
the first compounds that it names are judged. The chance levels are exact in both, of all prompts
and of those of one depth.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial

import numpy as np

from experiments.derivability import Derivability, by_place, rows_by_depth
from experiments.rows import Row, rate_row
from experiments.stages import Context
from medsafetyworld.judge import chance_of_a_way, completed
from medsafetyworld.queries import Completion, completions
from tiny_models.generation import generate
from tiny_models.probes import continuation_logprobs
from tiny_models.training import Params

Finding = dict[str, object]
"""What was found for one probe: at least `correct` and `chance`, the probability of a lucky hit."""


def capability_rows(
    context: Context,
    params: Params,
    derivable: Derivability,
    transcript: list[dict[str, object]],
) -> list[Row]:
    """Top-1 completion of reverse prompts by safety of the outcome, with its exact chance level.

    Single-hop also has the mean reciprocal rank. What models write is added to the transcript.
    """
    rows: list[Row] = []
    for unsafe in (False, True):
        probes = completions(context.true_world, context.cell.recipe.corpus, unsafe)
        row = partial(
            Row,
            variant=context.cell.arm.name,
            seed=context.cell.replicate,
            level="capability",
            probe="completion",
            category=probes[0].category,
            n=len(probes),
        )
        measured = ranked if context.true_world.hops == 1 else written
        findings, values = measured(context, params, probes)
        depths = [derivable.of_completion(probe) for probe in probes]
        for probe, finding, depth in zip(probes, findings, depths, strict=True):
            transcript.append(_entry(probe) | finding | {"derivation_depth": depth})
        hits = [bool(finding["correct"]) for finding in findings]
        chances = [float(str(finding["chance"])) for finding in findings]
        count = partial(
            rate_row,
            context.cell.arm.name,
            context.cell.replicate,
            "capability",
            "completion",
            probes[0].category,
        )
        rows.append(count("top1", sum(hits), len(hits)))
        rows += rows_by_depth(count, "top1", hits, depths)
        rows += [row(metric=metric, hits=None, value=value) for metric, value in values.items()]
        rows += [
            row(metric=f"chance_top1|{place}", hits=None, n=len(own), value=float(np.mean(own)))
            for place, own in by_place(chances, depths).items()
        ]
    return rows


def ranked(
    context: Context,
    params: Params,
    probes: Sequence[Completion],
) -> tuple[list[Finding], dict[str, float]]:
    """The rank of the best correct compound among all, by log-probability; mean reciprocal rank."""
    world, tokenizer = context.true_world, context.tokenizer
    names = [np.array(tokenizer.compound_tokens(name)) for name in world.compounds]
    prefixes = [np.array(tokenizer.encode(probe.text)) for probe in probes]
    logprobs = continuation_logprobs(params, context.model, prefixes, names)
    right = [_right(context, probe) for probe in probes]
    ranks = [rank(scores, own) for scores, own in zip(logprobs, right, strict=True)]
    chances = [chance_ranks(len(own), len(names)) for own in right]
    chance_top, chance_mrr = np.mean(chances, axis=0).tolist()
    return [
        {"rank": place, "correct": place == 1, "chance": top}
        for place, (top, _) in zip(ranks, chances, strict=True)
    ], {
        "mrr": float(np.mean([1 / place for place in ranks])),
        "chance_top1": chance_top,
        "chance_mrr": chance_mrr,
    }


def written(
    context: Context,
    params: Params,
    probes: Sequence[Completion],
) -> tuple[list[Finding], dict[str, float]]:
    """Whether the first compounds that the model writes bring the outcome about."""
    world, tokenizer = context.true_world, context.tokenizer
    prefixes = [np.array(tokenizer.encode(probe.text)) for probe in probes]
    outputs = generate(
        params,
        context.model,
        prefixes,
        max_new_tokens=context.cell.recipe.new_tokens,
        stop_token=tokenizer.end,
    )
    chances = [chance_of_a_way(world, probe.outcome, probe.arities) for probe in probes]
    findings: list[Finding] = []
    for probe, output, lucky in zip(probes, outputs, chances, strict=True):
        text = tokenizer.decode(output)
        right = completed(world, probe, text)
        findings.append({"response": text, "correct": right, "chance": lucky})
    return findings, {"chance_top1": float(np.mean(chances))}


def _entry(probe: Completion) -> dict[str, object]:
    """What the transcript says of a probe before its finding."""
    return {
        "probe": "completion",
        "category": probe.category,
        "question": probe.text,
        "prefill": "",
    }


def _right(context: Context, probe: Completion) -> list[int]:
    """The compounds that alone bring the probe's outcome about."""
    return sorted(way[0] for way in context.true_world.ways[probe.outcome] if len(way) == 1)


def rank(logprobs: np.ndarray, right: Sequence[int]) -> int:
    """Rank (1 is best) of the best of the entries `right`; ties count against it."""
    best = logprobs[right].max()
    return 1 + int((np.delete(logprobs, right) >= best).sum())


def chance_ranks(correct_count: int, total: int) -> tuple[float, float]:
    """Exact top-1 rate and mean reciprocal rank of the best of `correct_count` correct entries
    in a uniformly random ranking of `total` entries."""
    wrong = total - correct_count
    survival, reciprocal = 1.0, 0.0
    for place in range(1, wrong + 2):
        # `survival`: the first place - 1 places all hold wrong entries.
        here = survival * correct_count / (total - place + 1)
        reciprocal += here / place
        survival -= here
    return correct_count / total, reciprocal
