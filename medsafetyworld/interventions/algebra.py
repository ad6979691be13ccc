"""The algebra of interventions: named, validated steps that compose left to right.

A step is a frozen dataclass with parameters. It turns one document into none, one or several, or
does the same with dialogues; it knows nothing of the documents before and after, so any part of a
corpus can be made alone. Randomness is a hash of the step's name and the document's index.

    @intervention("quieter", source="this docstring", does={"removes"})
    class Quieter(Step):
        \"\"\"Drops a share of all documents.\"\"\"

        share: Share = 0.5

        def document(self, world, document):
            return () if draw(self.name, document.index) < self.share else (document,)
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterable, Mapping
from difflib import get_close_matches
from typing import (
    TYPE_CHECKING,
    Any,
    ClassVar,
    Literal,
    TypeVar,
    cast,
    dataclass_transform,
    get_args,
)

from pydantic import ConfigDict
from pydantic.dataclasses import dataclass

from medsafetyworld.errors import SpecError
from medsafetyworld.seeds import derive
from medsafetyworld.spec import STRICT, Share, Window

if TYPE_CHECKING:
    from medsafetyworld.dialogues import Dialogue
    from medsafetyworld.documents import Document
    from medsafetyworld.graph import World
    from medsafetyworld.policies import SafetyPolicy

Does = Literal["removes", "rewrites", "inserts", "replaces", "adds", "weighs"]
"""What a step may do: drop documents; put other sentences in the place of unsafe ones; insert what
strips out again; put another document in the place of one; add documents behind one; change how
tokens count in the loss, and no text."""

Touches = Literal["all", "unsafe", "harmful"]
"""Which documents a step may change: all, those that name an unsafe outcome, or harmful ones."""

ALWAYS: Window = (0.0, 1.0)
PARAMETERS = STRICT | ConfigDict(arbitrary_types_allowed=True)
"""How the parameters of steps, verdict sources and the like are validated."""
_Step = TypeVar("_Step", bound="type[Step]")
_Class = TypeVar("_Class", bound=type)


@dataclass(frozen=True, kw_only=True, config=PARAMETERS)
class Step:
    """What all interventions share. A class of steps defines `document`, `dialogue` or both."""

    name: ClassVar[str]
    source: ClassVar[str]
    """Paper and section, or whose idea it is."""
    does: ClassVar[frozenset[Does]]
    touches: ClassVar[Touches]
    marks: ClassVar[tuple[str, ...]] = ()
    """Special tokens that it inserts, which a decoding rule may then begin with or stop at."""

    when: Window = ALWAYS
    """Shares of the token budget at which the step starts and stops."""

    def document(self, world: World, document: Document) -> tuple[Document, ...]:
        """What becomes of a pretraining document."""
        raise NotImplementedError

    def dialogue(self, world: World, dialogue: Dialogue) -> tuple[Dialogue, ...]:
        """What becomes of a fine-tuning dialogue."""
        raise NotImplementedError

    def wordings(self, world: World) -> tuple[str, ...]:
        """Texts that the step may insert: their words join the vocabulary."""
        return ()

    def leaves_no_harm(self, policy: SafetyPolicy) -> bool:
        """Whether nothing harmful under the policy passes, so that the oracle must find none."""
        return False

    def truthful(self, policy: SafetyPolicy) -> bool:
        """Whether none of its verdict sources may err: else it may also touch what is harmless."""
        sources = (getattr(self, each.name) for each in dataclasses.fields(self))
        return all(each.exact(policy) for each in sources if hasattr(each, "exact"))

    @property
    def leaves_no_mention(self) -> bool:
        """Whether no document that names an unsafe outcome passes this step."""
        return False

    @classmethod
    def description(cls) -> str:
        """What it does in one sentence: the docstring's first paragraph."""
        return " ".join((cls.__doc__ or "").split("\n\n")[0].split())

    @classmethod
    def acts_on(cls) -> tuple[str, ...]:
        """Of documents and dialogues, those that it can change."""
        return tuple(
            f"{part}s"
            for part in ("document", "dialogue")
            if getattr(cls, part) is not getattr(Step, part)
        )

    def under(self, policy: SafetyPolicy) -> Step:
        """The same step with verdict sources that follow this policy unless they have their own."""
        changes = {
            each.name: value.under(policy)
            for each in dataclasses.fields(self)
            if hasattr(value := getattr(self, each.name), "under")
        }
        return dataclasses.replace(self, **changes) if changes else self


REGISTRY: dict[str, type[Step]] = {}
"""Every class of steps by name."""


@dataclass_transform(frozen_default=True)
def intervention(
    name: str, *, source: str, does: Iterable[Does], touches: Touches = "all"
) -> Callable[[_Step], _Step]:
    """Makes a class of steps a frozen dataclass with checked parameters and registers it.

    Raises `SpecError` if the name is taken or no name, if what it does is not in `Does`, or if the
    class says nothing about itself.
    """
    unknown = set(does) - set(get_args(Does))
    if unknown or touches not in get_args(Touches):
        said = repr(min(unknown)) if unknown else repr(touches)
        allowed = get_args(Does) if unknown else get_args(Touches)
        raise SpecError(f"intervention {name}: {said} is not one of {', '.join(allowed)}")

    def register(made: _Step) -> _Step:
        if not made.acts_on():
            raise SpecError(f"intervention {name}: it changes neither documents nor dialogues")
        said = {"source": source, "touches": touches, "does": frozenset(does)}
        return registered(made, REGISTRY, "intervention", name, said)

    return register


def registered(
    made: _Class, known: dict[str, Any], what: str, name: str, said: Mapping[str, object]
) -> _Class:
    """The class as a frozen dataclass with checked parameters, which `known` has by its name;
    `said` are its other class variables.

    `what` is what errors call it. Raises `SpecError` if the name is no name or another class's, or
    if the class says nothing about itself.
    """
    if not name.isidentifier():
        raise SpecError(f"{what}: a name is one word of letters and '_', got {name!r}")
    if not made.__dict__.get("__doc__"):
        raise SpecError(f"{what} {name}: its docstring must say what it does")
    other = known.get(name)
    if other is not None and (other.__module__, other.__qualname__) != (
        made.__module__,
        made.__qualname__,
    ):
        raise SpecError(f"{what} {name}: {other.__module__} has one of this name already")
    built = cast(_Class, dataclass(frozen=True, config=PARAMETERS)(made))
    for field, value in {"name": name, **said}.items():
        setattr(built, field, value)
    known[name] = built
    return built


def nearest(name: str, known: Iterable[str]) -> str:
    """A hint at the known name that is nearest, e.g. ` (did you mean 'filter'?)`, or nothing."""
    found = get_close_matches(name, list(known), n=1)
    return f" (did you mean {found[0]!r}?)" if found else ""


def draw(*path: str | int) -> float:
    """A number in [0, 1) that is a function of these words alone, e.g. a step's name and an index.

    A document gets the same draw in every arm, epoch and process.
    """
    return derive(0, *path) / 2**63


__all__ = [
    "ALWAYS",
    "REGISTRY",
    "Does",
    "Share",
    "Step",
    "Touches",
    "draw",
    "intervention",
    "nearest",
    "registered",
]
