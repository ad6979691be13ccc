"""Laws of the PyTorch data sets: every row once, whatever the number of ranks and workers."""

from __future__ import annotations

from functools import partial
from types import SimpleNamespace
from unittest.mock import patch

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch.utils.data import DataLoader

from experiments import torch_dataset
from experiments.commands.emission import emit
from experiments.torch_dataset import CorpusRows, Rank, ShardRows, this_rank
from medsafetyworld import stream
from medsafetyworld.building import build_world
from medsafetyworld.corpus import Corpus
from medsafetyworld.interventions import variant
from medsafetyworld.presets import WORLD_PRESETS
from medsafetyworld.shards import TokenShards, open_shards
from medsafetyworld.spec import CorpusSpec
from medsafetyworld.tokenizer import build_tokenizer

SPEC = CorpusSpec(templates=3, cooccurrence_templates=3, surface_forms=3, framings=1, closings=1)
CORPUS = Corpus(build_world(WORLD_PRESETS["smoke-two-hop"]), SPEC, 5)
TOKENIZER = build_tokenizer(CORPUS.world, CORPUS.spec)


@pytest.fixture(scope="module")
def shards(tmp_path_factory: pytest.TempPathFactory) -> TokenShards:
    out = tmp_path_factory.mktemp("emitted") / "corpus"
    emit(CORPUS, variant("baseline"), "npy", out, lambda count: count, shard_documents=100)
    return open_shards(out)


def rows_of_worker(dataset, number: int, workers: int) -> list[list[int]]:
    """What one of several workers yields, without starting it; 0 workers: the process itself."""
    info = SimpleNamespace(id=number, num_workers=workers) if workers else None
    with patch.object(torch_dataset, "get_worker_info", lambda: info):
        return [row.tolist() for row in dataset]


def rows_of_rank(dataset, workers: int) -> list[list[int]]:
    """What all workers of a rank yield, one behind the other."""
    return [
        row for number in range(max(1, workers)) for row in rows_of_worker(dataset, number, workers)
    ]


@settings(max_examples=25, deadline=None)
@given(data=st.data(), length=st.integers(16, 3000))
def test_shard_rows_are_all_rows_once_in_order(shards, data, length: int) -> None:
    world_size = data.draw(st.integers(1, 5))
    workers = [data.draw(st.integers(0, 4)) for _ in range(world_size)]
    ranks = [
        rows_of_rank(ShardRows(shards, length, Rank(number, world_size)), workers[number])
        for number in range(world_size)
    ]
    found = [row for rank in ranks for row in rank]
    whole = stream.rows(CORPUS, TOKENIZER, length, CORPUS.seed)
    assert found == [row for part in whole for row in part.tolist()]
    assert max(map(len, ranks)) - min(map(len, ranks)) <= 1


@settings(max_examples=25, deadline=None)
@given(
    length=st.integers(16, 3000),
    world_size=st.integers(1, 5),
    workers=st.integers(0, 4),
    epoch=st.integers(0, 3),
)
def test_corpus_rows_are_all_documents_once(
    length: int, world_size: int, workers: int, epoch: int
) -> None:
    make = partial(CorpusRows, CORPUS, TOKENIZER, length, 9, epoch)
    found: list[int] = []
    for number in range(world_size):
        dataset = make(Rank(number, world_size))
        for worker in range(max(1, workers)):
            tokens = [token for row in rows_of_worker(dataset, worker, workers) for token in row]
            padding = tokens.count(TOKENIZER.pad)
            assert padding < length
            assert TOKENIZER.pad not in tokens[: len(tokens) - padding]
            found += tokens[: len(tokens) - padding]
    wanted = np.concatenate(list(stream.documents(CORPUS, TOKENIZER, 9, epoch)))
    assert found == wanted.tolist()


@pytest.mark.parametrize("workers", [0, 2])
def test_real_loaders_have_every_row_once(shards, workers: int) -> None:
    wanted = sorted(map(tuple, rows_of_rank(ShardRows(shards, 64), 0)))
    for dataset in (ShardRows(shards, 64), CorpusRows(CORPUS, TOKENIZER, 64, CORPUS.seed)):
        batches = list(DataLoader(dataset, batch_size=None, num_workers=workers))
        assert all(row.dtype == torch.int64 and row.shape == (64,) for row in batches)
        found = sorted(tuple(row.tolist()) for row in batches)
        if isinstance(dataset, ShardRows) or not workers:
            assert found == wanted
        else:
            assert len(wanted) <= len(found) <= len(wanted) + workers


def test_impossible_ranks_and_lengths_are_refused(shards) -> None:
    assert this_rank() == Rank(0, 1)
    with pytest.raises(ValueError, match=r"rank must be in \[0, 2\), got 2 of 2"):
        Rank(2, 2)
    with pytest.raises(ValueError, match="length must be at least 1, got 0"):
        ShardRows(shards, 0)
    with pytest.raises(ValueError, match="length must be at least 1, got -1"):
        CorpusRows(CORPUS, TOKENIZER, -1, 0)
