"""Identity of the code of a user's own steps: their names alone do not say what they do."""

from __future__ import annotations

import hashlib
import inspect
from collections.abc import Iterable

from medsafetyworld.errors import SpecError
from medsafetyworld.interventions.algebra import Step

_BUILT_IN = ("medsafetyworld", "builtins")


def step_sources(steps: Iterable[Step]) -> dict[str, dict[str, str]]:
    """`{"sources": {step: sha256}}` of the steps that are not this package's; empty without any.

    The hash is of the source of the class and of its bases. Raises `SpecError` for a class that
    was not defined in a file.
    """
    own = {step.name: _code(step) for step in steps if _classes(step)}
    return {"sources": own} if own else {}


def _classes(step: Step) -> list[type]:
    """The class of a step and those that it is made from, but for this package's."""
    return [
        each for each in type(step).__mro__ if each.__module__.partition(".")[0] not in _BUILT_IN
    ]


def _code(step: Step) -> str:
    try:
        text = "\n".join(inspect.getsource(each) for each in _classes(step))
    except (OSError, TypeError) as error:
        raise SpecError(
            f"{step.name}: the source of a step names what was made with it, and this one's cannot "
            f"be read; define it in a file"
        ) from error
    return hashlib.sha256(text.encode()).hexdigest()
