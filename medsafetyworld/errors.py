"""The one error that users cause: a bad spec, file or argument, said in one sentence."""

from __future__ import annotations

import math
from collections.abc import Mapping
from difflib import get_close_matches
from typing import Any

from pydantic import TypeAdapter, ValidationError

TYPES = {"integer": "an integer", "number": "a finite number", "string": "text"}
"""JSON schema's types as people say them."""

BOUNDS = (
    ("greater_than_equal", "minimum", "ge"),
    ("greater_than", "exclusiveMinimum", "gt"),
    ("less_than_equal", "maximum", "le"),
    ("less_than", "exclusiveMaximum", "lt"),
)
"""pydantic's error type, JSON schema's keyword and pydantic's context key of each bound."""

MISFITS = ("int_type", "float_type", "finite_number", *(error for error, _, _ in BOUNDS))
"""Errors that the field's type and range explain completely."""


class SpecError(ValueError):
    """A value that the user gave is not allowed; the message names the field and what is."""


def one_sentence(error: ValidationError, where: str = "") -> str:
    """Turns pydantic's report into one sentence that names every field at fault.

    Each part says what is allowed (type and both bounds) and what was given; an unknown field
    gets the nearest known one. `where` is put in front, e.g. the file that held the fields.
    """
    properties = _properties(error.title)
    parts = [_sentence(item, properties, error.title) for item in error.errors(include_url=False)]
    prefix = f"{where}: " if where else ""
    return prefix + "; ".join(parts)


def _sentence(item: Any, properties: Mapping[str, Any], title: str) -> str:
    """What is wrong with one field; `item` is one of pydantic's error dicts."""
    field = ".".join(str(piece) for piece in item["loc"])
    given = _shown(item.get("input"))
    if item["type"] == "json_invalid":
        return f"not readable JSON ({item['ctx']['error']})"
    if item["type"] == "dataclass_type":
        return f"{field or title} must be a JSON object{_allowed(properties)}{given}"
    if item["type"] in ("unexpected_keyword_argument", "extra_forbidden"):
        return f"{field} is not a field of {title}{_nearest(field, properties)}"
    if item["type"] in MISFITS:
        return f"{field} must be {_range(item, properties.get(field, {}))}{given}"
    if item["type"] == "literal_error":
        return f"{field} must be {item['ctx']['expected']}{_near_choice(item)}{given}"
    if item["type"] in ("missing", "missing_argument"):
        return f"{field} must be given"
    message = item["msg"].removeprefix("Value error, ").removeprefix("Assertion failed, ")
    # A law between fields names them itself.
    return f"{field}: {message}{given}" if field else message


def _range(item: Any, schema: Mapping[str, Any]) -> str:
    """E.g. "an integer from 2 to 18432": from the field's schema, else from the error alone."""
    context = item.get("ctx", {})
    limits = {key: schema.get(key, context.get(short)) for _, key, short in BOUNDS}
    kind = TYPES.get(schema.get("type", ""))
    if kind is None:
        kind = {"int_type": "an integer", "string_type": "text"}.get(
            item["type"], "a finite number"
        )
    low, above, high, below = (None if v is None else _number(v) for v in limits.values())
    if low is not None and high is not None:
        return f"{kind} from {low} to {high}"
    bounds = [
        f"{word} {limit}"
        for word, limit in (
            ("at least", low),
            ("above", above),
            ("at most", high),
            ("below", below),
        )
        if limit is not None
    ]
    return f"{kind} {' and '.join(bounds)}".strip()


def _near_choice(item: Any) -> str:
    """A hint at the choice that a word is nearest to."""
    choices = [each.strip(" '") for each in item["ctx"]["expected"].replace(" or ", ",").split(",")]
    near = get_close_matches(str(item["input"]), choices, n=1)
    return f" (did you mean {near[0]!r}?)" if near else ""


def _number(value: float) -> str:
    """A bound for people: whole numbers without a point, huge powers of two as powers."""
    if value >= 2**53 and math.log2(value).is_integer():
        return f"2**{int(math.log2(value))}"
    return f"{int(value)}" if float(value).is_integer() else f"{value}"


def _shown(value: object) -> str:
    return f", got {value!r}" if value is None or isinstance(value, str | int | float) else ""


def _allowed(properties: Mapping[str, Any]) -> str:
    return f" with the fields {', '.join(properties)}" if properties else ""


def _nearest(field: str, properties: Mapping[str, Any]) -> str:
    near = get_close_matches(field, properties, n=1)
    hint = f" (did you mean {near[0]!r}?)" if near else ""
    return f"{hint}; allowed: {', '.join(properties)}" if properties else hint


def _properties(title: str) -> Mapping[str, Any]:
    """The JSON schema of each field of the world's spec of this name; empty for other classes."""
    # Imported here, because spec.py itself reports its errors through this module.
    from medsafetyworld import spec

    kind = vars(spec).get(title)
    return TypeAdapter(kind).json_schema()["properties"] if isinstance(kind, type) else {}
