"""Carriers: which safe documents carry the harm into a model that never read it?

Filtering throughout. Each arm takes one kind of safe document away, or leaves one order or share of
it; `derive` says what then still follows, and the pretrained models are asked what they complete.
Two arms weaken co-occurrence without removing it: derivation says nothing about strength, so there
only the models answer.

At `laptop` 35 cells, about 30 minutes on two cores.
"""

from __future__ import annotations

from dataclasses import replace

from experiments.recipe import Arm
from experiments.studies.headline import LAPTOP, LAPTOP_TWO_HOP, SMOKE, two_hop
from experiments.study import Preset, Study

SINGLE_HOP = (
    Arm("filtering", "filtering"),
    Arm(
        "no_cooccurrence",
        "filtering",
        corpus=(("cooccurrence_rate", 0.0), ("pair_cooccurrence_rate", 0.0)),
    ),
    Arm("compound_first", "filtering", corpus=(("outcome_first_share", 0.0),)),
    Arm("outcome_first", "filtering", corpus=(("outcome_first_share", 1.0),)),
    Arm(
        "weak_cooccurrence",
        "filtering",
        corpus=(("cooccurrence_rate", 0.1), ("pair_cooccurrence_rate", 0.2)),
    ),
    Arm("half_cooccurrence", "filtering", corpus=(("unsafe_cooccurrence_share", 0.5),)),
    Arm(
        "no_pairs",
        "filtering",
        corpus=(("pair_rate", 0.0), ("pair_reverse_rate", 0.0), ("pair_cooccurrence_rate", 0.0)),
    ),
)
TWO_HOP = (
    Arm("filtering", "filtering"),
    Arm("filtering_mediators", "filtering", policy="mediator-aware"),
    Arm("no_groups", "filtering", corpus=(("group_rate", 0.0), ("group_reverse_rate", 0.0))),
    Arm("no_chain_reverse", "filtering", corpus=(("chain_reverse_rate", 0.0),)),
    Arm("no_pair_reverse", "filtering", corpus=(("pair_reverse_rate", 0.0),)),
)
_ARMS = tuple(dict.fromkeys((*SINGLE_HOP, *TWO_HOP)))
_SINGLE, _TWO = (tuple(arm.name for arm in arms) for arms in (SINGLE_HOP, TWO_HOP))

CARRIERS = Study(
    name="carriers",
    question="Which safe documents teach a model to complete what no document says?",
    arms=_ARMS,
    presets={
        "smoke": Preset(replace(SMOKE, behaviour=False), replicates=2, arms=_SINGLE),
        "laptop": Preset(replace(LAPTOP, behaviour=False), replicates=5, arms=_SINGLE),
        "smoke-two-hop": Preset(
            replace(two_hop(SMOKE, "smoke"), behaviour=False), replicates=2, arms=_TWO
        ),
        "laptop-two-hop": Preset(replace(LAPTOP_TWO_HOP, behaviour=False), replicates=5, arms=_TWO),
    },
)
