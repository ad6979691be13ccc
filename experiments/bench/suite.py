"""Which contests make up the benchmark; `table` makes rows of their rates."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

from experiments.bench import growth
from experiments.bench.contest import Contest, Contestant
from experiments.bench.decoding import BATCHES

PARTS = {
    "train": "training against PyTorch, Hugging Face and the peak of a matrix product",
    "decode": "decoding against Hugging Face's generate",
    "stream": "corpus stream and documents against a Rust tokenizer and a plain dump",
    "ensemble": "many seeds in one program against one at a time",
    "cells": "the seconds of a study's cell by part",
    "growth": "how time grows with parameters, batch, prompts, tokens and entities",
}
ONE, ALL = ", one core", ", all cores"
SQUARE, SHAPES = "large square product", "products of the model's shapes"
EAGER, COMPILED, HF = "PyTorch eager", "PyTorch compiled", "Hugging Face"
THREADS = ", threads"


def contests(parts: Sequence[str], quick: bool, cores: int) -> list[Contest]:
    """The contests of the parts asked for; `cells` needs none."""
    made: list[Contest] = []
    makers: dict[str, Callable[[bool], Contest]] = {
        "train": _train,
        "decode": _decode,
        "stream": _stream,
        "ensemble": _ensemble,
    }
    for part, make in makers.items():
        if part in parts:
            made.append(make(quick))
            if part in ("train", "decode") and cores > 1:
                made.append(_side_by_side(made[-1], part, quick, cores))
    return made + (growth.contests(quick) if "growth" in parts else [])


def ours_name(dtype: str) -> str:
    """How our training with this number format is called."""
    return f"ours, {dtype}"


def recipe_name() -> str:
    """Our training as the laptop study has it, but for the optimizer, which is the peers'."""
    from experiments.studies.headline import LAPTOP

    return ours_name(LAPTOP.pretrain.dtype)


def _training(dtype: str, quick: bool) -> dict[str, Any]:
    """Options of our training: AdamW, because that is what the peers have too."""
    return {"dtype": dtype, "optimizer": "adamw", "steps": steps(quick)}


def steps(quick: bool) -> int:
    """Steps between two lines of our training's log, which are what is timed.

    Full, it is the study's own number, because a line costs something; quick, fewer.
    """
    from experiments.studies.headline import LAPTOP

    return 20 if quick else LAPTOP.pretrain.log_every


def _train(quick: bool) -> Contest:
    from experiments.bench.subject import dtypes
    from experiments.studies.headline import LAPTOP

    batch, micro = LAPTOP.pretrain.batch_rows, LAPTOP.pretrain.micro_rows
    both = [batch, micro] if micro < batch else [batch]
    tries = {"micro_rows": both, "dtypes": list(dtypes())}
    # Compiling takes a minute a shape, so what is compiled gets the whole batch.
    compiled = {"compiled": True, "dtypes": ["float32"] if quick else list(dtypes())}
    ours = [
        Contestant(ours_name(dtype), "jax", "train", _training(dtype, quick)) for dtype in dtypes()
    ]
    if LAPTOP.pretrain.optimizer != "adamw":
        own = f"{recipe_name()}, {LAPTOP.pretrain.optimizer}"
        ours.append(Contestant(own, "jax", "train", {"steps": steps(quick)}))
    peaks = [
        Contestant(f"{dtype} {kind}", "products", work, {"dtype": dtype})
        for dtype in dtypes()
        for kind, work in ((SQUARE, "square"), (SHAPES, "products"))
    ]
    peers = [
        # First, because compiling takes longest.
        Contestant(COMPILED, "torch compiled", "train_torch", {"kind": "plain", **compiled}),
        Contestant(EAGER, "torch", "train_torch", {"kind": "plain", **tries}),
        Contestant(HF, "torch", "train_torch", {"kind": "huggingface", **tries}),
    ]
    copy = Contestant("memory copy", "products", "copy")
    rounds, seconds = (3, 0.3) if quick else (7, 0.6)
    return Contest(f"train{ONE}", (*peers, *ours, *peaks, copy), rounds, seconds)


def _decode(quick: bool) -> Contest:
    contestants = [
        contestant
        for batch in BATCHES
        for contestant in (
            Contestant(f"ours, {prompts(batch)}", "jax decoding", "decode", {"batch": batch}),
            Contestant(f"{HF}, {prompts(batch)}", "torch", "decode_hf", {"batch": batch}),
        )
    ]
    rounds, seconds = (3, 0.3) if quick else (9, 0.6)
    return Contest(f"decode{ONE}", tuple(contestants), rounds, seconds)


def prompts(batch: int) -> str:
    """How a batch is called."""
    return f"{batch} prompt{'s' * (batch != 1)} at once"


def _side_by_side(alone: Contest, part: str, quick: bool, cores: int) -> Contest:
    """One process a core, and the peers also as one process with a thread a core."""
    from experiments.bench.subject import dtypes

    # A quick run sets the study's own training against plain PyTorch alone.
    left_out = (
        HF,
        COMPILED,
        *(ours_name(dtype) for dtype in dtypes() if ours_name(dtype) != recipe_name()),
    )
    chosen = [
        each
        for each in alone.contestants
        if each.work in ("train", "train_torch", "decode", "decode_hf")
        and not (quick and part == "train" and each.name in left_out)
        and not (part == "decode" and each.options["batch"] != max(BATCHES))
    ]
    processes = [replace(each, copies=cores) for each in chosen]
    threads = [
        replace(each, name=each.name + THREADS, threads=cores)
        for each in chosen
        if each.host.startswith("torch") and not quick
    ]
    rounds, seconds = (2, 0.3) if quick else (5, 0.6)
    return Contest(f"{part}{ALL}", (*processes, *threads), rounds, seconds)


def _stream(quick: bool) -> Contest:
    from experiments.studies.headline import LAPTOP

    training = _training(LAPTOP.pretrain.dtype, quick)
    whole = {"preset": "laptop" if quick else "paper"}
    contestants = (
        Contestant("text, then tokens", "plain", "texts", whole),
        Contestant("tokens at once", "plain", "tokens", whole),
        Contestant("copy of tokens", "plain", "copy_tokens", whole),
        Contestant("token stream", "plain", "stream"),
        Contestant("Rust tokenizer", "plain", "encode_hf"),
        Contestant("documents", "plain", "emit"),
        Contestant("JSON dump", "plain", "dump"),
        Contestant("training", "jax", "train", training),
    )
    rounds, seconds = (2, 0.2) if quick else (5, 0.5)
    return Contest("stream", contestants, rounds, seconds)


def _ensemble(quick: bool) -> Contest:
    """Against `train`, which is what there is without ensembles."""
    same = {"steps": steps(quick)}
    alone = Contestant("1", "jax ensemble", "train", same)
    together = (
        Contestant(str(n), "jax ensemble", "ensemble", {"members": n, **same})
        for n in ((2,) if quick else (2, 4))
    )
    return Contest(
        "ensemble",
        (alone, *together),
        rounds=2 if quick else 3,
        seconds=0.1,
    )
