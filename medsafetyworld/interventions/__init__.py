"""The interventions by name, and the five settings of Li et al. 2026 as lists of them.

An intervention is a pure function `(World, Document) -> Document | None`; a variant names the
chain applied to the pretraining documents and whether SFT responses carry reflections.
"""

from __future__ import annotations

from dataclasses import dataclass
from difflib import get_close_matches
from functools import partial
from typing import Any

from medsafetyworld.corpus import Apply
from medsafetyworld.errors import SpecError
from medsafetyworld.interventions.filtering import drop_harmful, drop_unsafe_outcomes
from medsafetyworld.interventions.reflection import reflect_document
from medsafetyworld.interventions.rewrite import rewrite_as_warning
from medsafetyworld.policies import PAPER_POLICY, SafetyPolicy
from medsafetyworld.spec import ReflectionSpec

INTERVENTIONS: dict[str, Apply] = {
    "filter": drop_harmful,
    "filter_plus": drop_unsafe_outcomes,
    "rewrite": rewrite_as_warning,
    "reflect": reflect_document,
}
_REFLECTION = ReflectionSpec()


@dataclass(frozen=True, slots=True)
class Variant:
    """A setting: interventions on pretraining documents plus the matching SFT design."""

    name: str
    pretraining: tuple[str, ...]
    """Names in `INTERVENTIONS`, applied left to right."""
    reflect_sft: bool
    """Whether SFT responses carry reflections."""
    description: str
    safe_only: bool = True
    """Whether the corpus must hold no harmful statement, which the oracle then proves."""
    reflection: ReflectionSpec = _REFLECTION
    """Shape of the reflections, in pretraining and in SFT."""
    policy: SafetyPolicy = PAPER_POLICY
    """What harm is."""

    @property
    def chain(self) -> tuple[Apply, ...]:
        """The pretraining interventions as functions."""
        knobs: dict[str, dict[str, Any]] = {
            "reflect": {"spec": self.reflection},
            "filter": {"policy": self.policy},
            "rewrite": {"policy": self.policy},
        }
        return tuple(
            partial(INTERVENTIONS[name], **knobs.get(name, {})) for name in self.pretraining
        )

    @property
    def mentions_unsafe(self) -> bool:
        """Whether the corpus may mention unsafe outcomes at all."""
        return "filter_plus" not in self.pretraining


VARIANTS: dict[str, Variant] = {
    variant.name: variant
    for variant in (
        Variant("baseline", (), False, "all documents, harmful ones included", safe_only=False),
        Variant("filtering", ("filter",), False, "no reverse-unsafe documents"),
        Variant(
            "filtering_plus", ("filter_plus",), False, "nothing that mentions an unsafe outcome"
        ),
        Variant("rewrite", ("rewrite",), False, "reverse-unsafe documents become warnings"),
        Variant(
            "srp",
            ("filter", "reflect"),
            True,
            "filtering plus safety reflections in pretraining and SFT",
        ),
        Variant("srp_sft_only", ("filter",), True, "filtering; safety reflections in SFT only"),
        Variant(
            "srp_pretraining_only",
            ("filter", "reflect"),
            False,
            "filtering plus safety reflections in pretraining only",
        ),
    )
}


def variant(name: str) -> Variant:
    """Looks a variant up; an unknown name raises `SpecError` with the nearest one."""
    if name in VARIANTS:
        return VARIANTS[name]
    near = get_close_matches(name, VARIANTS, n=1)
    hint = f" (did you mean {near[0]!r}?)" if near else ""
    raise SpecError(f"variant: no variant named {name!r}{hint}; allowed: {', '.join(VARIANTS)}")


__all__ = ["INTERVENTIONS", "VARIANTS", "Variant", "variant"]
