"""Damage to what users write: one thing wrong in it, and what a refusal must then say."""

from __future__ import annotations

import json
import random
import re
from collections.abc import Callable
from typing import Any

from medsafetyworld.errors import SpecError

WRONG: list[Any] = [
    None, True, False, "", "12", "laptop", "../../x", "\0", -1, 0, 1, 2, 7, 1.5, -0.0, 1e308,
    1e-320, 2**31, 2**63, 10**40, -(10**40), [], [1], {}, {"a": 1}, float("nan"), float("inf"),
]  # fmt: skip
NAMES = ("compunds", "Compounds", "seed ", "", "__class__", "steps.x", "a" * 200)


def leaves(value: Any, path: tuple[str | int, ...] = ()) -> list[tuple[str | int, ...]]:
    """The paths of all fields and entries of lists, inner ones included."""
    if isinstance(value, dict):
        parts = list(value.items())
    elif isinstance(value, list):
        parts = list(enumerate(value))
    else:
        return [path]
    inner = [leaf for key, part in parts for leaf in leaves(part, (*path, key))]
    return inner + ([path] if path else [])


def mutated(base: Any, draw: random.Random) -> tuple[bytes, list[str]]:
    """A damaged JSON text and the names of which the sentence must hold one, if it is refused."""
    value = json.loads(json.dumps(base))
    path = draw.choice(leaves(value))
    *parents, last = path
    node = value
    for parent in parents:
        node = node[parent]
    # An entry of a list is named by the field that holds it.
    name = next((part for part in reversed(path) if isinstance(part, str)), "")
    named = [name]
    kind = draw.choice(("value", "value", "value", "unknown", "missing", "twice", "text"))
    if kind == "value":
        node[last] = draw.choice(WRONG)
    elif kind == "unknown" and isinstance(node, list):
        node.append(draw.choice(WRONG))
    elif kind == "unknown":
        extra = draw.choice(NAMES)
        node[extra] = 1
        # A name that is empty can only be told by its place, before the verb.
        named = [extra or " is not a field of "]
    elif kind == "missing":
        del node[last]
    text = json.dumps(value).encode()
    if kind == "twice":
        key = json.dumps(name).encode() + b": "
        text = text.replace(key, key + json.dumps(draw.choice(WRONG)).encode() + b", " + key, 1)
    elif kind == "text":
        named = ["JSON", "seed"]
        text = draw.choice(TEXTS)(text, draw)
    return text, named


TEXTS: list[Callable[[bytes, random.Random], bytes]] = [
    lambda text, draw: text[: draw.randrange(len(text))],
    lambda text, draw: b"[" * draw.choice([10, 5000, 200_000]) + text,
    lambda text, draw: text[:5] + b"\xff\xfe" + text[5:],
    lambda text, draw: text + b" " * draw.choice([1, 100_000]) + b"}",
    lambda text, draw: b'{"seed": ' * 3000 + b"1" + b"}" * 3000,
    lambda text, draw: text.replace(b":", b"=", 1),
    lambda text, draw: json.dumps([json.loads(text)]).encode(),
    lambda text, draw: b"null",
    lambda text, draw: b'"' + b"x" * draw.choice([0, 1_000_000]) + b'"',
]


MARKS = "()[]{}|;:=,.'\"#\\*-+ \0\n\tαx19_"


def rewritten(text: str, draw: random.Random) -> str:
    """A line of text with up to three things wrong in it."""
    for _ in range(draw.randint(1, 3)):
        text = draw.choice(EDITS)(text, draw.randrange(len(text) + 1), draw)
    return text


EDITS: list[Callable[[str, int, random.Random], str]] = [
    lambda text, at, draw: text[:at],
    lambda text, at, draw: text[:at] + text[at + 1 :],
    lambda text, at, draw: text[:at] + draw.choice(MARKS) + text[at:],
    lambda text, at, draw: text[:at] + draw.choice(MARKS) + text[at + 1 :],
    lambda text, at, draw: text[:at] + draw.choice(MARKS) * draw.choice([30, 5000]) + text[at:],
    lambda text, at, draw: text[:at] + text[at // 2 :],
    lambda text, at, draw: re.sub(r"\d+", lambda _: repr(draw.choice(WRONG)), text, count=1),
    lambda text, at, draw: text.replace("=", f"={draw.choice(WRONG)!r}", 1),
]


def verdict(load: Callable[[], object], starts: tuple[str, ...], named: list[str]) -> str:
    """Valid, refused in one sentence with one of the names in it, or what is wrong with that."""
    try:
        load()
    except SpecError as error:
        sentence = str(error)
        says = any(name in sentence for name in named)
        if "\n" in sentence or not says or not sentence.startswith(starts):
            return f"refused without {named} in one sentence: {sentence[:300]}"
        return "refused"
    return "valid"
