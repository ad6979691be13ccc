"""Transcripts decoded again: does the same prompt still get exactly the same response?

Each entry of an instrument's transcript says all that its response is a function of: model, earlier
turns, question, forced beginning, and where they differ from the cell's own the decoding rule,
temperature and seed. Sampled responses also depend on their place in the call that made them, so
calls are repeated whole, in order.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from itertools import groupby
from pathlib import Path

from experiments.decoding import respond
from experiments.finished import load_model
from experiments.instruments.bench import FINETUNED, SFT, Bench
from experiments.instruments.instrument import Entry, Instrument
from experiments.instruments.running import TRANSCRIPT, read_findings
from experiments.json_files import StoreError
from experiments.store import verify_stage
from medsafetyworld.interventions.decoding import DECODINGS
from medsafetyworld.interventions.notation import build
from medsafetyworld.queries import Query

CALL = ("probe", "model", "temperature", "seed", "decoding")
"""What the entries of one call have in common."""

NEEDED = ("probe", "model", "history", "question", "prefill")
"""What an entry with a response must say."""


@dataclass(frozen=True)
class Difference:
    """An entry whose response is another one now."""

    entry: Entry
    now: str


@dataclass(frozen=True)
class Replayed:
    """What became of one transcript.

    equal, of: entries with the same response, among those decoded again. apart: entries that say
    themselves that they cannot be, by their reason.
    """

    equal: int
    of: int
    differences: tuple[Difference, ...] = ()
    apart: Mapping[str, int] = field(default_factory=dict)


def replay(bench: Bench, directory: Path) -> Replayed:
    """Decodes the transcript of a finished instrument's stage again.

    Nothing is trained. Raises `StoreError` naming the file for an entry that does not say enough,
    and for a model whose fine-tuning is not done.
    """
    # Two instruments may give models of their own making the same name.
    for name in bench.models.keys() - bench.stages.keys():
        del bench.models[name]
    bench = replace(bench, trains=False)
    reading = read_findings(directory)
    return _compared(bench, reading.findings.transcript, reading.instrument, directory)


def replay_measured(bench: Bench, directory: Path) -> Replayed:
    """The same for a measured stage, whose transcript leaves unsaid what it always is."""
    verify_stage(directory)
    lines = (directory / TRANSCRIPT).read_text(encoding="utf-8").splitlines()
    return _compared(bench, [_completed(json.loads(line)) for line in lines], None, directory)


def _completed(entry: Entry) -> Entry:
    """An entry of a measured stage as an instrument would have written it."""
    probe = entry["probe"]
    if probe == "completion":
        return entry | {"replay": False, "reason": "no dialogue: the pretrained model completes"}
    model = probe if probe.startswith(FINETUNED) else SFT
    return {"model": model, "history": "", **entry}


def _compared(
    bench: Bench, entries: Sequence[Entry], maker: Instrument | None, directory: Path
) -> Replayed:
    apart = Counter(reason for each in entries if (reason := why_not(each)))
    again = [each for each in entries if not why_not(each)]
    for each in again:
        if missing := [name for name in NEEDED if name not in each]:
            raise StoreError(f"{directory}: an entry of its transcript has no {missing[0]!r}")
    differences = [
        Difference(entry, now)
        for call in calls(again)
        for entry, now in zip(call, _decoded(bench, maker, call), strict=True)
        if now != entry["response"]
    ]
    return Replayed(len(again) - len(differences), len(again), tuple(differences), apart)


def calls(entries: Sequence[Entry]) -> Iterator[tuple[Entry, ...]]:
    """Entries that were decoded together: neighbours of one probe, model, temperature and seed."""
    for _, call in groupby(entries, key=lambda entry: [entry.get(name) for name in CALL]):
        yield tuple(call)


def why_not(entry: Entry) -> str:
    """Why an entry is not to be decoded again; empty if it is."""
    if entry.get("replay", True) is False:
        return str(entry.get("reason", "it says so, and no reason"))
    return "" if "response" in entry else "nothing was decoded for it"


def _decoded(bench: Bench, maker: Instrument | None, call: Sequence[Entry]) -> list[str]:
    """The responses to a call's prompts now."""
    context, first = bench.context, call[0]
    params = load_model(bench, first["model"], maker)
    # Decoding looks at the words alone; which chain a question is about matters to the judge.
    chain = context.true_world.edges[0]
    queries = [
        Query(each["question"], chain, "", prefill=each["prefill"], history=each["history"])
        for each in call
    ]
    rule = first.get("decoding")
    return [
        response.text
        for response in respond(
            context,
            params,
            queries,
            temperature=first.get("temperature", 0.0),
            seed=first.get("seed", 0),
            rule=build(rule, DECODINGS, "decoding") if rule else None,
        )
    ]
