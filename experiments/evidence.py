"""What a report's page shows beside its rows: learning curves, records of instruments, examples.

It is kept as one small JSON file beside the rows, so that the page can be made again, byte for
byte, where the transcripts and models of the study are no more.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from experiments.json_files import StoreError, read_json, write_json
from experiments.knobs import thinned
from experiments.store import verify_stage
from medsafetyworld.queries import HARMFUL
from medsafetyworld.reading import mentions

if TYPE_CHECKING:
    from experiments.recipe import Cell
    from medsafetyworld.graph import World

EVIDENCE = "evidence.json"
JUDGES = ("leaked", "delivered", "jailbroken", "refused")
KEPT = ("probe", "model", "history", "question", "prefill", "response", "shown", *JUDGES)
"""What an example keeps of its line in the transcript."""
ASKED = "prompts_by_probe"
"""What a record is given beside its own: how many harmful prompts each probe's transcript has."""
MOST_KNOBS = 4
"""Of the probes that differ in a number alone so many are shown."""
MOST_WAYS = 4
"""Of the right answers so many are told."""

Entry = Mapping[str, Any]
Records = Mapping[str, Mapping[str, Mapping[str, Entry]]]
"""Instrument as text -> arm -> seed -> its record."""


@dataclass(frozen=True)
class Evidence:
    """curves: arm -> a list of (tokens, loss) a seed. records: instrument as text -> arm -> seed ->
    what it recorded, with its `prompts_by_probe`. examples: chosen lines of transcripts, each with
    its `variant`, `seed` and which of so many `ways` are `right` by the graph."""

    curves: Mapping[str, Sequence[Sequence[Sequence[float]]]] = field(default_factory=dict)
    records: Records = field(default_factory=dict)
    examples: Sequence[Entry] = ()


def write_evidence(path: Path, evidence: Evidence) -> None:
    """Writes it as JSON."""
    parts = {"curves": evidence.curves, "records": evidence.records}
    write_json(path, {**parts, "examples": list(evidence.examples)})


def read_evidence(path: Path) -> Evidence:
    """Inverse of `write_evidence`. Raises `StoreError` naming a file that is not one."""
    values = read_json(path)
    names = {"curves": dict, "records": dict, "examples": list}
    if not isinstance(values, dict) or any(
        not isinstance(values.get(name), kind) for name, kind in names.items()
    ):
        raise StoreError(f"{path} is not a report's evidence: it needs {', '.join(names)}")
    return Evidence(**{name: values[name] for name in names})


def gather(directory: Path, cells: Sequence[Cell], curves: Mapping[str, Sequence[Any]]) -> Evidence:
    """The evidence of a study's finished cells; examples are of the first replicate."""
    from experiments.instruments.running import read_findings
    from experiments.study import instrument_stages, measured_stage

    records: dict[str, dict[str, dict[str, Entry]]] = {}
    spoken: dict[str, list[Entry]] = {}
    first = min(cell.replicate for cell in cells)
    world = next(cell for cell in cells if cell.replicate == first).worlds()[0]
    for cell in cells:
        chosen = cell.replicate == first
        measured = measured_stage(directory, cell)
        lines = _transcript(measured) if chosen else []
        for text, stage in instrument_stages(directory, cell).items():
            findings = read_findings(stage).findings
            if findings.record:
                arms = records.setdefault(text, {})
                kept = {**findings.record, ASKED: prompts_by_probe(findings.transcript)}
                arms.setdefault(cell.arm.name, {})[str(cell.replicate)] = kept
            lines += findings.transcript if chosen else ()
        if chosen:
            spoken[cell.arm.name] = lines
    return Evidence(curves, records, choose(spoken, first, world))


def prompts_by_probe(transcript: Iterable[Entry]) -> dict[str, int]:
    """How many lines with harmful questions a transcript has of each probe."""
    return dict(
        Counter(
            str(entry["probe"])
            for entry in transcript
            if "probe" in entry and entry.get("category", HARMFUL) == HARMFUL
        )
    )


def choose(spoken: Mapping[str, Sequence[Entry]], seed: int, world: World) -> list[Entry]:
    """One question a probe, with every arm's answer to it: of those that all arms were asked, the
    one whose answers the judges read most differently, and of those the first that leaks somewhere.

    Where arms share no question, for instance because each was searched its own words, each shows
    its own first leak, or its first line.
    """
    found: list[Entry] = []
    by_probe: dict[str, dict[str, list[Entry]]] = {}
    for arm, entries in spoken.items():
        for entry in entries:
            if "leaked" in entry and entry.get("category", HARMFUL) == HARMFUL:
                by_probe.setdefault(str(entry["probe"]), {}).setdefault(arm, []).append(entry)
    for probe in thinned(tuple(by_probe), MOST_KNOBS):
        arms = by_probe[probe]
        for arm, place in _places(arms).items():
            entry = arms[arm][place]
            kept = {name: entry[name] for name in KEPT if name in entry}
            ways = right_answers(world, str(entry["question"]), str(entry["response"]))
            told = {"right": ways[:MOST_WAYS], "ways": len(ways)}
            found.append({**kept, "variant": arm, "seed": seed, "place": place, **told})
    return found


def _places(arms: Mapping[str, Sequence[Entry]]) -> dict[str, int]:
    """Which line of each arm is shown."""
    asked = {arm: _asked(entries) for arm, entries in arms.items()}
    first, *others = asked.values()
    shared = [key for key in first if all(key in each for each in others)]
    if not shared:
        return {
            arm: next((place for place, each in enumerate(entries) if each["leaked"]), 0)
            for arm, entries in arms.items()
        }

    def worth(key: tuple[str, int]) -> tuple[int, bool]:
        answers = [entries[asked[arm][key]] for arm, entries in arms.items()]
        readings = {tuple(bool(each.get(name)) for name in JUDGES) for each in answers}
        return len(readings), any(each["leaked"] for each in answers)

    best = max(shared, key=worth)
    return {arm: each[best] for arm, each in asked.items()}


def _asked(entries: Sequence[Entry]) -> dict[tuple[str, int], int]:
    """(question, the how-manieth line with it) -> its place."""
    found: dict[tuple[str, int], int] = {}
    times: dict[str, int] = {}
    for place, entry in enumerate(entries):
        question = str(entry["question"])
        times[question] = times.get(question, -1) + 1
        found[question, times[question]] = place
    return found


def right_answers(world: World, question: str, response: str) -> list[list[str]]:
    """The compounds of each way to the outcomes that a question names: first the ways that the
    response names, then the shortest."""
    named = set(mentions(world, response)[0])
    ways = {way for outcome in mentions(world, question)[-1] for way in world.ways[outcome]}
    ordered = sorted(ways, key=lambda way: (not named.issuperset(way), len(way), way))
    return [[world.compounds[member] for member in way] for way in ordered]


def _transcript(stage: Path) -> list[Entry]:
    """The lines of a measured stage, compared with its manifest; earlier versions kept none."""
    verify_stage(stage)
    path = stage / "transcript.jsonl"
    if not path.exists():
        return []
    return list(_lines(path.read_text(encoding="utf-8").splitlines()))


def _lines(lines: Iterable[str]) -> Iterable[Entry]:
    for line in lines:
        yield json.loads(line)
