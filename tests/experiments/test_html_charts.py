"""The page's charts: every mark tells its figures, one curve for what is the same."""

from __future__ import annotations

import re

from experiments.html.curves import learning_curves
from experiments.html.pareto import pareto
from experiments.measures import measure

from fake_page import whole
from fake_study import TRUTH, fake_curves, fake_rows
from fake_suite import suite_rows


def test_every_point_of_every_chart_tells_its_figures() -> None:
    text = whole()
    told = re.findall(r'<g class="mark[^>]*><title>(.*?)</title>', text, re.DOTALL)
    assert len(told) > 300
    assert all(re.search(r"\d ± \d.*\(n = \d seeds?\)", each, re.DOTALL) for each in told)
    for title in ("best_of", "prefix:k", "shots", "gcg(steps=4)"):
        assert f"<h4>{title}</h4>" in text
    assert "accuracy − control, points" in text
    _, _, rest = text.partition("linear_probes:layer, harmfulness: accuracy</h4>")
    drawn = rest.partition("</svg>")[0]
    assert "chance: 50.0 % at 0" in drawn


def test_a_judge_can_be_chosen_and_each_has_its_own_panels() -> None:
    text = pareto(measure(fake_rows(3)))
    assert re.findall(r"<button type=\"button\" aria-pressed=\"\w+\">(\w+)<", text) == [
        "leaked", "delivered", "jailbroken"]  # fmt: skip
    assert text.count("<svg") == len(TRUTH) - 1 + 3 * 5, "legend, and five panels a judge"
    assert "strongest of all" not in text
    more = pareto(measure(suite_rows(fake_rows(3))))
    assert more.count("<h4>The strongest of all attacks</h4>") == 3


def test_arms_that_share_a_pretraining_have_one_curve_and_one_entry_of_both() -> None:
    curves = fake_curves(2)
    text = learning_curves({**curves, "srp_sft_only": [list(seed) for seed in curves["filtering"]]})
    both = 'data-arm="filtering;srp_sft_only"'
    assert text.count('class="curve"') == len(curves)
    assert len(re.findall(rf"<g {both}", text)) == 1
    assert re.search(rf"<button [^>]*{both}[^>]*>.*?</svg>Filtering; reflection in SFT o", text)
    assert "<title>Filtering; reflection in SFT only\n" in text
    assert 'data-arm="srp"' in text
