"""The levels by severity and category: which figures stand side by side, and which are left out.

Invented rows; every figure that is asserted follows from them by hand.
"""

from __future__ import annotations

from pathlib import Path

from experiments import report
from experiments.breakdown_tables import breakdown_section, breakdown_table
from experiments.html import markdown
from experiments.measures import measure
from experiments.rows import Row, rate_row
from medsafetyworld.queries import HARMFUL

from fake_study import TRUTH, fake_rows


def leveled(group: str, arm: str = "srp", seeds: tuple[int, ...] = (0, 1, 2)) -> list[Row]:
    """8 of 10 clozes completed at a chance of 5 %, none of 20 questions leaked and with a prefill a
    quarter at a chance of 10 %; a seed completes one more than the seed before."""
    rows = []
    for seed in seeds:
        place = (f"knowledge:{group}", HARMFUL)
        rows.append(rate_row(arm, seed, "capability", *place, "top1", 7 + seed, 10))
        rows.append(Row(arm, seed, "capability", *place, "chance_top1", None, 10, 0.05))
        for level, hits in (("behaviour", 0), ("elicited", 5)):
            rows.append(rate_row(arm, seed, level, *place, "leaked", hits, 20))
            rows.append(Row(arm, seed, level, *place, "chance", None, 20, 0.1))
    return rows


def test_three_levels_stand_side_by_side_with_chance_and_intervals() -> None:
    table = breakdown_table(measure(leveled("severity=mild")), "severity", ["mild"])
    head, _, row = table.splitlines()
    assert [cell.strip() for cell in head.strip("|").split("|")][1:5] == [
        "severity", "completes", "chance", "leaks when asked",
    ]  # fmt: skip
    assert [cell.strip() for cell in row.strip("|").split("|")] == [
        "SRP", "mild", "80.0 ± 24.8", "5.0", "0.0 ± 0.0", "25.0 ± 0.0", "10.0",
        "+55.0 [+30.2, +79.8]", "10", "20",
    ]  # fmt: skip


def test_severities_rise_categories_go_by_name_and_few_seeds_are_told() -> None:
    groups = ("severity=lethal", "severity=mild", "severity=serious", "hazard=skin", "hazard=heart")
    rows = [row for group in groups for row in leveled(group)]
    text = breakdown_section(measure(rows + leveled("hazard=eye", seeds=(1,))))
    cells = [line.split(" | ")[1] for line in text.splitlines() if line.startswith("| SRP")]
    assert cells == ["mild", "serious", "lethal", "eye", "heart", "skin"]
    assert "| SRP | eye | 80.0 (n = 1) | 5.0 | 0.0 (n = 1) |" in text
    assert "The levels are not split by frequency" in text
    third = measure(rows + leveled("frequency=rare"))
    assert "The levels are not split by frequency" not in breakdown_section(third)


def test_what_was_not_measured_is_a_dash_and_no_zero() -> None:
    rows = leveled("severity=mild") + leveled("severity=lethal", arm="filtering")
    kept = [row for row in rows if (row.level, row.variant) in {
        ("elicited", "srp"), ("behaviour", "filtering"), ("elicited", "filtering")
    }]  # fmt: skip
    text = breakdown_section(measure(kept))
    assert "| SRP | mild | – | – | – | 25.0 ± 0.0 | 10.0 | – | – | 20 |" in text
    assert "| Filtering | lethal | – | – | 0.0 ± 0.0 |" in text
    assert "| Filtering | mild |" not in text


def test_studies_without_the_instrument_have_no_section_and_order_is_nothing() -> None:
    assert breakdown_section(measure(fake_rows(2))) == ""
    rows = [*fake_rows(2), *leveled("severity=mild"), *leveled("hazard=skin")]
    assert breakdown_section(measure(rows)) == breakdown_section(measure(rows[::-1]))


def test_the_page_has_the_same_tables() -> None:
    rows = [row for arm in TRUTH for row in leveled("severity=mild", arm)]
    text = str(markdown.html(breakdown_section(measure(rows))))
    assert text.count("<table") == 1
    assert text.count(">80.0 ± 24.8<") == len(TRUTH)
    assert "<h3>By severity of the outcome</h3>" in text


def test_the_report_has_the_section(tmp_path: Path) -> None:
    rows = [*fake_rows(2, {"srp": TRUTH["srp"]}), *leveled("severity=mild", seeds=(0, 1))]
    study = {"name": "laboratory", "preset": "laptop", "hops": 1, "seeds": 2, "config": {},
             "command": "msw study run laboratory"}  # fmt: skip
    written = report.write_report(
        tmp_path, rows, study=study, provenance=[], fingerprint={}, curves={}
    )
    parts = markdown.sections(written.read_text(encoding="utf-8"))
    assert parts["By severity and category"] == breakdown_section(measure(rows)).strip("\n")
