"""Variants as text: `filter(harmful) | reflect(every=1); sft: reflect; decode: safe_beam`.

Parts are separated by `;` and named `sft`, `finetune` or `decode`; the first, or the one named
`pretraining`, is about documents. Steps are separated by `|`. A step is a name, or a name with
parameters in brackets: numbers, words, True and False, pairs, and verdict sources such as
`noisy(fnr=0.1)`. Nothing in a text is ever executed.
"""

from __future__ import annotations

import ast
import dataclasses
from collections.abc import Mapping
from typing import Any

from pydantic import ValidationError

from medsafetyworld.errors import SpecError, one_sentence
from medsafetyworld.interventions.algebra import REGISTRY, Step, nearest
from medsafetyworld.interventions.decoding import DECODINGS, GREEDY, Decoding
from medsafetyworld.interventions.variants import PARTS, Variant
from medsafetyworld.interventions.verdicts import SOURCES

LONGEST = 2_000
"""Characters that the text of a variant may have."""

DEEPEST = 20
"""Levels that a step may have: its parameters, what those are made of, and so on."""

DECODE, BASELINE = "decode", "baseline"
_SHOWN = 80
_NAMES = (*PARTS, DECODE)


def parse(text: str, name: str | None = None) -> Variant:
    """Reads a variant; its name is the text unless another is given.

    Raises `SpecError` naming the part, what is allowed, and the nearest name.
    """
    if len(text) > LONGEST:
        raise SpecError(f"variant: has {len(text)} characters; allowed: {LONGEST}")
    chains: dict[str, tuple[Step, ...]] = {}
    decoding: Decoding | None = None
    for place, part in enumerate(split(text, ";")):
        label, body = _labelled(part, place)
        if label in chains or (label == DECODE and decoding is not None):
            raise SpecError(f"variant: {label} is given twice")
        if label == DECODE:
            decoding = _decoding(body)
        else:
            chains[label] = _chain(body, label)
    return Variant(
        name or text.strip(),
        pretraining=chains.get("pretraining", ()),
        sft=chains.get("sft", ()),
        finetune=chains.get("finetune", ()),
        decoding=decoding or GREEDY,
    )


def write(variant: Variant) -> str:
    """The variant as canonical text: `parse` gives the same steps and decoding back."""
    parts = []
    for part in PARTS:
        steps = " | ".join(written(step) for step in getattr(variant, part))
        if part == "pretraining":
            parts.append(steps or BASELINE)
        elif steps:
            parts.append(f"{part}: {steps}")
    if variant.decoding != GREEDY:
        parts.append(f"{DECODE}: {written(variant.decoding)}")
    return "; ".join(parts)


def written(value: Any) -> str:
    """A step, decoding rule or verdict source with the parameters that are not its defaults."""
    defaults = {each.name: each.default for each in dataclasses.fields(value)}
    given = {name: getattr(value, name) for name in _parameters(type(value))}
    parameters = [
        f"{name}={_value(this)}" for name, this in given.items() if this != defaults[name]
    ]
    return f"{value.name}({', '.join(parameters)})" if parameters else value.name


def build(text: str, known: Mapping[str, Any], part: str) -> Any:
    """What a name, or a name with parameters in brackets, stands for among known classes.

    Raises `SpecError` naming the part, what is allowed, and the nearest name.
    """
    if not text.strip():
        raise SpecError(f"{part}: a name is missing; allowed: {', '.join(sorted(known))}")
    if len(text) > LONGEST:
        raise SpecError(f"{part}: has {len(text)} characters; allowed: {LONGEST}")
    return _built(_node(text, part), known, part)


def split(text: str, mark: str) -> list[str]:
    """What stands between the marks that are neither in brackets nor in quotes."""
    pieces, depth, quote = [""], 0, ""
    for character in text:
        if quote or character in "'\"":
            quote = "" if character == quote else quote or character
        else:
            depth += (character in "([{") - (character in ")]}")
        if character == mark and depth == 0 and not quote:
            pieces.append("")
        else:
            pieces[-1] += character
    return pieces


def _labelled(part: str, place: int) -> tuple[str, str]:
    label, *rest = split(part, ":")
    body = part[len(label) + 1 :]
    if not rest:
        if place:
            raise SpecError(
                f"variant: the part {_quoted(part)} has no name; allowed: "
                f"{', '.join(f'{known}:' for known in _NAMES)}"
            )
        return "pretraining", part
    if label.strip() not in _NAMES:
        raise SpecError(
            f"variant: no part is named {_quoted(label)}{nearest(label.strip(), _NAMES)}; "
            f"allowed: {', '.join(_NAMES)}"
        )
    return label.strip(), body


def _chain(body: str, part: str) -> tuple[Step, ...]:
    if part == "pretraining" and body.strip() == BASELINE:
        return ()
    return tuple(_built(_node(each, part), REGISTRY, part) for each in split(body, "|"))


def _decoding(body: str) -> Decoding:
    return _built(_node(body, DECODE), DECODINGS, DECODE)


def _node(text: str, part: str) -> ast.expr:
    text = text.strip()
    if not text:
        raise SpecError(
            f"{part}: a {'rule' if part == DECODE else 'step'} is missing; "
            f"allowed: {', '.join(DECODINGS if part == DECODE else (*_nothing(part), *REGISTRY))}"
        )
    try:
        if "#" in text:
            raise SyntaxError("a comment would hide what follows")
        node = ast.parse(text, mode="eval").body
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        raise SpecError(
            f"{part}: {_quoted(text)} cannot be read; a step is a name with parameters in "
            "brackets, e.g. filter(harmful) or reflect(every=1)"
        ) from None
    level: list[ast.AST] = [node]
    for _ in range(DEEPEST):
        level = [child for each in level for child in ast.iter_child_nodes(each)]
    if level:
        raise SpecError(f"{part}: {_quoted(text)} is nested too deeply; allowed: {DEEPEST} levels")
    return node


def _built(node: ast.expr, known: Mapping[str, Any], part: str) -> Any:
    """The step, decoding rule or verdict source that a name or a call stands for."""
    callee = node.func if isinstance(node, ast.Call) else node
    if not isinstance(callee, ast.Name):
        raise SpecError(
            f"{part}: {_source(node)} is no step; a step is a name with parameters in "
            "brackets, e.g. filter(harmful)"
        )
    name = callee.id
    if name not in known:
        raise SpecError(
            f"{part}: nothing is named {name!r}{nearest(name, known)}; "
            f"allowed: {', '.join(sorted(known))}"
        )
    kind = known[name]
    fields = _parameters(kind)
    where = f"{part}: {name}"
    positional = [_literal(arg, where) for arg in node.args] if isinstance(node, ast.Call) else []
    if len(positional) > len(fields):
        raise SpecError(f"{where} has {_allowed(fields)}, got {len(positional)} values")
    values = dict(zip(fields, positional, strict=False))
    for keyword in node.keywords if isinstance(node, ast.Call) else ():
        if keyword.arg is None or keyword.arg not in fields:
            said = keyword.arg or f"**{ast.unparse(keyword.value)}"
            hint = f"{nearest(said, fields)}; it has {_allowed(fields)}"
            raise SpecError(f"{where} has no parameter {_quoted(said)}{hint}")
        if keyword.arg in values:
            raise SpecError(f"{where}: {keyword.arg} is given twice")
        values[keyword.arg] = _literal(keyword.value, where)
    try:
        return kind(**values)
    except ValidationError as error:
        raise SpecError(one_sentence(error, where)) from None
    except SpecError as error:
        raise SpecError(f"{part}: {error}") from None


def _literal(node: ast.expr, where: str) -> Any:
    """A parameter's value: a constant, a word, a pair, or a verdict source."""
    if isinstance(node, ast.Constant) and isinstance(node.value, bool | int | float | str):
        return node.value
    if isinstance(node, ast.UnaryOp) and isinstance(node.op, ast.USub):
        value = _literal(node.operand, where)
        if isinstance(value, int | float) and not isinstance(value, bool):
            return -value
    if isinstance(node, ast.Tuple):
        return tuple(_literal(each, where) for each in node.elts)
    if isinstance(node, ast.Name):
        return SOURCES[node.id]() if node.id in SOURCES else node.id
    if isinstance(node, ast.Call):
        return _built(node, SOURCES, where)
    raise SpecError(
        f"{where}: {_source(node)} is no value; allowed: a number, a word, True, False, "
        f"(start, stop), or a verdict source ({', '.join(SOURCES)})"
    )


def _nothing(part: str) -> tuple[str, ...]:
    return (BASELINE,) if part == "pretraining" else ()


def _quoted(text: str) -> str:
    """What was written, or the beginning of it, for a message."""
    text = text.strip()
    return repr(text if len(text) <= _SHOWN else f"{text[:_SHOWN]}...")


def _source(node: ast.expr) -> str:
    return _quoted(ast.unparse(node))


def _parameters(kind: type) -> tuple[str, ...]:
    """The names of what may be given, in their order; `when`, which all steps have, comes last."""
    names = [each.name for each in dataclasses.fields(kind) if each.metadata.get("text", True)]
    own = [name for name in names if name != "when"]
    return (*own, *(name for name in names if name == "when"))


def _allowed(fields: tuple[str, ...]) -> str:
    return f"the parameters {', '.join(fields)}" if fields else "no parameters"


def _value(value: Any) -> str:
    if isinstance(value, str):
        return value if value.isidentifier() and value not in SOURCES else repr(value)
    if isinstance(value, bool | int | float | tuple):
        return repr(value)
    if type(value) in SOURCES.values():
        return written(value)
    raise SpecError(f"{value!r} cannot be written as text: it has no name")
