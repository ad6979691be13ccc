"""Random steps and chains of them, for `medsafetyworld.testing`: any registered class is drawn.

What is drawn for a parameter follows from its type, so that a new intervention needs no strategy
of its own.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from types import UnionType
from typing import (
    TYPE_CHECKING,
    Annotated,
    Any,
    Literal,
    Union,
    get_args,
    get_origin,
    get_type_hints,
)

from annotated_types import Ge, Le

from medsafetyworld.interventions import REGISTRY, Step
from medsafetyworld.interventions.verdicts import SOURCES, By

if TYPE_CHECKING:
    from hypothesis.strategies import SearchStrategy

try:
    from hypothesis import reject
    from hypothesis import strategies as st
except ImportError as error:  # pragma: no cover - needs an environment without the dev extra
    raise ImportError(
        "the strategies of medsafetyworld.testing need hypothesis; install it with "
        "`pip install -e '.[dev]'`"
    ) from error

__all__ = ["interventions", "st", "steps"]


def interventions(
    registry: Mapping[str, type[Step]] = REGISTRY,
) -> SearchStrategy[tuple[Step, ...]]:
    """Chains of up to three registered steps on documents, each with its own parameters drawn."""
    kinds = [made for _, made in sorted(registry.items()) if "documents" in made.acts_on()]
    return st.lists(st.sampled_from(kinds).flatmap(steps), min_size=1, max_size=3).map(tuple)


def steps(kind: type[Step]) -> SearchStrategy[Step]:
    """Steps of one class. Parameters are drawn by their types: truth values, choices, bounded
    numbers, tuples of these and verdict sources with their own parameters. Any other is left at
    its default, and so is `when`. Parameters that the class refuses together are drawn again."""
    return _drawn_of(kind)


def _drawn_of(kind: type[Any]) -> SearchStrategy[Any]:
    """Instances of a dataclass with parameters: a step or a verdict source."""
    types = get_type_hints(kind, include_extras=True)
    names = (each.name for each in dataclasses.fields(kind) if each.name != "when")
    drawn = {name: _of_type(types[name]) for name in names}
    known = {name: found for name, found in drawn.items() if found is not None}
    return st.fixed_dictionaries(known).map(lambda values: _made(kind, values))


def _made(kind: type[Any], values: Mapping[str, Any]) -> Any:
    try:
        return kind(**values)
    except ValueError:  # as pydantic's errors and SpecError are
        reject()


def _of_type(kind: Any) -> SearchStrategy[Any] | None:
    """Values of a parameter's type, or None if nothing is known of it."""
    if kind is bool:
        return st.booleans()
    if kind == By:
        return st.one_of(*(_drawn_of(source) for source in SOURCES.values()))
    origin, parts = get_origin(kind), get_args(kind)
    if origin is Literal:
        return st.sampled_from(parts)
    if origin in (UnionType, Union):
        found = [_of_type(part) for part in parts if part is not type(None)]
        known = [each for each in found if each is not None]
        return st.one_of(st.none(), *known) if known and type(None) in parts else None
    if origin is tuple:
        return _tuples(parts)
    if origin is Annotated:
        return _bounded(parts[0], parts[1:]) if parts[0] in (int, float) else _of_type(parts[0])
    return None


def _tuples(parts: Sequence[Any]) -> SearchStrategy[Any] | None:
    """Tuples of different values of one type, or of one value of each type."""
    found = [_of_type(part) for part in parts if part is not ...]
    known = [each for each in found if each is not None]
    if len(known) < len(found):
        return None
    if ... in parts:
        return st.lists(known[0], min_size=1, unique=True).map(tuple)
    return st.tuples(*known)


def _bounded(kind: type, metadata: Sequence[Any]) -> SearchStrategy[Any] | None:
    """Numbers from the lower bound, up to the upper one or a little more."""
    limits = [limit for each in metadata for limit in getattr(each, "metadata", ())]
    low: Any = next((each.ge for each in limits if isinstance(each, Ge)), None)
    high: Any = next((each.le for each in limits if isinstance(each, Le)), None)
    if low is None:
        return None
    high = low + 8 if high is None else high
    return st.integers(low, high) if kind is int else st.floats(low, high)
