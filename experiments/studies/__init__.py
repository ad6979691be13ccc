"""The studies by name: one short file per question."""

from __future__ import annotations

from experiments.studies.carriers import CARRIERS
from experiments.studies.headline import HEADLINE
from experiments.studies.reflection import REFLECTION
from experiments.studies.safelm import SAFELM
from experiments.studies.timing import TIMING
from experiments.studies.verdict_noise import VERDICT_NOISE
from experiments.studies.world_context import WORLD_CONTEXT
from experiments.study import Study

STUDIES: dict[str, Study] = {
    study.name: study
    for study in (HEADLINE, CARRIERS, WORLD_CONTEXT, SAFELM, REFLECTION, TIMING, VERDICT_NOISE)
}
