"""The interventions by name, and the settings of the papers as lists of them.

Every module of this package that defines a class of steps registers it when the package is
imported; so do the modules that other packages name under the entry point group
`medsafetyworld.interventions`.
"""

from __future__ import annotations

import pkgutil
from dataclasses import replace
from difflib import get_close_matches
from importlib import import_module
from importlib.metadata import entry_points

from medsafetyworld.errors import SpecError
from medsafetyworld.interventions.algebra import REGISTRY, Step, intervention
from medsafetyworld.interventions.notation import parse, write
from medsafetyworld.interventions.safelm import LADDER
from medsafetyworld.interventions.variants import Variant, always

ENTRY_POINTS = "medsafetyworld.interventions"
"""Group of the entry points whose value is a module that registers interventions."""

for _module in pkgutil.iter_modules(__path__):
    import_module(f"{__name__}.{_module.name}")
for _point in entry_points(group=ENTRY_POINTS):
    _point.load()

_RANDOM = "reflect(by=noisy(0.5, 0.5), category=drawn, stop=False)"


def _named(name: str, text: str, description: str) -> Variant:
    return replace(parse(text, name), description=description)


VARIANTS: dict[str, Variant] = {
    each.name: each
    for each in (
        _named("baseline", "baseline", "all documents, harmful ones included"),
        _named("filtering", "filter", "no reverse-unsafe documents"),
        _named("filtering_plus", "filter(unsafe)", "nothing that mentions an unsafe outcome"),
        _named("rewrite", "rewrite", "reverse-unsafe documents become warnings"),
        _named(
            "srp",
            "filter | reflect; sft: reflect",
            "filtering plus safety reflections in pretraining and SFT",
        ),
        _named("srp_sft_only", "filter; sft: reflect", "filtering; safety reflections in SFT only"),
        _named(
            "srp_pretraining_only",
            "filter | reflect",
            "filtering plus safety reflections in pretraining only",
        ),
        _named(
            "srp_hint",
            "filter | reflect(hint=True); sft: reflect(hint=True)",
            "SRP whose verdicts also say what the next segment is about",
        ),
        _named(
            "srp_before",
            "filter | reflect(before=True); sft: reflect(before=True)",
            "SRP with every verdict before its segment instead of after it (control)",
        ),
        _named(
            "srp_random",
            f"filter | {_RANDOM}; sft: {_RANDOM}",
            "SRP whose verdicts and their categories are drawn, and end no document (control)",
        ),
        _named(
            "srp_severity",
            "filter | reflect(category=severity); sft: reflect(category=severity)",
            "SRP whose Unsafe verdicts name the severity instead of the body system",
        ),
        _named(
            "classifier_filter",
            "filter(by=learned)",
            "no documents that trained classifiers take for reverse-unsafe",
        ),
        _named("token_mask", "token_mask", "harmful sentences are read, not learned"),
        _named("unlikelihood", "unlikelihood", "harmful sentences teach what not to say"),
        _named(
            "gradient_routing",
            "gradient_routing",
            "harmful sentences train a slice of the model, which is then ablated",
        ),
        _named(
            "conditional",
            "conditional; sft: conditional; decode: conditioned('<|good|>')",
            "control tokens for good and bad documents; responses open with the good one",
        ),
        _named(
            "jt_safe",
            "world_context; sft: world_context",
            "documents and responses open by telling a source; its reliability is not told",
        ),
        _named(
            "jt_safe_srp",
            "filter | reflect | world_context; sft: reflect | world_context",
            "SRP whose documents and responses also tell where they are from",
        ),
        *(_named(*each) for each in LADDER),
    )
}
"""The settings that papers and studies know by name."""


def variant(text: str) -> Variant:
    """A variant by name, or from its text. Raises `SpecError` with the nearest name."""
    if text in VARIANTS:
        return VARIANTS[text]
    if text.strip().isidentifier() and text.strip() not in REGISTRY:
        near = get_close_matches(text, [*VARIANTS, *REGISTRY], n=1)
        hint = f" (did you mean {near[0]!r}?)" if near else ""
        raise SpecError(
            f"variant: no variant named {text!r}{hint}; allowed: {', '.join(VARIANTS)}, or steps "
            f"such as 'filter | reflect'"
        )
    return parse(text)


__all__ = [
    "REGISTRY",
    "VARIANTS",
    "Step",
    "Variant",
    "always",
    "intervention",
    "parse",
    "variant",
    "write",
]
