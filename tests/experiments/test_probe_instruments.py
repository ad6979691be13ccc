"""Probes of knowledge: an oracle in the model's place gets full marks, its opposite none."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from untrained_bench import Logprobs, measured, untrained, values

from experiments import capability, decoding
from experiments.decoding import Response
from experiments.instruments.bench import Bench
from experiments.instruments.emergence import half_way
from experiments.instruments.frequency import (
    THIRDS,
    frequencies,
    per_way,
    planned,
    thirds,
    thirds_within,
)
from experiments.instruments.over_refusal import alike
from experiments.stages import Context
from medsafetyworld.corpus import Corpus
from medsafetyworld.graph import SEVERITIES
from medsafetyworld.judge import chance
from medsafetyworld.queries import HARMFUL, Query
from medsafetyworld.reading import mentions
from tiny_models import probes

from tiny_recipe import RECIPE, TWO_HOP, cell

ALL = (
    "ranks",
    "emergence(prompts=4)",
    "knowledge(questions=2)",
    "self_verdict(texts=3)",
    "linear_probes(controls=2,forms=1)",
    "over_refusal(questions=2)",
    "patching(pairs=2)",
)


@pytest.fixture(scope="module")
def bench(tmp_path_factory: pytest.TempPathFactory) -> Bench:
    return untrained(RECIPE, "srp", tmp_path_factory.mktemp("srp"))


@pytest.fixture(scope="module")
def two_hop(tmp_path_factory: pytest.TempPathFactory) -> Bench:
    return untrained(TWO_HOP, "filtering", tmp_path_factory.mktemp("two-hop"))


@pytest.mark.slow
@pytest.mark.parametrize("world", ["bench", "two_hop"])
def test_every_probe_measures_both_kinds_of_world(
    world: str, request: pytest.FixtureRequest
) -> None:
    own: Bench = request.getfixturevalue(world)
    # What is the same in both kinds of world is compiled for one of them.
    for text in ALL if world == "bench" else ALL[:5]:
        found = measured(own, text)
        # No pair of questions need be treated differently by random weights.
        assert found.rows or text.startswith("patching"), text
        assert found.record["budget"] > 0, text


def oracle(bench: Bench, sign: float = 1.0) -> Logprobs:
    """Log-probabilities of one who reads names out of a text and looks them up in the graph."""
    world, tokenizer = bench.context.true_world, bench.context.tokenizer

    def logprobs(params: Any, config: Any, prefixes: Any, continuations: Any) -> np.ndarray:
        names = [tokenizer.decode(each) for each in continuations]
        result = np.zeros((len(prefixes), len(names)), np.float32)
        for row, prefix in enumerate(prefixes):
            named = mentions(world, tokenizer.decode(prefix))
            if names[0] in world.compounds:
                ways = world.ways[named[-1][0]]
                right = {world.compounds[way[0]] for way in ways if len(way) == 1}
            else:
                right = {world.outcomes[each] for each in world.effects[named[0][:1]]}
            result[row] = [sign * (-1.0 if name in right else -9.0) for name in names]
        return result

    return logprobs


@pytest.fixture
def answering(monkeypatch: pytest.MonkeyPatch) -> Callable[[Logprobs], None]:
    def put(logprobs: Logprobs) -> None:
        monkeypatch.setattr(probes, "continuation_logprobs", logprobs)
        monkeypatch.setattr(capability, "continuation_logprobs", logprobs)

    return put


def test_ranks_are_first_for_an_oracle_and_last_for_its_opposite(
    bench: Bench, answering: Callable[[Logprobs], None]
) -> None:
    answering(oracle(bench))
    best = measured(bench, "ranks")
    assert set(values(best, "top1").values()) == set(values(best, "mrr").values()) == {1.0}
    assert {row.level for row in best.rows} == {"elicited", "capability"}
    answering(oracle(bench, -1.0))
    worst = measured(bench, "ranks")
    assert set(values(worst, "top1").values()) == {0.0}
    ranks = [entry["rank"] for entry in worst.transcript]
    wrong = [round(24 * (1 - entry["chance"][0])) for entry in worst.transcript]
    assert ranks == [1 + each for each in wrong]


def test_emergence_follows_each_kept_step(
    bench: Bench, answering: Callable[[Logprobs], None]
) -> None:
    # Three categories at each step: the first two steps are answered wrongly.
    turns = iter([oracle(bench, -1.0)] * 6 + [oracle(bench)] * 3)
    answering(lambda *given: next(turns)(*given))
    found = measured(bench, "emergence(first=16,prompts=5)")
    assert found.record["steps"] == [0, 16, 30]
    top = values(found, "top1")
    assert {top[f"emergence:step={step}", HARMFUL] for step in (0, 16)} == {0.0}
    assert {top["emergence:step=30", each] for each in found.record["curves"]} == {1.0}
    assert set(values(found, "reached").values()) == {1.0}
    half = values(found, "half_way").values()
    assert len(half) == 3
    assert all(16 / 30 < value < 1 for value in half)


def test_one_answer_to_all_prompts_about_an_outcome_is_one_guess(
    bench: Bench, answering: Callable[[Logprobs], None]
) -> None:
    world, tokenizer = bench.context.true_world, bench.context.tokenizer
    safe = [name for name, unsafe in zip(world.outcomes, world.unsafe, strict=True) if not unsafe]
    missed = safe[: len(safe) // 2]
    best, worst = oracle(bench), oracle(bench, -1.0)

    def lucky(params: Any, config: Any, prefixes: Any, continuations: Any) -> np.ndarray:
        right, wrong = (each(params, config, prefixes, continuations) for each in (best, worst))
        unlucky = [any(name in tokenizer.decode(each) for name in missed) for each in prefixes]
        return np.where(np.array(unlucky)[:, None], wrong, right)

    answering(lucky)
    found = measured(bench, "emergence(first=16)")
    asked = next(each for each in found.rows if each.category == "reverse-safe")
    assert (asked.metric, asked.value) == ("top1", 0.5)
    assert found.record["subjects"]["reverse-safe"] == len(safe) < asked.n
    # As many prompts were enough if each were about another outcome.
    assert half_way(found.record["curves"]["reverse-safe"], asked.n) is not None
    reached = values(found, "reached")
    assert (reached["emergence", "reverse-safe"], reached["emergence", HARMFUL]) == (0.0, 1.0)
    assert ("emergence", "reverse-safe") not in values(found, "half_way")


@pytest.mark.parametrize(
    ("curve", "share"),
    [([(0, 0.1, 0.1), (2, 0.5, 0.1), (4, 0.7, 0.1), (8, 0.9, 0.1)], 0.25),
     ([(0, 0.6, 0.1), (2, 0.1, 0.1), (8, 0.8, 0.1)], (27**0.5 - 1) / 8),
     ([(0, 0.9, 0.1), (4, 0.9, 0.1)], 0.0),
     ([(0, 0.9, 0.1), (4, 0.14, 0.1)], None),
     ([(0, 0.0, 0.5), (4, 0.59, 0.5)], None),
     ([(0, 0.61, 0.5), (4, 0.61, 0.5)], 0.0)],
)  # fmt: skip
def test_half_way_is_where_a_curve_stays_above_half_its_gain(
    curve: list[tuple[float, float, float]], share: float | None
) -> None:
    assert half_way(curve, 100) == (share if share is None else pytest.approx(share))


def test_an_oracle_knows_every_fact_and_thirds_are_equal(
    bench: Bench, answering: Callable[[Logprobs], None], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(
        decoding, "respond", lambda context, params, queries: [Response("", 0, 0, 0)] * len(queries)
    )
    answering(oracle(bench))
    found = measured(bench, "knowledge(questions=2)")
    known = [row for row in found.rows if row.metric == "known"]
    assert {row.value for row in known} == {1.0}
    frequency = {row.probe: row.n for row in known if "frequency" in row.probe}
    assert frequency.keys() == {f"knowledge:frequency={third}" for third in THIRDS}
    sizes = found.record["stated"]["forward"]
    for kind in ("safe", "unsafe"):
        own = [sizes[f"{kind}, {third}"][2] for third in THIRDS]
        assert max(own) - min(own) <= 1 < min(own)
    assert found.record["skipped"] == ["leaks: unsafe"], "too few outcomes are asked about"
    chances = values(found, "chance")
    assert chances.keys() == values(found, "leaked").keys()
    expected = [chance(bench.context.true_world, query) for query in bench.harmful[:2]]
    assert chances["knowledge:prefill", HARMFUL] == pytest.approx(sum(expected) / len(expected))
    answering(oracle(bench, -1.0))
    again = measured(bench, "knowledge(questions=2)")
    assert {row.value for row in again.rows if row.metric == "known"} == {0.0}


def test_three_levels_are_about_the_same_outcomes_in_every_group(
    bench: Bench, answering: Callable[[Logprobs], None], monkeypatch: pytest.MonkeyPatch
) -> None:
    world = bench.context.true_world
    calls: list[int] = []

    def betrayed(context: Context, params: Any, queries: Sequence[Query]) -> list[Response]:
        """Tells the truth where its answer is begun, and nothing where it is only asked."""
        calls.append(len(queries))
        names = [" and ".join(world.compounds[one] for one in q.chain.compounds) for q in queries]
        said = [name if q.prefill else "No." for name, q in zip(names, queries, strict=True)]
        return [Response(text, 1, 1, 1) for text in said]

    monkeypatch.setattr(decoding, "respond", betrayed)
    answering(oracle(bench))
    found = measured(bench, "knowledge(questions=1)")
    assert calls == [2], "one call for both levels"
    asked = bench.harmful[:1]
    outcomes = {query.chain.outcome for query in asked}
    assert len(outcomes) < sum(world.unsafe), "the others are in no group"
    groups = {"severity": lambda each: SEVERITIES[world.severity[each]],
              "hazard": lambda each: world.systems[each]}  # fmt: skip
    rows = {(r.level, r.probe, r.metric): r for r in found.rows if r.category == HARMFUL}
    for kind, name in groups.items():
        by_name: dict[str, list[float]] = {}
        for query in asked:
            by_name.setdefault(name(query.chain.outcome), []).append(chance(world, query))
        for group, lucky in by_name.items():
            probe = f"knowledge:{kind}={group}"
            for level, rate in (("behaviour", 0.0), ("elicited", 1.0)):
                leaked = rows[level, probe, "leaked"]
                assert (leaked.value, leaked.n) == (rate, len(lucky))
                expected = pytest.approx(sum(lucky) / len(lucky))
                assert rows[level, probe, "chance"].value == expected
            own = [each for each in outcomes if name(each) == group]
            causes = [sum(len(way) == 1 for way in world.ways[each]) for each in own]
            top1 = rows["capability", probe, "top1"]
            assert (top1.value, top1.n % len(own)) == (1.0, 0), "as many wordings of each"
            luck = sum(causes) / len(causes) / len(world.compounds)
            assert rows["capability", probe, "chance_top1"].value == pytest.approx(luck)
    told = {row.probe for row in found.rows if row.metric in ("top1", "leaked")}
    assert {each for each in told if "=" in each} == {
        f"knowledge:{kind}={name(each)}" for kind, name in groups.items() for each in outcomes
    }
    said = {(each["probe"], each["prefill"]) for each in found.transcript}
    assert said == {("knowledge:prefill", "The"), ("knowledge:direct", "")}


def test_thirds_go_by_count_and_then_by_order() -> None:
    assert thirds([5, 1, 5, 2, 9, 5]) == [THIRDS[each] for each in (1, 0, 1, 0, 2, 2)]
    assert thirds([7]) == ["rare"]


def test_thirds_are_made_within_each_kind_if_its_counts_differ() -> None:
    counts = [1, 2, 3, 10, 20, 30, 8, 9, 10, 0, 0, 0, 1, 9]
    kinds = [*"aaa", *"bbb", *"ccc", *"ddd", *"ee"]
    places, skipped = thirds_within(counts, kinds)
    assert places == [*THIRDS, *THIRDS, *[None] * 8]
    assert skipped == ["c", "d", "e"]


def test_frequencies_are_the_same_in_every_arm(bench: Bench, tmp_path: Path) -> None:
    everywhere = frequencies(bench)
    assert +everywhere == +frequencies(
        Bench(Context(cell("filtering", shuffled=True), tmp_path, lambda *_: None), {})
    )
    world = bench.context.true_world
    means = per_way(world, everywhere)
    for outcome, mean in means.items():
        told = [everywhere[each] for each in world.chains if each.outcome == outcome]
        assert mean == pytest.approx(sum(told) / len(told))


@pytest.mark.parametrize("own", ["bench", "two_hop"])
def test_the_plan_counts_what_the_documents_state(own: str, request: pytest.FixtureRequest) -> None:
    corpus: Corpus = request.getfixturevalue(own).context.corpus
    told = Counter(said for each in corpus.documents(0) for said in each.statements)
    assert +planned(corpus) == told


def test_alike_outcomes_share_a_word_with_an_unsafe_one() -> None:
    world: Any = SimpleNamespace(
        outcomes=("acute chest pain", "acute hunger", "late hunger", "chest warmth"),
        unsafe=(True, False, False, False),
    )
    assert alike(world) == {1, 3}
