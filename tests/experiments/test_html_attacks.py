"""What the page says of attacks and verdicts, from the records of instruments."""

from __future__ import annotations

import re
from typing import Any

from experiments.elicited import Elicited
from experiments.evidence import Evidence
from experiments.html.attack_table import attack_table, compared
from experiments.html.page import Material, page
from experiments.measures import measure
from experiments.rows import Row

from fake_study import fake_rows
from fake_suite import suite_rows

STUDY = {"name": "headline", "preset": "laptop", "hops": 1, "command": "msw study run headline"}


def made(rows: list[Row], records: dict[str, Any]) -> Material:
    return Material(rows, STUDY, "# Study\n", Evidence(records=records))


def test_words_that_no_model_was_trained_on_are_told_below_the_table() -> None:
    records = {"rewording": {"srp": {"0": {"untrained_words": ["nurse", "<exam>"]}}}}
    text = page(made(fake_rows(3), records))
    assert "<code>rewording</code>: &lt;exam&gt;, nurse" in text
    assert "no model here was trained on" in text
    assert "no model here was trained on" not in page(made(fake_rows(3), {}))


def test_verdicts_have_a_reliability_curve_over_seeds() -> None:
    bins = {"prompt": {"all": [[0.05, 0.1, 20], [0.95, 0.8, 20]]}}
    records = {"self_verdict(texts=4)": {
        arm: {str(seed): {"reliability": bins} for seed in range(3)}
        for arm in ("filtering", "srp")}}  # fmt: skip
    text = page(made(suite_rows(fake_rows(3)), records))
    drawn = text.partition("<h4>self_verdict:prompt, all</h4>")[2].partition("</svg>")[0]
    told = re.findall(r"probability of Unsafe \(%\) (\d+): ([\d.]+) ± [\d.]+ %", drawn)
    assert told == [("5", "10.0"), ("95", "80.0")] * 2
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
    whole = attack_table(found, free, every, {})
    assert re.findall(cell, one) == re.findall(cell, whole) != []
