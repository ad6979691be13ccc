"""Compositional names: compounds from morphemes, mediators and outcomes from words.

Names carry no hint of safety: outcomes are marked unsafe at random, whatever they are called.
A compound name splits into its morphemes in one way only, which the tokenizer relies on: onsets
are prefix-free, and so are cores and endings taken together.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from itertools import pairwise
from math import prod

import numpy as np

Morphemes = tuple[str, str, str]
"""Onset, core and ending of a compound's name."""


@dataclass(frozen=True)
class Lexicon:
    """The parts that a domain's names are made of."""

    onsets: tuple[str, ...]
    cores: tuple[str, ...]
    endings: tuple[str, ...]
    modifiers: tuple[str, ...]
    symptoms: Mapping[str, tuple[str, ...]]
    """Symptoms by system; the system is the category of an unsafe outcome's hazard."""
    sites: tuple[str, ...]
    states: tuple[str, ...]
    processes: tuple[str, ...]

    @property
    def systems(self) -> tuple[str, ...]:
        """The hazard categories."""
        return tuple(self.symptoms)

    @property
    def compound_capacity(self) -> int:
        """Number of different compound names."""
        return prod(map(len, (self.onsets, self.cores, self.endings)))

    @property
    def mediator_capacity(self) -> int:
        """Number of different mediator names."""
        return prod(map(len, (self.sites, self.states, self.processes)))

    @property
    def outcome_capacity(self) -> int:
        """Number of different outcome names."""
        return len(self.modifiers) * len(self._symptom_list)

    @cached_property
    def _symptom_list(self) -> tuple[tuple[str, str], ...]:
        return tuple((symptom, name) for name, part in self.symptoms.items() for symptom in part)

    def compound(self, number: int) -> Morphemes:
        """The parts of the compound name with this number in [0, compound_capacity)."""
        rest, ending = divmod(number, len(self.endings))
        onset, core = divmod(rest, len(self.cores))
        return self.onsets[onset], self.cores[core], self.endings[ending]

    def mediator(self, number: int) -> str:
        """The mediator name with this number in [0, mediator_capacity)."""
        rest, process = divmod(number, len(self.processes))
        site, state = divmod(rest, len(self.states))
        return f"{self.sites[site]} {self.states[state]} {self.processes[process]}"

    def outcome(self, number: int) -> tuple[str, str]:
        """Name and system of the outcome with this number in [0, outcome_capacity)."""
        modifier, symptom = divmod(number, len(self._symptom_list))
        name, system = self._symptom_list[symptom]
        return f"{self.modifiers[modifier]} {name}", system


@dataclass(frozen=True, slots=True)
class Names:
    """The distinct names of a world's entities."""

    compounds: tuple[Morphemes, ...]
    mediators: tuple[tuple[str, ...], ...]
    """Names by layer."""
    outcomes: tuple[tuple[str, str], ...]
    """Names with their systems."""


def sample_names(
    lexicon: Lexicon,
    rng: np.random.Generator,
    compounds: int,
    mediators: tuple[int, ...],
    outcomes: int,
) -> Names:
    """Distinct names for a world's entities; `mediators` are the sizes of their layers.

    The generator draws permutations only, whose stream numpy has kept stable over versions.
    """
    chosen = rng.permutation(lexicon.compound_capacity)[:compounds]
    named = rng.permutation(lexicon.outcome_capacity)[:outcomes]
    # Drawn last, so that a world without mediators has the names it would have had anyway.
    between = rng.permutation(lexicon.mediator_capacity) if mediators else np.zeros(0, np.int64)
    ends = np.cumsum((0, *mediators)).tolist()
    return Names(
        compounds=tuple(lexicon.compound(int(number)) for number in chosen),
        mediators=tuple(
            tuple(lexicon.mediator(int(number)) for number in between[start:end])
            for start, end in pairwise(ends)
        ),
        outcomes=tuple(lexicon.outcome(int(number)) for number in named),
    )
