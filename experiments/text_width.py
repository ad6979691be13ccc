"""How wide text is drawn, known before there is a figure: for pages that fit their words."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np
from matplotlib.font_manager import FontProperties
from matplotlib.textpath import TextPath

SLACK = 1.03
"""Hinting makes drawn text a little wider than its outlines."""


def text_width(texts: Iterable[str], size: float, weight: str = "normal") -> float:
    """Inches that the widest of these texts needs at a size in points, in our figures' font."""
    prop = FontProperties(family="DejaVu Sans", weight=weight)
    paths = [TextPath((0, 0), text, size=size, prop=prop) for text in texts if text.strip()]
    return SLACK * max((float(np.max(path.vertices[:, 0])) for path in paths), default=0.0) / 72
