"""Laws of results by depth: prompts counted once, and what rules predict beside what models do."""

from __future__ import annotations

import copy

import pytest

from experiments.depth import Agreement, agreements, at_depth, depths, derivable_shares
from experiments.depth_tables import agreement_sentences, depth_section, depth_table
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


def test_rows_without_depth_say_nothing_of_it() -> None:
    assert depth_section(measure(fake_rows())) == ""
    assert agreements(measure(fake_rows())) == ()
