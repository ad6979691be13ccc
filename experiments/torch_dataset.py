"""`torch.utils.data` data sets of a world's corpus: rows of tokens, shared out without overlap.

    shards = open_shards("runs/filtering")             # msw corpus emit --format npy
    loader = DataLoader(ShardRows(shards, length=512), batch_size=8, num_workers=4)

    rows = CorpusRows(corpus, tokenizer, length=512, order_seed=0, epoch=0)

Every worker of every rank has consecutive rows of its own. Rows come as int64, as embeddings want
them. Needs the extra `torch`; nothing else imports this file.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import torch
from torch.utils.data import IterableDataset, get_worker_info

from medsafetyworld import stream
from medsafetyworld.corpus import Corpus
from medsafetyworld.shards import TokenShards
from medsafetyworld.stream import Share
from medsafetyworld.tokenizer import Tokenizer


@dataclass(frozen=True, slots=True)
class Rank:
    """One of the processes that train together. Raises ValueError if there is no such rank."""

    number: int = 0
    world_size: int = 1

    def __post_init__(self) -> None:
        if not 0 <= self.number < self.world_size:
            raise ValueError(
                f"rank must be in [0, {self.world_size}), got {self.number} of {self.world_size}"
            )


def this_rank() -> Rank:
    """This process's rank where `torch.distributed` runs, the only one elsewhere."""
    if not (torch.distributed.is_available() and torch.distributed.is_initialized()):
        return Rank()
    return Rank(torch.distributed.get_rank(), torch.distributed.get_world_size())


def this_share(rank: Rank) -> Share:
    """The share of the worker that calls: the ranks' shares, each cut once more by its workers."""
    worker = get_worker_info()
    number, workers = (0, 1) if worker is None else (worker.id, worker.num_workers)
    return Share(rank.number * workers + number, rank.world_size * workers)


class ShardRows(IterableDataset[torch.Tensor]):
    """Rows of token shards on disk, `(length,)` each; padding fills the last row of all.

    All ranks and workers together have exactly the rows that one process has, whatever their
    number, and no rank has more than one row more than another.
    """

    def __init__(self, shards: TokenShards, length: int, rank: Rank | None = None) -> None:
        """`rank` is that of `torch.distributed` unless it is given."""
        self.shards, self.length = shards, _checked(length)
        self.rank = this_rank() if rank is None else rank

    def __iter__(self) -> Iterator[torch.Tensor]:
        for row in self.shards.rows(self.length, this_share(self.rank)):
            yield torch.from_numpy(row.astype(np.int64))


class CorpusRows(IterableDataset[torch.Tensor]):
    """Rows of a corpus that is made on the way, `(length,)` each, in the order of an epoch.

    Workers share the documents out, so each of them fills up a last row with padding.
    """

    def __init__(
        self,
        corpus: Corpus,
        tokenizer: Tokenizer,
        length: int,
        order_seed: int,
        epoch: int = 0,
        rank: Rank | None = None,
    ) -> None:
        """`rank` is that of `torch.distributed` unless it is given."""
        self.corpus, self.tokenizer, self.length = corpus, tokenizer, _checked(length)
        self.order_seed, self.epoch = order_seed, epoch
        self.rank = this_rank() if rank is None else rank

    def __iter__(self) -> Iterator[torch.Tensor]:
        share = this_share(self.rank)
        rows = stream.rows(
            self.corpus, self.tokenizer, self.length, self.order_seed, self.epoch, share
        )
        for part in rows:
            yield from torch.from_numpy(part.astype(np.int64))


def _checked(length: int) -> int:
    """Refused here, not in a worker, whose traceback nobody wants to read."""
    if length < 1:
        raise ValueError(f"length must be at least 1, got {length}")
    return length
