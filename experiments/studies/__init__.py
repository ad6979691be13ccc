"""The studies by name: one short file per question."""

from __future__ import annotations

from experiments.studies.carriers import CARRIERS
from experiments.studies.headline import HEADLINE
from experiments.study import Study

STUDIES: dict[str, Study] = {study.name: study for study in (HEADLINE, CARRIERS)}
