"""Flags made from the spec dataclasses, so that no field's name, help or range is written twice.

`WorldFlags` and `CorpusFlags` have one optional flag per field, over a preset or a JSON file.
Values arrive as text and are checked by the spec itself, whose errors name field and range.
"""

from __future__ import annotations

import ast
import dataclasses
import inspect
import textwrap
from collections.abc import Callable, Mapping
from itertools import pairwise
from pathlib import Path
from typing import Annotated, Any, TypeVar

import tyro

from medsafetyworld.errors import SpecError
from medsafetyworld.presets import CORPUS_PRESETS, WORLD_PRESETS, preset
from medsafetyworld.spec import CorpusSpec, WorldSpec, from_json, make

Spec = TypeVar("Spec")

Number = Annotated[str, tyro.conf.arg(metavar="INT")]
"""A flag that `whole_number` reads: as text, so that what is wrong with it is one sentence."""

MaybeNumber = Annotated[str | None, tyro.conf.arg(metavar="INT", help_behavior_hint="")]
MaybeText = Annotated[str | None, tyro.conf.arg(metavar="TEXT", help_behavior_hint="")]
MaybePath = Annotated[Path | None, tyro.conf.arg(metavar="PATH", help_behavior_hint="")]
"""Flags that may be left out; their help says what happens then."""

StudyArgument = tyro.conf.Positional[Annotated[str, tyro.conf.arg(metavar="STUDY")]]
DirectoryArgument = tyro.conf.Positional[Annotated[Path, tyro.conf.arg(metavar="DIRECTORY")]]
RunArgument = tyro.conf.Positional[Annotated[str, tyro.conf.arg(metavar="RUN")]]
"""What stands on the command line without a flag; help shows it by this name."""

NUMBERS: dict[type, tuple[str, Callable[[str], Any]]] = {int: ("INT", int), float: ("FLOAT", float)}
"""How a flag of each type is shown and read."""


def field_docs(kind: type) -> dict[str, str]:
    """The text under each field of a dataclass, read from its source."""
    body = ast.parse(textwrap.dedent(inspect.getsource(kind))).body[0].body  # pyright: ignore
    docs: dict[str, str] = {}
    for field, text in pairwise(body):
        if isinstance(field, ast.AnnAssign) and isinstance(text, ast.Expr):
            docs[field.target.id] = " ".join(str(text.value.value).split())  # pyright: ignore
    return docs


def _reader(field: dataclasses.Field[Any]) -> tuple[str, Callable[[str], Any]]:
    """How a spec's field is shown on the command line, and how its text is read."""
    kind = type(field.default)
    if kind is str:
        return "TEXT", str
    if kind is tuple:
        # The only tuple that may be empty holds sizes of layers, all others shares.
        number = int if field.default == () else float
        return f"{NUMBERS[number][0]},...", lambda text: _numbers(text, number)
    if field.default is None:
        return "INT|none", lambda text: None if text == "none" else _number(text, int)
    return NUMBERS[kind][0], lambda text: _number(text, kind)


def _shown(value: Any) -> str:
    if isinstance(value, tuple):
        return ",".join(map(str, value)) or "none"
    return "none" if value is None else str(value)


def _numbers(text: str, kind: type) -> tuple[Any, ...]:
    """Numbers between commas; "none" and the empty text are no number at all."""
    return (
        tuple(_number(part, kind) for part in text.split(",")) if text not in ("", "none") else ()
    )


def _number(text: str, kind: type) -> Any:
    """The text as a number, or unchanged where it is none: the spec then says what is allowed."""
    try:
        return NUMBERS[kind][1](text)
    except ValueError:
        return text


def spec_flags(kind: type, name: str) -> type:
    """A dataclass with one optional text flag for each field of a spec."""
    docs = field_docs(kind)
    fields = []
    for field in dataclasses.fields(kind):
        metavar = _reader(field)[0]
        # Without the hint tyro would print "(default: None)", which says nothing to a user.
        shown = tyro.conf.arg(
            help=docs[field.name],
            metavar=metavar,
            help_behavior_hint=f"(laptop: {_shown(field.default)})",
        )
        fields.append((field.name, Annotated[str | None, shown], dataclasses.field(default=None)))
    return dataclasses.make_dataclass(name, fields, frozen=True, kw_only=True)


WorldFlags = spec_flags(WorldSpec, "WorldFlags")
CorpusFlags = spec_flags(CorpusSpec, "CorpusFlags")


def spec_from_flags(
    kind: type[Spec], presets: Mapping[str, Spec], name: str, file: Path | None, flags: Any
) -> Spec:
    """The preset, or the file's spec, with the given flags in place of its fields.

    Raises `SpecError` naming the file or field at fault.
    """
    base = preset(dict(presets), name) if file is None else _from_file(kind, file)
    values = dataclasses.asdict(base)  # pyright: ignore
    readers = {field.name: _reader(field) for field in dataclasses.fields(kind)}  # pyright: ignore
    for field, text in dataclasses.asdict(flags).items():
        if text is not None:
            values[field] = readers[field][1](text)
    return make(kind, **values)


def world_spec(name: str, file: Path | None, flags: Any) -> WorldSpec:
    """The world that the flags ask for."""
    return spec_from_flags(WorldSpec, WORLD_PRESETS, name, file, flags)


def corpus_spec(name: str, file: Path | None, flags: Any) -> CorpusSpec:
    """The corpus that the flags ask for."""
    return spec_from_flags(CorpusSpec, CORPUS_PRESETS, name, file, flags)


def whole_number(flag: str, text: str, least: int) -> int:
    """The flag's value from `least` to below 2**63. Raises `SpecError` naming the flag."""
    value = _number(text, int)
    if not (isinstance(value, int) and least <= value < 2**63):
        raise SpecError(f"{flag} must be an integer at least {least} and below 2**63, got {text!r}")
    return value


def _from_file(kind: type[Spec], path: Path) -> Spec:
    try:
        text = path.read_bytes()
    except OSError as error:
        raise SpecError(f"{path}: cannot be read ({error.strerror})") from None
    return from_json(kind, text, str(path))
