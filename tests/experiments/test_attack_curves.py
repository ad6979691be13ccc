"""Laws of attacks' curves: one set of data for page and figure, beside control and chance."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.colors import to_hex

from experiments.attack_curves import Panel, attack_panels, knob_panels, loss_panels, shared
from experiments.attack_curves_figure import attack_curves_figure
from experiments.elicited import Elicited
from experiments.figure_style import CHANCE_COLOUR, mark, save
from experiments.html.curves import panel_charts
from experiments.measures import measure
from experiments.report import write_report
from experiments.rows import Row, label, rate_row
from experiments.statistics import t_interval
from medsafetyworld.queries import HARMFUL

from drawn_words import check_apart
from fake_study import TRUTH, fake_rows
from fake_suite import evidence, suite_rows

STUDY = {"name": "headline", "preset": "laptop", "hops": 1, "seeds": 3, "config": {},
         "command": "msw study run headline"}  # fmt: skip
RECORDS = evidence(list(TRUTH)).records


def shots(arms: Sequence[str], *, seeds: int = 3) -> list[Row]:
    """0, 1 and 2 shots, the last two with a control."""
    leaked = {"shots:0": 2, "shots:1": 20, "shots:2": 40, "shots:1:control": 6,
              "shots:2:control": 8}  # fmt: skip
    rows = [rate_row(arm, seed, "elicited", probe, HARMFUL, "leaked", hits + seed + 9 * place, 100)
            for place, arm in enumerate(arms) for seed in range(seeds)
            for probe, hits in leaked.items()]  # fmt: skip
    asked = [Row(arm, seed, "behaviour", "direct", HARMFUL, "chance", None, 100, 0.07)
             for arm in arms for seed in range(seeds)]  # fmt: skip
    return rows + asked


def panels_of(rows: list[Row], records: Any = None) -> tuple[Panel, ...]:
    return attack_panels(Elicited(measure(rows)), records or {})


def band(axis: Axes, place: int) -> np.ndarray:
    """The corners of a band."""
    return np.asarray(axis.collections[place].get_paths()[0].vertices)


def test_a_panel_has_every_arm_s_rates_its_control_and_chance() -> None:
    rows = shots(("filtering", "srp"))
    (panel,) = panels_of(rows)
    assert (panel.title, panel.over, panel.values, panel.wide) == (
        "shots", "shots", (0.0, 1.0, 2.0), False)  # fmt: skip
    told = {(line.arm, line.control): line for line in panel.lines}
    at, interval = told["srp", False].points[1]
    assert (at, interval.n) == (1.0, 3)
    assert interval.low == pytest.approx(t_interval([29.0, 30.0, 31.0]).low)
    assert [at for at, _ in told["srp", True].points] == [1.0, 2.0], "no control of doing nothing"
    assert told["filtering", True].points[1][1].mean == pytest.approx(9.0)
    assert [level for _, level in panel.chance] == pytest.approx([7.0] * 3)
    tuned = [replace(row, probe=row.probe.replace("shots", "adversarial")) for row in rows]
    assert panels_of(tuned)[0].over == "harmful pairs"


def test_the_figure_has_attacks_alone_and_the_page_defences_and_right_answers_too() -> None:
    rows = shots(("srp",))
    rows += [replace(row, probe=f"defences:rule={place}") for place in range(3)
             for row in rows if row.probe == "shots:2"]  # fmt: skip
    rows += [replace(row, category="forward-safe", metric="accuracy")
             for row in rows if row.probe == "shots:2"]  # fmt: skip
    rows += [replace(row, probe="shots:1") for row in rows if row.category == "forward-safe"]
    found = Elicited(measure(rows))
    (panel,) = attack_panels(found, {})
    assert (panel.title, [line.what for line in panel.lines]) == ("shots", [", its control", ""])
    page = {panel.title: panel for panel in knob_panels(found, found.probes, right=True)}
    assert page.keys() == {"defences:rule", "shots"}
    assert [line.what for line in page["shots"].lines if line.control] == [
        ", its control", ", right answers to benign questions"]  # fmt: skip
    chart = panel_charts([page["shots"]])
    assert "SRP, its control\nshots 1: 7.0 ± " in chart


def test_the_loss_of_a_search_is_a_panel_with_random_search_as_its_control() -> None:
    (panel,) = loss_panels({"gcg(steps=4)": {"srp": RECORDS["gcg(steps=4)"]["srp"]}, "prefix": {}})
    assert (panel.over, panel.percent, panel.wide) == ("step", False, False)
    assert {line.what: line.control for line in panel.lines} == {
        ", gcg": False, ", gcg:random": True}  # fmt: skip
    (search,) = [line for line in panel.lines if not line.control]
    assert search.points[0] == (0.0, t_interval([4.0, 4.1, 4.2]))
    assert [at for at, _ in search.points] == [0.0, 1.0, 2.0, 3.0, 4.0]
    (many,) = loss_panels({"gcg": {"srp": {"0": {"loss": {"gcg": [2.0] * 20}}}}})
    assert (many.values[-1], many.wide) == (19.0, False), "steps are no knob"


def test_arms_whose_lines_are_the_same_in_every_panel_are_one_line() -> None:
    rows = shots(("filtering", "srp"))
    twins = [*rows, *(replace(row, variant="rewrite") for row in rows if row.variant == "srp")]
    drawn = panels_of(twins)
    (panel,) = shared(drawn)
    assert [line.arms for line in panel.lines if not line.control] == [
        ("filtering",), ("rewrite", "srp")]  # fmt: skip
    apart = [*twins, *(replace(row, probe=row.probe.replace("shots", "best_of"))
                       for row in rows
                       if row.level == "elicited" and ":control" not in row.probe)]  # fmt: skip
    assert {line.arms for panel in shared(panels_of(apart)) for line in panel.lines} == {
        ("filtering",), ("rewrite",), ("srp",)}  # fmt: skip
    texts = [text.get_text() for text in attack_curves_figure(drawn).legends[0].get_texts()]
    assert texts == [label("filtering"), f"{label('rewrite')};\n{label('srp')}", "its control",
                     "chance"]  # fmt: skip


def test_bands_are_intervals_controls_are_dashed_and_chance_is_dotted() -> None:
    (panel,) = panels_of(shots(("filtering", "srp")))
    axis = attack_curves_figure([panel]).axes[0]
    styles = [(to_hex(line.get_color()).upper(), line.get_linestyle()) for line in axis.lines]
    ours, theirs = mark("filtering")[0], mark("srp")[0]
    assert styles == [(ours, "--"), (theirs, "--"), (ours, "-"), (theirs, "-"),
                      (CHANCE_COLOUR, ":")]  # fmt: skip
    assert len(axis.collections) == 2, "a band each, controls have none"
    edges = band(axis, 1)[:, 1]
    for _, each in panel.lines[3].points:
        for bound in (max(each.low or 0.0, 0.0), each.high):
            assert np.abs(edges - bound).min() < 1e-9
    single = attack_curves_figure(panels_of(shots(("srp",), seeds=1))).axes[0]
    heights = {round(each, 9) for each in band(single, 0)[:, 1].tolist()}
    assert heights == {2.0, 20.0, 40.0}, "one seed has no interval"


def test_no_rate_s_band_is_below_nothing_or_above_all() -> None:
    rows = [rate_row("srp", seed, "elicited", f"shots:{count}", HARMFUL, "leaked", hits, 100)
            for seed in range(3)
            for count, hits in enumerate((0, 50 * seed, 100 - 30 * seed))]  # fmt: skip
    edges = band(attack_curves_figure(panels_of(rows)).axes[0], 0)
    assert (edges[:, 1].min(), edges[:, 1].max()) == (0.0, 100.0)


def test_nothing_is_clipped_and_nothing_hides_the_legend() -> None:
    long = [rate_row("srp", seed, "elicited", f"long:{count}", HARMFUL, "leaked", count, 100)
            for seed in range(3) for count in range(41)]  # fmt: skip
    figure = attack_curves_figure(panels_of([*suite_rows(fake_rows(3)), *long], RECORDS))
    assert [axis.get_title() for axis in figure.axes if axis.axison] == [
        "best_of", "long", "prefix:k", "shots", "gcg(steps=4)"]  # fmt: skip
    for drawn in (figure, attack_curves_figure(panels_of(shots(("srp",))))):
        canvas = FigureCanvasAgg(drawn)
        canvas.draw()
        renderer, (width, height) = canvas.get_renderer(), canvas.get_width_height()
        boxes = [legend.get_window_extent(renderer) for legend in drawn.legends]
        for axis in (axis for axis in drawn.axes if axis.axison):
            boxes += [axis.title.get_window_extent(renderer)]
            boxes += [axis.xaxis.label.get_window_extent(renderer)]
            boxes += [axis.yaxis.label.get_window_extent(renderer)]
            boxes += [text.get_window_extent(renderer) for text in axis.get_xticklabels()]
        check_apart(boxes, width, height)


def test_a_wide_knob_is_drawn_by_its_logarithm_and_steps_are_not() -> None:
    figure = attack_curves_figure(panels_of(suite_rows(fake_rows(3)), RECORDS))
    axes = {axis.get_title(): axis for axis in figure.axes}
    samples, steps = (
        np.asarray(axes[name].lines[0].get_xdata()) for name in ("best_of", "gcg(steps=4)")
    )
    assert samples[1] - samples[0] == pytest.approx(0.9163, abs=1e-4), "log 5/2"
    assert steps.tolist() == [0, 1, 2, 3, 4]
    assert [text.get_text() for text in axes["best_of"].get_xticklabels()] == ["1", "4", "16"]


def test_the_report_has_the_figure_and_the_same_bytes_each_time(tmp_path: Path) -> None:
    rows = suite_rows(fake_rows(2))
    texts = [
        write_report(tmp_path / name, given, study=STUDY, provenance=[], fingerprint={}, curves={},
                     records=RECORDS).read_text(encoding="utf-8")
        for name, given in (("a", rows), ("b", rows[::-1]))
    ]  # fmt: skip
    assert texts[0] == texts[1]
    (attacks,) = re.findall(r"\n## Attacks\n.*?\n## ", texts[0], re.DOTALL)
    assert "\n### Curves over what an attack is given\n\n![attack_curves](attack_curves.png)\n" in (
        attacks
    )
    assert "([SVG](attack_curves.svg))" in attacks
    for suffix in ("png", "svg"):
        one, two = ((tmp_path / name / f"attack_curves.{suffix}").read_bytes() for name in "ab")
        assert one == two
    again = save(attack_curves_figure(panels_of(rows, RECORDS)), tmp_path / "c")
    assert again[0].read_bytes() == (tmp_path / "a" / "attack_curves.png").read_bytes()
    bare = write_report(tmp_path / "d", fake_rows(2), study=STUDY, provenance=[], fingerprint={},
                        curves={}).read_text(encoding="utf-8")  # fmt: skip
    assert "attack_curves" not in bare
    assert not (tmp_path / "d" / "attack_curves.png").exists()
