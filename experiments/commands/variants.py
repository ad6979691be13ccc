"""`msw variants`: every named variant and every part that a variant can be written with.

msw variants
msw variants reflect
msw variants --json
"""

from __future__ import annotations

import dataclasses
import inspect
import json
import types
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Annotated, Any, Literal, Union, get_args, get_origin, get_type_hints

import tyro
from rich.console import Console
from rich.padding import Padding
from rich.text import Text

from experiments.commands.flags import field_docs
from medsafetyworld.errors import SpecError
from medsafetyworld.interventions import REGISTRY, VARIANTS, Step, Variant, write
from medsafetyworld.interventions.algebra import nearest
from medsafetyworld.interventions.decoding import DECODINGS, GREEDY, Decoding
from medsafetyworld.interventions.verdicts import SOURCES, By
from medsafetyworld.spec import Window

Named = tyro.conf.Positional[Annotated[tuple[str, ...], tyro.conf.arg(metavar="NAME")]]

EXAMPLE = "filter | reflect(every=1, when=0.2); sft: reflect; decode: safe_beam(beams=4)"

WHEN = "Each also has when=(start, stop) in pretraining: shares of the token budget."


@dataclass(frozen=True)
class Variants:
    """Lists named variants, interventions, decoding rules and verdict sources."""

    names: Named = ()
    """Only these, e.g. srp reflect (default: all)."""
    json: bool = False
    """As JSON, for other programs."""

    def run(self) -> int:
        """Prints the catalogue. Raises `SpecError` for a name that nothing has."""
        found = catalogue()
        known = [entry["name"] for entries in found.values() for entry in entries]
        for name in self.names:
            if name not in known:
                raise SpecError(f"variants: nothing is named {name!r}{nearest(name, known)}")
        chosen = {
            part: [entry for entry in entries if not self.names or entry["name"] in self.names]
            for part, entries in found.items()
        }
        if self.json:
            print(json.dumps(chosen, indent=1))
        else:
            print_catalogue(chosen, Console(highlight=False))
        return 0


def catalogue() -> dict[str, list[dict[str, Any]]]:
    """What there is, as plain JSON values: variants and the parts that they are written with."""
    return {
        "variants": [_variant(each) for each in VARIANTS.values()],
        "interventions": [_intervention(each) for _, each in sorted(REGISTRY.items())],
        "decoding": [part_of(each) for each in DECODINGS.values()],
        "verdict sources": [part_of(each) for each in SOURCES.values()],
    }


def _variant(variant: Variant) -> dict[str, Any]:
    rules = [] if variant.decoding == GREEDY else [variant.decoding]
    sources = (part.source for part in (*variant.steps, *rules))
    return {
        "name": variant.name,
        "text": write(variant),
        "description": variant.description,
        "sources": list(dict.fromkeys(sources)),
    }


def _intervention(kind: type[Step]) -> dict[str, Any]:
    return {
        **part_of(kind),
        "does": sorted(kind.does),
        "touches": kind.touches,
        "acts_on": list(kind.acts_on()),
    }


def part_of(kind: type[Step] | type[Decoding] | type[Any]) -> dict[str, Any]:
    """What a step, a decoding rule and a verdict source have in common."""
    types_ = get_type_hints(kind, include_extras=True)
    docs = _docs(kind)
    fields = [each for each in dataclasses.fields(kind) if each.metadata.get("text", True)]
    fields.sort(key=lambda each: each.name == "when")
    return {
        "name": kind.name,
        "description": " ".join((kind.__doc__ or "").split("\n\n")[0].split()),
        "source": getattr(kind, "source", ""),
        "parameters": [
            {
                "name": each.name,
                "type": shown_type(types_[each.name]),
                "default": _default(each),
                "description": docs.get(each.name, ""),
            }
            for each in fields
        ],
    }


def _docs(kind: type) -> dict[str, str]:
    """The texts under the fields of a class and of the classes that it is made from."""
    docs: dict[str, str] = {}
    for each in reversed(kind.__mro__):
        try:
            docs |= field_docs(each) if dataclasses.is_dataclass(each) else {}
        except OSError:
            continue  # defined where no source is kept, such as a console
    return docs


def _default(field: dataclasses.Field[Any]) -> str | None:
    """The default as a variant's text would have it; None if there is none."""
    value = field.default
    if value is dataclasses.MISSING:
        return None
    return value.name if type(value) in SOURCES.values() else str(value)


def shown_type(kind: Any) -> str:
    """The values that a parameter may have, in words."""
    if kind == By:
        return "verdict source"
    if kind == Window:
        return "(start, stop), shares of the token budget"
    origin, parts = get_origin(kind), get_args(kind)
    if origin is Literal:
        return " | ".join(map(str, parts))
    if origin in (types.UnionType, Union):
        return " | ".join(map(shown_type, parts))
    if origin is Annotated:
        if parts[0] in (int, float):
            return _bounded(parts[0], parts[1:])
        # A type that its validator alone knows, such as the name of a policy.
        return "name" if parts[0] is Any else shown_type(parts[0])
    if origin is tuple:
        if parts[-1] is Ellipsis:
            return f"({shown_type(parts[0])}, ...)"
        return f"({', '.join(map(shown_type, parts))})"
    words = {bool: "True | False", int: "integer", float: "number", str: "text"}
    return "None" if kind is type(None) else words.get(kind, inspect.formatannotation(kind))


def _bounded(kind: type, metadata: Iterable[Any]) -> str:
    """A number with its limits, as pydantic keeps them."""
    limits = [limit for each in metadata for limit in getattr(each, "metadata", (each,))]
    signs = (("ge", "≥"), ("gt", ">"), ("le", "≤"), ("lt", "<"))
    bounds = [
        f"{sign} {getattr(limit, name):g}"
        for name, sign in signs
        for limit in limits
        if getattr(limit, name, None) is not None
    ]
    return " ".join(["integer" if kind is int else "number", ", ".join(bounds)]).strip()


def print_catalogue(found: dict[str, list[dict[str, Any]]], console: Console) -> None:
    """The catalogue for a screen of any width: a name a paragraph."""
    for part, entries in found.items():
        if entries:
            console.print(Text(part.upper(), style="bold underline"))
            if part == "interventions":
                console.print(Text(WHEN, style="dim"))
            console.print()
        for entry in entries:
            print_entry(entry, console)
    console.print(f"A variant in one line: {EXAMPLE}", style="dim", markup=False)


def print_entry(entry: dict[str, Any], console: Console) -> None:
    title = Text(entry["name"], style="bold cyan")
    if "text" in entry:
        title.append(f"   {entry['text']}", style="none")
    console.print(title)
    facts = [_upper(entry["description"])]
    if "does" in entry:
        touched = {"all": "any", "unsafe": "unsafe", "harmful": "harmful"}[entry["touches"]]
        acts = " and ".join(entry["acts_on"])
        facts.append(f"{_upper(', '.join(entry['does']))}; touches {touched} {acts}.")
    sources = entry.get("sources") or [entry.get("source", "")]
    if any(sources):
        facts.append(f"Source: {'; '.join(sources)}.")
    for fact in facts:
        console.print(Padding(Text(fact), (0, 0, 0, 4), expand=False))
    for each in entry.get("parameters", ()):
        if "does" in entry and each["name"] == "when":
            continue  # said once of all
        _print_parameter(each, console)
    console.print()


def _print_parameter(parameter: dict[str, Any], console: Console) -> None:
    line = Text(parameter["name"], style="green")
    line.append(f": {parameter['type']}", style="none")
    default = parameter["default"]
    line.append(" (must be given)" if default is None else f"; default {default}", style="dim")
    console.print(Padding(line, (0, 0, 0, 4), expand=False))
    if parameter["description"]:
        console.print(
            Padding(Text(parameter["description"], style="dim"), (0, 0, 0, 8), expand=False)
        )


def _upper(text: str) -> str:
    return text[:1].upper() + text[1:]
