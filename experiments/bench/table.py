"""From rates to the table: what is a share of which peak, and what a multiple of which peer."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TypeAlias

from experiments.bench.cells import CellTimes
from experiments.bench.contest import Measured, Spread
from experiments.bench.decoding import BATCHES
from experiments.bench.ensemble import ensemble_row
from experiments.bench.results import Row, measured_row
from experiments.bench.suite import (
    ALL,
    COMPILED,
    EAGER,
    HF,
    ONE,
    SHAPES,
    SQUARE,
    THREADS,
    prompts,
    recipe_name,
)

Found: TypeAlias = Mapping[str, Mapping[str, Measured]]
"""Contest -> contestant -> what was measured."""


def rows(found: Found, cells: CellTimes | None) -> list[Row]:
    """The table, in reading order."""
    table: list[Row] = []
    if f"train{ONE}" in found:
        table += peak_rows(found[f"train{ONE}"]) + training_rows(found[f"train{ONE}"])
    if f"train{ALL}" in found:
        table += versus_rows("training, all cores", recipe_name(), found[f"train{ALL}"])
    for cores in (ONE, ALL):
        if f"decode{cores}" in found:
            table += decoding_rows(f"decoding{cores}", found[f"decode{cores}"])
    if "stream" in found:
        table += stream_rows(found["stream"])
    if "ensemble" in found:
        table += ensemble_rows(found["ensemble"])
    return table + (cell_rows(cells) if cells else [])


def peak_rows(found: Mapping[str, Measured]) -> list[Row]:
    """The machine's own limits on one core; each product as a share of the large one."""
    made = []
    for name, own in found.items():
        if name.endswith((SQUARE, SHAPES)):
            dtype = name.partition(" ")[0]
            large = found[f"{dtype} {SQUARE}"] if name.endswith(SHAPES) else None
            made.append(
                measured_row(
                    "machine, one core",
                    name,
                    "flop/s",
                    own,
                    of=large,
                    text="of the large one",
                    percent=True,
                )
            )
    own = found["memory copy"]
    return [*made, measured_row("machine, one core", "memory copy", "byte/s", own)]


def training_rows(found: Mapping[str, Measured]) -> list[Row]:
    """Ours as a share of the peak, peers as what ours is a multiple of; one core each."""
    made = []
    for name, own in found.items():
        if name.startswith("ours"):
            dtype = name.split(", ")[1]
            operations = own.facts.get("flops_a_token", 0.0)
            for kind in (SQUARE, SHAPES):
                made.append(
                    measured_row(
                        "training, one core",
                        name,
                        "token/s",
                        own,
                        of=found[f"{dtype} {kind}"],
                        text=f"of the {dtype} {kind}",
                        percent=True,
                        scale=operations,
                    )
                )
    return made + _peer_rows("training, one core", found[recipe_name()], found)


def versus_rows(part: str, reference: str, found: Mapping[str, Measured]) -> list[Row]:
    """Our rates, then each peer with how many times as fast ours is."""
    ours = [measured_row(part, n, "token/s", own) for n, own in found.items() if n[:4] == "ours"]
    return ours + _peer_rows(part, found[reference], found)


def _peer_rows(part: str, ours: Measured, found: Mapping[str, Measured]) -> list[Row]:
    return [
        measured_row(
            part,
            name.replace(THREADS, ", one process with a thread a core"),
            "token/s",
            own,
            ours=ours,
            text="ours over it",
            note=_choice(own),
        )
        for name, own in found.items()
        if name.removesuffix(THREADS) in (EAGER, COMPILED, HF)
    ]


def decoding_rows(part: str, found: Mapping[str, Measured]) -> list[Row]:
    """For each batch our rate, then the peer's with how many times as fast ours is."""
    table: list[Row] = []
    for batch in BATCHES:
        title = f", {prompts(batch)}"
        own = {name.replace(title, ""): each for name, each in found.items() if title in name}
        if own:
            table += versus_rows(f"{part}, {prompts(batch)}", "ours", own)
    return table


def _choice(own: Measured) -> str:
    """What a peer's trials settled on."""
    if "dtype" not in own.facts:
        return ""
    tried = f", best of {own.facts['tried']}" if own.facts["tried"] > 1 else ""
    return f"{own.facts['micro_rows']} rows at a time, {own.facts['dtype']}{tried}"


def stream_rows(found: Mapping[str, Measured]) -> list[Row]:
    """The corpus against its peers, and against how fast training eats it."""
    stream, documents = found["token stream"], found["documents"]
    part = "corpus, one core"
    tokens = found["tokens at once"]
    return [
        measured_row(
            part,
            "all documents as tokens at once",
            "token/s",
            tokens,
            of=found["copy of tokens"],
            text="of a memory copy of the same bytes",
            percent=True,
        ),
        measured_row(
            part,
            "all documents as text, then as tokens",
            "token/s",
            found["text, then tokens"],
            ours=tokens,
            text="tokens at once over it",
        ),
        measured_row(
            part,
            "token stream",
            "token/s",
            stream,
            of=found["training"],
            text="what training reads",
        ),
        measured_row(
            part,
            "Rust tokenizer on finished text",
            "token/s",
            found["Rust tokenizer"],
            ours=stream,
            text="stream over it",
        ),
        measured_row(part, "documents: written, hashed, read back", "document/s", documents),
        measured_row(
            part,
            "JSON dump of finished records",
            "document/s",
            found["JSON dump"],
            ours=documents,
            text="documents over it",
        ),
    ]


def ensemble_rows(found: Mapping[str, Measured]) -> list[Row]:
    """Tokens of all members together, against one member."""
    return [
        ensemble_row("ensemble, one core", int(size), own, found["1"])
        for size, own in found.items()
    ]


def cell_rows(cells: CellTimes) -> list[Row]:
    """Where the seconds of a cell go."""
    whole = sum(cells.seconds.values())
    many = f"mean of {cells.cells} cells" if cells.cells > 1 else "one cell"
    part = f"cell of {cells.study} ({many})"
    made = [Row(part, "whole", whole, "s")]
    for name, seconds in sorted(cells.seconds.items(), key=lambda item: -item[1]):
        share = seconds / whole
        made.append(Row(part, name, seconds, "s", Spread(*[share] * 3), "of the cell", True))
    return made
