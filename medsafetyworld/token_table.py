"""`TokenTable`: a corpus's wordings and names as tokens, from which documents are put together.

Every wording is cut once at its slots and encoded into a row of fixed width, with a hole for each
name. A document's tokens are then copied rows with names put into their holes, less the blanks
that fill up rows and holes: the same tokens as encoding its text, without the text.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from string import Formatter

import numpy as np
from numpy.typing import NDArray

from medsafetyworld.pieces import Pieces
from medsafetyworld.tokenizer import CLOSING, OPENING, TokenizeError, Tokenizer

Tokens = NDArray[np.uint16 | np.uint32]
Integers = NDArray[np.int64]
Units = NDArray[np.uint64]
"""Several tokens side by side in eight bytes, which numpy moves as one number."""


@dataclass(frozen=True, slots=True)
class TokenTable:
    """Wordings and names in units; `wordings` counts each twice, plain and closed by end-of-text.

    A row ends in a hole for the names of slots that its wording does not have.
    """

    rows: Units
    """`(2 * wordings, width)` texts, each from a unit of its own on, with holes between."""
    columns: Integers
    """`(slots, 2 * wordings)` which column of names fills each slot."""
    holes: Integers
    """`(slots, 2 * wordings)` first unit of its hole."""
    names: Units
    """`(names + 1, units)` the names; the last is blank, which is where the number -1 leads."""
    token: type[np.uint16] | type[np.uint32]
    """Type of a token; its largest value is the blank."""
    foreign: dict[int, str]
    """Wordings that the tokenizer cannot encode, with what it says."""


def token_table(
    wordings: Sequence[str], entities: Sequence[str], tokenizer: Tokenizer
) -> TokenTable:
    """Cuts and encodes all wordings and names.

    A wording with words of no use in this corpus is refused only when a document has it. Raises
    `TokenizeError` if a name is not in the vocabulary.
    """
    token = token_type(tokenizer)
    blank = int(np.iinfo(token).max)
    a_unit = 8 // np.dtype(token).itemsize

    def filled(tokens: Sequence[int], units: int = 0) -> list[int]:
        """The tokens, and blanks up to the end of the unit or of so many units."""
        return [*tokens, *[blank] * max(-len(tokens) % a_unit, units * a_unit - len(tokens))]

    named = [tokenizer.encode(name) for name in entities]
    hole = -(-max(map(len, named), default=1) // a_unit)
    cut: list[tuple[list[tuple[int, ...]], list[int]]] = []
    foreign: dict[int, str] = {}
    for place, wording in enumerate(wordings):
        try:
            cut.append(cut_wording(wording, tokenizer))
        except TokenizeError as error:
            foreign[place] = str(error)
            cut.append(([()], []))
    cut += [([*texts[:-1], (*texts[-1], tokenizer.end)], slots) for texts, slots in cut]
    laid: list[list[int]] = []
    for texts, _ in cut:
        row = filled(texts[0])
        for text in texts[1:]:
            row += filled((), hole) + filled(text)
        laid.append(row)
    width = hole + max(map(len, laid), default=0) // a_unit
    most = max((len(slots) for _, slots in cut), default=0)
    columns = np.zeros((most, len(cut)), dtype=np.int64)
    holes = np.full_like(columns, width - hole)
    for place, (texts, slots) in enumerate(cut):
        units = [-(-len(text) // a_unit) for text in texts[:-1]]
        columns[: len(slots), place] = slots
        holes[: len(slots), place] = np.cumsum(units) + hole * np.arange(len(slots))
    return TokenTable(
        rows=np.array([filled(row, width) for row in laid], dtype=token).view(np.uint64),
        columns=columns,
        holes=holes,
        names=np.array([filled(name, hole) for name in (*named, ())], dtype=token).view(np.uint64),
        token=token,
        foreign=foreign,
    )


def token_type(tokenizer: Tokenizer) -> type[np.uint16] | type[np.uint32]:
    """The smallest unsigned type of two or four bytes that holds every token and a blank."""
    return np.uint16 if len(tokenizer) < 1 << 16 else np.uint32


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


def render(table: TokenTable, pieces: Pieces) -> Tokens:
    """Tokens of the documents, one behind the other, each closed by end-of-text.

    Raises `TokenizeError` if a document has a wording
    that the tokenizer of the table cannot encode.
    """
    count, half = len(pieces.wording), len(table.rows) // 2
    if not count:
        return np.zeros(0, dtype=table.token)
    if table.foreign:
        _refuse_foreign(table, pieces)
    wording = pieces.wording.astype(np.int64)
    wording[-1] += half
    wording[:-1] += half * (pieces.document[1:] != pieces.document[:-1])
    units = table.rows.take(wording, axis=0)
    _put_names(table, pieces.names, wording, units)
    flat = units.reshape(-1).view(table.token)
    return flat.compress(flat != np.iinfo(table.token).max)


def _put_names(
    table: TokenTable, names: NDArray[np.int32], wording: Integers, units: Units
) -> None:
    """Puts each wording's names into its holes, in place."""
    first_name = np.arange(len(wording)) * names.shape[1]
    first_unit = np.arange(len(wording)) * units.shape[1]
    every, flat, hole = names.reshape(-1), units.reshape(-1), table.names.shape[1]
    # Slot by slot, because numpy is slow along short rows.
    for column, place in zip(table.columns, table.holes, strict=True):
        name = every.take(column.take(wording) + first_name)
        where = place.take(wording) + first_unit
        for unit in range(hole):
            flat[where + unit] = table.names[:, unit].take(name)
    # Nothing that is not in a wording's slots may show.
    units[:, -hole:] = table.names[-1]


def _refuse_foreign(table: TokenTable, pieces: Pieces) -> None:
    foreign = np.zeros(len(table.rows) // 2, dtype=bool)
    foreign[list(table.foreign)] = True
    used = np.flatnonzero(foreign[pieces.wording])
    if len(used):
        raise TokenizeError(table.foreign[int(pieces.wording[used[0]])])
