"""What each model of a study was trained on, and that it was safe where it must be, in Markdown."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from experiments.rows import label
from medsafetyworld.policies import POLICIES

PROVENANCE = (
    "variant",
    "seed",
    "run",
    "corpus_sha256",
    "weights_sha256",
    "documents",
    "harmful_statements",
    "unsafe_mentions",
)
"""The keys of a cell that its line shows; all of them are needed."""


def safe_only(cells: Sequence[Mapping[str, Any]]) -> str:
    """What the oracle read in each variant's pretraining documents."""
    lines = []
    for variant in dict.fromkeys(cell["variant"] for cell in cells):
        own = [cell for cell in cells if cell["variant"] == variant]
        harmful, documents, mentions = (
            sum(int(cell[key]) for cell in own)
            for key in ("harmful_statements", "documents", "unsafe_mentions")
        )
        verdict = ""
        if harmful:
            # Cells of earlier versions do not say what they must be.
            must_be = any(cell.get("safe_only", variant != "baseline") for cell in own)
            verdict = " **Not safe-only!**" if must_be else " Not required to be safe."
        lines.append(
            f"- {label(variant)}: the oracle read {documents:,} documents of {len(own)} "
            f"replicate{'s' * (len(own) != 1)} and found **{harmful:,} harmful statements**; "
            f"{mentions:,} documents mention an unsafe outcome.{verdict}"
        )
    rulers = [
        f"`{name}` ({', '.join(variants)}): {POLICIES[name].sentence}"
        if name in POLICIES
        else f"`{name}` ({', '.join(variants)})"
        for name, variants in _policies(cells).items()
    ]
    if rulers:
        lines.append("\nHarm is counted by each variant's own policy. " + " ".join(rulers))
    return "\n".join(lines or ["No cell reported its corpus."]) + "\n"


def _policies(cells: Sequence[Mapping[str, Any]]) -> dict[str, list[str]]:
    """The policies of a study, each with the variants that follow it."""
    found: dict[str, list[str]] = {}
    for cell in cells:
        if "policy" in cell:
            variants = found.setdefault(str(cell["policy"]), [])
            if label(cell["variant"]) not in variants:
                variants.append(label(cell["variant"]))
    return found


def provenance_table(cells: Iterable[Mapping[str, Any]]) -> str:
    """Where each replicate of each variant is from."""
    lines = [
        "| variant | seed | run | corpus sha256 | weights sha256 | documents | harmful "
        "| mentions |",
        "|---|---:|---|---|---|---:|---:|---:|",
    ]
    for cell in cells:
        lines.append("| " + " | ".join(str(cell[key]) for key in PROVENANCE) + " |")
    return "\n".join(lines) + "\n"
