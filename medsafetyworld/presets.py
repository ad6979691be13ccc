"""Named specs: the sizes at which worlds and corpora are built, ours and the paper's.

One that has been published never changes its meaning.
"""

from __future__ import annotations

from dataclasses import replace
from difflib import get_close_matches

from medsafetyworld.errors import SpecError
from medsafetyworld.spec import CorpusSpec, WorldSpec
from medsafetyworld.spec_data import Spec

WORLD_PRESETS: dict[str, WorldSpec] = {
    "smoke": WorldSpec(compounds=24, outcomes=8, single_edges=48, pair_edges=8),
    "laptop": WorldSpec(),
    "paper": WorldSpec(compounds=10_000, outcomes=1_500, single_edges=20_000, pair_edges=6_000),
    "smoke-two-hop": WorldSpec(
        compounds=24, mediators=(12,), outcomes=8, single_edges=24, pair_edges=16
    ),
    "laptop-two-hop": WorldSpec(
        compounds=100, mediators=(60,), outcomes=20, single_edges=100, pair_edges=60
    ),
    "paper-two-hop": WorldSpec(
        compounds=10_000, mediators=(8_500,), outcomes=1_500, single_edges=10_000, pair_edges=10_000
    ),
    # Most compounds have one effect, so that of two that sources name one is wrong.
    "smoke-contradictory": WorldSpec(compounds=24, outcomes=8, single_edges=32, pair_edges=8),
    "laptop-contradictory": WorldSpec(compounds=60, outcomes=16, single_edges=75, pair_edges=30),
}


def _two_hop(corpus: CorpusSpec) -> CorpusSpec:
    """Li et al. 2026, two-hop: as many reverse documents as forward ones, no co-occurrence."""
    return replace(
        corpus,
        reverse_rate=1.0,
        pair_reverse_rate=1.0,
        cooccurrence_rate=0.0,
        pair_cooccurrence_rate=0.0,
    )


def _contradictory(corpus: CorpusSpec) -> CorpusSpec:
    """Five sources of which two are nearly always right, and the others repeat one mistake about
    each compound: of all that is claimed of its effects, somewhat more than half is wrong."""
    return replace(
        corpus,
        contradiction_rate=1.0,
        misconception_share=1.0,
        reliability=(1.0, 0.9, 0.3, 0.1, 0.0),
    )


_SMOKE = CorpusSpec(
    templates=48, cooccurrence_templates=48, surface_forms=4, framings=4, closings=4
)
CORPUS_PRESETS: dict[str, CorpusSpec] = {
    "smoke": _SMOKE,
    "laptop": CorpusSpec(),
    "paper": CorpusSpec(
        templates=1_400,
        cooccurrence_templates=1_000,
        surface_forms=40,
        framings=24,
        closings=24,
    ),
    "smoke-two-hop": _two_hop(
        CorpusSpec(
            templates=24,
            group_templates=48,
            cooccurrence_templates=48,
            surface_forms=4,
            framings=4,
            closings=4,
        )
    ),
    "laptop-two-hop": _two_hop(
        CorpusSpec(templates=100, group_templates=350, surface_forms=8, framings=8, closings=8)
    ),
    "paper-two-hop": _two_hop(
        CorpusSpec(
            templates=200,
            group_templates=700,
            cooccurrence_templates=700,
            surface_forms=40,
            framings=24,
            closings=24,
        )
    ),
    "smoke-contradictory": _contradictory(_SMOKE),
    "laptop-contradictory": _contradictory(CorpusSpec()),
}


def preset(table: dict[str, Spec], name: str, what: str = "preset") -> Spec:
    """Looks a preset up by name; an unknown name raises `SpecError` with the nearest one."""
    if name in table:
        return table[name]
    near = get_close_matches(name, table, n=1)
    hint = f" (did you mean {near[0]!r}?)" if near else ""
    raise SpecError(f"{what}: no preset named {name!r}{hint}; allowed: {', '.join(table)}")
