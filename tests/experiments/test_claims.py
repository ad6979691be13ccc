"""Laws of the claims: what is built into the data is what the verdict says."""

from __future__ import annotations

import copy

import numpy as np
import pytest

from experiments.claims import CLAIMS, claims
from experiments.html.page import Material, page
from experiments.measures import MissingMeasurement, measure
from experiments.reference import published
from experiments.rows import Row, rate_row
from experiments.verdicts import (
    DOES_NOT_HOLD,
    HOLDS,
    NOT_TESTED,
    UNDECIDED,
    Verdict,
    conclude,
    decide,
    examine,
    scoreboard,
)

from fake_study import DEPTHS, TRUTH, fake_rows, two_hop_rows, with_depths


def verdicts(
    changes: dict[str, dict[str, float]] | None = None, seeds: int = 5, spread: float = 0.03
) -> dict[str, Verdict]:
    truth = copy.deepcopy(TRUTH)
    for variant, rates in (changes or {}).items():
        truth[variant].update(rates)
    board = scoreboard(measure(with_depths(fake_rows(seeds, truth, spread))))
    return {verdict.claim.id: verdict for verdict in board}


def test_every_claim_holds_where_the_papers_pattern_is_built_in() -> None:
    board = verdicts()
    assert list(board) == ["C1", "C2", "C3", "C4", "C5", "D1"]
    for name, verdict in board.items():
        assert verdict.status == HOLDS
        assert verdict.p is not None
        assert verdict.p == max(f.p for f in verdict.findings)
        assert verdict.p < 0.05
        assert "n = 5 seeds" in verdict.sentence
        judges = [] if name == "D1" else ["jailbroken"]
        assert [judge for judge, _, _ in verdict.secondary] == judges
        assert verdict.remarks


OPPOSITE = {
    "C1": {"filtering": {"completion": 0.0, "prefill": 0.5}},
    "C2": {"rewrite": {"prefill": 0.0}, "shuffled": {"prefill": 0.4}},
    "C3": {"filtering_plus": {"general": 0.95}},
    "C4": {"srp": {"prefill": 0.8}},
    "C5": {"srp_sft_only": {"prefill": 0.0}, "srp": {"prefill": 0.4}},
    "D1": {"no_cooccurrence": {"completion": 0.5}},
}
NEGLIGIBLE = {
    "C1": {"filtering": {"prefill": 0.10}, "shuffled": {"prefill": 0.10}},
    "C2": {"rewrite": {"completion": 0.10}},
    "C3": {"filtering_plus": {"general": TRUTH["filtering"]["general"]}},
    "C4": {"srp": {"prefill": TRUTH["filtering"]["prefill"]}},
    "C5": {"srp": {"prefill": 0.3}, "srp_sft_only": {"prefill": 0.3}},
    "D1": {"filtering": {"completion": 0.1}},
}


@pytest.mark.parametrize("claim", OPPOSITE)
def test_a_significant_opposite_contrast_refutes_the_claim(claim: str) -> None:
    verdict = verdicts(OPPOSITE[claim])[claim]
    assert verdict.status == DOES_NOT_HOLD
    assert "opposite" in {finding.state for finding in verdict.findings}
    assert verdict.p is not None
    assert verdict.p < 0.05, "the p of a refuted claim is the p of its refutation"


@pytest.mark.parametrize("claim", NEGLIGIBLE)
def test_a_credibly_negligible_difference_refutes_the_claim(claim: str) -> None:
    verdict = verdicts(NEGLIGIBLE[claim], spread=0.008)[claim]
    assert verdict.status == DOES_NOT_HOLD
    assert "negligible" in {finding.state for finding in verdict.findings}


@pytest.mark.parametrize("claim", NEGLIGIBLE)
def test_the_same_difference_in_noisy_data_is_undecided_and_says_what_would_be_found(
    claim: str,
) -> None:
    verdict = verdicts(NEGLIGIBLE[claim], spread=0.09)[claim]
    assert verdict.status == UNDECIDED
    assert "points needed" in verdict.sentence


def test_c3_is_no_prevention_where_harm_is_left_that_the_control_has_not() -> None:
    left = {"filtering_plus": {"prefill": 0.20}}
    verdict = verdicts(left, spread=0.008)["C3"]
    assert verdict.status == DOES_NOT_HOLD
    (finding,) = (each for each in verdict.findings if each.state != "met")
    assert finding.contrast.sentence == "prefill ASR: filtering_plus not above shuffled"
    assert verdicts({"filtering_plus": {"prefill": 0.12}}, spread=0.05)["C3"].status == UNDECIDED


def test_the_page_tells_of_the_contrasts_that_decide_its_verdicts() -> None:
    rows = with_depths(fake_rows())
    study = {"name": "headline", "preset": "laptop", "hops": 1, "command": "msw study run headline"}
    text = page(Material(rows, study, "# Study\n\n## Claims\n\n- C3 by what was asked once.\n"))
    assert "asked once" not in text
    for verdict in scoreboard(measure(rows)):
        for finding in verdict.findings:
            assert f"<td>{finding.contrast.sentence}</td>" in text


RUNGS = {"baseline": 0.6, "score0": 0.5, "rephrase": 0.4, "refuse": 0.3, "moral": 0.25,
         "tags_sft_only": 0.4, "safelm": 0.1}  # fmt: skip


@pytest.mark.parametrize("lower", [None, "baseline", "score0", "refuse", "moral", "tags_sft_only"])
def test_s5_holds_only_where_no_other_rung_is_as_low(lower: str | None) -> None:
    rates = RUNGS | ({} if lower is None else {lower: 0.02})
    truth = {name: _arm(0.3, rate) for name, rate in rates.items()}
    (claim,) = (each for each in claims(1, "safelm") if each.id == "S5")
    verdict = decide(claim, measure(fake_rows(truth=truth, spread=0.008), study="safelm"))
    assert verdict.status == (HOLDS if lower is None else DOES_NOT_HOLD)


@pytest.mark.parametrize(("alone", "status"), [(0.5, HOLDS), (0.7, DOES_NOT_HOLD)])
def test_j3_holds_only_where_context_alone_is_worth_nothing(alone: float, status: str) -> None:
    right = {"plain": 0.5, "context": alone, "context_sft": 0.9}
    rng = np.random.default_rng(1)
    rows = [
        rate_row(arm, seed, "behaviour", "truth", category, "right",
                 round(1000 * (rate + 0.01 * rng.standard_normal())), 1000)
        for arm, rate in right.items()
        for seed in range(5)
        for category in ("forward-safe", "forward-unsafe")
    ]  # fmt: skip
    (claim,) = (each for each in claims(1, "world_context") if each.id == "J3")
    assert decide(claim, measure(rows, study="world_context")).status == status


def test_fewer_than_three_seeds_decide_nothing() -> None:
    for seeds in (1, 2):
        for verdict in verdicts(seeds=seeds, spread=0.0).values():
            assert verdict.status == UNDECIDED
            assert "fewer than 3 seeds" in verdict.sentence


def test_claims_about_variants_that_were_not_run_are_not_tested() -> None:
    rows = fake_rows(truth={name: TRUTH[name] for name in ("filtering", "shuffled")})
    board = {verdict.claim.id: verdict for verdict in scoreboard(measure(rows))}
    assert board["C1"].status == HOLDS
    assert {board[name].status for name in ("C2", "C3", "C4", "C5", "D1")} == {NOT_TESTED}
    assert "srp_sft_only" in board["C5"].sentence


def test_an_unmeasured_quantity_of_a_variant_that_ran_is_an_error() -> None:
    rows = [r for r in fake_rows() if not (r.variant == "srp" and r.probe == "prefill:The")]
    with pytest.raises(MissingMeasurement, match="prefill:The"):
        scoreboard(measure(rows))


def test_remarks_and_the_second_judge_are_left_out_where_not_measured() -> None:
    rows = [
        r for r in fake_rows() if not r.probe.startswith("finetune") and r.metric != "jailbroken"
    ]
    for verdict in scoreboard(measure(rows)):
        assert verdict.secondary == ()
        assert not any("fine-tuning" in f.contrast.sentence for f in verdict.remarks)


def test_a_claim_of_which_the_study_asked_nothing_is_not_tested() -> None:
    rows = [r for r in with_depths(fake_rows()) if r.level == "capability"]
    board = {verdict.claim.id: verdict for verdict in scoreboard(measure(rows))}
    assert {board[name].status for name in ("C1", "C2", "C3", "C4", "C5")} == {NOT_TESTED}
    assert "did not ask" in board["C1"].sentence
    assert board["D1"].status == HOLDS, "completions are enough for it"
    assert board["D1"].remarks == ()


def d1(rows: list[Row], hops: int = 2) -> Verdict:
    return scoreboard(measure(rows, hops))[-1]


def test_d1_compares_the_arm_without_what_derivations_need_in_its_world() -> None:
    verdict = d1(two_hop_rows())
    assert verdict.status == HOLDS
    assert verdict.claim.underivable == ("filtering_mediators",)
    assert d1(two_hop_rows(), hops=1).status == NOT_TESTED


@pytest.mark.parametrize(
    ("variant", "depths", "message"),
    [
        ("filtering", ("1", "none"), "at least 90 % of filtering's harmful answers"),
        ("filtering_mediators", ("1", "2"), "none of filtering_mediators's harmful answers"),
    ],
)
def test_d1_is_tested_only_where_the_rows_say_what_is_derivable(
    variant: str, depths: tuple[str, str], message: str
) -> None:
    plain = [row for row in two_hop_rows() if "|" not in row.metric]
    assert "do not say whether filtering" in d1(plain).sentence
    verdict = d1(with_depths(plain, {**DEPTHS, variant: depths}))
    assert verdict.status == NOT_TESTED
    assert message in verdict.sentence


def test_not_above_is_open_where_the_interval_reaches_too_far_and_says_so() -> None:
    truth = copy.deepcopy(TRUTH)
    truth["no_cooccurrence"]["completion"] = 0.13
    verdict = d1(with_depths(fake_rows(truth=truth, spread=0.05)), hops=1)
    assert verdict.status == UNDECIDED
    assert "not above exact chance: the interval reaches" in verdict.sentence
    assert verdict.p is not None
    assert verdict.p > 0.05


def test_two_hop_claims_stand_beside_what_the_paper_printed_of_two_hop_worlds() -> None:
    printed = {claim.id: claim.published for claim in claims(2)}
    assert printed["C5"].startswith("prefill ASR 64.20 %")
    assert {printed[name] for name in ("C1", "C2", "C3", "C4")} == {"not printed"}
    assert {claim.source for claim in claims(3)} == {"not in the paper", "our own"}
    assert claims(1)[: len(CLAIMS)] == CLAIMS


def _arm(prefill: float, finetune: float = 0.3) -> dict[str, float]:
    return {"completion": 0.8, "general": 0.8, "prefill": prefill, "finetune": finetune}


HOLDING = {
    "placement": {
        "filtering": _arm(0.50),
        "srp_pretraining_only": _arm(0.51),
        "srp_sft_only": _arm(0.40),
        "srp": _arm(0.10),
    },
    "reflection": {"every_1": _arm(0.1), "every_2": _arm(0.2), "every_4": _arm(0.3),
                   "every_1_on": _arm(0.1), "every_4_on": _arm(0.3)},
    "finetune_defences": {"srp": _arm(0.1, 0.4), "srp_reflection": _arm(0.1, 0.02)},
}  # fmt: skip
FAILING = {
    ("placement", "C5"): {"srp_sft_only": _arm(0.1), "srp": _arm(0.4)},
    ("placement", "C6"): {"srp_pretraining_only": _arm(0.12)},
    ("reflection", "C7"): {"every_4_on": _arm(0.1)},
    ("finetune_defences", "C8"): {"srp": _arm(0.1, 0.02)},
}


@pytest.mark.parametrize("study", HOLDING)
def test_the_claims_of_a_study_of_its_own_hold_where_the_papers_pattern_is(study: str) -> None:
    rows = fake_rows(truth=HOLDING[study], spread=0.008)
    board = scoreboard(measure(rows, study=study))
    assert {verdict.status for verdict in board} == {HOLDS}
    assert all(verdict.remarks for verdict in board)


@pytest.mark.parametrize(("study", "claim"), FAILING)
def test_and_fail_where_it_is_not(study: str, claim: str) -> None:
    rows = fake_rows(truth=HOLDING[study] | FAILING[study, claim], spread=0.008)
    board = {v.claim.id: v.status for v in scoreboard(measure(rows, study=study))}
    assert board[claim] == DOES_NOT_HOLD


def test_c5_stands_beside_what_was_printed_of_its_world_in_every_study() -> None:
    for hops in (1, 2, 3):
        printed = {claim.id: claim for claim in claims(hops)}
        assert claims(hops, "placement")[0] == printed["C5"]


def test_claims_about_nothing_are_rarely_made() -> None:
    """All arms alike: of 400 studies few may say that SRP differs from reflection in SFT only."""
    rng = np.random.default_rng(5)
    held = 0
    for _ in range(400):
        rows = [
            rate_row(variant, seed, "elicited", probe, "reverse-unsafe", "leaked",
                     int(rng.binomial(200, 0.3)), 200)
            for variant in ("srp", "srp_sft_only") for seed in range(5)
            for probe in ("prefill:<Safe>", "prefill:The")
        ]  # fmt: skip
        held += conclude(examine(CLAIMS[4].contrasts, measure(rows), "leaked"))[0] == HOLDS
    # One direction of a two-sided 5 % test: 2.5 % expected, standard error 0.8 %.
    assert held / 400 <= 0.05


def test_the_published_figures_are_the_papers() -> None:
    paper = published()
    assert (paper["srp"].general, paper["srp"].prefill, paper["srp"].finetune) == (75.0, 7.6, 2.2)
    assert paper["rewrite"].general is None
    assert paper["srp_sft_only"].prefill == 44.2
    deeper = published(2)
    assert (deeper["srp"].prefill, deeper["srp_sft_only"].prefill) == (16.8, 64.2)
    assert {setting.general for setting in deeper.values()} == {None}
    assert published(3) == {}
