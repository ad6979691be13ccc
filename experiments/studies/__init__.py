"""The studies by name: one short file per question."""

from __future__ import annotations

from experiments.studies import (
    data,
    finetune_defences,
    hops,
    reflection,
    timing,
    unsafe_fraction,
    verdict_noise,
)
from experiments.studies.carriers import CARRIERS
from experiments.studies.data import DATA
from experiments.studies.finetune_defences import FINETUNE_DEFENCES
from experiments.studies.frequency import FREQUENCY
from experiments.studies.headline import HEADLINE
from experiments.studies.hops import HOPS
from experiments.studies.laboratory import LABORATORY
from experiments.studies.placement import PLACEMENT
from experiments.studies.reflection import REFLECTION
from experiments.studies.safelm import SAFELM
from experiments.studies.scaling import SCALING
from experiments.studies.size import SIZE
from experiments.studies.timing import TIMING
from experiments.studies.unsafe_fraction import UNSAFE_FRACTION
from experiments.studies.verdict_noise import VERDICT_NOISE
from experiments.studies.world_context import WORLD_CONTEXT
from experiments.study import Study
from experiments.sweep import Sweep

STUDIES: dict[str, Study] = {
    study.name: study
    for study in (
        # Figures give arms their looks in this order, so new studies come last.
        HEADLINE,
        CARRIERS,
        WORLD_CONTEXT,
        SAFELM,
        REFLECTION,
        TIMING,
        VERDICT_NOISE,
        PLACEMENT,
        FINETUNE_DEFENCES,
        SIZE,
        DATA,
        SCALING,
        UNSAFE_FRACTION,
        HOPS,
        LABORATORY,
        FREQUENCY,
    )
}

SWEEPS: dict[str, tuple[Sweep, ...]] = {
    "data": data.SWEEPS,
    "finetune_defences": (finetune_defences.SWEEP,),
    "hops": hops.SWEEPS,
    "reflection": (reflection.SWEEP,),
    "timing": (timing.SWEEP,),
    "unsafe_fraction": (unsafe_fraction.SWEEP,),
    "verdict_noise": (verdict_noise.SWEEP,),
}
"""The knobs that studies turn; a study of several sizes has a sweep for each."""
