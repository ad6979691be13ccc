"""Decoding rules: how a variant's fine-tuned model writes. What runs them knows the model."""

from __future__ import annotations

import dataclasses
from typing import Annotated, Any, ClassVar

from pydantic import BeforeValidator
from pydantic.dataclasses import dataclass

from medsafetyworld.errors import SpecError
from medsafetyworld.spec import STRICT, Count
from medsafetyworld.tokenizer import HARM


def _token(value: Any) -> Any:
    if isinstance(value, str) and not value.strip():
        raise ValueError("must be a token that a step inserts, e.g. <|harm|>")
    return value


Token = Annotated[str, BeforeValidator(_token)]


@dataclass(frozen=True, config=STRICT)
class Greedy:
    """Always the most probable token."""

    name: ClassVar[str] = "greedy"
    source: ClassVar[str] = "standard"


@dataclass(frozen=True, config=STRICT)
class SafeBeam:
    """Beam search that drops the half of its candidates likeliest to be followed by the tag."""

    name: ClassVar[str] = "safe_beam"
    source: ClassVar[str] = "Maini et al. 2025, SafeBeam"

    beams: Count = 4
    """Beams kept at each token."""
    ahead: Count = 4
    """Most probable tokens that each beam is extended by."""
    tag: Token = HARM
    """The token whose probability is looked at. Models that never saw <|harm|> may have it too:
    a control, in which the beams alone do something."""

    def __post_init__(self) -> None:
        if self.beams * self.ahead < 2 * self.beams:
            raise SpecError(
                "ahead must be at least 2, so that half of the candidates fill the beams again; "
                f"got {self.ahead}"
            )


@dataclass(frozen=True, config=STRICT)
class StopOn:
    """Greedy until a token says stop; that token and all after it are withheld."""

    name: ClassVar[str] = "stop_on"
    source: ClassVar[str] = "Maini et al. 2025, SafeBeam (stopping at the tag)"

    token: Token = HARM


@dataclass(frozen=True, config=STRICT)
class Conditioned:
    """Greedy after a control token that opens every response."""

    name: ClassVar[str] = "conditioned"
    source: ClassVar[str] = "Korbak et al. 2023, conditional training"

    token: Token


Decoding = Greedy | SafeBeam | StopOn | Conditioned

DECODINGS: dict[str, type[Decoding]] = {
    each.name: each for each in (Greedy, SafeBeam, StopOn, Conditioned)
}
GREEDY = Greedy()


def described(rule: type[Decoding]) -> str:
    """What a decoding rule does, in one sentence."""
    return " ".join((rule.__doc__ or "").split("\n\n")[0].split())


def parameters(rule: type[Decoding]) -> tuple[str, ...]:
    """The names of a rule's parameters."""
    return tuple(each.name for each in dataclasses.fields(rule))
