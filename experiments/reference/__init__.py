"""Published figures as data, to stand beside ours.

`li2026.json`: Li, Tang, Xu, Ye, Lyu, arXiv 2606.19168v1, single-hop tables. Rates in percent,
as printed there; null where the paper prints nothing.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from functools import cache
from importlib import resources


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
def published() -> dict[str, Published]:
    """The paper's single-hop figures by our variant names."""
    text = resources.files(__name__).joinpath("li2026.json").read_text(encoding="utf-8")
    return {name: Published(**row) for name, row in json.loads(text)["single_hop"].items()}


@cache
def source() -> str:
    """The citation of the published figures."""
    text = resources.files(__name__).joinpath("li2026.json").read_text(encoding="utf-8")
    return str(json.loads(text)["source"])
