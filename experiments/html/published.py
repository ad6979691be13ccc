"""From a directory with a finished report to its page: a study's `report/`, or a published folder.

Both hold rows.csv, report.md, figures and, since pages are written, evidence.json; what an older
folder lacks, its page does without.
"""

from __future__ import annotations

import io
import json
import re
import shlex
from collections.abc import Mapping
from dataclasses import fields, replace
from pathlib import Path
from typing import Any

import matplotlib

from experiments.evidence import EVIDENCE, Evidence, read_evidence
from experiments.figure_style import STYLE
from experiments.html.page import Material, write_page
from experiments.json_files import read_json
from experiments.latex import latex_tables
from experiments.measures import measure
from experiments.rows import read_rows
from medsafetyworld.building import build_world
from medsafetyworld.errors import SpecError
from medsafetyworld.presets import WORLD_PRESETS
from medsafetyworld.spec import WorldSpec, from_json

PAGE, TABLES = "report.html", "table.tex"
NEEDED = ("rows.csv", "report.md", "study.json", "seeds.json")


def is_published(directory: Path) -> bool:
    """Whether a directory is a published folder, rather than a study's own directory."""
    return all((directory / name).exists() for name in NEEDED)


def material(directory: Path, study: Mapping[str, Any], world: WorldSpec) -> Material:
    """The material of the report in a directory; `world` is that of the first replicate."""
    evidence = directory / EVIDENCE
    pictures = {
        path.stem: path.read_text(encoding="utf-8") for path in sorted(directory.glob("*.svg"))
    }
    return Material(
        rows=read_rows(directory / "rows.csv"),
        study={"question": question(str(study["name"])), **study},
        report=(directory / "report.md").read_text(encoding="utf-8"),
        evidence=read_evidence(evidence) if evidence.exists() else Evidence(),
        pictures={**pictures, "world": world_picture(world)},
        world_command=world_command(world),
    )


def published_material(directory: Path) -> Material:
    """The material of a published folder. Raises `SpecError` naming a file that is not its own."""
    asked, seeds = read_json(directory / "study.json"), read_json(directory / "seeds.json")
    try:
        spec = from_json(
            WorldSpec, json.dumps(asked["recipe"]["world"]), str(directory / "study.json")
        )
        world = replace(spec, seed=seeds["replicates"]["0"]["world"])
        study = {"name": asked["study"], "preset": asked["preset"], "hops": spec.hops}
    except (KeyError, TypeError) as error:
        raise SpecError(f"{directory}: not a published study ({error!r})") from None
    report = (directory / "report.md").read_text(encoding="utf-8")
    again = re.search(r"^## Again\n+```\n(.*?)\n```", report, re.DOTALL | re.MULTILINE)
    return material(directory, {**study, "command": again.group(1) if again else ""}, world)


def write_published(directory: Path) -> tuple[Path, Path]:
    """Writes report.html and table.tex of a published folder into it; returns their paths."""
    return write_pages(published_material(directory), directory)


def write_pages(found: Material, directory: Path) -> tuple[Path, Path]:
    """Writes report.html and table.tex; returns their paths."""
    page, tables = directory / PAGE, directory / TABLES
    measures = measure(found.rows, int(found.study["hops"]), str(found.study["name"]))
    tables.write_text(latex_tables(measures), encoding="utf-8")
    write_page(found, page)
    return page, tables


def question(study: str) -> str | None:
    """What a study of this name asks; None for studies that are not ours."""
    from experiments.studies import STUDIES

    return STUDIES[study].question if study in STUDIES else None


def world_picture(spec: WorldSpec) -> str:
    """The world as SVG; the same world gives the same text."""
    from experiments.world_figure import draw_world

    figure = draw_world(build_world(spec))
    text = io.BytesIO()
    with matplotlib.rc_context():
        matplotlib.rcdefaults()
        matplotlib.rcParams.update(STYLE)
        figure.savefig(text, format="svg", metadata={"Date": None, "Creator": None})
    return text.getvalue().decode()


def world_command(spec: WorldSpec) -> str:
    """What draws this world again on the command line."""
    usual = WORLD_PRESETS["laptop"]
    words = ["msw", "world", "show"]
    for each in fields(WorldSpec):
        value = getattr(spec, each.name)
        if value != getattr(usual, each.name):
            said = ",".join(map(str, value)) if isinstance(value, tuple) else str(value)
            none = said in ("", "None")
            words += [f"--{each.name.replace('_', '-')}", "none" if none else said]
    return shlex.join(words)
