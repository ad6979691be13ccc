"""`TokenTable`: a corpus's wordings and names as tokens, from which documents are put together.

Every wording is cut once into fragments, the fixed text around its slots, and every fragment and
name is encoded once. A document is then runs of one flat array, copied by index arithmetic: the
same tokens as encoding its text, without the text.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from string import Formatter

import numpy as np
from numpy.typing import NDArray

from medsafetyworld.pieces import Pieces
from medsafetyworld.tokenizer import CLOSING, OPENING, TokenizeError, Tokenizer

Tokens = NDArray[np.uint16 | np.uint32]
Integers = NDArray[np.int64]

NOTHING = 0
"""Number of the empty fragment, which fills what is unused."""


@dataclass(frozen=True, slots=True)
class TokenTable:
    """Fragments of text and how wordings are made of them.

    Fragments are numbered: the empty one, then all names, then text. Slots are columns of
    `Pieces.names`; one more column than there are slots stands for "no name".
    """

    tokens: Tokens
    """All fragments, one behind the other."""
    starts: Integers
    """`(fragments,)` where each begins."""
    lengths: Integers
    """`(fragments,)` how many tokens it has."""
    layouts: Integers
    """`(2 * wordings, 2 * slots + 1)` each wording's fragments: text and, at odd places, nothing
    where names go; the second half closes each wording by end-of-text."""
    slots: Integers
    """`(2 * wordings, slots)` which column of names fills each."""
    columns: int
    """Columns of names that any wording uses."""
    foreign: dict[int, str]
    """Wordings that the tokenizer cannot encode, with what it says."""


def token_table(
    wordings: Sequence[str], entities: Sequence[str], tokenizer: Tokenizer
) -> TokenTable:
    """Cuts and encodes all wordings and names.

    A wording with words of no use in this corpus is refused only when a document has it. Raises
    `TokenizeError` if a name is not in the vocabulary.
    """
    fragments: dict[tuple[int, ...], int] = {}
    # Names come first and each for itself, so that a name's number is its entity's, plus one.
    listed: list[tuple[int, ...]] = [(), *(tuple(tokenizer.encode(name)) for name in entities)]

    def number(tokens: tuple[int, ...]) -> int:
        if not tokens:
            return NOTHING
        if tokens not in fragments:
            fragments[tokens] = len(listed)
            listed.append(tokens)
        return fragments[tokens]

    cut: list[tuple[list[int], list[int]]] = []
    closed: list[int] = []
    foreign: dict[int, str] = {}
    for place, wording in enumerate(wordings):
        try:
            texts, slots = cut_wording(wording, tokenizer)
        except TokenizeError as error:
            foreign[place] = str(error)
            texts, slots = [()], []
        cut.append(([number(text) for text in texts], slots))
        closed.append(number((*texts[-1], tokenizer.end)))
    most = max((len(slots) for _, slots in cut), default=0)
    columns = 1 + max((slot for _, slots in cut for slot in slots), default=-1)
    layouts = np.full((2, len(cut), 2 * most + 1), NOTHING, dtype=np.int64)
    slot_rows = np.full((2, len(cut), most), columns, dtype=np.int64)
    for place, (texts, slots) in enumerate(cut):
        layouts[:, place, : 2 * len(texts) : 2] = texts
        layouts[1, place, 2 * len(slots)] = closed[place]
        slot_rows[:, place, : len(slots)] = slots
    lengths = np.array([len(tokens) for tokens in listed], dtype=np.int64)
    return TokenTable(
        tokens=np.array(
            [token for tokens in listed for token in tokens], dtype=token_type(tokenizer)
        ),
        starts=np.cumsum(lengths) - lengths,
        lengths=lengths,
        layouts=layouts.reshape(-1, 2 * most + 1),
        slots=slot_rows.reshape(-1, most),
        columns=columns,
        foreign=foreign,
    )


def token_type(tokenizer: Tokenizer) -> type[np.uint16] | type[np.uint32]:
    """The smallest unsigned type of two or four bytes that holds every token."""
    return np.uint16 if len(tokenizer) <= 1 << 16 else np.uint32


def cut_wording(wording: str, tokenizer: Tokenizer) -> tuple[list[tuple[int, ...]], list[int]]:
    """Tokens of the texts before, between and behind the slots, and the slots, left to right.

    Only marks may touch a slot: an opening one in front, closing ones behind. Raises
    `TokenizeError` for anything else, and for unknown words.
    """
    parts = list(Formatter().parse(wording))
    slots = [int(field) for _, field, _, _ in parts if field is not None]
    literals = [literal for literal, _, _, _ in parts]
    if len(literals) == len(slots):
        literals.append("")
    texts = []
    for place, literal in enumerate(literals):
        behind, before = place > 0, place < len(slots)
        texts.append(_literal_tokens(literal, behind, before, wording, tokenizer))
    return texts, slots


def _literal_tokens(
    literal: str, behind: bool, before: bool, wording: str, tokenizer: Tokenizer
) -> tuple[int, ...]:
    """Tokens of the text behind a slot, before one, or both; its ends may be marks that touch."""
    chunks = literal.split(" ")
    touching = ""
    if behind:
        touching = chunks.pop(0)
    opening = ""
    if before and chunks:
        opening = chunks.pop()
    elif before:
        raise TokenizeError(f"two names touch in the wording {wording!r}")
    if touching.strip(CLOSING) or opening not in ("", OPENING):
        raise TokenizeError(
            f"only {OPENING} may stand before a name and only {' '.join(CLOSING)} behind it, "
            f"got {wording!r}"
        )
    words = tokenizer.encode(" ".join(chunks)) if chunks and chunks != [""] else []
    marks = [token for mark in touching for token in tokenizer.encode(mark)]
    return (*marks, *words, *(tokenizer.encode(opening) if opening else ()))


def render(table: TokenTable, pieces: Pieces) -> tuple[Tokens, Integers]:
    """Tokens of the documents, one behind the other, and how many each has.

    Every document is closed by end-of-text. Raises `TokenizeError` if a document has a wording
    that the tokenizer of the table cannot encode.
    """
    count = len(pieces.wording)
    if not count:
        return table.tokens[:0], np.zeros(0, dtype=np.int64)
    if table.foreign:
        _refuse_foreign(table, pieces)
    closes = np.empty(count, dtype=bool)
    np.not_equal(pieces.document[1:], pieces.document[:-1], out=closes[:-1])
    closes[-1] = True
    wording = closes * np.int64(len(table.layouts) // 2)
    wording += pieces.wording

    # Names by column, with one column of nothing for slots that a wording does not have.
    width = table.columns + 1
    named = np.zeros((count, width), dtype=np.int64)
    np.add(pieces.names[:, : table.columns], 1, out=named[:, : table.columns])
    where = table.slots.take(wording, axis=0)
    where += (_counting(count) * width)[:, None]
    fragments = table.layouts.take(wording, axis=0)
    fragments[:, 1::2] = named.ravel().take(where)

    lengths = table.lengths.take(fragments)
    ends = lengths.copy()
    # Sums along short rows by columns: numpy's own cumulative sum is five times as slow.
    for column in range(1, ends.shape[1]):
        ends[:, column] += ends[:, column - 1]
    ends[1:] += np.cumsum(ends[:-1, -1])[:, None]
    # Each token's place in the table: its fragment's start plus its own place in the fragment.
    sources = table.starts.take(fragments)
    sources -= ends
    sources += lengths
    places = np.repeat(sources.ravel(), lengths.ravel())
    places += _counting(len(places))
    tokens = table.tokens.take(places, mode="clip")
    last = ends[:, -1]
    return tokens, np.diff(last if closes.all() else last[closes], prepend=0)


def _counting(size: int) -> Integers:
    """0, 1, 2, ...: a view of what was counted before, for counting is a pass over memory."""
    return _counted(max(12, size.bit_length()))[:size]


@lru_cache(maxsize=8)
def _counted(bits: int) -> Integers:
    counted = np.arange(1 << bits)
    counted.setflags(write=False)
    return counted


def _refuse_foreign(table: TokenTable, pieces: Pieces) -> None:
    foreign = np.zeros(len(table.layouts) // 2, dtype=bool)
    foreign[list(table.foreign)] = True
    used = np.flatnonzero(foreign[pieces.wording])
    if len(used):
        raise TokenizeError(table.foreign[int(pieces.wording[used[0]])])
