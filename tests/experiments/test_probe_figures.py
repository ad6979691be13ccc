"""Laws of the figures on probes: a control in every panel, intervals, and nothing cut off."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.colors import to_hex
from matplotlib.figure import Figure

from experiments.figure_style import save
from experiments.measures import measure
from experiments.probe_figures import CONTROL_COLOUR, LINEAR, RELIABILITY, probe_pictures
from experiments.rows import Row

from drawn_words import check_apart
from fake_study import TRUTH, fake_rows
from probe_cases import linear_rows, reliability_records

ARMS = tuple(TRUTH)
KINDS = ("response", "prompt", "document:note:seen", "prompt:seen", "prompt:role")
TASKS = ("harmful", "direction", "outcome_safety", "effect_safety")


def rows(arms: tuple[str, ...] = ARMS, tasks: tuple[str, ...] = TASKS) -> list[Row]:
    return [
        row
        for arm in arms
        for task in tasks
        for place in ("sft:last", "sft:subject", "base:last")
        for row in linear_rows(arm, task, place)
    ]


def pictures(arms: tuple[str, ...] = ARMS) -> dict[str, Figure]:
    records = reliability_records(arms[:2], KINDS)
    return {
        name: figure for name, (figure, _) in probe_pictures(measure(rows(arms)), records).items()
    }


def test_a_study_without_probes_has_no_pictures() -> None:
    assert probe_pictures(measure(fake_rows(3)), {}) == {}


def test_a_single_layer_is_no_curve() -> None:
    one = [row for row in rows() if row.probe.endswith("layer=0")]
    assert probe_pictures(measure(one), {}) == {}


def test_every_panel_has_every_arm_and_the_control_and_leaves_the_subject_to_tables() -> None:
    axes = pictures()[LINEAR].axes
    assert [axis.get_title() for axis in axes] == [
        "outcome safety", "effect safety", "harmful", "direction",
    ] * 2  # fmt: skip
    for axis in axes:
        controls = [line for line in axis.lines if to_hex(line.get_color()) == CONTROL_COLOUR]
        dashed = [line for line in controls if line.get_linestyle() == "--"]
        assert [np.asarray(line.get_ydata()).tolist() for line in dashed] == [[50.0] * 3]
        assert len(axis.containers) == len(ARMS), "a curve with intervals an arm"


def test_reliability_is_told_in_the_order_of_the_table_beside_the_diagonal() -> None:
    axes = [axis for axis in pictures()[RELIABILITY].axes if axis.axison]
    assert [axis.get_title().partition(",")[0] for axis in axes] == [
        "prompt", "prompt:seen", "prompt:role", "response", "document:note:seen",
    ]  # fmt: skip
    for axis in axes:
        diagonal, *marks = axis.lines
        assert np.asarray(diagonal.get_ydata()).tolist() == [0, 100]
        assert len(marks) == 4, "two bins of two arms"
        assert marks[0].get_markersize() < marks[1].get_markersize(), "fewer texts, smaller"
        assert [np.asarray(each.get_ydata()).tolist() for each in marks[:2]] == [[10.0], [80.0]]


@pytest.mark.parametrize("arms", [ARMS[:1], ARMS])
def test_words_lie_inside_the_figure_and_apart(arms: tuple[str, ...]) -> None:
    for figure in pictures(arms).values():
        canvas = FigureCanvasAgg(figure)
        canvas.draw()
        renderer, (width, height) = canvas.get_renderer(), canvas.get_width_height()
        shown = [axis for axis in figure.axes if axis.axison]
        boxes = [each.get_window_extent(renderer) for each in figure.legends]
        boxes += [each.title.get_window_extent(renderer) for each in shown]
        boxes += [
            label.get_window_extent(renderer)
            for axis in shown
            for label in (axis.xaxis.label, axis.yaxis.label)
            if label.get_text()
        ]
        check_apart(boxes, width, height)


def test_the_same_rows_give_the_same_bytes(tmp_path: Path) -> None:
    records = reliability_records(ARMS[:2], KINDS)
    for name in (LINEAR, RELIABILITY):
        one, two = (
            save(probe_pictures(measure(own), records)[name][0], tmp_path / side)
            for side, own in (("a", rows()), ("b", rows()[::-1]))
        )
        for first, second in zip(one, two, strict=True):
            assert first.read_bytes() == second.read_bytes()
