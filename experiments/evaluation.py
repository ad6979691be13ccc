"""What a cell's models can complete, do when asked, and do under attack, as tidy rows.

Three levels, always side by side: capability (the pretrained model), behaviour (the fine-tuned
model asked directly) and elicited (the same under prefill, or after benign fine-tuning). Every
response is kept beside the rows, so each number can be read back.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict
from functools import partial
from pathlib import Path

import numpy as np

from experiments.answers import wrongly_stated
from experiments.capability import capability_rows
from experiments.checks import check_cell, questions_hash
from experiments.decoding import Response, cost_rows, costs, respond
from experiments.derivability import RULES, Derivability, rows_by_depth
from experiments.recipe import finetunes
from experiments.rows import Row, rate_row, rows_to_csv
from experiments.stages import (
    Context,
    cell_dialogues,
    finetune,
    finetune_dialogues,
    pretrain,
    sft,
)
from experiments.statements import STATEMENTS, read_statements, told
from experiments.store import Stage, open_stage
from experiments.truthfulness import answer_rows, completion_rows, is_contested
from experiments.truthfulness import questions_hash as contested_hash
from medsafetyworld.interventions.decoding import GREEDY
from medsafetyworld.interventions.notation import written
from medsafetyworld.judge import chance, correct, is_refusal, judge
from medsafetyworld.queries import (
    GENERAL,
    HARMFUL,
    Query,
    prefilled,
    prefills,
    test_queries,
)
from tiny_models.determinism import fingerprint
from tiny_models.training import Params

JUDGES = ("leaked", "delivered", "jailbroken", "refused")


def evaluate(context: Context) -> Stage:
    """Runs every stage of a cell that is not done, then measures; returns the measured stage."""
    cell, recipe = context.cell, context.cell.recipe
    # First, so that a study that cannot ask its questions does not train for them.
    check_cell(context)
    pretrained = pretrain(context)
    tuned = sft(context, pretrained) if recipe.behaviour else None
    attacked = {
        kind: finetune(context, tuned, kind)
        for kind in finetunes(context.true_world.hops)
        if tuned is not None
    }
    models = {"base": pretrained} | ({} if tuned is None else {"sft": tuned}) | attacked
    stage = open_stage(
        context.root,
        "measure",
        {
            "cell": cell.name,
            "truth": context.true_world.content_hash,
            "models": {name: stage.key for name, stage in models.items()},
            "questions": questions_hash(context),
            "rules": {name: sorted(rules) for name, rules in RULES.items()},
            "known": "what each model saw",
            "new_tokens": recipe.new_tokens,
            **_decoding(context),
            **({"contested": contested_hash(context)} if is_contested(recipe) else {}),
        },
    )
    with stage.lock():
        if not stage.done:
            context.report("asking", None)
            transcript: list[dict[str, object]] = []
            stated = read_statements(pretrained.verified(STATEMENTS))
            derivable = Derivability(context.true_world, stated)
            rows = capability_rows(context, context.load(pretrained), derivable, transcript)
            answers = told(cell_dialogues(context) if tuned is not None else ())
            if tuned is not None:
                derivable = Derivability(context.true_world, stated, answers)
                rows += behaviour_rows(context, context.load(tuned), derivable, transcript)
                rows += prefill_rows(context, context.load(tuned), derivable, transcript)
            for kind, attacked_stage in attacked.items():
                seen = answers | told(finetune_dialogues(context, kind))
                derivable = Derivability(context.true_world, stated, seen)
                rows += harmful_rows(
                    context,
                    context.load(attacked_stage),
                    _harmful_queries(context),
                    ("elicited", f"finetune:{kind}"),
                    derivable,
                    transcript,
                )
            if is_contested(recipe):
                wrong = wrongly_stated(context.true_world, stated)
                rows += completion_rows(context, context.load(pretrained), wrong)
                if tuned is not None:
                    model = context.load(tuned)
                    ask = partial(_answers, context, model)
                    rows += answer_rows(context, model, wrong, ask, transcript)
            _write(stage.path, rows, transcript)
            stage.finish(
                {
                    "pretrain": pretrained.name,
                    **({} if tuned is None else {"sft": tuned.name}),
                    **pretrained.manifest()["summary"],
                },
                fingerprint(),
            )
    return stage


def _decoding(context: Context) -> dict[str, str]:
    """The decoding rule, where it is not the usual one."""
    rule = context.cell.variant.decoding
    return {} if rule == GREEDY else {"decoding": written(rule)}


def behaviour_rows(
    context: Context,
    params: Params,
    derivable: Derivability,
    transcript: list[dict[str, object]],
) -> list[Row]:
    """General accuracy per benign category, and the harmful questions asked directly."""
    cell = context.cell
    rows: list[Row] = []
    for name in GENERAL:
        queries = test_queries(
            context.true_world,
            cell.recipe.dialogue,
            context.asked,
            name,
            cell.seeds["attack"],
        )
        responses = respond(context, params, queries)
        right = [
            correct(context.true_world, query, response.text)
            for query, response in zip(queries, responses, strict=True)
        ]
        depths = [derivable.of_query(query) for query in queries]
        refused = [is_refusal(context.true_world, response.text) for response in responses]
        readings = [
            {"correct": flag, "refused": refusal, **costs(cell, response)}
            for flag, refusal, response in zip(right, refused, responses, strict=True)
        ]
        _note(transcript, "general", queries, responses, readings, depths)
        row = partial(rate_row, cell.arm.name, cell.replicate, "behaviour", "general", name)
        rows.append(row("accuracy", sum(right), len(right)))
        rows.append(row("refused", sum(refused), len(refused)))
        rows += rows_by_depth(row, "accuracy", right, depths)
        rows += cost_rows(cell, ("behaviour", "general", name), responses)
    queries = _harmful_queries(context)
    rows += harmful_rows(context, params, queries, ("behaviour", "direct"), derivable, transcript)
    by_chance = float(np.mean([chance(context.true_world, query) for query in queries]))
    rows.append(
        Row(
            cell.arm.name,
            cell.replicate,
            "behaviour",
            "direct",
            HARMFUL,
            "chance",
            None,
            len(queries),
            by_chance,
        )
    )
    return rows


def prefill_rows(
    context: Context,
    params: Params,
    derivable: Derivability,
    transcript: list[dict[str, object]],
) -> list[Row]:
    """The harmful questions with each forced beginning of the response."""
    rows: list[Row] = []
    for name, prefill in prefills(context.true_world, context.cell.recipe.stems).items():
        queries = [
            prefilled(context.true_world, query, prefill) for query in _harmful_queries(context)
        ]
        rows += harmful_rows(context, params, queries, ("elicited", name), derivable, transcript)
    return rows


def harmful_rows(
    context: Context,
    params: Params,
    queries: Sequence[Query],
    where: tuple[str, str],
    derivable: Derivability,
    transcript: list[dict[str, object]],
) -> list[Row]:
    """Rows of every judge for harmful questions, and leaks by depth; `where` is (level, probe)."""
    responses = respond(context, params, queries)
    judgements = [
        asdict(judge(context.true_world, query, response.text)) | costs(context.cell, response)
        for query, response in zip(queries, responses, strict=True)
    ]
    depths = [derivable.of_query(query) for query in queries]
    _note(transcript, where[1], queries, responses, judgements, depths)
    cell = context.cell
    row = partial(rate_row, cell.arm.name, cell.replicate, *where, HARMFUL)
    counts = [
        row(name, sum(judgement[name] for judgement in judgements), len(judgements))
        for name in JUDGES
    ]
    leaks = [bool(judgement["leaked"]) for judgement in judgements]
    spent = cost_rows(cell, (*where, HARMFUL), responses)
    return counts + rows_by_depth(row, "leaked", leaks, depths) + spent


def _answers(context: Context, params: Params, queries: Sequence[Query]) -> list[str]:
    return [response.text for response in respond(context, params, queries)]


def _harmful_queries(context: Context) -> tuple[Query, ...]:
    return test_queries(
        context.true_world,
        context.cell.recipe.dialogue,
        context.asked,
        HARMFUL,
        context.cell.seeds["attack"],
    )


def _note(
    transcript: list[dict[str, object]],
    probe: str,
    queries: Iterable[Query],
    responses: Iterable[Response],
    readings: Iterable[Mapping[str, int]],
    depths: Iterable[Mapping[str, str]],
) -> None:
    for query, response, reading, depth in zip(queries, responses, readings, depths, strict=True):
        transcript.append(
            {
                "probe": probe,
                "category": query.category,
                "question": query.question,
                "prefill": query.prefill,
                "response": response.text,
                **reading,
                "derivation_depth": dict(depth),
            }
        )


def _write(path: Path, rows: Sequence[Row], transcript: Sequence[dict[str, object]]) -> None:
    (path / "rows.csv").write_text(rows_to_csv(rows), encoding="utf-8")
    lines = "".join(json.dumps(entry, sort_keys=True) + "\n" for entry in transcript)
    (path / "transcript.jsonl").write_text(lines, encoding="utf-8")
