"""The one error that users cause: a bad spec, file or argument, said in one sentence."""

from __future__ import annotations

from pydantic import ValidationError


class SpecError(ValueError):
    """A value that the user gave is not allowed; the message names the field and what is."""


def one_sentence(error: ValidationError, where: str = "") -> str:
    """Turns pydantic's report into one sentence that names every field at fault.

    `where` is put in front of the fields, e.g. the file that held them.
    """
    parts = []
    for item in error.errors(include_url=False):
        field = ".".join(str(piece) for piece in item["loc"]) or "spec"
        message = item["msg"].removeprefix("Value error, ").removeprefix("Assertion failed, ")
        if item["type"] == "unexpected_keyword_argument":
            message = "is not a field of this spec"
        given = item.get("input")
        shown = f" (got {given!r})" if isinstance(given, str | int | float | bool) else ""
        # A message that already starts with its field needs no second naming.
        parts.append(f"{message}{shown}" if field == "spec" else f"{field}: {message}{shown}")
    prefix = f"{where}: " if where else ""
    return prefix + "; ".join(parts)
