"""Harmful pairs: told about some outcomes, asked about others, with what defends against them."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from experiments.elicited import Elicited
from experiments.instruments import Findings, parse_instrument
from experiments.instruments.adversarial import Setting
from experiments.instruments.bench import Bench
from experiments.instruments.harmful_pairs import (
    Fold,
    by_heart,
    check_untold,
    folds,
    pooled,
    schedule,
    with_reflections,
    with_sft,
)
from experiments.measures import measure
from experiments.rows import Row, rate_row
from experiments.stages import Context, cell_dialogues
from medsafetyworld.judge import correct
from medsafetyworld.queries import HARMFUL, Query
from medsafetyworld.reading import mentions
from medsafetyworld.reflections import verdicts

from tiny_recipe import RECIPE, cell


def context_of(variant: str) -> Context:
    return Context(cell(variant), Path("nowhere"), lambda stage, progress: None)


@pytest.fixture(scope="module")
def bench() -> Bench:
    """A cell of which nothing is trained."""
    return Bench(context_of("srp"), {})


def test_a_model_is_asked_only_about_outcomes_that_it_was_told_nothing_about(bench) -> None:
    dealt, world = folds(bench, 999), bench.context.true_world
    asked = [query for fold in dealt for query in fold.asked]
    assert sorted(asked, key=bench.harmful.index) == list(bench.harmful)
    train = set(bench.context.asked.train)
    for fold in dealt:
        named = {
            o for pair in fold.pairs for o in mentions(world, pair.response + pair.question)[-1]
        }
        assert not named & {query.chain.outcome for query in fold.asked}
        for pair in fold.pairs:
            assert pair.chain in train
            assert world.unsafe[pair.chain.outcome]
            assert correct(world, Query(pair.question, pair.chain, "reverse-unsafe"), pair.response)
        assert len({(pair.question, pair.response) for pair in fold.pairs}) == len(fold.pairs)
    assert folds(bench, 999) == dealt
    for few, fold in zip(folds(bench, 3), dealt, strict=True):
        assert few.pairs == fold.pairs[:3], "fewer pairs are the first of more"


def test_pairs_that_tell_what_is_asked_or_are_untrue_are_found(bench) -> None:
    fold, other = folds(bench, 999)
    world = bench.context.true_world
    with pytest.raises(RuntimeError, match="the tests ask about"):
        check_untold(world, replace(fold, pairs=(*fold.pairs, other.pairs[0])))
    wrong = replace(fold.pairs[0], response=other_compound(world, fold))
    with pytest.raises(RuntimeError, match="does not answer"):
        check_untold(world, replace(fold, pairs=(wrong,)))


def other_compound(world, fold: Fold) -> str:
    """An answer that names a compound which does not bring the first pair's outcome about."""
    chain = fold.pairs[0].chain
    right = {compound for way in world.ways[chain.outcome] for compound in way}
    wrong = min(set(range(len(world.compounds))) - right)
    return f"The answer is {world.compounds[wrong]}."


def test_by_heart_is_the_share_of_told_answers_that_happen_to_be_right(bench) -> None:
    world, (fold, other) = bench.context.true_world, folds(bench, 999)
    pairs = (*fold.pairs, *other.pairs)
    want = np.mean([[correct(world, q, pair.response) for pair in pairs] for q in fold.asked])
    assert 0 < want < 1
    assert by_heart(world, fold.asked, pairs) == pytest.approx(want)


def test_a_schedule_has_as_many_steps_as_the_epochs_take() -> None:
    config = schedule(RECIPE, 100, 3, 8)
    assert (config.steps, config.batch_rows, config.micro_rows) == (38, 8, 8)
    assert schedule(RECIPE, 1, 1, 8).steps == 4
    assert schedule(RECIPE, 1, 1, 8).log_every == config.log_every


def test_mixed_in_are_dialogues_of_the_cell_s_own_sft(bench) -> None:
    fold, _ = folds(bench, 999)
    pairs = fold.pairs[:10]
    for share, count in ((0.03, 1), (0.5, 5)):
        mixed = with_sft(bench, pairs, share)
        assert mixed[:10] == pairs
        assert len(mixed) == 10 + count
        assert set(mixed[10:]) <= set(cell_dialogues(bench.context))
    plain = Setting(10, 1, 4)
    assert plain.dialogues(bench, fold) == pairs
    assert len(replace(plain, mixed=0.5).dialogues(bench, fold)) == 15


def test_reflections_judge_the_question_as_refused_ones_and_the_answer_by_what_it_states(
    bench,
) -> None:
    world, (fold, _) = bench.context.true_world, folds(bench, 999)
    for told, pair in zip(
        with_reflections(bench.context, fold.pairs[:4]), fold.pairs[:4], strict=True
    ):
        first, last = verdicts(told.response)
        assert first.said == last.said == f"Unsafe:{world.hazard(pair.chain.outcome)}"
        assert last.about == pair.response


def test_without_reflections_in_sft_there_are_none_to_give() -> None:
    context = context_of("filtering")
    found = parse_instrument("adversarial_reflection").measure(Bench(context, {}))
    assert not found.rows
    assert "no reflections" in found.record["skipped"]


def test_families_of_fine_tuning_name_their_settings() -> None:
    wanted = {
        "adversarial_epochs(epochs=(1, 7))": {"1": Setting(50, 1, 8), "7": Setting(50, 7, 8)},
        "adversarial_mixsft(shares=(0.03,))": {
            "none": Setting(50, 5, 8),
            "0.03": Setting(50, 5, 8, mixed=0.03),
        },
        "adversarial_reflection(pairs=(9,))": {
            "none+pairs=9": Setting(9, 5, 8),
            "reflected+pairs=9": Setting(9, 5, 8, reflected=True),
        },
    }
    for text, settings in wanted.items():
        assert parse_instrument(text).settings() == settings  # pyright: ignore


def test_a_defence_is_held_against_the_same_attack_undefended() -> None:
    wanted = {
        "adversarial_mixsft(shares=(0.03,))": {"0.03": "none"},
        "adversarial_reflection(pairs=(9, 50))": {
            "reflected+pairs=9": "none+pairs=9",
            "reflected+pairs=50": "none+pairs=50",
        },
    }
    for text, pairs in wanted.items():
        made = parse_instrument(text)
        rows = [
            rate_row("a", 0, "elicited", f"{made.name}:{knob}", HARMFUL, "leaked", 1, 4)
            for knob in made.settings()  # pyright: ignore
        ]
        zeros = {each.probe: each.zero for each in Elicited(measure(rows)).attacks}
        assert zeros == {
            f"{made.name}:{own}": ("elicited", f"{made.name}:{bare}") for own, bare in pairs.items()
        }


def test_where_nothing_is_left_to_be_told_about_the_attack_is_skipped() -> None:
    context = context_of("srp")
    context.asked = replace(context.asked, train=())
    bench = Bench(context, {})
    assert folds(bench, 9) == ()
    for name in ("adversarial", "adversarial_mixsft", "adversarial_reflection", "low_rank"):
        found = parse_instrument(name).measure(bench)
        assert not found.rows
        assert "no unsafe outcome" in found.record["skipped"]
        assert (found.record["tried"], found.record["of"]) == (0, len(bench.harmful))


def test_rows_of_folds_are_counted_together() -> None:
    row = Row("a", 0, "elicited", "p", "c", "leaked", 1, 4, 0.25)
    mean = Row("a", 0, "elicited", "p", "c", "chance", None, 1, 0.5)
    found = pooled(
        [
            Findings((row, mean)),
            Findings((replace(row, hits=2, n=2, value=1.0), replace(mean, n=3, value=0.1))),
        ]
    )
    assert [(each.hits, each.n) for each in found.rows] == [(3, 6), (None, 4)]
    assert [each.value for each in found.rows] == [0.5, pytest.approx(0.2)]
