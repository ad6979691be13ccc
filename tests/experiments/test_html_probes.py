"""What the page says of probes: which control and chance belong to which metric, and differences.

Invented rows of one arm; every figure that is asserted follows from them by hand.
"""

from __future__ import annotations

import re
from html import unescape

from experiments.html.elements import Markup
from experiments.html.pareto import pareto
from experiments.html.probes import probes_section
from experiments.measures import measure
from experiments.probe_measures import probed
from experiments.rows import Row, rate_row

from fake_study import fake_rows
from fake_suite import suite_rows


def rows_of(level: str, probe: str, category: str, **rates: tuple[int, int]) -> list[Row]:
    """Rows of an arm in three seeds, `metric=(hits, n)`; a seed has one hit less, one more."""
    return [
        rate_row("srp", seed, level, probe, category, metric, hits + seed - 1, n)
        for metric, (hits, n) in rates.items()
        for seed in range(3)
    ]


def said(rows: list[Row]) -> list[list[str]]:
    """The rows of the section's tables as words, without the first three columns."""
    body = str(probes_section(measure(rows))).partition("<tbody>")[2].partition("</tbody>")[0]
    return [
        [unescape(re.sub("<[^>]+>", " ", cell)).strip() for cell in re.findall("<td.*?</td>", row)]
        for row in re.findall("<tr>.*?</tr>", body)
    ]


def test_chance_stands_beside_what_it_is_the_chance_of_alone() -> None:
    rows = rows_of("elicited", "knowledge:prefill", "reverse-unsafe",
                   leaked=(40, 100), refused=(20, 100), delivered=(30, 100))  # fmt: skip
    rows += [Row("srp", s, "elicited", "knowledge:prefill", "reverse-unsafe", "chance", None, 100,
                 0.067) for s in range(3)]  # fmt: skip
    by_metric = {row[2]: row[-1] for row in said(rows)}
    assert by_metric.keys() == {"leaked", "refused", "delivered"}
    assert "chance 6.7" in by_metric["leaked"]
    assert "chance" not in by_metric["refused"] + by_metric["delivered"]


def test_selectivity_is_the_distance_from_labels_learned_by_heart() -> None:
    rows = rows_of("inside", "linear_probes:harmful:layer=1", "sft:last", accuracy=(90, 100),
                   control=(60, 100), taught_accuracy=(95, 100),
                   control_taught_accuracy=(85, 100))  # fmt: skip
    found = {row[2]: row[-1] for row in said(rows)}
    assert [*found] == [
        "accuracy",
        "accuracy − control, points",
        "taught_accuracy",
        "taught_accuracy − control (selectivity), points",
    ]
    assert found["accuracy − control, points"] == "+30.0 [+30.0, +30.0]"
    assert found["taught_accuracy − control (selectivity), points"] == "+10.0 [+10.0, +10.0]"


def test_a_flip_is_never_shown_without_what_its_control_flips() -> None:
    rows = [
        row
        for layer in range(3)
        for row in rows_of(
            "inside",
            f"patching:verdict:subject:layer={layer}",
            "reverse-unsafe",
            flipped=(30 - 10 * layer, 100),
            control=(20, 100),
        )
    ]
    found = said(rows)
    assert [row[2] for row in found] == ["flipped − control, points"] * 3
    shown = " ".join(found[0][-1].split())
    assert shown == "+10.0 [+10.0, +10.0] flipped 30.0 · control 20.0"
    text = str(probes_section(measure(rows)))
    assert re.findall("<h4>(.*?)</h4>", text) == [
        "patching:verdict:subject:layer, reverse-unsafe: flipped − control"
    ]
    told = re.findall(r"<title>SRP\n[^<]*? (\d): (-?[\d.]+) ± [\d.]+ points", text)
    assert told == [("0", "10.0"), ("1", "0.0"), ("2", "-10.0")]
    assert "no difference: 0.0 points at 0, 0.0 points at 2" in text


def test_verdicts_are_read_beside_one_who_says_the_same_of_everything() -> None:
    rows = rows_of("behaviour", "self_verdict:prompt", "all", accuracy=(150, 192),
                   safe_accuracy=(140, 144), unsafe_accuracy=(10, 48),
                   harmonic_mean=(60, 192), verdict_mass=(2, 192))  # fmt: skip
    rows += rows_of("behaviour", "self_verdict:prompt", "forward-safe", called_unsafe=(47, 48))
    found = said(rows)
    assert found[0][2] == "harmonic_mean"
    by_metric = {row[2]: row[-1] for row in found}
    assert "same answer to all 75.0" in by_metric["accuracy"]
    assert "same answer" not in by_metric["harmonic_mean"] + by_metric["safe_accuracy"]
    assert "verdict mass 1.0" in by_metric["called_unsafe"]


def test_a_class_without_texts_makes_the_commoner_answer_always_right() -> None:
    rows = rows_of("behaviour", "self_verdict:document:note", "all",
                   accuracy=(15, 20), safe_accuracy=(15, 20))  # fmt: skip
    (each,) = probed(measure(rows)).values()
    assert each.same("accuracy") == "same_accuracy"
    assert each.metrics["same_accuracy"]["srp"] == {0: 1.0, 1: 1.0, 2: 1.0}


def panel(text: Markup, title: str) -> str:
    """The first chart with this title."""
    return str(text).partition(f"<h4>{title}</h4>")[2].partition("</svg>")[0]


def with_chances(rows: list[Row], srp: float) -> list[Row]:
    """The rows with chances of their own for `gcg`, those of SRP another."""
    return rows + [
        Row(row.variant, row.seed, "elicited", "gcg", row.category, "chance", None, 96,
            srp if row.variant == "srp" else 0.4)
        for row in rows
        if (row.probe, row.metric) == ("gcg", "leaked")
    ]  # fmt: skip


def test_each_panel_has_the_chance_of_its_own_attack_and_the_strongest_has_none() -> None:
    text = pareto(measure(with_chances(suite_rows(fake_rows(3)), 0.4)))
    chance = r"in every answer: ([\d.]+) %"
    assert "chance" not in panel(text, "The strongest of all attacks")
    assert re.findall(chance, panel(text, "Benign fine-tuning")) == ["10.0"]
    assert re.findall(chance, panel(text, "gcg")) == ["40.0"]


def test_where_arms_differ_in_chance_each_has_its_own_within_the_chart() -> None:
    text = pareto(measure(with_chances(suite_rows(fake_rows(3)), 0.9)))
    drawn = panel(text, "gcg")
    told = dict(re.findall(r"<title>([^\n<]+)\nchance of one [^:]+: ([\d.]+) %", drawn))
    assert told.pop("SRP") == "90.0"
    assert {*told.values()} == {"40.0"}
    heights = [float(y) for y in re.findall(r'd="M[\d.]+ ([\d.]+)L[^"]+" class="chance"', drawn)]
    assert len({*heights}) == 2
    assert min(heights) > 12, "not cut off at the top"
