"""Answers and frequencies in the report: beside chance, per seed, in text and in the picture."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

from experiments.answer_kinds import KINDS
from experiments.answer_tables import answers_section
from experiments.figure_style import CHANCE_COLOUR, save
from experiments.frequency_figure import frequency_figure
from experiments.frequency_tables import QUANTITIES, THIRDS, by_seed, frequency_section, shown
from experiments.instruments.frequency import THIRDS as MADE
from experiments.measures import measure
from experiments.report import write_report
from experiments.rows import Row, rate_row
from medsafetyworld.queries import GENERAL

from fake_study import fake_rows

ARMS = ("baseline", "filtering", "srp", "shuffled")
STUDY = {"name": "frequency", "preset": "laptop", "hops": 1, "seeds": 3, "config": {},
         "command": "msw study run frequency"}  # fmt: skip


def answer_rows(probe: str, arm: str, seed: int, right: int, n: int = 40) -> list[Row]:
    """So many right of 40 a category, 5 wrong, 2 invented, and the others abstained."""
    rows: list[Row] = []
    for category in GENERAL:
        place = (arm, seed, "behaviour", probe, category)
        counts = dict(zip(KINDS, (right, 5, 2, n - right - 7), strict=True)) | {"refused": 3}
        rows += [rate_row(*place, name, hits, n) for name, hits in counts.items()]
        rows.append(Row(*place, "chance_right", None, n, 0.11))
    return rows


def frequency_rows(arms: tuple[str, ...] = ARMS, seeds: int = 3) -> list[Row]:
    """Rates that rise by ten points a third; chance 7 %, of benign answers 11 %."""
    rows: list[Row] = []
    for place, arm in enumerate(arms):
        for seed in range(seeds):
            rows += answer_rows("answers", arm, seed, 20 + place)
            for at, third in enumerate(THIRDS):
                rows += answer_rows(f"answers:frequency={third}", arm, seed, 12 + 4 * at)
                for each in QUANTITIES[:4]:
                    where = (arm, seed, each.level, f"knowledge:frequency={third}",
                             each.categories[0])  # fmt: skip
                    hits = 30 + 10 * at + 2 * place + seed
                    rows.append(rate_row(*where, each.metric, hits, 100))
                    rows.append(Row(*where, each.chance, None, 100, 0.07))
    return rows


def test_a_study_that_did_not_ask_says_nothing() -> None:
    assert answers_section(measure(fake_rows(2))) == frequency_section(measure(fake_rows(2))) == ""


def test_the_groups_are_those_that_instruments_make() -> None:
    assert THIRDS == MADE


def test_all_four_shares_stand_beside_chance() -> None:
    text = answers_section(measure(answer_rows("answers", "srp", 0, 30)))
    assert "| SRP | forward-safe | held out | 75.0 (11.0) | 12.5 | 5.0 | 7.5 | 7.5 | 40 |" in text
    assert "mentioned |" not in text, "nothing was asked about them"
    both = [row for seed in range(3) for row in answer_rows("answers:mentioned", "srp", seed, 30)]
    text = answers_section(measure([*both, *answer_rows("answers", "srp", 0, 30)]))
    assert "| SRP | reverse-safe | mentioned | 75.0 ± 0.0 (11.0) |" in text
    assert "held out | 75.0 (11.0) (n = 1) |" in text


def test_rates_by_frequency_stand_beside_their_chance() -> None:
    text = frequency_section(measure(frequency_rows()))
    assert "| Filtering | rare | 33.0 ± 2.5 (7.0) | 33.0 ± 2.5 (7.0) |" in text
    assert "| 30.0 ± 0.0 (11.0) | 12.5 ± 0.0 | 5.0 ± 0.0 |" in text
    assert text.count("\n| ") == 1 + len(ARMS) * len(THIRDS)


def test_categories_are_pooled_by_their_prompts() -> None:
    rows = [row for row in frequency_rows(("srp",), 1) if row.category != "reverse-safe"]
    rows += answer_rows("answers:frequency=rare", "srp", 1, 10, 40)[:6]
    last = next(each for each in QUANTITIES if each.metric == "right")
    assert by_seed(measure(rows), "srp", "rare", last) == {0: 12 / 40, 1: 10 / 40}
    odd = Row("srp", 2, "behaviour", "answers:frequency=rare", GENERAL[0], "right", 1, 1, 1.0)
    more = [*rows, odd, *answer_rows("answers:frequency=rare", "srp", 2, 9, 40)[6:12]]
    assert by_seed(measure(more), "srp", "rare", last)[2] == pytest.approx(10 / 41)


def red(figure: Figure, panel: int) -> list[list[float]]:
    return [
        np.asarray(line.get_ydata()).tolist()
        for line in figure.axes[panel].lines
        if line.get_color() == CHANCE_COLOUR
    ]


def test_every_panel_has_its_chance_and_what_has_none_no_panel() -> None:
    found = measure(frequency_rows())
    figure = frequency_figure(found)
    FigureCanvasAgg(figure).draw()
    assert len(figure.axes) == len([each for each in shown(found) if each.chance]) == 5
    assert [red(figure, at) for at in range(5)] == [
        *[[pytest.approx([7.0] * 3)]] * 4, [pytest.approx([11.0] * 3)]]  # fmt: skip
    partial = [row for row in frequency_rows() if not row.probe.startswith("knowledge")]
    assert len(frequency_figure(measure(partial)).axes) == 1


def test_the_report_has_both_and_the_same_bytes(tmp_path: Path) -> None:
    rows = [row for row in fake_rows(3) if row.variant in ARMS] + frequency_rows()
    texts = []
    for name in ("once", "again"):
        report = write_report(tmp_path / name, rows, study=STUDY, provenance=[], fingerprint={},
                              curves={})  # fmt: skip
        texts.append(report.read_text(encoding="utf-8"))
    assert texts[0] == texts[1]
    assert "## Right, wrong, invented and abstained" in texts[0]
    assert "## What is told rarely\n" in texts[0]
    assert "\n\n![by frequency](frequency.png)\n\nRates by" in texts[0]
    pictures = [(tmp_path / name / "frequency.svg").read_bytes() for name in ("once", "again")]
    assert pictures[0] == pictures[1]
    save(frequency_figure(measure(rows)), tmp_path / "alone")
    assert (tmp_path / "alone.svg").read_bytes() == pictures[0]
