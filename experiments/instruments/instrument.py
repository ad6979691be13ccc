"""Instruments: attacks and probes as named, validated objects that measure one cell's models.

An instrument is a frozen dataclass with parameters. It is given a `Bench` (the cell's worlds,
questions and trained models) and returns `Findings`: tidy rows, every prompt with its response, and
a record of what it cost. A recipe names its instruments as text, e.g. `gcg(steps=50)`.

    @instrument("shout", source="this docstring", kind="attack")
    class Shout(Instrument):
        \"\"\"Asks the question twice in one turn.\"\"\"

        times: Count = 2

        def measure(self, bench):
            again = [" ".join([query.question] * self.times) for query in bench.harmful]
            asked = [replace(query, question=said) for query, said in zip(bench.harmful, again)]
            return ask(bench, self.name, asked)

Modules of instruments load jax inside `measure` only: a plan can be read without it.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import asdict, field
from dataclasses import dataclass as plain_dataclass
from typing import (
    TYPE_CHECKING,
    Any,
    ClassVar,
    Literal,
    TypeVar,
    dataclass_transform,
    get_args,
)

from pydantic.dataclasses import dataclass

from experiments.rows import Row
from medsafetyworld.errors import SpecError
from medsafetyworld.interventions.algebra import PARAMETERS, registered
from medsafetyworld.interventions.notation import build, written
from medsafetyworld.spec import from_json

if TYPE_CHECKING:
    from experiments.instruments.bench import Bench
    from experiments.stages import Context
    from medsafetyworld.graph import World
    from tiny_models.training import Params

Kind = Literal["attack", "defence", "probe"]
_Instrument = TypeVar("_Instrument", bound="type[Instrument]")

Entry = dict[str, Any]
"""One prompt with its response, as it stands in a transcript."""


@plain_dataclass(frozen=True)
class Findings:
    """What an instrument found in one cell.

    rows: tidy, for tables and claims. transcript: every prompt tried, enough to replay it. record:
    what the attack was allowed and what it spent (`budget`, `seed`, `tried`, `of`), and curves that
    are no rates; plain JSON.
    """

    rows: tuple[Row, ...]
    transcript: tuple[Entry, ...] = ()
    record: Mapping[str, Any] = field(default_factory=dict)

    def __add__(self, other: Findings) -> Findings:
        """Both together; a key that both records have keeps the later value."""
        return Findings(
            self.rows + other.rows,
            self.transcript + other.transcript,
            {**self.record, **other.record},
        )


@dataclass(frozen=True, config=PARAMETERS)
class Instrument:
    """What all attacks, defences and probes share."""

    name: ClassVar[str]
    source: ClassVar[str]
    """Paper and section, or whose idea it is."""
    kind: ClassVar[Kind]
    version: ClassVar[int] = 1
    """Raised when the same parameters begin to measure something else: stages are made anew."""

    def measure(self, bench: Bench) -> Findings:
        """What the cell's models do under it."""
        raise NotImplementedError

    def wordings(self, world: World) -> tuple[str, ...]:
        """Texts that it may ask with, whose words must be in the vocabulary: its recipe adds them
        to that of every arm."""
        return ()

    def reads(self, world: World) -> tuple[str, ...]:
        """What it takes from the domain's `attacks.json`, which is no part of the world's hash:
        other texts make its stage anew. Its wordings, unless it reads more than it adds."""
        return self.wordings(world)

    def check(self, context: Context) -> None:
        """Raises `SpecError` where the cell cannot be measured, before anything is trained."""

    def model(self, bench: Bench, name: str) -> Params:
        """A model of its own making that its transcript names, e.g. one with pruned weights."""
        raise KeyError(name)

    @classmethod
    def description(cls) -> str:
        """What it does in one sentence: the docstring's first paragraph."""
        return " ".join((cls.__doc__ or "").split("\n\n")[0].split())


REGISTRY: dict[str, type[Instrument]] = {}
"""Every class of instruments by name."""


@dataclass_transform(frozen_default=True)
def instrument(
    name: str, *, source: str, kind: Kind, version: int = 1
) -> Callable[[_Instrument], _Instrument]:
    """Makes a class of instruments a frozen dataclass with checked parameters and registers it.

    Raises `SpecError` if the name is taken or no name, if the kind is unknown, or if the class says
    nothing about itself.
    """
    if kind not in get_args(Kind):
        raise SpecError(f"instrument {name}: kind {kind!r} is not one of {get_args(Kind)}")

    def register(made: _Instrument) -> _Instrument:
        said = {"source": source, "kind": kind, "version": version}
        return registered(made, REGISTRY, "instrument", name, said)

    return register


def parse_instrument(text: str) -> Instrument:
    """An instrument from text, e.g. `gcg(steps=50)`; nothing in it is executed.

    Raises `SpecError` naming what is wrong, what is allowed, and the nearest name.
    """
    return build(text, REGISTRY, "instrument")


def write_instrument(made: Instrument) -> str:
    """The instrument as canonical text, without parameters that have their defaults."""
    return written(made)


def parameters_of(made: Instrument) -> dict[str, Any]:
    """All of its parameters as plain JSON values, defaults too: what a text means may change."""
    return json.loads(json.dumps(asdict(made)))


def rebuilt(name: str, parameters: Mapping[str, Any]) -> Instrument:
    """Inverse of `parameters_of`; `name` is that of the class.

    Raises `SpecError` for a class or a parameter that there is not, or is no longer.
    """
    if name not in REGISTRY:
        raise SpecError(f"instrument: nothing is named {name!r}; allowed: {', '.join(REGISTRY)}")
    return from_json(REGISTRY[name], json.dumps(parameters), f"instrument: {name}")
