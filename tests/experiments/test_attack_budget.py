"""Laws of what tables say of an attack's budget, seed and tried questions, from records alone."""

from __future__ import annotations

from typing import Any

from experiments.attack_budget import allowed, units_sentence
from experiments.elicited import Elicited
from experiments.elicited_tables import attacks_section
from experiments.evidence import Records
from experiments.gains import compared
from experiments.html.attack_table import attack_table
from experiments.measures import measure
from experiments.rows import Row, rate_row
from medsafetyworld.queries import HARMFUL

ASKED = "responses; nothing is searched"


def rows(*probes: str, arms: tuple[str, ...] = ("filtering", "srp"), n: int = 96) -> list[Row]:
    """Rows of these probes, and of the direct question, whose second seed has 80 questions."""
    asked = [("behaviour", "direct"), *(("elicited", probe) for probe in probes)]
    return [rate_row(arm, seed, level, probe, HARMFUL, "leaked", seed, 80 if seed else n)
            for arm in arms for seed in range(2) for level, probe in asked]  # fmt: skip


def records(name: str, *arms: str, **said: Any) -> Records:
    """The same record in both seeds, whose own seeds are 7 and 8 unless it says otherwise."""
    return {name: {arm: {str(seed): {"seed": 7 + seed, **said} for seed in range(2)}
                   for arm in arms or ("filtering", "srp")}}  # fmt: skip


def short(probe: str, said: Records, *others: str) -> str:
    return allowed(Elicited(measure(rows(probe, *others))), probe, said).short


def test_a_row_says_budget_the_first_replicate_s_seed_and_tried_of_n() -> None:
    said = records("gcg", budget=560, unit="passes", tried=90, of=96)
    assert short("gcg", said) == "560, seed 7, 90 of 96"
    assert short("gcg", records("gcg", budget=560, tried=96, of=96)) == "560, seed 7, all 96"
    assert short("gcg", records("gcg", budget=1, seed=None)) == "1, no seed, all 80-96"
    later = {"gcg": {"srp": {"10": {"budget": 5, "seed": 1}, "9": {"budget": 5, "seed": 2}}}}
    assert short("gcg", later) == "5, seed 2, all 80-96", "by number, not by letter"
    unlike = {"gcg": {"srp": {"0": {"budget": 5, "seed": 4}},
                      "filtering": {"0": {"budget": 5, "seed": 3}}}}  # fmt: skip
    assert short("gcg", unlike) == "5, seed 3 / 4, all 80-96"


def test_a_rule_that_draws_nothing_is_not_said_to_have_the_tries_of_all_rules() -> None:
    said = records("defences", budget=4, unit="tries of backtrack")
    assert short("defences:stop", said) == "4 in all, seed 7, all 80-96"


def test_what_is_tried_on_fewer_questions_in_one_replicate_is_not_called_all() -> None:
    said = {"gcg": {"srp": {"0": {"budget": 5, "tried": 80, "of": 96},
                            "1": {"budget": 5, "tried": 96, "of": 80}}}}  # fmt: skip
    assert short("gcg", said) == "5, no seed, 80-96 of 80-96"


def test_an_attack_of_every_cell_has_no_record_and_is_held_to_the_direct_questions() -> None:
    assert short("prefill:The", {}) == "–, all 80-96"
    fewer = [row for row in rows("gcg") if row.probe == "direct"] + [
        row for row in rows("prefill:The", n=90) if row.probe != "direct"]  # fmt: skip
    found = Elicited(measure(fewer))
    assert allowed(found, "prefill:The", {}).short == "–, 80-90 of 80-96"


def test_the_seed_is_the_row_s_own_where_a_record_has_several() -> None:
    said = records(
        "best_of", budget=9, unit="responses", seed={"0.5": 11, "1": 22}, tried=96, of=96
    )
    assert short("best_of:t=0.5,n=4", said, "best_of:t=1,n=4") == "9 in all, seed 11, all 96"
    assert short("best_of:t=1,n=4", said) == "9 in all, seed 22, all 96"


def test_arms_that_did_not_try_a_row_do_not_hide_its_budget() -> None:
    fits = records("shots", "srp", budget=40, unit=ASKED, prompts_by_probe={"shots:4": 10})
    three = records("shots", "filtering", budget=40, unit=ASKED, prompts_by_probe={"shots:3": 12})
    both = {"shots": {**fits["shots"], **three["shots"]}}
    assert short("shots:4", both) == "10, seed 7, all 80-96"
    assert short("shots:2", both) == "40 in all, seed 7, all 80-96"


def test_budgets_say_what_they_count_once_a_unit() -> None:
    said = {**records("shots", budget=4, unit=ASKED), **records("prefix", budget=4, unit=ASKED),
            **records("gcg", budget=5, unit="passes")}  # fmt: skip
    told = units_sentence(["prefill:The", "shots:1", "prefix:k=1", "shots:2", "gcg"], said)
    assert told == (
        "Budgets are counted in: `shots`, `prefix`: responses, nothing is searched; `gcg`: passes. "
    )
    assert units_sentence(["prefill:The"], said) == ""


def test_both_tables_tell_budget_seed_and_tried() -> None:
    said = records("gcg", budget=560, unit="passes", tried=90, of=96)
    found = Elicited(measure(rows("gcg", "prefill:The")))
    text = attacks_section(found.measures, said)
    assert "| attack | budget, seed, tried | " in text
    assert "| `gcg` | 560, seed 7, 90 of 96 | " in text
    assert "| `prefill:The` | –, all 80-96 | " in text
    assert "a hash of the replicate's seed of attacks" in text
    assert "Budgets are counted in: `gcg`: passes." in text
    page = attack_table(found, found.attacks, compared(found, found.attacks), said)
    row = page.partition("<code>gcg</code></th>")[2].partition("</tr>")[0]
    assert "560<small>passes</small><small>seed 7</small><small>90 of 96 prompts a seed<" in row
