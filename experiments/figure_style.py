"""How every figure looks, and how it reaches the disk: same figure, same bytes.

One colour (Okabe-Ito and a wine red, colour-blind safe) and one marker a variant, the same in every
figure. Arms of different studies may share a colour: there are more arms than colours that everyone
can tell apart.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import wraps
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
    """(colour, marker) of a variant."""
    return MARKS.get(variant, OTHER_MARK)


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
