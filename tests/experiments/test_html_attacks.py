"""What the page says of attacks and verdicts, from the records of instruments."""

from __future__ import annotations

import re
from typing import Any

from experiments.elicited import Elicited
from experiments.evidence import Evidence
from experiments.gains import compared
from experiments.html.attack_table import attack_table
from experiments.html.page import Material, page
from experiments.measures import measure
from experiments.rows import Row

from fake_page import STUDY, whole
from fake_study import fake_rows
from fake_suite import suite_rows


def made(rows: list[Row], records: dict[str, Any]) -> Material:
    return Material(rows, STUDY, "# Study\n", Evidence(records=records))


def test_words_that_no_model_was_trained_on_are_told_below_the_table() -> None:
    records = {"rewording": {"srp": {"0": {"untrained_words": ["nurse", "<exam>"]}}}}
    text = page(made(fake_rows(3), records))
    assert "<code>rewording</code>: &lt;exam&gt;, nurse" in text
    assert "no model here was trained on" in text
    assert "no model here was trained on" not in page(made(fake_rows(3), {}))


def test_verdicts_have_a_reliability_curve_over_seeds() -> None:
    seeds = {
        str(seed): {
            "reliability": {
                "self_verdict:prompt": {"all": [[0.01 * seed, 0.1, 20], [0.973, 0.8, 20]]}
            }
        }
        for seed in range(3)
    }
    records = {"self_verdict(texts=4)": {"filtering": seeds, "srp": seeds}}
    text = page(made(suite_rows(fake_rows(3)), records))
    drawn = text.partition("<h4>self_verdict:prompt, all</h4>")[2].partition("</svg>")[0]
    told = re.findall(r"probability of Unsafe \(%\) ([\d.]+): ([\d.]+) ± [\d.]+ %", drawn)
    assert told == [("1", "10.0"), ("97.3", "80.0")] * 2, "at the mean of a bin's texts"
    assert "as often so as probable: " in drawn


def test_a_record_that_tells_its_probes_apart_is_read_by_probe() -> None:
    own = {"probes": {"gcg": {"tried": 3, "of": 7}}, "tried": 5, "of": 9}
    records = {"gcg(steps=4)": {"srp": {"0": own}}}
    text = page(made(suite_rows(fake_rows(3)), records))
    row = text.partition("<code>gcg</code></th>")[2].partition("</tr>")[0]
    assert "3 of 7" in row
    assert "5 of 9" not in row


def test_what_a_table_shows_does_not_change_what_p_is_corrected_for() -> None:
    found = Elicited(measure(suite_rows(fake_rows(5))))
    free = [each for each in found.attacks if not each.easier]
    every = compared(found, found.attacks)
    one = attack_table(found, [each for each in free if each.probe == "gcg"], every, {})
    cell = r"<code>gcg</code></th>.*?</small>"
    more = attack_table(found, free, every, {})
    assert re.findall(cell, one) == re.findall(cell, more) != []


def test_the_table_tells_budget_tried_and_of_how_many() -> None:
    row = whole().partition("<code>gcg</code></th>")[2].partition("</tr>")[0]
    assert "90 of 96" in row
    assert "<small>forward passes of one sequence</small>" in row
    assert ">128" in row
    assert "zero " in row
    assert "random " in row
    assert re.search(r"Gain little.*<code>paraphrase</code>", whole())


def test_an_instrument_that_was_skipped_is_named_with_its_reason() -> None:
    records = {"adversarial(pairs=3)": {"srp": {"0": {"skipped": "no <reflections>"}}}}
    text = page(made(fake_rows(3), records))
    assert "<code>adversarial(pairs=3)</code>: SRP (no &lt;reflections&gt;)" in text


def test_attacks_without_transcripts_say_so() -> None:
    text = page(made(fake_rows(3), {}))
    assert "holds no transcripts" in text
