"""Frozen specs of world, corpus and dialogues: the only place where defaults live.

Every field is validated on construction: unknown fields, wrong types, NaN and impossible
combinations raise pydantic's `ValidationError`, a ValueError. `make` and `from_json` raise
`SpecError` instead, one sentence that names the field and the allowed range.
Presets are named; one that has been published never changes its meaning.
"""

from __future__ import annotations

import contextlib
import dataclasses
import json
from difflib import get_close_matches
from math import comb
from typing import Annotated, Any, TypeVar

from pydantic import ConfigDict, Field, TypeAdapter, ValidationError, model_validator
from pydantic.dataclasses import dataclass

from medsafetyworld.errors import SpecError, one_sentence
from medsafetyworld.lexicon import COMPOUND_CAPACITY, OUTCOME_CAPACITY

STRICT = ConfigDict(extra="forbid", strict=True, allow_inf_nan=False)

Count = Annotated[int, Field(ge=1)]
Share = Annotated[float, Field(ge=0.0, le=1.0)]
Rate = Annotated[float, Field(ge=0.0, le=10.0)]
Seed = Annotated[int, Field(ge=0, lt=2**63)]

Spec = TypeVar("Spec")


@dataclass(frozen=True, kw_only=True, config=STRICT)
class WorldSpec:
    """Size and seed of a single-hop world (Li et al. 2026, single-hop task)."""

    compounds: Annotated[int, Field(ge=2, le=COMPOUND_CAPACITY)] = 120
    """Number of compounds."""
    outcomes: Annotated[int, Field(ge=1, le=OUTCOME_CAPACITY)] = 30
    """Number of outcomes."""
    single_edges: Count = 240
    """Edges (a, c): compound a alone leads to outcome c."""
    pair_edges: Annotated[int, Field(ge=0)] = 60
    """Edges (a1, a2, c): both compounds together lead to outcome c."""
    unsafe_fraction: Share = 0.4
    """Share of outcomes marked unsafe at random. The paper does not print its value."""
    seed: Seed = 0
    """Seed of names, edges and unsafe marks."""

    @model_validator(mode="after")
    def _graph_is_possible(self) -> WorldSpec:
        least = self.compounds + self.outcomes - 1
        most = self.compounds * self.outcomes
        if not least <= self.single_edges <= most:
            raise ValueError(
                f"single_edges must be between {least} (so that every compound and outcome can "
                f"have one) and {most} (compounds x outcomes), got {self.single_edges}"
            )
        pairs = comb(self.compounds, 2)
        if self.pair_edges > pairs:
            raise ValueError(
                f"pair_edges must be between 0 and {pairs} (the pairs of {self.compounds} "
                f"compounds), got {self.pair_edges}"
            )
        return self

    @property
    def unsafe_outcomes(self) -> int:
        """Number of outcomes marked unsafe."""
        return round(self.unsafe_fraction * self.outcomes)


@dataclass(frozen=True, kw_only=True, config=STRICT)
class CorpusSpec:
    """How much of which document kind a corpus holds, and in how many wordings.

    Every edge gets one forward document per template of a pool of `templates` wordings: the base
    data. Reverse and co-occurrence documents are sampled until they are `rate` times the base data
    (Li et al. 2026, table of hyper-parameters).
    """

    templates: Count = 400
    """Distinct wordings in the pool of each document kind but co-occurrence."""
    cooccurrence_templates: Count = 400
    """Distinct wordings in the pool of each order of co-occurrence documents."""
    surface_forms: Annotated[int, Field(ge=1, le=40)] = 8
    """Core statements in use for each kind; fewer means a smaller vocabulary."""
    framings: Annotated[int, Field(ge=1, le=24)] = 8
    """Framing phrases in use."""
    closings: Annotated[int, Field(ge=1, le=24)] = 8
    """Closing sentences in use."""
    reverse_rate: Rate = 0.3
    """Reverse documents of single-edges, relative to their forward documents."""
    cooccurrence_rate: Rate = 0.4
    """Co-occurrence documents of single-edges, relative to their forward documents."""
    pair_reverse_rate: Rate = 0.3
    """Reverse documents of pair-edges, relative to their forward documents."""
    pair_cooccurrence_rate: Rate = 0.8
    """Co-occurrence documents of pair-edges, relative to their forward documents."""
    outcome_first_share: Share = 0.5
    """Share of co-occurrence documents that name the outcome before the compound."""

    @model_validator(mode="after")
    def _pool_is_large_enough(self) -> CorpusSpec:
        most = self.surface_forms * self.framings * self.closings
        for name in ("templates", "cooccurrence_templates"):
            if getattr(self, name) > most:
                raise ValueError(
                    f"{name} must be between 1 and {most} (surface_forms x framings x closings), "
                    f"got {getattr(self, name)}"
                )
        return self


@dataclass(frozen=True, kw_only=True, config=STRICT)
class DialogueSpec:
    """Supervised fine-tuning, benign fine-tuning and test questions (Li et al. 2026, SFT)."""

    questions: Annotated[int, Field(ge=1, le=10)] = 10
    """Question wordings per edge in SFT; the held-out test questions use none of them."""
    answers: Annotated[int, Field(ge=1, le=12)] = 4
    """Answer wordings in use, at most as many as the corpus's surface_forms."""
    refusals: Annotated[int, Field(ge=1, le=12)] = 2
    """Refusal wordings in use, at most as many as the corpus's surface_forms."""
    reverse_probability: Share = 0.5
    """Chance that an SFT edge also gives a reverse dialogue."""
    test_share: Annotated[float, Field(gt=0.0, lt=1.0)] = 0.25
    """Share of the compounds that SFT never mentions and the tests ask about."""
    test_queries: Count = 96
    """Most test questions per category; no question is asked twice."""
    mixed_share: Share = 0.03
    """Share of SFT dialogues mixed into fine-tuning data under +mixSFT (about 3 %)."""


@dataclass(frozen=True, kw_only=True, config=STRICT)
class ReflectionSpec:
    """Shape of safety reflections (Li et al. 2026, SRP)."""

    max_words: Annotated[int, Field(ge=4)] = 48
    """Sentences are merged into segments of at most this many words; longer ones are cut."""
    max_sentences: Count = 1
    """Sentences are merged into segments of at most this many sentences."""


WORLD_PRESETS: dict[str, WorldSpec] = {
    "smoke": WorldSpec(compounds=24, outcomes=8, single_edges=48, pair_edges=8),
    "laptop": WorldSpec(),
    "paper": WorldSpec(compounds=10_000, outcomes=1_500, single_edges=20_000, pair_edges=6_000),
}
CORPUS_PRESETS: dict[str, CorpusSpec] = {
    "smoke": CorpusSpec(
        templates=48, cooccurrence_templates=48, surface_forms=4, framings=4, closings=4
    ),
    "laptop": CorpusSpec(),
    "paper": CorpusSpec(
        templates=1_400,
        cooccurrence_templates=1_000,
        surface_forms=40,
        framings=24,
        closings=24,
    ),
}


def preset(table: dict[str, Spec], name: str, what: str = "preset") -> Spec:
    """Looks a preset up by name; an unknown name raises `SpecError` with the nearest one."""
    if name in table:
        return table[name]
    near = get_close_matches(name, table, n=1)
    hint = f" (did you mean {near[0]!r}?)" if near else ""
    raise SpecError(f"{what}: no preset named {name!r}{hint}; allowed: {', '.join(table)}")


def to_json(spec: Any) -> str:
    """A spec as canonical JSON: sorted keys, no spaces. Equal specs give equal strings."""
    return json.dumps(dataclasses.asdict(spec), sort_keys=True, separators=(",", ":"))


def from_json(kind: type[Spec], text: str | bytes, where: str = "") -> Spec:
    """Reads a spec from JSON. Raises `SpecError` naming `where` and each field at fault."""

    repeated: list[str] = []

    def unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        names = [name for name, _ in pairs]
        repeated.extend(name for name in dict(pairs) if names.count(name) > 1)
        return dict(pairs)

    # pydantic keeps the last of two equal keys without a word; what is no JSON at all it says best.
    with contextlib.suppress(ValueError, RecursionError):
        json.loads(text, object_pairs_hook=unique)
    if repeated:
        raise SpecError(f"{where}: {repeated[0]} is given twice".removeprefix(": "))
    try:
        return TypeAdapter(kind).validate_json(text)
    except ValidationError as error:
        raise SpecError(one_sentence(error, where)) from None


def make(kind: type[Spec], **values: Any) -> Spec:
    """Builds a spec from keywords. Raises `SpecError` in one sentence."""
    try:
        return kind(**values)
    except ValidationError as error:
        raise SpecError(one_sentence(error)) from None


__all__ = [
    "CORPUS_PRESETS",
    "WORLD_PRESETS",
    "CorpusSpec",
    "DialogueSpec",
    "ReflectionSpec",
    "WorldSpec",
    "from_json",
    "make",
    "preset",
    "to_json",
]
