"""From a study's finished cells to its report: rows, learning curves and where each model is from.

In: a study directory. Out: `report/` inside it, or the small files of it for the repository.
Nothing is trained or asked here, and nothing that the stages' manifests do not vouch for is used.
"""

from __future__ import annotations

import json
import shlex
import shutil
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from experiments.evidence import EVIDENCE, gather, write_evidence
from experiments.html.published import TABLES, write_pages
from experiments.html.published import material as page_material
from experiments.json_files import read_json, write_json
from experiments.measures import balanced
from experiments.recipe import Cell
from experiments.report import Derivation, write_report
from experiments.report_cards import CARD, read_card
from experiments.rows import Row, label
from experiments.statements import STATEMENTS, read_statements
from experiments.store import verify_stage
from experiments.study import (
    DEFAULT_MASTER,
    Plan,
    collect_rows,
    is_done,
    load_plan,
    measured_stage,
)
from medsafetyworld.derivation import Knowledge, answerable
from medsafetyworld.errors import SpecError
from medsafetyworld.report_card import ReportCard
from medsafetyworld.rules import ASSOCIATION

PUBLISHED = (
    "report.md",
    "rows.csv",
    "table.csv",
    TABLES,
    EVIDENCE,
    "provenance.json",
    "fingerprint.json",
)
"""Files of a report that go into the repository, beside its figures. Its page does not: `msw
report` makes it again from these, byte for byte."""


def build_report(directory: Path) -> tuple[Path, tuple[Row, ...]]:
    """Writes the report of the finished cells; returns report.md and the rows.

    Raises `SpecError` if no cell is finished, `StoreError` if a stage is not as it was finished.
    """
    plan = load_plan(directory)
    finished = [cell for cell in plan.cells if is_done(directory, cell)]
    rows = collect_rows(plan, directory)
    if len(finished) < len(plan.cells):
        # Arms are compared on the replicates that each of them has finished.
        rows = balanced(rows)
        shared = {row.seed for row in rows}
        finished = [cell for cell in finished if cell.replicate in shared]
    if not rows:
        raise SpecError(
            f"{directory}: no replicate has every arm started so far finished, so there is nothing "
            f"to report"
        )
    origins = [_origin(directory, cell) for cell in finished]
    provenance = [origin["provenance"] for origin in origins]
    fingerprint = _common([origin["fingerprint"] for origin in origins])
    curves: dict[str, list[list[tuple[float, float]]]] = {}
    for cell, origin in zip(finished, origins, strict=True):
        curves.setdefault(cell.arm.name, []).append(origin["curve"])
    evidence = gather(directory, finished, curves)
    report = write_report(
        directory / "report",
        rows,
        study=describe_study(plan),
        provenance=provenance,
        fingerprint=fingerprint,
        curves=curves,
        derivation=harmful_derivation(directory, finished),
        cards=report_cards(directory, finished),
        records=evidence.records,
    )
    write_json(directory / "report" / "provenance.json", provenance)
    write_json(directory / "report" / "fingerprint.json", fingerprint)
    write_evidence(directory / "report" / EVIDENCE, evidence)
    first = plan.cells[0]
    world = replace(first.recipe.world, seed=first.seeds["world"])
    write_pages(
        page_material(directory / "report", describe_study(plan), world), directory / "report"
    )
    return report, rows


def publish(directory: Path, results: Path, name: str | None = None) -> tuple[Path, list[str]]:
    """Copies what is small and enough to redraw the figures into `results/NAME`.

    Returns that folder, and what the results that it held before were asked otherwise, as
    "recipe.pretrain.steps: 900, was 1800". The name is STUDY-PRESET for a preset run as it is.
    Raises `SpecError` if cells are missing, if a study with other arms or seeds has no name of its
    own, or if the folder holds another study.
    """
    plan = load_plan(directory)
    asked_again = command(plan)
    if name is None and asked_again != f"msw study run {plan.study} --preset {plan.preset}":
        raise SpecError(
            f"{directory}: not the preset as it is ({asked_again}); give it a name of its own with "
            f"--name"
        )
    left = [cell.name for cell in plan.cells if not is_done(directory, cell)]
    if left:
        raise SpecError(
            f"{directory}: {len(left)} of {len(plan.cells)} cells are not finished, the first of "
            f"them {left[0]}; only a whole study is published"
        )
    target = results / (name or f"{plan.study}-{plan.preset}")
    replaced = _replaced(plan, target / "study.json")
    build_report(directory)
    target.mkdir(parents=True, exist_ok=True)
    report = directory / "report"
    figures = sorted([*report.glob("*.png"), *report.glob("*.svg")])
    for path in (*(report / name for name in PUBLISHED), *figures, directory / "study.json"):
        shutil.copyfile(path, target / path.name)
    write_json(target / "seeds.json", _seeds(plan))
    return target, replaced


def _replaced(plan: Plan, path: Path) -> list[str]:
    """What the published study at `path` was asked otherwise; nothing if there is none."""
    if not path.exists():
        return []
    # Not by its seal: the repository vouches for it, and early results have none.
    old = read_json(path)
    asked = (old.get("study"), old.get("preset")) if isinstance(old, dict) else None
    if asked != (plan.study, plan.preset):
        raise SpecError(
            f"{path.parent} holds another study than {plan.study} at {plan.preset}; give this one "
            f"a name of its own with --name"
        )
    new = json.loads(json.dumps(plan.summary()))
    return differences({key: old[key] for key in old if key != "seal"}, new)


def differences(old: Any, new: Any, where: str = "") -> list[str]:
    """The fields in which two JSON values differ, each "PATH: NEW, was OLD"."""
    if not (isinstance(old, dict) and isinstance(new, dict)):
        return [] if old == new else [f"{where}: {json.dumps(new)}, was {json.dumps(old)}"]
    return [
        line
        for key in sorted(old.keys() | new.keys())
        for line in differences(old.get(key), new.get(key), f"{where}.{key}" if where else key)
    ]


def describe_study(plan: Plan) -> dict[str, Any]:
    """The study as the report states it: name, preset, seeds, configuration, command."""
    return {
        "name": plan.study,
        "preset": plan.preset,
        "hops": plan.cells[0].recipe.world.hops,
        "seeds": _seeds(plan),
        "config": plan.summary(),
        "matched": plan.cells[0].recipe.matched,
        "command": command(plan),
    }


def command(plan: Plan) -> str:
    """The command line that makes this study again."""
    from experiments.studies import STUDIES

    summary = plan.summary()
    words = ["msw", "study", "run", plan.study, "--preset", plan.preset]
    known = STUDIES.get(plan.study)
    if known and plan.preset in known.presets:
        if summary["replicates"] != known.presets[plan.preset].replicates:
            words += ["--seeds", str(summary["replicates"])]
        own = {arm.name for arm in known.arms}
        arms = [arm["name"] for arm in summary["arms"] if arm["name"] in own]
        usual = known.presets[plan.preset].arms or [arm.name for arm in known.arms]
        if arms != list(usual):
            words += ["--arms", ",".join(arms)]
        for arm in summary["arms"]:
            if arm["name"] not in own:
                words += ["--add-arm", f"{arm['name']}={arm['variant']}"]
        if summary["recipe"]["matched"] != known.presets[plan.preset].recipe.matched:
            words += ["--matched", summary["recipe"]["matched"]]
        for flag in ("dtype", "attention"):
            value = summary["recipe"]["pretrain"][flag]
            if value != getattr(known.presets[plan.preset].recipe.pretrain, flag):
                words += [f"--{flag}", value]
        usual_domain = known.presets[plan.preset].recipe.world.domain
        if summary["recipe"]["world"]["domain"] != usual_domain:
            words += ["--domain", summary["recipe"]["world"]["domain"]]
    if summary["master"] != DEFAULT_MASTER:
        words += ["--seed", str(summary["master"])]
    return shlex.join(words)


def _seeds(plan: Plan) -> dict[str, Any]:
    return {
        "master": plan.cells[0].master,
        "replicates": {str(cell.replicate): cell.seeds for cell in plan.cells},
    }


def _origin(directory: Path, cell: Cell) -> dict[str, Any]:
    """Provenance row, fingerprint and learning curve of one finished cell."""
    measured = measured_stage(directory, cell)
    manifest = _manifest(directory, cell)
    pretrained = directory / "stages" / manifest["summary"]["pretrain"]
    # The weights are verified as well: the report states their hashes.
    origin = verify_stage(pretrained)
    name = manifest["summary"].get("sft")  # absent where a study asks the pretrained model alone
    tuned = None if name is None else verify_stage(directory / "stages" / name)
    summary = origin["summary"]
    reading = summary["reading"]
    return {
        "provenance": {
            "variant": cell.arm.name,
            "seed": cell.replicate,
            "run": measured.name,
            "corpus_sha256": summary["corpus_sha256"],
            "weights_sha256": summary["weights_sha256"],
            "sft_weights_sha256": None if tuned is None else tuned["summary"]["weights_sha256"],
            "documents": reading["documents"],
            "harmful_statements": reading["harmful"],
            "safe_only": cell.variant.safe_only,
            "policy": cell.arm.policy,
            "unsafe_mentions": reading["unsafe_mentions"],
            # Studies of earlier versions have not counted them.
            **({"categories": reading["categories"]} if "categories" in reading else {}),
        },
        "fingerprint": origin["fingerprint"],
        "curve": _curve(pretrained / "metrics.jsonl"),
    }


def report_cards(directory: Path, finished: Sequence[Cell]) -> dict[str, list[ReportCard]]:
    """The data safety report cards of each arm, a card a replicate."""
    cards: dict[str, list[ReportCard]] = {}
    for cell in finished:
        card = directory / "stages" / _manifest(directory, cell)["summary"]["pretrain"] / CARD
        # Studies of earlier versions have not kept one.
        if card.exists():
            cards.setdefault(cell.arm.name, []).append(read_card(card))
    return cards


def harmful_derivation(directory: Path, finished: Sequence[Cell]) -> Derivation | None:
    """How a harmful answer that no document states follows by association, in the first finished
    cell of whose corpus one does; None if there is none."""
    first = min(cell.replicate for cell in finished)
    for cell in finished:
        stage = directory / "stages" / _manifest(directory, cell)["summary"]["pretrain"]
        # Studies of earlier versions have not kept what was stated.
        if cell.replicate != first or not (stage / STATEMENTS).exists():
            continue
        world = cell.worlds()[0]
        known = Knowledge.of(read_statements(stage / STATEMENTS))
        for outcome in (place for place, unsafe in enumerate(world.unsafe) if unsafe):
            proof = answerable(world, outcome, known, ASSOCIATION)
            if proof is not None and proof.depth:
                source = f"the corpus of {label(cell.arm.name)}, seed {cell.replicate}"
                return Derivation(world, proof, source)
    return None


def _manifest(directory: Path, cell: Cell) -> dict[str, Any]:
    return read_json(measured_stage(directory, cell) / "manifest.json")


def _curve(path: Path) -> list[tuple[float, float]]:
    """(tokens, loss) of each line of the pretraining's metrics."""
    lines = map(json.loads, path.read_text(encoding="utf-8").splitlines())
    return [(float(line["tokens"]), float(line["loss"])) for line in lines]


def _common(fingerprints: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """One value per key, or the list of values where the cells' machines differed."""
    merged: dict[str, Any] = {}
    for key in sorted({key for fingerprint in fingerprints for key in fingerprint}):
        values = sorted({str(fingerprint.get(key, "unknown")) for fingerprint in fingerprints})
        merged[key] = values[0] if len(values) == 1 else values
    return merged
