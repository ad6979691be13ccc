"""Laws of results by depth: prompts counted once, and what rules predict beside what models do."""

from __future__ import annotations

import copy
from dataclasses import replace

import pytest

from experiments.depth import Agreement, agreements, at_depth, depths, derivable_shares
from experiments.depth_tables import (
    agreement_sentences,
    agreement_table,
    depth_section,
    depth_table,
)
from experiments.measures import Measures, MissingMeasurement, measure
from experiments.rows import Row, rate_row

from fake_study import DEPTHS, TRUTH, fake_rows, two_hop_rows, with_depths


def split(hits: dict[str, tuple[int, int]], variant: str = "srp", seeds: int = 3) -> Measures:
    """Completions of one arm by association depth: depth -> (hits, prompts), chance 10 %."""
    where = ("capability", "completion", "reverse-unsafe")
    rows = []
    for seed in range(seeds):
        n = sum(part for _, part in hits.values())
        rows.append(
            rate_row(variant, seed, *where, "top1", sum(hit for hit, _ in hits.values()), n)
        )
        rows.append(Row(variant, seed, *where, "chance_top1", None, n, 0.1))
        for depth, (hit, part) in hits.items():
            rows.append(rate_row(variant, seed, *where, f"top1|association={depth}", hit, part))
    return measure(rows)


def with_chance(measures: Measures, levels: dict[str, float]) -> Measures:
    """The same with the chance of the prompts of each association depth."""
    where = ("capability", "completion", "reverse-unsafe")
    counted = {row.key: row.n for row in measures.rows}
    return measure([
        *measures.rows,
        *(
            Row("srp", seed, *where, f"chance_top1|association={depth}", None,
                counted["srp", seed, *where, f"top1|association={depth}"], level)
            for seed in measures.seeds("srp")
            for depth, level in levels.items()
        ),
    ])  # fmt: skip


def by_arm(measures: Measures) -> dict[tuple[str, str, bool], Agreement]:
    return {(a.variant, a.rules, a.derivable): a for a in agreements(measures)}


def test_depths_ascend_as_numbers_and_the_underivable_come_last() -> None:
    measures = split({"none": (0, 5), "10": (1, 5), "2": (1, 5), "0": (5, 5)})
    assert depths(measures, "association") == ("0", "2", "10", "none")
    assert depths(measures, "logic") == ()


def test_the_larger_prefill_is_taken_within_the_seed_and_general_accuracy_pools_prompts() -> None:
    rows = []
    for seed, safe, the in ((0, 1, 4), (1, 6, 2)):
        for probe, hits in (("prefill:<Safe>", safe), ("prefill:The", the)):
            rows.append(rate_row("srp", seed, "elicited", probe, "reverse-unsafe",
                                 "leaked|logic=1", hits, 10))  # fmt: skip
        for category, hits, n in (("forward-safe", 1, 1), ("reverse-safe", 0, 3)):
            rows.append(rate_row("srp", seed, "behaviour", "general", category,
                                 "accuracy|logic=0", hits, n))  # fmt: skip
    measures = measure(rows)
    assert at_depth(measures, "srp", "logic", ("1",), "prefill").values == (0.4, 0.6)
    general = at_depth(measures, "srp", "logic", ("0",), "general")
    assert (general.values, general.prompts) == ((0.25, 0.25), (4, 4))
    assert at_depth(measures, "srp", "logic", ("2",), "prefill").values == ()


def test_one_prefill_alone_is_an_error_and_not_a_smaller_maximum() -> None:
    rows = [r for r in with_depths(fake_rows(1)) if r.probe != "prefill:The" or r.seed]
    with pytest.raises(MissingMeasurement, match="prefill lacks a probe at logic depth 1"):
        at_depth(measure(rows), "srp", "logic", ("1",), "prefill")


def test_derivable_and_underivable_prompts_of_one_arm_are_judged_apart() -> None:
    measures = split({"0": (10, 10), "2": (8, 10), "none": (2, 20)})
    assert derivable_shares(measures, "srp", "association") == (0.5,) * 3
    found = by_arm(measures)
    known, unknown = (found["srp", "association", flag] for flag in (True, False))
    assert (known.completion.values, known.completion.prompts) == ((0.9,) * 3, (20,) * 3)
    assert (known.above, known.agrees, known.share) == (True, True, 0.5)
    assert (unknown.completion.values[0], unknown.above, unknown.agrees) == (0.1, False, True)


def test_prompts_are_above_the_chance_of_exactly_these_prompts() -> None:
    # Derivable prompts are luckier: a third of what is completed above is luck, not knowledge.
    rates = split({"0": (5, 10), "2": (2, 10), "none": (2, 20)})
    measures = with_chance(rates, {"0": 0.5, "2": 0.2, "none": 0.1})
    found = by_arm(measures)
    known = found["srp", "association", True]
    assert (known.exact, known.chance, known.above) == (True, pytest.approx((0.35,) * 3), False)
    assert found["srp", "association", False].chance == pytest.approx((0.1,) * 3)
    table = agreement_table(agreements(measures))
    assert "| 35.0 ± 0.0 | 35.0 | +0.0 [" in table
    assert "*" not in table.replace("**wrong**", "")


def test_rows_without_chance_by_depth_fall_back_openly_and_only_where_it_matters() -> None:
    old = split({"0": (5, 10), "none": (2, 20)})
    known = by_arm(old)["srp", "association", True]
    assert (known.exact, known.chance) == (False, (0.1,) * 3)
    table = agreement_table(agreements(old))
    assert "| 50.0 ± 0.0 | 10.0* | +40.0 [" in table
    assert "with an asterisk it is that of all harmful prompts together" in table
    half = with_chance(old, {"0": 0.3})
    assert [found.exact for found in agreements(half)] == [True, False]
    together = agreements(split({"1": (5, 10), "2": (5, 10)}))
    assert [found.exact for found in together] == [True]
    assert "asterisk" not in agreement_table(together)


def test_fine_tuned_models_are_shown_at_the_depth_that_counts_their_dialogues() -> None:
    def moved(depth: str) -> Measures:
        return measure(
            replace(row, metric=row.metric.replace("|association=1", f"|association{depth}"))
            if row.level != "capability"
            else row
            for row in with_depths(fake_rows(3, {"srp": TRUTH["srp"]}))
        )

    measures = moved("+dialogues=2")
    assert depths(measures, "association") == ("0", "1", "2")
    assert at_depth(measures, "srp", "association", ("1",), "prefill").values == ()
    assert len(at_depth(measures, "srp", "association", ("2",), "prefill").values) == 3
    assert len(at_depth(measures, "srp", "association", ("1",), "completion").values) == 3
    assert "what the answers in its dialogues state" in depth_section(measures)
    assert "did not count facts told in fine-tuning" in depth_section(moved("=1"))
    base = [row for row in measures.rows if row.level == "capability"]
    assert "fine-tun" not in depth_section(measure(base)).partition("![")[0]


def test_few_seeds_and_wide_intervals_leave_it_undecided() -> None:
    few = by_arm(split({"1": (10, 10)}, seeds=2))["srp", "association", True]
    assert (few.above, few.agrees) == (None, None)
    truth = {"srp": {**TRUTH["srp"], "completion": 0.15}}
    wide = by_arm(measure(with_depths(fake_rows(5, truth, spread=0.1))))["srp", "logic", True]
    assert wide.above is None


def test_what_the_fake_study_is_made_of_is_what_the_report_says() -> None:
    found = by_arm(measure(two_hop_rows(), hops=2))
    # The shuffled control derives what is true of another graph.
    assert len(found) == 2 * (len(TRUTH) - 1)
    assert "shuffled" not in {variant for variant, _, _ in found}
    assert found["filtering_mediators", "association", False].agrees is True
    assert found["filtering_mediators", "logic", True].agrees is False
    text = agreement_sentences(agreements(measure(two_hop_rows(), hops=2)))
    assert "Logic predicts 6 of 7 rows right and 1 wrong; 0 are undecided." in text
    assert "Association predicts 7 of 7 rows right and 0 wrong" in text
    assert text.count("the reversal curse") == 1
    assert ": the reversal curse, for association, which cannot turn facts round" in text
    assert "Filtering, mediators too: logic derives 100 % of the harmful answers" in text


def test_other_disagreements_are_told_as_what_they_are() -> None:
    truth = copy.deepcopy(TRUTH)
    truth["filtering"]["completion"] = 0.02
    truth["filtering_plus"]["completion"] = 0.6
    text = agreement_sentences(agreements(measure(with_depths(fake_rows(truth=truth)))))
    assert "Filtering: association derives 100 % of the harmful answers, the model does not" in text
    assert "no excuse" in text
    assert "Filtering-plus: association derives nothing for 100 % of the harmful prompts" in text
    assert "which logic lacks" in text


def test_every_depth_of_an_arm_has_its_row_with_prompts_and_seeds() -> None:
    table = depth_table(split({"0": (10, 10), "none": (0, 30)}))
    assert "| SRP | association | 0 | 100.0 ± 0.0 (10 × 3) |" in table
    assert "| SRP | association | none | 0.0 ± 0.0 (30 × 3) |" in table
    full = depth_table(measure(with_depths(fake_rows())))
    assert "| Baseline | logic | 0 |" in full
    assert f"| {'Filtering'} | association | {DEPTHS['filtering'][1]} |" in full


def test_three_levels_stand_side_by_side_at_each_depth() -> None:
    rows = with_depths(fake_rows(3, {"srp": {**TRUTH["srp"], "completion": 0.8}}, spread=0.0))
    table = depth_table(measure(rows))
    lines = [[cell.strip() for cell in line.split("|")] for line in table.splitlines()]
    assert lines[0][4:7] == [
        "base completes reverse-unsafe", "asked directly: leaked", "prefill: leaked",
    ]  # fmt: skip
    row = next(line for line in lines if line[1:4] == ["SRP", "association", "1"])
    assert row[4:7] == ["80.0 ± 0.0 (200 × 3)", "2.0 ± 0.0 (200 × 3)", "10.0 ± 0.0 (200 × 3)"]
    said = "Chance over all depths together: of completions 10.0, of harmful questions 10.0."
    assert said in table
    unasked = depth_table(measure(row for row in rows if row.level == "capability"))
    assert "asked directly" not in unasked
    assert "Chance over all depths together: of completions 10.0." in unasked


def test_rows_without_depth_say_nothing_of_it() -> None:
    assert depth_section(measure(fake_rows())) == ""
    assert agreements(measure(fake_rows())) == ()
