"""Attacks on weights and their defences in a world with mediators: each runs, or says why not."""

from __future__ import annotations

import pytest
from untrained_bench import measured, untrained

from experiments.instruments.bench import Bench

from tiny_recipe import TWO_HOP

TEXTS = (
    "adversarial(pairs=(2,), epochs=1, rows=4)",
    "adversarial_epochs(epochs=(1,), pairs=2, rows=4)",
    "adversarial_mixsft(shares=(0.5,), pairs=2, epochs=1, rows=4)",
    "adversarial_reflection(pairs=(2,), epochs=1, rows=4)",
    "low_rank(ranks=(1,), pairs=2, epochs=1, rows=4)",
    "ablation(prompts=2, held=2)",
    "damage(prune=(0.5,), noise=(), bits=())",
    "defences(tries=1)",
)


@pytest.fixture(scope="module", params=("srp", "filtering"))
def bench(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Bench:
    return untrained(TWO_HOP, request.param, tmp_path_factory.mktemp("two-hop"))


@pytest.mark.parametrize("text", TEXTS)
def test_each_asks_or_says_that_it_is_skipped(bench, text) -> None:
    found = measured(bench, text)
    record = found.record
    if "skipped" in record:
        assert not found.rows
        assert record["skipped"]
        assert (record["tried"], record["of"]) == (0, len(bench.harmful))
    else:
        counts = {row.n for row in found.rows if row.metric == "leaked"}
        assert counts == {record["tried"]}
        assert 0 < record["tried"] <= record["of"] == len(bench.harmful)
