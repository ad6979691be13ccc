"""The law of words in a picture: inside of it, and none upon another."""

from __future__ import annotations

from collections.abc import Sequence

from matplotlib.transforms import BboxBase


def check_apart(boxes: Sequence[BboxBase], width: float, height: float) -> None:
    """Asserts that the boxes of words lie in a picture of this size, each apart from the others."""
    for place, box in enumerate(boxes):
        assert box.x0 >= 0
        assert box.y0 >= 0
        assert box.x1 <= width
        assert box.y1 <= height
        assert not any(box.overlaps(other) for other in boxes[:place])
