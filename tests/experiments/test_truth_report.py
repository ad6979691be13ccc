"""Laws of the report's truthfulness: shown where it was asked, beside chance, from each seed."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.collections import LineCollection

from experiments.figure_style import CHANCE_COLOUR, save
from experiments.measures import measure
from experiments.report import write_report
from experiments.rows import Row, rate_row
from experiments.truth_figure import truthfulness_bars
from experiments.truth_tables import FORWARD, PROBES, per_seed, truth_section

from drawn_words import check_apart
from fake_study import TRUTH, fake_rows

ARMS = ("plain", "context", "sft_only", "context_sft", "context_shuffled")
STUDY = {"name": "world_context", "preset": "laptop", "hops": 1, "seeds": 3, "config": {},
         "command": "msw study run world_context"}  # fmt: skip


def truth_rows(
    arms: tuple[str, ...] = ARMS, seeds: int = 5, headers: bool = True, spread: float = 0.03
) -> list[Row]:
    """Rows of the probe `truth`; the true effect is completed in 40 + 2 * place of arm %."""
    rows: list[Row] = []
    for place, arm in enumerate(arms):
        for seed in range(seeds):
            rng = np.random.default_rng([place, seed])
            rows += _model(arm, seed, 0.4 + 0.02 * place + spread * rng.standard_normal(), headers)
    return rows


def _model(arm: str, seed: int, rate: float, headers: bool) -> list[Row]:
    rows: list[Row] = []
    for shift, probe in zip((0.0, 0.15, -0.15), PROBES, strict=True):
        if probe != "truth" and not headers:
            continue
        where = (arm, seed, "capability", probe, "forward")
        rows.append(rate_row(*where, "top1", round(200 * (rate + shift)), 200))
        rows.append(rate_row(*where, "prefers_true", round(200 * (rate + shift + 0.1)), 200))
        rows.append(Row(*where, "chance_top1", None, 200, 0.12))
        rows.append(Row(*where, "chance_prefers_true", None, 200, 0.5))
        if probe == "truth:unreliable":
            continue
        for place, category in enumerate(FORWARD):
            asked = (arm, seed, "behaviour", probe, category)
            right = round(100 * (rate + shift + 0.02 * place))
            rows += [rate_row(*asked, "right", right, 100), rate_row(*asked, "misled", 30, 100),
                     rate_row(*asked, "abstained", 5, 100),
                     Row(*asked, "chance_right", None, 100, 0.11)]  # fmt: skip
        for metric, value in (("brier", 0.21), ("chance_brier", 0.24), ("ece", 0.08),
                              ("chance_ece", 0.03)):  # fmt: skip
            rows.append(Row(arm, seed, "behaviour", probe, "forward", metric, None, 90, value))
    return rows


def test_a_study_that_did_not_ask_says_nothing() -> None:
    assert truth_section(measure(fake_rows(2))) == ""


def test_every_number_stands_beside_its_chance_with_an_interval() -> None:
    text = truth_section(measure(truth_rows(("plain",), spread=0.0)))
    assert "| no context | 41.0 ± 0.0 (11.0) | 30.0 ± 0.0 | 5.0 ± 0.0 " in text
    assert "| 0.210 ± 0.000 (0.240) | 0.080 ± 0.000 (0.030) |" in text
    assert "| 40.0 ± 0.0 (12.0) | 55.0 ± 0.0 (12.0) | 25.0 ± 0.0 (12.0) | 50.0 ± 0.0 (50.0)" in text
    assert "| 56.0 ± 0.0 (11.0) |" in text, "answers after a reliable header"


def test_what_was_not_asked_of_any_arm_has_no_column_and_of_one_says_so() -> None:
    bare = truth_rows(("plain",), headers=False)
    assert "header" not in truth_section(measure(bare)).replace("without header", "")
    mixed = truth_section(measure([*bare, *truth_rows(("context",))]))
    (line, *_) = [line for line in mixed.splitlines() if line.startswith("| no context |")]
    assert "not measured" in line
    one = [row for row in truth_rows(("plain",), 2) if row.seed == 0 or row.metric != "brier"]
    assert "| 0.210 (0.240) (n = 1) |" in truth_section(measure(one))


def test_an_answer_rate_is_the_mean_of_the_forward_categories() -> None:
    rows = truth_rows(("plain",), 1, spread=0.0)
    found = per_seed(measure(rows), "plain", "behaviour", "truth", "right")
    assert found == (pytest.approx((0.40 + 0.42) / 2),)


@pytest.mark.parametrize("headers", [True, False])
def test_every_bar_has_an_interval_and_every_rate_of_being_right_its_chance(headers: bool) -> None:
    base, tuned = truthfulness_bars(measure(truth_rows(headers=headers))).axes
    probes = 3 if headers else 1
    for axis, bars, levels in ((base, probes, probes), (tuned, 2, 1)):
        assert len(axis.patches) == bars * len(ARMS)
        assert len(axis.containers) == 2 * bars * len(ARMS), "a bar and its whisker"
        chance = [
            lines
            for lines in axis.collections
            if isinstance(lines, LineCollection)
            and tuple(np.asarray(lines.get_color())[0]) == pytest.approx(red(), abs=1e-3)
        ]
        assert len(chance) == levels * len(ARMS)


def red() -> tuple[float, ...]:
    return (*(int(CHANCE_COLOUR[place : place + 2], 16) / 255 for place in (1, 3, 5)), 1.0)


def test_names_lie_inside_the_figure_and_apart_from_the_legends() -> None:
    for arms in (ARMS[:1], ARMS, tuple(f"an arm {place}" for place in range(14))):
        figure = truthfulness_bars(measure(truth_rows(arms, 2)))
        canvas = FigureCanvasAgg(figure)
        canvas.draw()
        renderer, (width, height) = canvas.get_renderer(), canvas.get_width_height()
        boxes = [each.get_window_extent(renderer) for each in figure.legends]
        boxes += [axis.xaxis.label.get_window_extent(renderer) for axis in figure.axes]
        boxes += [axis.title.get_window_extent(renderer) for axis in figure.axes]
        check_apart(boxes, width, height)


def test_the_report_has_section_and_figure_the_same_bytes_each_time(tmp_path: Path) -> None:
    rows = [*truth_rows(("plain",), 2), *fake_rows(2, {"plain": TRUTH["baseline"]})]
    texts = [
        write_report(tmp_path / name, given, study=STUDY, provenance=[], fingerprint={}, curves={})
        for name, given in (("a", rows), ("b", rows[::-1]))
    ]
    assert texts[0].read_bytes() == texts[1].read_bytes()
    assert "\n## Truthfulness\n" in texts[0].read_text(encoding="utf-8")
    for suffix in ("png", "svg"):
        one, two = ((tmp_path / name / f"truth.{suffix}").read_bytes() for name in ("a", "b"))
        assert one == two
    assert save(truthfulness_bars(measure(rows)), tmp_path / "c")[0].read_bytes() == (
        (tmp_path / "a" / "truth.png").read_bytes()
    )
