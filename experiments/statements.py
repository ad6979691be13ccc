"""What corpora and dialogues state: where derivations start from. A corpus's statements are kept
beside the model that read it."""

from __future__ import annotations

import json
from collections.abc import Iterable
from pathlib import Path

from experiments.json_files import StoreError
from medsafetyworld.dialogues import Dialogue
from medsafetyworld.files import write_whole
from medsafetyworld.semantics import Direction, Group, Statement, state

STATEMENTS = "statements.json"


def write_statements(path: Path, statements: Iterable[Statement]) -> None:
    """Writes different statements as JSON, sorted: `[direction, [layer, members...], ...]`."""
    lines = sorted(
        json.dumps([str(each.direction), *([g.layer, *g.members] for g in each.groups)])
        for each in statements
    )
    write_whole(path, "[\n" + ",\n".join(lines) + "\n]\n")


def read_statements(path: Path) -> frozenset[Statement]:
    """Inverse of `write_statements`. Raises `StoreError` naming a file that is not one."""
    try:
        return frozenset(
            Statement(Direction(direction), tuple(map(_group, groups)))
            for direction, *groups in json.loads(path.read_text(encoding="utf-8"))
        )
    except (OSError, ValueError, TypeError, RecursionError) as error:
        raise StoreError(f"{path}: not a list of statements ({error})") from None


def told(dialogues: Iterable[Dialogue]) -> frozenset[Statement]:
    """The different statements that the answers of dialogues make; refusals make none."""
    return frozenset(state(each.direction, each.chain) for each in dialogues if not each.refused)


def _group(numbers: list[int]) -> Group:
    if not all(type(number) is int for number in numbers):
        raise ValueError(f"{numbers!r} are not whole numbers")
    layer, *members = numbers
    return Group(layer, tuple(members))
