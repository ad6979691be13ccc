"""Published figures as data, to stand beside ours.

`li2026.json`: Li, Tang, Xu, Ye, Lyu, arXiv 2606.19168v1, single-hop and two-hop columns of its
tables. Rates in percent, as printed there; null where the paper prints nothing.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from functools import cache
from importlib import resources
from typing import Any

WORLDS = {1: "single_hop", 2: "two_hop"}
"""Hops of a world -> the columns that the paper has for it; deeper worlds it does not have."""


@dataclass(frozen=True)
class Published:
    """One setting of the paper; rates in percent, None where it prints none.

    mixed: the fine-tuning rate is that with SFT data mixed in (+mixSFT).
    """

    general: float | None
    prefill: float | None
    finetune: float | None
    mixed: bool
    note: str


@cache
def published(hops: int = 1) -> dict[str, Published]:
    """The paper's figures by our variant names; none for worlds deeper than two hops."""
    settings = _data()[WORLDS[hops]] if hops in WORLDS else {}
    return {name: Published(**row) for name, row in settings.items()}


def source() -> str:
    """The citation of the published figures."""
    return str(_data()["source"])


@cache
def _data() -> dict[str, Any]:
    return json.loads(resources.files(__name__).joinpath("li2026.json").read_text(encoding="utf-8"))
