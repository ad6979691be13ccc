"""What defences cost while decoding: tokens read and written, beside decoding without a rule."""

from __future__ import annotations

import re

from experiments.decoding_tables import decoding_section
from experiments.measures import measure
from experiments.rows import Row
from medsafetyworld.queries import HARMFUL


def cost_rows(probe: str, arm: str = "srp", cost: float = 1.0, seeds: int = 3) -> list[Row]:
    """A rule under which `cost` of the tokens read would do, and responses are half as long."""
    place = ("elicited", probe, HARMFUL)
    return [
        Row(arm, seed, *place, metric, None, 90, value)
        for seed in range(seeds)
        for metric, value in (("greedy_cost", cost), ("response_length", 0.5))
    ]


def rules(text: str) -> dict[str, str]:
    """Rule -> the rest of its line."""
    return dict(re.findall(r"^\| `([^`]+)` \| (.+) \|$", text, re.MULTILINE))


def test_each_rule_costs_so_many_times_greedy_after_decoding_without_a_rule() -> None:
    rows = cost_rows("defences:backtrack+The", cost=0.25) + cost_rows("defences:none+The")
    rows += cost_rows("defences:withhold", cost=0.5) + cost_rows("defences:none")
    found = rules(decoding_section(measure(rows, study="laboratory")))
    assert list(found) == [
        "defences:none", "defences:withhold", "defences:none+The", "defences:backtrack+The",
    ]  # fmt: skip
    assert found["defences:none"] == "1.0 ± 0.0 / 50.0 ± 0.0"
    assert found["defences:withhold"] == "2.0 ± 0.0 / 50.0 ± 0.0"
    assert found["defences:backtrack+The"] == "4.0 ± 0.0 / 50.0 ± 0.0"


def test_a_rule_on_verdicts_is_not_applicable_where_none_are_taught_and_a_beam_is_a_control() -> (
    None
):
    rows = [
        row
        for arm in ("filtering", "srp", "safelm")
        for probe in ("defences:stop", "defences:safe_beam")
        for row in cost_rows(probe, arm)
    ]
    found = rules(decoding_section(measure(rows, study="laboratory")))
    cost = "1.0 ± 0.0 / 50.0 ± 0.0"
    assert found["defences:stop"] == f"not applicable | {cost} | not applicable"
    control = f"{cost} (control: beam without tag)"
    assert found["defences:safe_beam"] == f"{control} | {control} | {cost}"


def test_missing_seeds_and_rules_are_told_and_other_attacks_have_no_costs() -> None:
    rows = cost_rows("defences:none") + cost_rows("defences:stop", seeds=1)
    rows += cost_rows("defences:none", arm="filtering")
    found = rules(decoding_section(measure(rows, study="laboratory")))
    assert found["defences:stop"] == "not applicable | 1.0 / 50.0 (n = 1)"
    assert found["defences:none"].count("±") == 4
    assert decoding_section(measure(cost_rows("adversarial_mixsft:none"))) == ""
