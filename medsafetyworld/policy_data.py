"""Policies as data: canonical JSON, files, hashes, and policies by name or path.

A policy is an object with `kind` and that kind's fields, e.g. `{"kind":"severity-at-least",
"level":"lethal"}`; the parts of a composed one are such objects again.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import MISSING, fields
from difflib import get_close_matches
from pathlib import Path
from typing import Any

from medsafetyworld.errors import SpecError
from medsafetyworld.files import write_whole
from medsafetyworld.policies import (
    POLICIES,
    ActionableChain,
    AllOf,
    AnyOf,
    ForAudience,
    Not,
    ReverseUnsafe,
    SafetyPolicy,
    SeverityAtLeast,
)

KINDS: Mapping[str, type] = {
    "reverse-unsafe": ReverseUnsafe,
    "actionable-chain": ActionableChain,
    "severity-at-least": SeverityAtLeast,
    "for-audience": ForAudience,
    "any-of": AnyOf,
    "all-of": AllOf,
    "not": Not,
}
"""The kinds that can be written as data."""

MOST_LEVELS = 16
"""A policy within policies lies at most this deep."""


def to_json(policy: SafetyPolicy) -> str:
    """A policy as canonical JSON. Raises `SpecError` if it, or a part, is not of a known kind."""
    return json.dumps(_document(policy), sort_keys=True, separators=(",", ":"))


def from_json(text: str | bytes, where: str = "policy") -> SafetyPolicy:
    """Reads a policy from JSON. Raises `SpecError` naming `where` and the field at fault."""
    try:
        document = json.loads(text, object_pairs_hook=_unique)
    except SpecError as error:
        raise SpecError(f"{where}: {error}") from None
    except (ValueError, RecursionError) as error:
        raise SpecError(f"{where}: not readable JSON ({error})") from None
    return _policy(document, where, 1)


def content_hash(policy: SafetyPolicy) -> str:
    """sha256 of the canonical JSON: equal policies, and only they, have equal hashes."""
    return hashlib.sha256(to_json(policy).encode()).hexdigest()


def save(policy: SafetyPolicy, path: str | Path) -> None:
    """Writes the policy's JSON; the file appears whole or not at all."""
    write_whole(path, to_json(policy) + "\n")


def load(path: str | Path) -> SafetyPolicy:
    """Reads a policy from a file. Raises `SpecError` naming the file."""
    try:
        text = Path(path).read_bytes()
    except OSError as error:
        raise SpecError(f"{path}: cannot be read ({error.strerror})") from None
    return from_json(text, str(path))


def policy(name_or_path: str) -> SafetyPolicy:
    """The named policy, or the one in a file. Raises `SpecError` with the nearest name."""
    if name_or_path in POLICIES:
        return POLICIES[name_or_path]
    path = Path(name_or_path)
    if path.suffix == ".json" or path.is_file():
        return load(path)
    raise SpecError(
        f"policy: no policy named {_told(name_or_path, POLICIES)}, or the path of a .json file"
    )


def _document(policy: SafetyPolicy) -> dict[str, Any]:
    kind = next((name for name, known in KINDS.items() if type(policy) is known), None)
    if kind is None:
        raise SpecError(
            f"policy: {type(policy).__name__} cannot be written as data; kinds that can: "
            f"{', '.join(KINDS)}"
        )
    document: dict[str, Any] = {"kind": kind}
    for field in fields(KINDS[kind]):
        value = getattr(policy, field.name)
        if field.name == "parts":
            value = [_document(part) for part in value]
        elif field.name == "part":
            value = _document(value)
        document[field.name] = list(value) if isinstance(value, tuple) else value
    return document


def _policy(document: Any, where: str, level: int) -> SafetyPolicy:
    if level > MOST_LEVELS:
        raise SpecError(f"{where}: policies lie in one another at most {MOST_LEVELS} deep")
    if not isinstance(document, dict) or not isinstance(document.get("kind"), str):
        raise SpecError(f'{where}: must be an object with a kind, e.g. {{"kind":"reverse-unsafe"}}')
    given = dict(document)
    name = given.pop("kind")
    if name not in KINDS:
        raise SpecError(f"{where}: no kind of policy named {_told(name, KINDS)}")
    allowed = {field.name: field for field in fields(KINDS[name])}
    for field in given:
        if field not in allowed:
            raise SpecError(f"{where}: {name} has no field {_told(field, allowed)}")
    for field in allowed.values():
        if field.name not in given and field.default is MISSING:
            raise SpecError(f"{where}: {name} needs the field {field.name}")
    values = {key: _value(key, value, f"{where}.{key}", level) for key, value in given.items()}
    try:
        return KINDS[name](**values)
    except SpecError as error:
        raise SpecError(f"{where}: {error}") from None


def _value(field: str, value: Any, where: str, level: int) -> Any:
    """A field's value as the kind's constructor takes it; the constructor checks it."""
    if field == "part":
        return _policy(value, where, level + 1)
    if field == "parts" and isinstance(value, list):
        return tuple(_policy(part, f"{where}[{i}]", level + 1) for i, part in enumerate(value))
    return tuple(value) if isinstance(value, list) else value


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    names = [name for name, _ in pairs]
    for name in names:
        if names.count(name) > 1:
            raise SpecError(f"{name} is given twice")
    return dict(pairs)


def _told(name: str, known: Mapping[str, Any]) -> str:
    """A wrong name, the nearest right one and all right ones."""
    near = get_close_matches(name, known, n=1)
    hint = f" (did you mean {near[0]!r}?)" if near else ""
    return f"{name!r}{hint}; allowed: {', '.join(known) or 'none'}"
