"""Runs a cell's instruments: one stage each, so that a suite goes on where it was interrupted.

DIR/stages/instrument-KEY/rows.csv           tidy rows, as every table and claim reads them
                         transcript.jsonl    every prompt tried, with model, response and judgement
                         record.json         budget, seed, tried of N, curves
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from experiments.checks import questions_hash
from experiments.instruments.bench import BASE, SFT, Bench
from experiments.instruments.instrument import (
    Entry,
    Findings,
    Instrument,
    parameters_of,
    parse_instrument,
    rebuilt,
    write_instrument,
)
from experiments.json_files import canonical_hash, read_json, write_json
from experiments.rows import read_rows, rows_to_csv
from experiments.stages import Context
from experiments.store import Stage, open_stage
from medsafetyworld.interventions.decoding import GREEDY
from medsafetyworld.interventions.notation import written
from tiny_models.determinism import fingerprint

KIND = "instrument"
FRAME_VERSION = 1
"""Raised when what instruments share (how they ask, take prompts apart, judge) begins to measure
something else: the stages of all of them are made anew."""
ROWS, TRANSCRIPT, RECORD = "rows.csv", "transcript.jsonl", "record.json"


@dataclass(frozen=True)
class Reading:
    """A finished instrument of one cell, read back from its stage."""

    instrument: Instrument
    findings: Findings
    stage: str
    """Name of the stage's directory."""


def run_instruments(bench: Bench) -> dict[str, Stage]:
    """Runs every instrument of the cell's recipe that is not done; stages by their text."""
    return {
        text: run_instrument(bench, parse_instrument(text))
        for text in bench.context.cell.recipe.instruments
    }


def run_instrument(bench: Bench, made: Instrument) -> Stage:
    """One instrument's stage; measures unless that is done."""
    context = bench.context
    stage = open_stage(context.root, KIND, _inputs(context, bench.stages, made))
    with stage.lock():
        if not stage.done:
            context.report(f"measuring: {made.name}", None)
            _write(stage.path, made.measure(bench))
            stage.finish(_named(made), fingerprint())
    return stage


def read_findings(directory: Path) -> Reading:
    """What a finished instrument found; each file is compared with the stage's manifest.

    The instrument has the parameters that it measured with, whatever the defaults are now.
    """
    from experiments.store import verify_stage

    summary = verify_stage(directory)["summary"]
    lines = (directory / TRANSCRIPT).read_text(encoding="utf-8").splitlines()
    findings = Findings(
        read_rows(directory / ROWS),
        tuple(json.loads(line) for line in lines),
        read_json(directory / RECORD),
    )
    named = parse_instrument(summary["instrument"])
    return Reading(rebuilt(named.name, summary["parameters"]), findings, directory.name)


def _named(made: Instrument) -> dict[str, Any]:
    return {"instrument": write_instrument(made), "parameters": parameters_of(made)}


def _inputs(context: Context, stages: Mapping[str, Stage], made: Instrument) -> dict[str, Any]:
    """Everything that an instrument's findings are a function of."""
    cell, rule = context.cell, context.cell.variant.decoding
    read = made.reads(context.true_world)
    return {
        **_named(made),
        "version": made.version,
        "frame": FRAME_VERSION,
        "cell": cell.name,
        "truth": context.true_world.content_hash,
        "models": {name: stage.key for name, stage in stages.items()},
        "questions": questions_hash(context),
        "seed": cell.seeds["attack"],
        "new_tokens": cell.recipe.new_tokens,
        "context": cell.recipe.context,
        **({} if rule == GREEDY else {"decoding": written(rule)}),
        **({"read": canonical_hash(read)} if read else {}),
    }


def _write(directory: Path, findings: Findings) -> None:
    (directory / ROWS).write_text(rows_to_csv(findings.rows), encoding="utf-8")
    (directory / TRANSCRIPT).write_text(_lines(findings.transcript), encoding="utf-8")
    write_json(directory / RECORD, dict(findings.record))


def _lines(entries: tuple[Entry, ...]) -> str:
    return "".join(json.dumps(entry, sort_keys=True) + "\n" for entry in entries)


def bench_of(context: Context) -> Bench:
    """A cell ready to be measured: its stages are opened, and trained where they are not done."""
    from experiments.recipe import finetunes
    from experiments.stages import finetune, pretrain, sft

    base = pretrain(context)
    if not context.cell.recipe.behaviour:
        return Bench(context, {BASE: base})
    tuned = sft(context, base)
    kinds = finetunes(context.true_world.hops)
    attacked = {f"finetune:{kind}": finetune(context, tuned, kind) for kind in kinds}
    return Bench(context, {BASE: base, SFT: tuned, **attacked})
