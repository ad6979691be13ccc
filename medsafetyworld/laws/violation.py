"""`Violation`: a law that does not hold, with a case in words that shows it."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any, TypeAlias

Law: TypeAlias = Callable[..., Iterable[str]]
"""Yields counterexamples in words, smallest first; nothing where the law holds."""


@dataclass(frozen=True, slots=True)
class Violation:
    """A law and its smallest known counterexample."""

    law: str
    counterexample: str

    def __str__(self) -> str:
        return f"{self.law}: {self.counterexample}"


def violations(laws: Mapping[str, Law], *subject: Any) -> list[Violation]:
    """The laws that the subject breaks, each with its first counterexample."""
    found: list[Violation] = []
    for name, law in laws.items():
        try:
            words = next(iter(law(*subject)), None)
        except Exception as error:
            # The subject is anyone's code, and a law that it makes fail is a law that it breaks.
            words = f"{type(error).__name__}: {error}"
        if words is not None:
            found.append(Violation(name, words))
    return found


def assert_lawful(found: Iterable[Violation]) -> None:
    """For tests: raises `AssertionError` that names every broken law."""
    lines = [str(each) for each in found]
    assert not lines, "broken laws:\n  " + "\n  ".join(lines)
