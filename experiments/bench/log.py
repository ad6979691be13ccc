"""The dated log: one JSON file a run, with the commit and the machine, so a slow-down is seen."""

from __future__ import annotations

import importlib.metadata
import platform
import subprocess
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from experiments.bench.contest import contest_cores
from experiments.bench.results import Curve, Row, as_json, curve_from, row_from
from experiments.cores import visible_cores
from experiments.json_files import read_json, write_json
from medsafetyworld.errors import SpecError

FORMAT = "medsafetyworld.bench/1"
PACKAGES = ("jax", "jaxlib", "numpy", "torch", "transformers", "tokenizers")


@dataclass(frozen=True)
class Entry:
    """One run of the benchmark. `dirty` says that the commit is not quite what ran.

    `seconds` is how long all of it took, None in entries from before that was recorded.
    """

    date: str
    commit: str
    dirty: bool
    quick: bool
    rounds: int
    share: float
    """Mean share of the wall's time for which a single thread had its core for itself."""
    machine: Mapping[str, str]
    versions: Mapping[str, str]
    rows: tuple[Row, ...]
    curves: tuple[Curve, ...]
    seconds: float | None = None

    @property
    def name(self) -> str:
        """Date and commit: the file's name, which sorts by date."""
        return f"{self.date.replace(':', '')}-{self.commit[:7]}"


def new_entry(
    rows: Sequence[Row],
    curves: Sequence[Curve],
    *,
    quick: bool,
    rounds: int,
    share: float,
    seconds: float,
    device: str | None = None,
) -> Entry:
    """What was found, here and now; `device` names the accelerator, if it was one that ran."""
    return Entry(
        date=datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%S"),
        commit=_git("rev-parse", "HEAD") or "unknown",
        dirty=bool(_git("status", "--porcelain", "--untracked-files=no")),
        quick=quick,
        rounds=rounds,
        share=share,
        machine=machine() | ({} if device is None else {"device": device}),
        versions=versions(),
        rows=tuple(rows),
        curves=tuple(curves),
        seconds=round(seconds, 1),
    )


def write_entry(entry: Entry, folder: Path) -> Path:
    """Writes the entry and returns its path."""
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / f"{entry.name}.json"
    values = {
        "format": FORMAT,
        "date": entry.date,
        "commit": entry.commit,
        "dirty": entry.dirty,
        "quick": entry.quick,
        "rounds": entry.rounds,
        "seconds": entry.seconds,
        "share": round(entry.share, 3),
        "machine": dict(entry.machine),
        "versions": dict(entry.versions),
        "rows": [as_json(row) for row in entry.rows],
        "curves": [as_json(curve) for curve in entry.curves],
    }
    write_json(path, values)
    return path


def read_entry(path: Path) -> Entry:
    """The entry in a file. Raises `SpecError` naming a file that holds none."""
    values = read_json(path)
    try:
        if values.pop("format") != FORMAT:
            raise ValueError("another format")
        rows = tuple(row_from(each) for each in values.pop("rows"))
        curves = tuple(curve_from(each) for each in values.pop("curves"))
        return Entry(**values, rows=rows, curves=curves)
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise SpecError(f"{path}: not an entry of the benchmark's log ({error})") from None


def read_log(folder: Path) -> list[Entry]:
    """Every entry, oldest first."""
    return [read_entry(path) for path in sorted(folder.glob("*.json"))]


def comparable(entries: Sequence[Entry]) -> list[Entry]:
    """Those of the newest entry's machine, quick or full as it is; a newer Python may be.

    `entries` come oldest first.
    """

    def kind(entry: Entry) -> tuple[object, ...]:
        facts = entry.machine
        parts = (facts.get(name) for name in ("processor", "cores", "platform", "device"))
        return entry.quick, *parts

    return [entry for entry in entries if kind(entry) == kind(entries[-1])]


def machine() -> dict[str, str]:
    """What the figures depend on besides the code: "8 of 64" cores where not all are used."""
    used, there = len(contest_cores()), len(visible_cores())
    return {
        "processor": _processor(),
        "cores": str(used) if used == there else f"{used} of {there}",
        "platform": f"{sys.platform} {platform.machine()}",
        "python": platform.python_version(),
    }


def versions() -> dict[str, str]:
    """Versions of what ran; a peer that is not installed is left out."""
    found = {}
    for name in PACKAGES:
        try:
            found[name] = importlib.metadata.version(name)
        except importlib.metadata.PackageNotFoundError:
            continue
    return found


def _processor() -> str:
    """The processor's name; on Linux `platform` knows only its family."""
    path = Path("/proc/cpuinfo")
    lines = path.read_text().splitlines() if path.exists() else []
    fields: dict[str, str] = {}
    for line in lines:
        name, _, value = line.partition(":")
        fields[name.strip()] = value.strip()
    if "model name" not in fields:
        return platform.processor() or platform.machine()
    flags = fields.get("flags", "").split()
    wide = [name for name in ("avx2", "avx512f", "amx_bf16") if name in flags][-1:]
    return ", ".join([fields["model name"], *wide])


def _git(*command: str) -> str:
    """What git says about this checkout; nothing where there is none."""
    try:
        done = subprocess.run(
            ("git", *command),
            cwd=Path(__file__).resolve().parents[2],
            capture_output=True,
            text=True,
            check=False,
        )
    except FileNotFoundError:
        return ""
    return done.stdout.strip()


def newest(folder: Path) -> Entry:
    """The last entry of the log. Raises `SpecError` if there is none."""
    entries = read_log(folder)
    if not entries:
        raise SpecError(f"{folder}: the benchmark's log is empty; `msw bench --log` adds an entry")
    return entries[-1]
