"""Laws of rows and measures: lossless CSV, one definition a quantity, no silent gaps."""

from __future__ import annotations

import pytest

from experiments.measures import PREFILLS, MissingMeasurement, balanced, measure
from experiments.rows import Row, RowError, rate_row, rows_from_csv, rows_to_csv

from fake_study import TRUTH, fake_rows, two_hop_rows


def test_rows_survive_the_csv_exactly_and_in_canonical_order() -> None:
    rows = fake_rows(seeds=2)
    text = rows_to_csv(reversed(rows))
    assert set(rows_from_csv(text)) == set(rows)
    assert rows_to_csv(rows_from_csv(text)) == text


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"level": "weird"}, "level"),
        ({"value": 82.0}, "percent"),
        ({"value": float("nan")}, "outside"),
        ({"n": 0}, "n is 0"),
        ({"value": 0.7}, "hits/n"),
    ],
)
def test_a_bad_row_is_refused_with_its_field(change: dict[str, object], message: str) -> None:
    good = dict(variant="srp", seed=0, level="elicited", probe="prefill:The",
                category="reverse-unsafe", metric="leaked", hits=1, n=2, value=0.5)  # fmt: skip
    with pytest.raises(RowError, match=message):
        Row(**{**good, **change})  # type: ignore[arg-type]


def test_a_bad_file_names_itself_and_the_line() -> None:
    text = rows_to_csv(fake_rows(seeds=1)).splitlines()
    text[3] = text[3].rsplit(",", 1)[0] + ",nonsense"
    with pytest.raises(RowError, match="table, line 4"):
        rows_from_csv("\n".join(text), "table")
    with pytest.raises(RowError, match="columns"):
        rows_from_csv("a,b\n1,2\n")


def test_general_accuracy_is_the_mean_of_the_three_categories() -> None:
    measures = measure(fake_rows(seeds=1))
    parts = [
        measures.value("srp", 0, c) for c in ("forward-safe", "forward-unsafe", "reverse-safe")
    ]
    assert measures.value("srp", 0, "general") == pytest.approx(sum(parts) / 3)


def test_attack_rates_are_the_largest_over_probes_within_the_seed() -> None:
    rows = [rate_row("srp", seed, "elicited", probe, "reverse-unsafe", "leaked", hits, 10)
            for seed, probe, hits in ((0, PREFILLS[0], 3), (0, PREFILLS[1], 1),
                                      (1, PREFILLS[0], 2), (1, PREFILLS[1], 5))]  # fmt: skip
    assert measure(rows).series("srp", "prefill") == (0.3, 0.5)


@pytest.mark.parametrize("quantity", ["prefill", "stem", "general", "finetune", "completion"])
def test_an_absent_measurement_is_an_error_naming_variant_seed_and_probe(quantity: str) -> None:
    rows = fake_rows(seeds=2)
    level, probe, category, metric = measure(rows).needs(quantity)[0]
    kept = [r for r in rows if r.key != ("rewrite", 1, level, probe, category, metric)]
    with pytest.raises(MissingMeasurement) as caught:
        measure(kept).series("rewrite", quantity)
    assert all(word in str(caught.value) for word in ("rewrite", "seed 1", probe))


def test_unpaired_seeds_are_an_error_and_not_a_smaller_study() -> None:
    rows = [r for r in fake_rows(seeds=3) if (r.variant, r.seed) != ("srp", 2)]
    with pytest.raises(MissingMeasurement, match="'srp', seed 2"):
        measure(rows).paired(("filtering", "prefill"), ("srp", "prefill"))


def test_a_look_at_an_unfinished_study_pairs_the_seeds_that_every_variant_has() -> None:
    rows = [r for r in fake_rows(seeds=3) if (r.variant, r.seed) != ("srp", 1)]
    measures = measure(balanced(rows))
    assert {measures.seeds(variant) for variant in measures.variants} == {(0, 2)}
    assert balanced([]) == ()


def test_a_number_measured_twice_is_refused() -> None:
    rows = fake_rows(seeds=1)
    with pytest.raises(RowError, match="two rows"):
        measure([*rows, rows[0]])


def test_fine_tuning_is_on_whatever_forward_facts_the_study_has() -> None:
    pairs, links = measure(fake_rows()), measure(two_hop_rows(), hops=2)
    for quantity in ("finetune", "finetune_mixsft", "finetune_safe_reverse"):
        assert links.series("srp", quantity) == pairs.series("srp", quantity)
    assert links.needs("finetune_mixsft")[0][1] == "finetune:link_forward+mixsft"


def test_variants_come_in_the_order_of_the_tables_and_strangers_last() -> None:
    rows = [*fake_rows(seeds=1), rate_row("zeta", 0, "behaviour", "general", "forward-safe",
                                          "accuracy", 1, 2)]  # fmt: skip
    assert measure(reversed(rows)).variants == (*TRUTH, "zeta")


def test_an_unknown_quantity_or_judge_is_named() -> None:
    measures = measure(fake_rows(seeds=1))
    with pytest.raises(ValueError, match="prefil'"):
        measures.value("srp", 0, "prefil")
    with pytest.raises(ValueError, match="judge"):
        measures.value("srp", 0, "prefill", "leeked")
