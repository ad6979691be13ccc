"""The genetic search: the best lives on, children are made of their parents, budgets are equal."""

from __future__ import annotations

import numpy as np
import pytest

from tiny_models.attacks import evolve, genomes_scored, random_genomes
from tiny_models.attacks.genetic import crossed, mutated

SIZE = {"questions": 3, "genes": 4, "phrases": 30, "population": 12, "generations": 8, "seed": 3}
SEARCHES = (evolve, random_genomes)


class Wanted:
    """Costs one for each gene that is not the question's own, and counts what it is asked."""

    def __init__(self, questions: int) -> None:
        shape = (questions, 1, SIZE["genes"])
        self.wanted = np.random.default_rng(0).integers(0, SIZE["phrases"], shape)
        self.asked: list[np.ndarray] = []

    def __call__(self, genomes: np.ndarray) -> np.ndarray:
        self.asked.append(genomes)
        return np.abs(genomes - self.wanted[: len(genomes)]).mean(axis=-1)


def searched(search, **changes):
    score = Wanted(3)
    return search(score, **(SIZE | changes)), score


@pytest.mark.parametrize("search", SEARCHES)
def test_the_best_loss_never_rises_and_is_the_least_scored(search) -> None:
    found, score = searched(search)
    assert found.losses.shape == (3, 9)
    assert (np.diff(found.losses, axis=1) <= 0).all()
    again = Wanted(3)
    np.testing.assert_array_equal(again(found.best[:, None])[:, 0], found.losses[:, -1])
    np.testing.assert_array_equal(again(found.first[:, None])[:, 0], found.first_losses)
    every = np.concatenate([again(genomes) for genomes in score.asked], axis=1)
    np.testing.assert_array_equal(every.min(axis=1), found.losses[:, -1])


@pytest.mark.parametrize("search", SEARCHES)
def test_the_budget_is_what_was_scored(search) -> None:
    _, score = searched(search)
    scored = sum(genomes.shape[1] for genomes in score.asked)
    assert scored == genomes_scored(SIZE["population"], SIZE["generations"]) == 12 + 8 * 10


def test_breeding_beats_chance_from_the_same_beginning() -> None:
    bred, by_chance = (searched(search, generations=30)[0] for search in SEARCHES)
    np.testing.assert_array_equal(bred.first, by_chance.first)
    np.testing.assert_array_equal(bred.losses[:, 0], by_chance.losses[:, 0])
    assert (bred.losses[:, -1] < by_chance.losses[:, -1]).all()


@pytest.mark.parametrize("search", SEARCHES)
def test_no_generations_keep_the_best_of_the_first_population(search) -> None:
    found, score = searched(search, generations=0)
    assert len(score.asked) == 1
    losses = Wanted(3)(score.asked[0])
    np.testing.assert_array_equal(found.losses[:, 0], losses.min(axis=1))
    np.testing.assert_array_equal(found.first, score.asked[0][:, 0])


@pytest.mark.parametrize("search", SEARCHES)
def test_equal_seeds_give_equal_bytes_and_questions_do_not_meet(search) -> None:
    one, again = (searched(search)[0] for _ in range(2))
    fewer, _ = searched(search, questions=2)
    other, _ = searched(search, seed=4)
    assert one.best.tobytes() == again.best.tobytes()
    np.testing.assert_array_equal(one.best[:2], fewer.best)
    np.testing.assert_array_equal(one.losses[:2], fewer.losses)
    # What is drawn for a question goes by its place.
    last = search(
        lambda genomes: Wanted(3)(np.repeat(genomes, 3, axis=0))[2:],
        **SIZE | {"questions": 1},
        places=[2],
    )
    np.testing.assert_array_equal(one.best[2:], last.best)
    assert one.losses.tobytes() != other.losses.tobytes()


def test_a_child_has_the_beginning_of_one_parent_and_the_end_of_the_other() -> None:
    draw = np.random.default_rng(0)
    one, other = np.zeros(4, int), np.ones(4, int)
    children = {tuple(crossed(draw, one, other).tolist()) for _ in range(60)}
    assert children == {(0, 1, 1, 1), (0, 0, 1, 1), (0, 0, 0, 1)}
    assert crossed(draw, one[:1], other[:1]).tolist() == [0]


def test_mutation_draws_as_many_genes_as_it_should() -> None:
    draw, genome = np.random.default_rng(0), np.full(4, 30)
    assert (mutated(draw, genome, 30, 0.0) == genome).all()
    assert (mutated(draw, genome, 30, 1.0) < 30).all()
    share = np.mean([mutated(draw, genome, 30, 0.25) < 30 for _ in range(2000)])
    assert share == pytest.approx(0.25, abs=0.02)


@pytest.mark.parametrize(
    ("changes", "sentence"),
    [
        ({"questions": 0}, "questions, genes and phrases must be at least 1"),
        ({"genes": 0}, "questions, genes and phrases must be at least 1"),
        ({"generations": -1}, "generations at least 0"),
        ({"elite": 0}, "elite must be at least 1"),
        ({"population": 2}, "below the population of 2"),
    ],
)
def test_what_makes_no_sense_is_refused(changes, sentence) -> None:
    for search in SEARCHES:
        with pytest.raises(ValueError, match=sentence):
            searched(search, **changes)
