"""Frozen specs of world, corpus and dialogues: the only place where defaults live.

Every field is validated on construction: unknown fields, wrong types, NaN and impossible
combinations raise pydantic's `ValidationError`, a ValueError. `make` and `from_json` raise
`SpecError` instead, one sentence that names the field and the allowed range.
Named ones are in `presets`.
"""

from __future__ import annotations

from math import comb
from typing import Annotated

from pydantic import (
    BeforeValidator,
    ConfigDict,
    Field,
    model_validator,
)
from pydantic.dataclasses import dataclass

from medsafetyworld.domain import load_domain
from medsafetyworld.spec_data import from_json, make, to_json

STRICT = ConfigDict(extra="forbid", strict=True, allow_inf_nan=False)

Count = Annotated[int, Field(ge=1)]
Share = Annotated[float, Field(ge=0.0, le=1.0)]
Rate = Annotated[float, Field(ge=0.0, le=10.0)]
Seed = Annotated[int, Field(ge=0, lt=2**63)]


def _window(value: object) -> object:
    """A number is a start; whatever starts stays until the end unless a stop is given."""
    start_and_stop = (value, 1.0) if isinstance(value, int | float) else value
    if isinstance(start_and_stop, tuple) and len(start_and_stop) == 2:
        start, stop = start_and_stop
        numbers = isinstance(start, int | float) and isinstance(stop, int | float)
        if numbers and 0 <= stop <= start <= 1:
            raise ValueError(f"must start before it stops; starts at {start}, stops at {stop}")
        return (start, stop)
    return value


Window = Annotated[tuple[Share, Share], BeforeValidator(_window)]
"""Shares of a token budget at which something starts and stops; a number alone is the start."""


@dataclass(frozen=True, kw_only=True, config=STRICT)
class WorldSpec:
    """Size, shape and seed of a world (Li et al. 2026, single-hop and two-hop tasks).

    Without mediators compounds lead straight to outcomes (single-hop). With one layer of
    mediators compounds lead to mediators and groups of mediators to outcomes (two-hop); every
    further layer adds a hop, in which each mediator leads to one of the next layer.
    """

    compounds: Annotated[int, Field(ge=2)] = 120
    """Number of compounds."""
    mediators: tuple[Annotated[int, Field(ge=1)], ...] = ()
    """Sizes of the layers of mediators, from compounds to outcomes; none in a single-hop world."""
    outcomes: Count = 30
    """Number of outcomes."""
    single_edges: Count = 240
    """Edges by which a compound alone leads to an outcome, or with mediators to a mediator of the
    first layer."""
    pair_edges: Annotated[int, Field(ge=0)] = 60
    """Edges by which a pair leads to an outcome: of compounds, or with mediators of mediators of
    the last layer."""
    triple_edges: Annotated[int, Field(ge=0)] = 0
    """The same for triples."""
    mediator_edges: Annotated[int, Field(ge=0)] = 0
    """Edges by which a mediator of the last layer alone leads to an outcome."""
    unsafe_fraction: Share = 0.4
    """Share of outcomes marked unsafe at random. The paper does not print its value."""
    severity_shares: tuple[Share, Share, Share] = (0.4, 0.4, 0.2)
    """Shares of the unsafe outcomes that are mild, serious and lethal; they sum to 1."""
    skew: Annotated[float, Field(ge=0.0, le=4.0)] = 0.0
    """Exponent of the power law by which outcomes attract edges: 0 is uniform, 1 Zipf's law, under
    which most outcomes have few causes. Each cause is told as often as any: `thin` makes facts
    rare."""
    most_causes: Count | None = None
    """Most edges of one arity that lead to the same outcome; None is no limit."""
    held_out_share: Share = 0.0
    """Share of the edges that no pretraining document states, alone or inside a chain."""
    one_way_share: Share = 0.0
    """Share of the edges that documents state forward only."""
    domain: str = "medical"
    """Names and wordings: a packaged or registered domain, or the path of a domain's directory."""
    seed: Seed = 0
    """Seed of names, edges, marks and shares."""

    @model_validator(mode="after")
    def _world_is_possible(self) -> WorldSpec:
        lexicon = load_domain(self.domain).lexicon
        _at_most("compounds", self.compounds, lexicon.compound_capacity, "names of the domain")
        _at_most("outcomes", self.outcomes, lexicon.outcome_capacity, "names of the domain")
        _at_most("mediators", sum(self.mediators), lexicon.mediator_capacity, "names of the domain")
        if abs(sum(self.severity_shares) - 1.0) > 1e-9:
            raise ValueError(f"severity_shares must sum to 1, got {sum(self.severity_shares)}")
        if self.mediators:
            self._check_chains()
        else:
            self._check_edges()
        last = self.sizes[-2]
        for name, arity in (("pair_edges", 2), ("triple_edges", 3)):
            _at_most(name, getattr(self, name), comb(last, arity), f"groups among {last} causes")
        if self.most_causes is not None:
            self._check_most_causes()
        return self

    def _check_edges(self) -> None:
        least = self.compounds + self.outcomes - 1
        most = self.compounds * self.outcomes
        if not least <= self.single_edges <= most:
            raise ValueError(
                f"single_edges must be between {least} (so that every compound and outcome can "
                f"have one) and {most} (compounds x outcomes), got {self.single_edges}"
            )
        if self.mediator_edges:
            raise ValueError(
                f"mediator_edges must be 0 in a world without mediators, got {self.mediator_edges}"
            )

    def _check_chains(self) -> None:
        layers = (self.compounds, *self.mediators)
        for above, below in zip(layers[1:], layers[:-1], strict=True):
            if above > below:
                raise ValueError(
                    "mediators must not grow in number from layer to layer, nor outnumber the "
                    f"compounds, because each has a cause of its own; got {list(self.mediators)} "
                    f"after {self.compounds} compounds"
                )
        most = self.compounds * self.mediators[0]
        if not self.compounds <= self.single_edges <= most:
            raise ValueError(
                f"single_edges must be between {self.compounds} (one per compound) and {most} "
                f"(compounds x mediators of the first layer), got {self.single_edges}"
            )
        most = self.mediators[-1] * self.outcomes
        _at_most("mediator_edges", self.mediator_edges, most, "mediators x outcomes")
        into = self.mediator_edges + self.pair_edges + self.triple_edges
        if into < self.outcomes:
            raise ValueError(
                f"mediator_edges, pair_edges and triple_edges together must be at least "
                f"{self.outcomes} (one per outcome), got {into}"
            )

    def _check_most_causes(self) -> None:
        alone = self.mediator_edges if self.mediators else self.single_edges
        counts = {
            "mediator_edges" if self.mediators else "single_edges": alone,
            "pair_edges": self.pair_edges,
            "triple_edges": self.triple_edges,
        }
        for name, count in counts.items():
            if count > (self.most_causes or 0) * self.outcomes:
                raise ValueError(
                    f"most_causes must be at least {-(-count // self.outcomes)}, so that the "
                    f"outcomes have room for the {name}, got {self.most_causes}"
                )

    @property
    def hops(self) -> int:
        """Steps from a compound to an outcome: one more than there are layers of mediators."""
        return len(self.mediators) + 1

    @property
    def sizes(self) -> tuple[int, ...]:
        """Entities of each layer, compounds first."""
        return (self.compounds, *self.mediators, self.outcomes)

    @property
    def unsafe_outcomes(self) -> int:
        """Number of outcomes marked unsafe."""
        return round(self.unsafe_fraction * self.outcomes)


def _at_most(name: str, value: int, most: int, what: str) -> None:
    if value > most:
        raise ValueError(f"{name} must be at most {most} ({what}), got {value}")


@dataclass(frozen=True, kw_only=True, config=STRICT)
class CorpusSpec:
    """How much of which document kind a corpus holds, and in how many wordings.

    Every edge gets one forward document per template of a pool of `templates` wordings: the base
    data. Reverse and co-occurrence documents are sampled until they are `rate` times the base data
    (Li et al. 2026, table of hyper-parameters).
    """

    templates: Count = 400
    """Distinct wordings in the pool of each document kind but co-occurrence."""
    group_templates: Count | None = None
    """The same for statements whose causes or effects are several, and for full chains; None is
    as many as `templates`."""
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
    pair_rate: Rate = 1.0
    """Forward documents of edges from pairs and triples, relative to one per template."""
    pair_reverse_rate: Rate = 0.3
    """Reverse documents of edges from pairs and triples, relative to their forward documents. With
    mediators these are what tells which mediators bring an outcome about."""
    pair_cooccurrence_rate: Rate = 0.8
    """Co-occurrence documents of edges from pairs and triples, relative to their forward ones."""
    group_rate: Rate = 1.0
    """Documents that compounds lead together to several mediators, relative to one per template."""
    group_reverse_rate: Rate = 1.0
    """The same in reverse."""
    chain_reverse_rate: Rate = 1.0
    """Reverse documents of full chains with mediators, relative to their forward documents."""
    outcome_first_share: Share = 0.5
    """Share of co-occurrence documents that name the outcome before the compound."""
    unsafe_cooccurrence_share: Share = 1.0
    """Share of the edges to unsafe outcomes that co-occurrence documents may be about."""
    monograph_rate: Rate = 0.0
    """Monographs (what is stated about one entity), in statements relative to those of notes."""
    case_rate: Rate = 0.0
    """Case reports (a patient's story that mixes safe and unsafe statements), likewise."""
    digest_rate: Rate = 0.0
    """Digests (statements at random), likewise."""
    glossary_rate: Rate = 0.0
    """Glossaries (an entry for each of several entities), likewise."""
    sentences: Annotated[int, Field(ge=1, le=64)] = 4
    """Statements in a document of these four kinds; a monograph of a rare entity has fewer."""
    distractor_rate: Share = 0.0
    """Chance that a benign sentence without causal content follows a statement."""
    contradiction_rate: Share = 0.0
    """Chance that a source of no reliability states a wrong outcome where it claims a cause; others
    in proportion to what they lack."""
    misconception_share: Share = 0.0
    """Share of the wrong statements that name the one outcome that is commonly mistaken for what
    their causes lead to; the others name any."""
    reliability: tuple[Share, Share, Share, Share, Share] = (1.0, 0.95, 0.9, 0.4, 0.1)
    """Reliability of the domain's five sources in their order; 1 never errs. Medical: registry,
    textbook, trial report, forum post, marketing leaflet."""

    @model_validator(mode="after")
    def _pool_is_large_enough(self) -> CorpusSpec:
        most = self.surface_forms * self.framings * self.closings
        for name in ("templates", "group_templates", "cooccurrence_templates"):
            if (getattr(self, name) or 1) > most:
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


__all__ = [
    "CorpusSpec",
    "DialogueSpec",
    "ReflectionSpec",
    "WorldSpec",
    "from_json",
    "make",
    "to_json",
]
