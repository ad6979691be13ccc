"""Specs as data: canonical JSON and back, and specs from keywords, with errors in one sentence."""

from __future__ import annotations

import contextlib
import dataclasses
import json
from typing import Any, TypeVar

from pydantic import TypeAdapter, ValidationError

from medsafetyworld.errors import SpecError, one_sentence

Spec = TypeVar("Spec")


def to_json(spec: Any) -> str:
    """A spec as canonical JSON: sorted keys, no spaces. Equal specs give equal strings."""
    return json.dumps(dataclasses.asdict(spec), sort_keys=True, separators=(",", ":"))


def from_json(kind: type[Spec], text: str | bytes, where: str = "") -> Spec:
    """Reads a spec from JSON. Raises `SpecError` naming `where` and each field at fault."""

    repeated: list[str] = []

    def unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        names = [name for name, _ in pairs]
        repeated.extend(name for name in dict(pairs) if names.count(name) > 1)
        return dict(pairs)

    # pydantic keeps the last of two equal keys without a word; what is no JSON at all it says best.
    with contextlib.suppress(ValueError, RecursionError):
        json.loads(text, object_pairs_hook=unique)
    if repeated:
        raise SpecError(f"{where}: {repeated[0]} is given twice".removeprefix(": "))
    try:
        return TypeAdapter(kind).validate_json(text)
    except ValidationError as error:
        raise SpecError(one_sentence(error, where)) from None


def make(kind: type[Spec], **values: Any) -> Spec:
    """Builds a spec from keywords. Raises `SpecError` in one sentence."""
    try:
        return kind(**values)
    except ValidationError as error:
        raise SpecError(one_sentence(error)) from None
