"""Streams a preset's whole corpus as tokens, on every core, and says what it took.

    python -m experiments.bench.whole_corpus laptop    # a second
    python -m experiments.bench.whole_corpus paper     # minutes

Each process makes its own share. Memory is what a process holds beyond its world and tables.
"""

from __future__ import annotations

import argparse
import time
from dataclasses import dataclass
from pathlib import Path

from experiments.bench.stream import preset_corpus
from experiments.cores import visible_cores
from medsafetyworld.corpus import Corpus
from medsafetyworld.presets import WORLD_PRESETS
from medsafetyworld.stream import Share, in_processes, rows, table_of
from medsafetyworld.tokenizer import build_tokenizer

LENGTH = 512
"""Tokens a row."""


@dataclass(frozen=True)
class Streamed:
    """What one process did."""

    tokens: int
    seconds: float
    """Processor seconds."""
    before: int
    """Bytes resident before the first row."""
    most: int
    """Most bytes resident after any array of rows."""


def stream_share(corpus: Corpus, share: Share) -> Streamed:
    """Makes all rows of a share and keeps none."""
    tokenizer = build_tokenizer(corpus.world, corpus.spec)
    table_of(corpus, tokenizer)
    # The first documents plan the corpus's tables.
    corpus.document(0)
    before = most = resident()
    tokens, start = 0, time.process_time()
    for made in rows(corpus, tokenizer, LENGTH, order_seed=0, share=share):
        tokens += made.size
        most = max(most, resident())
    return Streamed(tokens, time.process_time() - start, before, most)


def resident() -> int:
    """Bytes of memory that this process has resident now."""
    pages = int(Path("/proc/self/statm").read_text(encoding="ascii").split()[1])
    return pages * 4096


def main() -> None:
    """The command."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("preset", choices=sorted(WORLD_PRESETS), help="world and corpus")
    preset = parser.parse_args().preset
    corpus, _ = preset_corpus(preset)
    cores = len(visible_cores())
    start = time.perf_counter()
    done = in_processes(corpus, stream_share, cores)
    wall = time.perf_counter() - start
    tokens, busy = sum(each.tokens for each in done), sum(each.seconds for each in done)
    held = max(each.most - each.before for each in done)
    print(
        f"{preset}: {tokens:,} tokens of {len(corpus):,} documents in {wall:.1f} s on {cores} "
        f"processes, starting them included; {busy / tokens * 1e9:.1f} processor nanoseconds a "
        f"token; {held / 2**20:.0f} MiB above the world"
    )


if __name__ == "__main__":
    main()
