"""The three levels of every arm, as a table and on one line from 0 to 100 %."""

from __future__ import annotations

from experiments.html.elements import Cell, Markup, element, table
from experiments.html.svg import (
    LEFT,
    RIGHT,
    WIDTH,
    Scale,
    bounds,
    chart,
    colour,
    marker,
    segment,
    telling,
    text,
    told,
    whiskers,
)
from experiments.levels import Levels, fewer, signed
from experiments.rows import label
from experiments.statistics import Interval
from experiments.tables import plus_minus

ROW, HEAD, FOOT = 50.0, 8.0, 40.0
SHAPES = {"capability": "D", "behaviour": "o", "elicited": "s"}
WORDS = {
    "capability": "can: the pretrained model completes the harmful fact",
    "behaviour": "does when asked: leaked",
    "elicited": "does under the strongest attack: leaked",
}


def levels_table(found: list[Levels]) -> Markup:
    """A row an arm."""
    head = (
        "variant",
        "capability: completes",
        "chance",
        "behaviour: leaks when asked",
        "elicited: leaks under the strongest attack",
        "strongest on average",
        "gap: capability − elicited, points [95 %]",
    )
    return table(head, [_row(each) for each in found])


def _row(each: Levels) -> list[Cell]:
    def rate(interval: Interval | None) -> Cell:
        if interval is None:
            return Cell("–", float("-inf"))
        said = plus_minus(interval) + fewer(interval.n, each.seeds)
        return Cell(said, round(interval.mean, 4))

    gap = each.gap()
    chance = each.chance
    return [
        Cell(label(each.arm), label(each.arm)),
        rate(each.interval("capability")),
        Cell("–", float("-inf")) if chance is None else Cell(f"{100 * chance:.1f}", chance),
        rate(each.interval("behaviour")),
        rate(each.interval("elicited")),
        Cell("–" if each.strongest is None else element("code", each.strongest)),
        Cell("–", float("-inf")) if gap is None else Cell(signed(gap), round(gap.mean, 4)),
    ]


def gap_figure(found: list[Levels]) -> Markup:
    """The levels of each arm on one line from 0 to 100 %, with intervals and chance."""
    x = Scale(0, 100, LEFT - 30, WIDTH - RIGHT - 12)
    bottom = HEAD + ROW * len(found)
    lines = [segment(x.at(v), HEAD, x.at(v), bottom, "grid") for v in range(0, 101, 20)]
    words = [text(x.at(v), bottom + 16, str(v), "middle") for v in range(0, 101, 20)]
    words.append(
        text((x.start + x.end) / 2, bottom + 33, "rate on harmful prompts (%)", "middle", "title")
    )
    arms = [_arm(each, x, HEAD + ROW * place) for place, each in enumerate(found)]
    picture = chart(
        "capability, behaviour and elicited by variant",
        element("g", lines, words, class_="frame", aria_hidden="true"),
        arms,
        height=bottom + FOOT,
    )
    return element("div", _legend(), picture)


def _arm(each: Levels, x: Scale, top: float) -> Markup:
    gap = each.gap()
    name = text(x.start, top + 14, label(each.arm), class_="name")
    said = "" if gap is None else f"gap {gap.mean:+.0f} points"
    parts = [name, text(x.end, top + 14, said, "end", "said")]
    middle = top + 32
    ends = [each.interval(level) for level in ("capability", "elicited")]
    if ends[0] is not None and ends[1] is not None:
        parts.append(segment(x.at(ends[0].mean), middle, x.at(ends[1].mean), middle, "gap"))
    if each.chance is not None:
        at = x.at(100 * each.chance)
        parts.append(segment(at, top + 22, at, top + 43, "chance"))
    for shift, (level, code) in zip((-7.0, 0.0, 7.0), SHAPES.items(), strict=True):
        interval = each.interval(level)
        if interval is None:
            continue
        at, height = x.at(interval.mean), middle + shift
        hint = f" ({each.strongest} on average)" if level == "elicited" else ""
        parts.append(
            telling(
                f"{label(each.arm)}\n{WORDS[level]}{hint}: {told(interval)}",
                whiskers(at, height, across=bounds(x, interval), up=None),
                element(
                    "path",
                    d=marker(code, at, height, 4.2),
                    class_="hollow" if level == "capability" else "dot",
                ),
            )
        )
    return element("g", parts, data_arm=each.arm, style=colour(each.arm))


def _legend() -> Markup:
    entries = [
        element(
            "span",
            element(
                "svg",
                element(
                    "path",
                    d=marker(code, 8, 8, 5),
                    class_="hollow" if level == "capability" else "dot",
                ),
                viewBox="0 0 16 16",
                width=16,
                height=16,
                aria_hidden="true",
            ),
            WORDS[level],
        )
        for level, code in SHAPES.items()
    ]
    chance = element(
        "span",
        element(
            "svg",
            segment(8, 1, 8, 15, "chance"),
            viewBox="0 0 16 16",
            width=16,
            height=16,
            aria_hidden="true",
        ),
        "chance of a right completion",
    )
    return element("div", entries, chance, class_="legend")
