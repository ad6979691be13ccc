"""Studies of reflections, noise and timing: what an arm changes, and what it shares."""

from __future__ import annotations

from itertools import islice

import numpy as np
import pytest

from experiments.recipe import Cell
from experiments.studies import STUDIES
from experiments.studies.reflection import REFLECTION
from experiments.studies.timing import TIMING, WINDOWS
from experiments.studies.verdict_noise import RATES, VERDICT_NOISE
from experiments.study import make_plan
from medsafetyworld.building import build_world
from medsafetyworld.corpus import Corpus
from medsafetyworld.interventions import variant
from medsafetyworld.interventions.filtering import Filter
from medsafetyworld.interventions.reflection import Reflect
from medsafetyworld.interventions.verdicts import Noisy
from medsafetyworld.reflections import verdicts
from tiny_models.schedules import learning_rate


def cells(study: str, preset: str = "smoke") -> dict[str, Cell]:
    return {each.arm.name: each for each in make_plan(STUDIES[study], preset, replicates=1).cells}


@pytest.mark.parametrize("preset", ["smoke", "laptop", "smoke-two-hop", "laptop-two-hop"])
def test_intervals_of_one_two_and_four_sentences_make_different_segments(preset: str) -> None:
    recipe = REFLECTION.presets[preset].recipe
    corpus = Corpus(build_world(recipe.world), recipe.corpus, 0)
    long = (each for each in corpus.documents(0) if len(each.sentences) >= 4 and not each.unsafe)
    found = list(islice(long, 20))
    counts = []
    for arm in ("every_1", "every_2", "every_4"):
        step = cells("reflection", preset)[arm].variant.bound.pretraining[-1]
        made = [step.document(corpus.world, each)[0] for each in found]
        assert max(len(each.text.split()) for each in made) < recipe.context * 3
        counts.append(sum(len(list(verdicts(each.text))) for each in made))
    assert counts[0] > 1.5 * counts[1] > 2.2 * counts[2] > 0


def test_reflection_trains_on_as_many_tokens_as_the_headline() -> None:
    for name, preset in REFLECTION.presets.items():
        assert preset.recipe.budget == STUDIES["headline"].presets[name].recipe.budget


def test_arms_of_the_reflection_study_share_pretrainings() -> None:
    plan = make_plan(REFLECTION, "smoke", replicates=1)
    # SFT only starts from filtering's model, pretraining only ends in the model of `every_1`.
    assert plan.trainings == len(plan.cells) - 2


def test_late_arms_and_their_controls_have_the_same_dose() -> None:
    doses = {name: stop - start for name, (start, stop) in WINDOWS.items()}
    assert doses["from_20"] == pytest.approx(doses["until_80"])
    assert doses["from_60"] == pytest.approx(doses["until_40"])
    for name, (start, stop) in WINDOWS.items():
        for method, steps in (("filter", 1), ("srp", 2)):
            found = cells("timing")[f"{method}_{name}"].variant
            for share in (0.0, 0.1, 0.3, 0.5, 0.7, 0.9):
                assert len(found.chain_at(share)) == steps * (start <= share < stop)
            assert found.safe_only is (name == "from_00")


def test_every_consumer_has_each_rate_and_nothing_else_errs() -> None:
    arms = {arm.name: variant(arm.variant) for arm in VERDICT_NOISE.arms}
    for name in ("filter", "rewrite", "harm_tag", "reflect"):
        for percent, rate in RATES.items():
            noisy = [
                value
                for step in arms[f"{name}_{percent}"].pretraining
                for value in vars(step).values()
                if isinstance(value, Noisy)
            ]
            assert noisy == [Noisy(rate, rate)]
    assert arms["filter_00"].safe_only
    assert not arms["filter_05"].safe_only
    assert arms["reflect_50"].safe_only
    assert len(TIMING.arms) == 2 + 2 * len(WINDOWS) + 2
    measured = vars(arms["filter_as_measured"].pretraining[0])["by"]
    assert (measured.unit, measured.fnr, measured.fpr) == ("document", 0.05, 0.26)


@pytest.mark.parametrize(("percent", "until"), [("20", 0.2), ("60", 0.6)])
def test_only_what_is_safe_is_read_first_and_then_everything(percent: str, until: float) -> None:
    found = cells("timing")[f"only_safe_until_{percent}"].variant
    (step,) = found.pretraining
    assert isinstance(step, Filter)
    assert step.least == 1
    for share in (0.0, 0.1, 0.3, 0.5, 0.7, 0.9):
        assert len(found.chain_at(share)) == (share < until)


def test_the_shares_of_the_learning_rate_are_those_that_timing_tells() -> None:
    plan = TIMING.presets["laptop"].recipe.pretrain
    rates = np.array([learning_rate(plan, step) for step in range(plan.steps)])
    for name, share in {"from_60": 16, "until_40": 63, "from_20": 67, "until_80": 95}.items():
        start, stop = (round(each * plan.steps) for each in WINDOWS[name])
        assert round(100 * rates[start:stop].sum() / rates.sum()) == share


def test_density_and_random_verdicts_are_compared_where_no_text_is_lost() -> None:
    for name in ("every_1_on", "every_2_on", "every_4_on", "random"):
        last = cells("reflection")[name].variant.pretraining[-1]
        assert isinstance(last, Reflect)
        assert not last.stop
