"""How every figure looks, and how it reaches the disk: same figure, same bytes.

One colour (Okabe-Ito and a wine red, colour-blind safe) and one marker a variant, the same in every
figure. Arms may share a colour or a marker, never both within a study: there are more arms than
colours that everyone can tell apart.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache, wraps
from itertools import product
from pathlib import Path
from typing import Any

import matplotlib
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

MARKS = {
    "baseline": ("#000000", "o"),
    "filtering": ("#0072B2", "s"),
    "filtering_plus": ("#56B4E9", "D"),
    "rewrite": ("#E69F00", "^"),
    "srp": ("#009E73", "*"),
    "srp_sft_only": ("#CC79A7", "v"),
    "no_cooccurrence": ("#D55E00", "X"),
    "filtering_mediators": ("#882255", ">"),
    "unlikelihood": ("#882255", "d"),
    "compound_first": ("#E69F00", "<"),
    "outcome_first": ("#009E73", "p"),
    "weak_cooccurrence": ("#CC79A7", "H"),
    "half_cooccurrence": ("#56B4E9", "^"),
    "no_pairs": ("#000000", "d"),
    "no_groups": ("#E69F00", "d"),
    "no_chain_reverse": ("#009E73", "H"),
    "no_pair_reverse": ("#56B4E9", "p"),
    "shuffled": ("#7F7F7F", "P"),
}
OTHER_MARK = ("#7F7F7F", "h")
_MARKERS = ("o", "s", "^", "D", "v", "P", "X", "p")
STYLE: dict[Any, Any] = {
    "font.family": "DejaVu Sans",
    "font.size": 9,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.grid": True,
    "axes.axisbelow": True,
    "axes.titlesize": 10,
    "grid.color": "#E6E6E6",
    "grid.linewidth": 0.8,
    "legend.frameon": False,
    "svg.hashsalt": "medsafetyworld",
    "svg.fonttype": "path",
}
DPI = 160
CHANCE_COLOUR = "#D00000"


def mark(variant: str) -> tuple[str, str]:
    """(colour, marker) of a variant; arms of no study of ours share one."""
    return MARKS.get(variant) or _further_marks().get(variant, OTHER_MARK)


@lru_cache(maxsize=1)
def _further_marks() -> dict[str, tuple[str, str]]:
    """Looks of the studies' arms that have none in `MARKS`: the first that is free in their study.

    Neighbours differ in colour and in marker, as long as there are colours.
    """
    from experiments.studies import STUDIES  # which import whatever they study

    colours = tuple(dict.fromkeys(colour for colour, _ in MARKS.values()))
    wheel = [
        (colour, _MARKERS[(place + turn) % len(_MARKERS)])
        for turn, (place, colour) in product(range(len(_MARKERS)), enumerate(colours))
    ]
    found: dict[str, tuple[str, str]] = {}
    for study in STUDIES.values():
        names = [arm.name for arm in study.arms]
        taken = {(MARKS | found)[name] for name in names if name in MARKS | found}
        free = (look for look in wheel if look not in taken)
        found |= {name: next(free) for name in names if name not in MARKS | found}
    return found


def styled(draw: Callable[..., Figure]) -> Callable[..., Figure]:
    """Draw under our style, whatever the user's matplotlibrc says."""

    @wraps(draw)
    def drawn(*args: Any, **kwargs: Any) -> Figure:
        with matplotlib.rc_context():
            matplotlib.rcdefaults()
            matplotlib.rcParams.update(STYLE)
            return draw(*args, **kwargs)

    return drawn


def save(figure: Figure, stem: Path | str) -> tuple[Path, Path]:
    """Write `stem`.png and `stem`.svg; the same figure gives the same bytes."""
    png, svg = Path(f"{stem}.png"), Path(f"{stem}.svg")
    FigureCanvasAgg(figure)
    with matplotlib.rc_context():
        matplotlib.rcdefaults()
        matplotlib.rcParams.update(STYLE)
        figure.savefig(png, dpi=DPI, metadata={"Software": None})
        figure.savefig(svg, metadata={"Date": None, "Creator": None})
    return png, svg


def marker_size(marker: str) -> float:
    """The star is drawn small for its nominal size."""
    return 10.0 if marker == "*" else 6.5
