"""Token shards: a corpus's tokens as plain numpy files that any process reads a part of.

    tokens-*.npy    token ids, each document closed by end-of-text
    offsets-*.npy   `(documents + 1,)` where each document of the shard begins, and the end
    index.json      dtype, tokenizer, and for each shard its files, their sha256 and their sizes

The files are mapped into memory, so opening a corpus costs nothing and reading touches only what
is read. `msw corpus emit --format npy` writes them.
"""

from __future__ import annotations

import json
from bisect import bisect_right
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from functools import cached_property
from itertools import accumulate
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from medsafetyworld.errors import SpecError
from medsafetyworld.files import write_whole
from medsafetyworld.stream import WHOLE, Share
from medsafetyworld.token_table import Tokens

FORMAT = "medsafetyworld.tokens/1"
INDEX = "index.json"
TYPES = ("<u2", "<u4")
"""Two or four bytes a token, little end first."""


@dataclass(frozen=True, slots=True)
class Shard:
    """The files of a shard, relative to the index, their sha256, and how much they hold."""

    tokens: str
    tokens_sha256: str
    offsets: str
    offsets_sha256: str
    documents: int
    length: int
    """Tokens."""


@dataclass(frozen=True, slots=True)
class TokenIndex:
    """What `index.json` says."""

    dtype: str
    tokenizer_sha256: str
    end: int
    """Token that closes every document."""
    pad: int
    """Token that fills the last row."""
    shards: tuple[Shard, ...]


@dataclass(frozen=True)
class TokenShards:
    """Tokens of a corpus on disk, by document or in rows."""

    index: TokenIndex
    tokens: tuple[Tokens, ...]
    """Each shard's tokens, mapped."""
    offsets: tuple[NDArray[np.uint64], ...]
    """Each shard's offsets, mapped."""

    def __len__(self) -> int:
        """How many documents there are."""
        return self._first_documents[-1]

    @property
    def length(self) -> int:
        """How many tokens there are."""
        return self._first_tokens[-1]

    @cached_property
    def _first_documents(self) -> tuple[int, ...]:
        """The number of each shard's first document, and how many there are."""
        return tuple(accumulate((shard.documents for shard in self.index.shards), initial=0))

    @cached_property
    def _first_tokens(self) -> tuple[int, ...]:
        """Where each shard's tokens begin, and how many there are."""
        return tuple(accumulate((shard.length for shard in self.index.shards), initial=0))

    def document(self, number: int) -> Tokens:
        """Tokens of a document in [0, len), end-of-text included. Raises IndexError outside."""
        if not 0 <= number < len(self):
            raise IndexError(f"document must be in [0, {len(self)}), got {number}")
        shard = bisect_right(self._first_documents, number) - 1
        place = number - self._first_documents[shard]
        start, stop = self.offsets[shard][place : place + 2].tolist()
        return self.tokens[shard][start:stop]

    def span(self, start: int, stop: int) -> Tokens:
        """Tokens [start, stop), counted through all shards; a copy. Raises IndexError outside."""
        if not 0 <= start <= stop <= self.length:
            raise IndexError(f"tokens must be in [0, {self.length}], got [{start}, {stop})")
        first = max(0, bisect_right(self._first_tokens, start) - 1)
        parts = [np.zeros(0, dtype=self.index.dtype)]
        for shard in range(first, len(self.tokens)):
            begins = self._first_tokens[shard]
            if begins >= stop:
                break
            parts.append(self.tokens[shard][max(0, start - begins) : stop - begins])
        return np.concatenate(parts)

    def rows(self, length: int, share: Share = WHOLE) -> Iterator[Tokens]:
        """`(length,)` at a time, in order; padding fills the last row of all.

        A share has consecutive whole rows: the rows of all shares, one behind the other, are
        those of the whole, whatever the number of shares. Raises ValueError if length < 1.
        """
        if length < 1:
            raise ValueError(f"length must be at least 1, got {length}")
        for row in share.of(-(-self.length // length)):
            made = self.span(row * length, min((row + 1) * length, self.length))
            yield np.pad(made, (0, length - len(made)), constant_values=self.index.pad)


def open_shards(directory: str | Path) -> TokenShards:
    """The token shards of a directory that has an `index.json`.

    Raises `SpecError` naming a file that is missing or not what the index says. Contents are not
    hashed: `msw corpus check` does that.
    """
    directory = Path(directory)
    index = read_index(directory / INDEX)
    tokens = tuple(_mapped(directory / shard.tokens, index.dtype) for shard in index.shards)
    offsets = tuple(_mapped(directory / shard.offsets, "<u8") for shard in index.shards)
    for shard, part, ends in zip(index.shards, tokens, offsets, strict=True):
        if len(part) != shard.length:
            raise SpecError(
                f"{directory / shard.tokens}: holds {len(part)} tokens, the index says "
                f"{shard.length}"
            )
        if len(ends) != shard.documents + 1 or ends[0] != 0 or ends[-1] != shard.length:
            raise SpecError(
                f"{directory / shard.offsets}: must go from 0 to {shard.length} in "
                f"{shard.documents + 1} offsets"
            )
    return TokenShards(index, tokens, offsets)


def write_index(directory: Path, index: TokenIndex) -> None:
    """Writes `index.json`, whole or not at all."""
    text = json.dumps({"format": FORMAT, **asdict(index)}, indent=1)
    write_whole(directory / INDEX, text + "\n")


def read_index(path: Path) -> TokenIndex:
    """What an `index.json` says. Raises `SpecError` naming the file and what is wrong."""
    try:
        said = json.loads(path.read_bytes())
    except OSError as error:
        raise SpecError(f"{path}: cannot be read ({error.strerror})") from None
    except (ValueError, RecursionError) as error:
        raise SpecError(f"{path}: not readable JSON ({error})") from None
    if not isinstance(said, dict) or said.pop("format", None) != FORMAT:
        raise SpecError(f"{path}: is no index of token shards ({FORMAT})")
    shards = said.pop("shards", None)
    if not isinstance(shards, list) or not shards:
        raise SpecError(f"{path}: shards must be a list of one or more")
    made = tuple(_typed(Shard, shard, f"{path}: shards[{n}]") for n, shard in enumerate(shards))
    index = _typed(TokenIndex, {**said, "shards": made}, str(path))
    if index.dtype not in TYPES:
        raise SpecError(f"{path}: dtype must be {' or '.join(TYPES)}, got {index.dtype!r}")
    for shard in made:
        for name in (shard.tokens, shard.offsets):
            # An index is data from outside: it must not make us read beyond its directory.
            if Path(name).is_absolute() or ".." in Path(name).parts:
                raise SpecError(f"{path}: {name!r} leaves the directory")
    return index


def _typed(kind: type, values: Any, where: str) -> Any:
    """A dataclass from JSON with exactly its fields; numbers must be 0 or more."""
    fields = {name: field.type for name, field in kind.__dataclass_fields__.items()}
    if not isinstance(values, dict) or set(values) != set(fields):
        raise SpecError(f"{where}: must have the fields {', '.join(fields)}")
    for name, value in values.items():
        text = fields[name] == "str"
        number = isinstance(value, int) and not isinstance(value, bool) and value >= 0
        if name != "shards" and not (isinstance(value, str) if text else number):
            what = "text" if text else "a whole number, 0 or more"
            raise SpecError(f"{where}: {name} must be {what}, got {value!r}")
    return kind(**values)


def _mapped(path: Path, dtype: str) -> NDArray[Any]:
    """A vector of this type, mapped into memory."""
    try:
        array = np.load(path, mmap_mode="r", allow_pickle=False)
    except (OSError, ValueError, EOFError) as error:
        raise SpecError(f"{path}: cannot be read as a numpy array ({error})") from None
    if not isinstance(array, np.ndarray) or array.ndim != 1 or array.dtype != np.dtype(dtype):
        raise SpecError(f"{path}: must be a vector of {dtype}")
    # A plain view of the mapped file: slices of numpy's class for it cost several times as much.
    return array.view(np.ndarray)
