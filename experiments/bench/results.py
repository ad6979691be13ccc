"""What a run of the benchmark found, as plain values: rows of the table, curves, cell times."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

from experiments.bench.contest import Measured, Spread, ratio, spread

NOISY = "too noisy to quote"


@dataclass(frozen=True)
class Row:
    """One figure: a rate, and where it has a partner, a ratio and what it is a ratio of.

    `percent` says that the ratio is a share. `note` explains; where nothing was measured it is all
    there is.
    """

    part: str
    name: str
    rate: float | None
    unit: str
    ratio: Spread | None = None
    of: str = ""
    percent: bool = False
    note: str = ""


@dataclass(frozen=True)
class Point:
    """Seconds that something of this size took."""

    size: float
    seconds: Spread


@dataclass(frozen=True)
class Curve:
    """Time against size, and the exponent b of `seconds = a * size^b` with its standard error."""

    quantity: str
    what: str
    points: tuple[Point, ...]
    exponent: float
    error: float


def measured_row(
    part: str,
    name: str,
    unit: str,
    own: Measured,
    *,
    ours: Measured | None = None,
    of: Measured | None = None,
    text: str = "",
    percent: bool = False,
    scale: float = 1.0,
    note: str = "",
) -> Row:
    """A contestant's row: `ours` over it, or `scale` times it over `of`, round by round.

    A figure that is not even steady to a factor of two says so in its note.
    """
    if own.missing:
        return Row(part, name, None, unit, note=own.missing)
    rate = spread(own.rates)
    found = ratio(ours, own) if ours is not None else None
    if of is not None and (share := ratio(own, of)) is not None:
        found = Spread(*(scale * value for value in (share.median, share.low, share.high)))
    quoted = found or rate
    if quoted.high > 2 * quoted.low:
        note = f"{note}; {NOISY}" if note else NOISY
    return Row(part, name, rate.median, unit, found, text if found else "", percent, note)


def with_error(value: float, error: float) -> str:
    """ "0.951 ± 0.034": a standard error with two significant digits, and the value to match."""
    digits = max(0, 1 - int(f"{error:.1e}".partition("e")[2]))
    return f"{value:.{digits}f} ± {error:.{digits}f}"


def as_json(value: Row | Curve) -> dict[str, Any]:
    """Plain JSON values, numbers cut to four digits: more would only be noise."""
    return _cut(asdict(value))


def row_from(values: Mapping[str, Any]) -> Row:
    """Inverse of `as_json` for a row."""
    found = values["ratio"]
    return Row(**{**values, "ratio": None if found is None else Spread(**found)})


def curve_from(values: Mapping[str, Any]) -> Curve:
    """Inverse of `as_json` for a curve."""
    points = (Point(each["size"], Spread(**each["seconds"])) for each in values["points"])
    return Curve(**{**values, "points": tuple(points)})


def _cut(value: Any) -> Any:
    if isinstance(value, float):
        return float(f"{value:.4g}")
    if isinstance(value, dict):
        return {key: _cut(each) for key, each in value.items()}
    if isinstance(value, list | tuple):
        return [_cut(each) for each in value]
    return value
