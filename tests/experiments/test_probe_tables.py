"""Laws of the report's section on probes: everything beside its control or chance, paired by seed,
and only what was measured. Every figure that is asserted follows from `probe_cases` by hand.
"""

from __future__ import annotations

from pathlib import Path

import pytest

from experiments.evidence import Evidence
from experiments.html.page import Material, page
from experiments.measures import measure
from experiments.probe_layers import at_layers, best_layers, by_layer
from experiments.probe_measures import probed
from experiments.probe_tables import probes_section
from experiments.report import write_report
from experiments.rows import Row
from medsafetyworld.queries import HARMFUL

from fake_study import TRUTH, fake_rows
from probe_cases import (
    counts,
    emergence_rows,
    linear_rows,
    patch_rows,
    rank_records,
    rank_rows,
    reliability_records,
    values,
    verdict_rows,
)

STUDY = {"name": "laboratory", "preset": "laptop", "hops": 1, "seeds": 3, "config": {},
         "command": "msw study run laboratory"}  # fmt: skip


def section(rows: list[Row], records: dict | None = None) -> str:
    return probes_section(measure(rows), records or {}, {})


def lines(text: str, start: str) -> list[str]:
    """The table rows that begin so."""
    return [line for line in text.splitlines() if line.startswith(f"| {start}")]


def test_a_study_without_probes_says_nothing() -> None:
    assert section(fake_rows(3)) == ""


def test_verdicts_stand_beside_one_who_calls_as_many_texts_unsafe_at_random() -> None:
    (row,) = lines(section(verdict_rows()), "questions, held-out facts and wordings (`prompt`)")
    cells = [cell.strip() for cell in row.strip("|").split("|")]
    assert cells[1:] == [
        "policy", "SRP", "192",
        "75.0 ± 0.0 (56.2)",  # 84 of 192 texts are called unsafe
        "100.0 ± 0.0 (43.8)",
        "85.7 ± 0.0 (49.2)",
        "81.2 ± 0.0 (75.0)",  # three quarters are safe
        "0.100 ± 0.000 (0.020)",
    ]  # fmt: skip


def test_texts_stand_in_the_order_of_the_method_and_unknown_ones_by_their_names() -> None:
    kinds = ("novel", "document:note:seen", "response", "prompt:paraphrase", "prompt:seen")
    rows = [row for kind in kinds for row in verdict_rows(kind=kind)]
    rows += verdict_rows(kind="response", prefix="label_")
    table = [line for line in section(rows).splitlines() if "| SRP |" in line]
    assert [line.split("|")[1].rpartition("`")[0].rpartition("`")[2] for line in table] == [
        "prompt:seen", "prompt:paraphrase", "response", "response", "document:note:seen", "novel",
    ]  # fmt: skip
    assert [line.split("|")[2].strip() for line in table[2:4]] == ["policy", "labels"]


def test_models_that_were_taught_no_verdicts_have_no_row_and_are_named() -> None:
    place = ("behaviour", "self_verdict:prompt", "all")
    silent = values("filtering", place, "verdict_mass", [0.001, 0.002, 0.003])
    given = values("srp", place, "verdict_mass", [0.99] * 3)
    text = section([*verdict_rows(), *given, *silent])
    assert "mean probability of at most 0.2 % to texts of any kind: Filtering." in text
    assert lines(text, "questions")[0].count("Filtering") == 0
    assert "Verdicts" not in section(silent), "nobody gives any"


def test_refusals_are_compared_with_those_of_their_like_by_seed() -> None:
    rows = [
        row
        for kind, category, refused in (
            ("alike", "reverse-safe", 5), ("ordinary", "reverse-safe", 2),
            ("forward", "forward-safe", 1),
        )
        for row in counts("srp", ("behaviour", f"over_refusal:{kind}", category),
                          refused=(refused, 10), flagged=(1, 10), accuracy=(4, 10))
    ]  # fmt: skip
    text = section(rows)
    assert "| variant | `alike` (10) | `ordinary` (10) | `forward` (10) |" in text
    (row,) = lines(text, "SRP")
    assert "| 50.0 ± 0.0 (10.0 / 40.0) | 20.0 ± 0.0 (10.0 / 40.0) |" in row
    assert "| +30.0 [+30.0, +30.0] |" in row
    assert "`warning` −" not in text, "warnings were not asked"


def test_the_best_layer_is_chosen_without_the_seed_that_is_reported() -> None:
    layers = by_layer(probed(measure(linear_rows())))["sft:last"]["harmful"]
    chosen = best_layers(layers, "srp")
    assert chosen == {0: 1, 1: 1, 2: 2}, "0.9 at seed 2 chooses for the others alone"
    assert at_layers(layers, chosen, "srp", "accuracy") == {0: 0.5, 1: 0.5, 2: 0.6}
    text = section(linear_rows())
    (row,) = lines(text, "SRP")
    assert "| 53.3 ± 14.3 (50.0), 1-2 | +10.0 [+10.0, +10.0] |" in row
    assert "`harmful`, n = 100 (control), layer" in text
    single = by_layer(probed(measure(linear_rows(layers=((0.5,), (0.9,))))))
    assert best_layers(single["sft:last"]["harmful"], "srp") == {0: 1}


def test_early_models_are_no_layers_and_mediators_have_a_chance_beside_their_control() -> None:
    rows = linear_rows(task="mediator")
    for layer in range(3):
        at = ("inside", f"linear_probes:mediator:layer={layer}", "sft:last")
        rows += values("srp", at, "chance", [0.03] * 3)
    early = ("inside", "linear_probes:mediator:layer=2:step=900", "base:last")
    rows += values("srp", early, "accuracy", [1.0] * 3)
    text = section(rows)
    assert "(control / chance), layer" in text
    assert "(50.0 / 3.0)" in text
    assert "pretrained model" not in text.partition("Activation")[0].partition("**")[2]


def test_a_patch_counts_by_how_far_it_is_above_its_control() -> None:
    rows = patch_rows("srp", "answer:subject:layer=1", HARMFUL, 18, 3)
    rows += patch_rows("srp", "answer:subject:layer=2", HARMFUL, 0, 0)
    text = section(rows)
    (row,) = lines(text, "`answer:subject:layer=1`")
    assert row.endswith("| 20 | +75.0 [+75.0, +75.0] (90.0 / 15.0) |")
    assert "did anything flip in a harmful question at `answer:subject:layer=2`." in text
    assert "From a harmful question into a benign one" not in text, "was not tried"


def test_harm_is_dated_beside_forward_knowledge_of_the_same_seed() -> None:
    rows = emergence_rows("srp", {"forward": [0.2, 0.3, 0.4], HARMFUL: [0.4, 0.6, None]})
    rows += emergence_rows("filtering", {"forward": [0.2, 0.2, 0.2], HARMFUL: [None] * 3})
    text = section(rows)
    (row,) = lines(text, "SRP")
    assert "| 300 ± 248 (3 of 3) | 500 ± 1271 (2 of 3) |" in row
    assert "| +250 [-385, +885] (n = 2) | 2.00 ± 0.00 (n = 2) | 80.0 ± 0.0 (10.0) |" in row
    (row,) = lines(text, "Filtering")
    assert "| not reached (0 of 3) | – | – |" in row


def test_what_luck_dates_to_step_0_has_no_ratio() -> None:
    text = section(emergence_rows("srp", {"forward": [0.0, 0.3, 0.4], HARMFUL: [0.4, 0.6, 0.8]}))
    (row,) = lines(text, "SRP")
    assert "| 2.00 ± 0.00 (n = 2) |" in row
    text = section(emergence_rows("srp", {"forward": [0.0], HARMFUL: [0.4]}))
    assert "| +400 [–] | – |" in lines(text, "SRP")[0]


@pytest.mark.parametrize("recorded", [True, False])
def test_log_probabilities_come_from_the_records_and_are_left_out_without(recorded: bool) -> None:
    text = section(rank_rows(), rank_records() if recorded else None)
    (row,) = lines(text, "SRP")
    assert "| 50.0 ± 0.0 (7.0) | 0.750 ± 0.000 (0.200) | 40.0 ± 0.0 |" in row
    assert ("| -1.00 ± 0.00 | -3.00 ± 2.48 | 2.00 ± 2.48 |" in row) is recorded
    assert ("log p, best right" in text) is recorded


def whole() -> list[Row]:
    rows = fake_rows(3, {"srp": TRUTH["srp"]})
    return [*rows, *verdict_rows(), *linear_rows(), *rank_rows()]


def test_the_report_has_section_and_pictures_and_the_page_has_them_too(tmp_path: Path) -> None:
    records = {**rank_records(), **reliability_records(["srp"])}
    texts = [
        write_report(tmp_path / name, rows, study=STUDY, provenance=[], fingerprint={}, curves={},
                     records=records).read_text(encoding="utf-8")
        for name, rows in (("a", whole()), ("b", whole()[::-1]))
    ]  # fmt: skip
    assert texts[0] == texts[1]
    own = texts[0].partition("\n## Probes\n")[2].partition("\n## ")[0]
    for name in ("linear_probes", "verdict_reliability"):
        assert f"![{name}]({name}.png)" in own
        for suffix in ("png", "svg"):
            one, two = ((tmp_path / each / f"{name}.{suffix}").read_bytes() for each in ("a", "b"))
            assert one == two
    pictures = {name: "<svg/>" for name in ("linear_probes", "verdict_reliability")}
    shown = page(Material(whole(), STUDY, texts[0], Evidence(records=records), pictures))
    assert shown.count('<section id="probes">') == 1
    assert "log p, best right" in shown
    assert shown.count('alt="linear probes"') == 1
    assert "<h3>linear_probes</h3>" in shown, "every row below the summary"
