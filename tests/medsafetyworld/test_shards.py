"""Laws of token shards: documents and rows as they were written, and refusals of all else."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from medsafetyworld.errors import SpecError
from medsafetyworld.shards import Shard, TokenIndex, TokenShards, open_shards, write_index
from medsafetyworld.stream import Share

PAD = 0
DOCUMENTS = st.lists(st.integers(1, 70_000), min_size=1, max_size=12)
SHARDS = st.lists(st.lists(DOCUMENTS, max_size=4), min_size=1, max_size=4)


def written(directory: Path, shards: Sequence[Sequence[Sequence[int]]]) -> TokenShards:
    """Token shards with these documents."""
    made = []
    for number, documents in enumerate(shards):
        tokens = np.array([token for each in documents for token in each], dtype="<u4")
        offsets = np.cumsum([0, *map(len, documents)]).astype("<u8")
        names = f"tokens-{number}.npy", f"offsets-{number}.npy"
        for name, array in zip(names, (tokens, offsets), strict=True):
            np.save(directory / name, array, allow_pickle=False)
        digests = [hashlib.sha256((directory / name).read_bytes()).hexdigest() for name in names]
        made.append(Shard(names[0], digests[0], names[1], digests[1], len(documents), len(tokens)))
    write_index(directory, TokenIndex("<u4", "0" * 64, 1, PAD, tuple(made)))
    return open_shards(directory)


@settings(max_examples=40, deadline=None)
@given(shards=SHARDS, length=st.integers(1, 9), count=st.integers(1, 5))
def test_documents_and_rows_are_those_written(
    tmp_path_factory: pytest.TempPathFactory, shards, length: int, count: int
) -> None:
    found = written(tmp_path_factory.mktemp("shards"), shards)
    documents = [each for shard in shards for each in shard]
    assert len(found) == len(documents)
    assert [found.document(number).tolist() for number in range(len(found))] == documents
    tokens = [token for each in documents for token in each]
    assert found.length == len(tokens)
    assert found.span(0, len(tokens)).tolist() == tokens
    assert (
        found.span(len(tokens) // 3, len(tokens) // 2).tolist()
        == (tokens[len(tokens) // 3 : len(tokens) // 2])
    )
    whole = [row.tolist() for row in found.rows(length)]
    padded = tokens + [PAD] * (-len(tokens) % length)
    assert whole == [padded[at : at + length] for at in range(0, len(padded), length)]
    shared = [
        row.tolist() for number in range(count) for row in found.rows(length, Share(number, count))
    ]
    assert shared == whole


def test_what_is_not_there_is_refused(tmp_path: Path) -> None:
    found = written(tmp_path, [[[1, 2]], [[3]]])
    for number in (-1, 2):
        with pytest.raises(IndexError, match=r"document must be in \[0, 2\)"):
            found.document(number)
    with pytest.raises(IndexError, match=r"tokens must be in \[0, 3\], got \[2, 4\)"):
        found.span(2, 4)
    with pytest.raises(ValueError, match="length must be at least 1, got 0"):
        next(found.rows(0))


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"dtype": "<f8"}, "dtype must be <u2 or <u4, got '<f8'"),
        ({"dtype": "<u2"}, "must be a vector of <u2"),
        ({"format": "other"}, "is no index of token shards"),
        ({"shards": []}, "shards must be a list of one or more"),
        ({"shards": [{}]}, r"shards\[0\]: must have the fields tokens"),
        ({"pad": True}, "pad must be a whole number, 0 or more, got True"),
        ({"end": -1}, "end must be a whole number, 0 or more, got -1"),
        ({"tokenizer_sha256": 5}, "tokenizer_sha256 must be text, got 5"),
        ({"more": 1}, "must have the fields dtype"),
    ],
)
def test_an_index_that_says_anything_else_is_refused(
    tmp_path: Path, change: dict[str, object], said: str
) -> None:
    written(tmp_path, [[[1, 2]]])
    path = tmp_path / "index.json"
    path.write_text(json.dumps({**json.loads(path.read_text()), **change}))
    with pytest.raises(SpecError, match=said):
        open_shards(tmp_path)


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"tokens": "../tokens-0.npy"}, "leaves the directory"),
        ({"offsets": "/offsets-0.npy"}, "leaves the directory"),
        ({"tokens": "gone.npy"}, "cannot be read as a numpy array"),
        ({"tokens": "objects.npy"}, "cannot be read as a numpy array"),
        ({"length": 3}, "holds 2 tokens, the index says 3"),
        ({"documents": 2}, "must go from 0 to 2 in 3 offsets"),
        ({"documents": 1.0}, "documents must be a whole number"),
    ],
)
def test_shards_that_are_not_as_the_index_says_are_refused(
    tmp_path: Path, change: dict[str, object], said: str
) -> None:
    written(tmp_path, [[[1, 2]]])
    np.save(tmp_path / "objects.npy", np.array([{}, {}], dtype=object))
    path = tmp_path / "index.json"
    index = json.loads(path.read_text())
    index["shards"][0].update(change)
    path.write_text(json.dumps(index))
    with pytest.raises(SpecError, match=said):
        open_shards(tmp_path)


def test_no_index_is_refused_by_name(tmp_path: Path) -> None:
    with pytest.raises(SpecError, match=r"index\.json: cannot be read"):
        open_shards(tmp_path)
    (tmp_path / "index.json").write_text("{")
    with pytest.raises(SpecError, match=r"index\.json: not readable JSON"):
        open_shards(tmp_path)
