"""What a corpus states comes back from its file as it was, and no other file is taken for one."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from experiments.json_files import StoreError
from experiments.statements import read_statements, told, write_statements
from medsafetyworld.dialogues import Dialogue
from medsafetyworld.semantics import Chain, Direction, Group, Statement

WAY = (Group(0, (3, 7)), Group(1, (2, 4)), Group(2, (1,)))
STATEMENTS = frozenset(
    Statement(direction, groups)
    for direction in Direction
    for groups in (WAY, WAY[:2], WAY[1:], WAY[::2], WAY[1::-1])
)


def test_statements_come_back_and_equal_sets_give_equal_bytes(tmp_path: Path) -> None:
    write_statements(tmp_path / "one", STATEMENTS)
    write_statements(tmp_path / "two", sorted(STATEMENTS, key=str))
    assert read_statements(tmp_path / "one") == STATEMENTS
    assert (tmp_path / "one").read_bytes() == (tmp_path / "two").read_bytes()
    # The order in which a co-occurrence names its groups is part of it.
    assert len(STATEMENTS) == 5 * len(Direction)


def test_dialogues_state_what_they_answer_and_nothing_where_they_refuse() -> None:
    harmful, safe = Chain(WAY), Chain(WAY[:2])
    asked = [
        Dialogue("", "", safe, Direction.FORWARD, refused=False),
        Dialogue("again", "", safe, Direction.FORWARD, refused=False),
        Dialogue("", "", safe, Direction.REVERSE, refused=False),
        Dialogue("", "", harmful, Direction.REVERSE, refused=True),
    ]
    assert told(asked) == {
        Statement(Direction.FORWARD, WAY[:2]),
        Statement(Direction.REVERSE, WAY[:2]),
    }


def test_a_corpus_that_states_nothing_has_a_file_too(tmp_path: Path) -> None:
    write_statements(tmp_path / "none", ())
    assert read_statements(tmp_path / "none") == frozenset()


@pytest.mark.parametrize(
    "text",
    [
        "",
        "no json",
        "1",
        "[1]",
        "[[]]",
        '["forward"]',
        '[["sideways", [0, 1], [1, 0]]]',
        '[["forward", 1, 2]]',
        '[["forward", []]]',
        '[["forward", [0, 1], [1, 0]]',
        "[" * 9000,
        '[["forward", ["0", 1], [1, 0]]]',
        '[["forward", [0, "one"], [1, 0]]]',
        '[["forward", [0, [1]], [1, 0]]]',
    ],
)
def test_another_file_is_refused_by_name(text: str, tmp_path: Path) -> None:
    path = tmp_path / "statements.json"
    path.write_text(text)
    with pytest.raises(StoreError, match=re.escape(f"{path}: not a list of statements")):
        read_statements(path)


def test_a_missing_file_is_refused_by_name(tmp_path: Path) -> None:
    with pytest.raises(StoreError, match="absent"):
        read_statements(tmp_path / "absent")
