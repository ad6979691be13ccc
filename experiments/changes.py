"""What an arm changes in its recipe: fields by dotted name, e.g. `("pretrain.steps", 3000)`.

So a study may vary the size of the model, the amount of data or the world, and everything else is
still the recipe's. Applied twice, changes give what they give once.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import fields, replace
from typing import Any, TypeVar

from pydantic import ValidationError

from medsafetyworld.errors import SpecError, one_sentence
from medsafetyworld.interventions.algebra import nearest
from medsafetyworld.spec import CorpusSpec, DialogueSpec, ReflectionSpec, WorldSpec
from tiny_models.config import TrainConfig

Value = int | float | str | tuple[int | float, ...] | None
Changes = tuple[tuple[str, Value], ...]
Recipe = TypeVar("Recipe")

PARTS: dict[str, type] = {
    "world": WorldSpec,
    "corpus": CorpusSpec,
    "dialogue": DialogueSpec,
    "reflection": ReflectionSpec,
    "pretrain": TrainConfig,
    "sft": TrainConfig,
    "finetune": TrainConfig,
}
OWN = ("model", "context", "stems", "new_tokens")
"""Fields of the recipe itself that may change; the others are what all arms must share."""

FIXED = ("world.seed", "world.domain")
"""The seed is the replicate's, and the domain's words are in the vocabulary of all arms."""

FIELDS = (
    *OWN,
    *(
        name
        for part, kind in PARTS.items()
        for name in (f"{part}.{field.name}" for field in fields(kind))
        if name not in FIXED
    ),
)
"""Everything that an arm may change."""

LATER = ("dialogue.", "sft.", "finetune.", "stems", "new_tokens")
"""How the names begin of what pretraining does not depend on."""


def known_changes(changes: Changes) -> Changes:
    """The same changes. Raises `ValueError` for a field that is none, or is given twice."""
    names = [name for name, _ in changes]
    for name in names:
        if name not in FIELDS:
            raise ValueError(f"{name!r} is no field that an arm may change{nearest(name, FIELDS)}")
        if names.count(name) > 1:
            raise ValueError(f"{name!r} is given twice")
    return changes


def changed(recipe: Recipe, changes: Changes) -> Recipe:
    """The recipe with these fields. Raises `SpecError` naming a value that is not allowed."""
    own: dict[str, Any] = {}
    parts: dict[str, dict[str, Value]] = {}
    for name, value in changes:
        part, _, field = name.rpartition(".")
        (parts.setdefault(part, {}) if part else own)[field] = value
    where = ""
    try:
        for where, values in parts.items():
            own[where] = replace(getattr(recipe, where), **values)
        where = "recipe"
        return replace(recipe, **own) if own else recipe  # pyright: ignore[reportArgumentType]
    except ValidationError as error:
        raise SpecError(one_sentence(error, where)) from None


def differences(recipe: Any, other: Any) -> Changes:
    """The changes that make one recipe the other, as far as arms may change it."""

    def value(whole: Any, name: str) -> Value:
        part, _, field = name.rpartition(".")
        return getattr(getattr(whole, part) if part else whole, field)

    found = (
        (name, value(other, name)) for name in FIELDS if value(recipe, name) != value(other, name)
    )
    return tuple(found)


def of_pretraining(changes: Changes) -> Changes:
    """Those that make another pretrained model."""
    return tuple(change for change in changes if not change[0].startswith(LATER))


def in_words(changes: Changes) -> Iterable[str]:
    """Each change as "pretrain.steps 3000"."""
    for name, value in changes:
        listed = ", ".join(map(str, value)) if isinstance(value, tuple) else value
        yield f"{name} {listed}"
