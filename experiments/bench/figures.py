"""The benchmark's figures: time against size with fitted exponents, ensembles, ratios by commit."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import LogLocator, NullFormatter

from experiments.bench.contest import Spread
from experiments.bench.ensemble import ALONE, gains
from experiments.bench.log import Entry, comparable
from experiments.bench.results import Curve, Row, with_error
from experiments.figure_style import styled

COLOURS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#000000", "#56B4E9")
MARKERS = "osD^vXP"
WATCHED = ("training, one core", "training, all cores", "decoding, one core", "decoding, all cores")
"""Parts whose ratios are worth watching from commit to commit, or what their names begin with."""


def drawn(entries: Sequence[Entry]) -> dict[str, Figure]:
    """A log's figures by name, those for which it has something to show; oldest entry first."""
    newest, found = entries[-1], {}
    if newest.curves:
        found["growth"] = growth(newest.curves)
    if sizes := gains(newest.rows):
        found["ensemble"] = ensemble(sizes)
    if any(row.part.startswith(WATCHED) for row in newest.rows):
        found["history"] = history(entries)
    return found


@styled
def growth(curves: Sequence[Curve]) -> Figure:
    """A panel a quantity: medians with their range over rounds, and the fitted power law."""
    columns = min(3, len(curves))
    lines = -(-len(curves) // columns)
    figure = Figure(figsize=(3.2 * columns, 2.9 * lines), layout="constrained")
    axes = list(figure.subplots(lines, columns, squeeze=False).flat)
    for axis, curve in zip(axes, curves, strict=False):
        _curve(axis, curve)
    for axis in axes[len(curves) :]:
        axis.set_visible(False)
    return figure


def _curve(axis: Axes, curve: Curve) -> None:
    size = np.array([point.size for point in curve.points])
    middle = np.array([point.seconds.median for point in curve.points])
    low = np.array([point.seconds.low for point in curve.points])
    high = np.array([point.seconds.high for point in curve.points])
    law = np.exp(np.log(middle).mean() + curve.exponent * (np.log(size) - np.log(size).mean()))
    axis.plot(size, law, color="#7F7F7F", linewidth=1.0)
    axis.errorbar(
        size, middle, [middle - low, high - middle], fmt="o", color=COLOURS[0], markersize=5
    )
    axis.set_xscale("log")
    axis.set_yscale("log")
    for scale in (axis.xaxis, axis.yaxis):
        # Decades are labelled, and where there is none, nothing may overlap either.
        scale.set_major_locator(LogLocator(subs=(1.0, 3.0)))
        scale.set_major_formatter(lambda value, _: _short(value))
        scale.set_minor_formatter(NullFormatter())
    axis.margins(x=0.12, y=0.15)
    axis.set_xlabel(curve.quantity)
    axis.set_ylabel(f"seconds: {curve.what}")
    axis.set_title(f"exponent {with_error(curve.exponent, curve.error)}")


def _short(value: float) -> str:
    """0.03, 30, 3k, 3M."""
    for size, suffix in ((1e6, "M"), (1e3, "k")):
        if value >= size:
            return f"{value / size:g}{suffix}"
    return f"{value:g}"


@styled
def ensemble(sizes: Mapping[str, Sequence[tuple[int, Spread]]]) -> Figure:
    """A line a part: tokens a second of all members over those of one, against their number.

    Medians with their range over rounds; one at a time is 1.
    """
    figure = Figure(figsize=(4.6, 3.4), layout="constrained")
    axis = figure.subplots()
    axis.axhline(1.0, color="#7F7F7F", linewidth=1.0)
    axis.annotate(ALONE, (1.0, 1.0), xycoords=("axes fraction", "data"), ha="right", va="bottom",
                  fontsize=7, color="#7F7F7F")  # fmt: skip
    for number, (part, points) in enumerate(sizes.items()):
        members = [size for size, _ in points]
        found = [(each.median, each.low, each.high) for _, each in points]
        middle, low, high = np.array(found).T
        axis.errorbar(
            members,
            middle,
            [middle - low, high - middle],
            color=COLOURS[number % len(COLOURS)],
            marker=MARKERS[number % len(MARKERS)],
            markersize=5,
            label=part,
        )
    places = sorted({size for points in sizes.values() for size, _ in points})
    axis.set_xscale("log", base=2)
    axis.set_xticks(places, [str(size) for size in places], minor=False)
    axis.xaxis.set_minor_formatter(NullFormatter())
    axis.set_ylim(0, 1.08 * axis.get_ylim()[1])
    axis.set_xlabel("models trained in one program")
    axis.set_ylabel("tokens/s, summed over them,\nover one at a time (ratio)")
    axis.legend(fontsize=7, loc="lower left", bbox_to_anchor=(0.0, 1.0))
    return figure


@styled
def history(entries: Sequence[Entry]) -> Figure:
    """Shares of the peak and multiples of peers, one entry after the other, oldest first.

    Only those that were made as the newest was: on its machine, and quick if it was.
    """
    entries = comparable(entries)
    figure = Figure(figsize=(9.6, 3.8), layout="constrained")
    shares, multiples = figure.subplots(1, 2)
    _lines(shares, entries, percent=True)
    shares.set_ylabel("training speed, % of the peak")
    shares.set_ylim(0, None)
    _lines(multiples, entries, percent=False)
    multiples.set_ylabel("ours over it (ratio)")
    multiples.set_yscale("log")
    multiples.axhline(1.0, color="#7F7F7F", linewidth=1.0)
    multiples.yaxis.set_major_formatter(lambda value, _: f"{value:g}")
    multiples.yaxis.set_minor_formatter(NullFormatter())
    return figure


def _lines(axis: Axes, entries: Sequence[Entry], *, percent: bool) -> None:
    """One line for each ratio that some entry has; range over rounds as whiskers."""
    names = dict.fromkeys(
        _label(row) for entry in entries for row in entry.rows if _watched(row, percent)
    )
    scale = 100.0 if percent else 1.0
    for number, name in enumerate(names):
        places, found = [], []
        for place, entry in enumerate(entries):
            for row in entry.rows:
                if _watched(row, percent) and _label(row) == name and row.ratio is not None:
                    places.append(place + 0.04 * (number - len(names) / 2))
                    found.append(
                        [scale * each for each in (row.ratio.median, row.ratio.low, row.ratio.high)]
                    )
        middle, low, high = np.array(found).T
        axis.errorbar(
            places,
            middle,
            [middle - low, high - middle],
            color=COLOURS[number % len(COLOURS)],
            # Another pairing in every round through the colours.
            marker=MARKERS[(number + number // len(COLOURS)) % len(MARKERS)],
            markersize=5,
            linewidth=1.2,
            elinewidth=0.8,
            label=name,
        )
    axis.set_xticks(range(len(entries)), [_tick(entry) for entry in entries])
    axis.set_xlim(-0.5, len(entries) - 0.5)
    axis.legend(fontsize=7, loc="upper center", bbox_to_anchor=(0.5, -0.16))


def _watched(row: Row, percent: bool) -> bool:
    return row.part.startswith(WATCHED) and row.percent == percent and row.ratio is not None


def _label(row: Row) -> str:
    if row.percent:
        return f"{row.name}, {row.of}"
    return f"{row.part}: {row.name}"


def _tick(entry: Entry) -> str:
    return f"{entry.date[:10]}\n{entry.commit[:7]}{'*' if entry.dirty else ''}"
