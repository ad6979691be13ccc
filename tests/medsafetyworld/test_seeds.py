"""Laws of named, counted randomness: bijections, independence, values that never change."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from medsafetyworld.seeds import SEED_NAMES, derive, hash64, named_seeds, permute, uniform_index

SEEDS = st.integers(0, 2**63 - 1)


def all_of(size: int) -> np.ndarray:
    return np.arange(size, dtype=np.int64)


def test_permute_is_a_bijection_for_every_size_up_to_300() -> None:
    for size in range(1, 301):
        assert sorted(permute(7, all_of(size), size).tolist()) == list(range(size)), size


@given(SEEDS, st.integers(1, 20_000))
@settings(max_examples=40, deadline=None)
def test_permute_is_a_bijection_for_every_seed_and_size(seed: int, size: int) -> None:
    assert np.array_equal(np.sort(permute(seed, all_of(size), size)), all_of(size))


@given(SEEDS, st.integers(1, 2**40), st.data())
@settings(max_examples=40, deadline=None)
def test_permute_of_a_part_is_the_part_of_permute(
    seed: int, size: int, data: st.DataObject
) -> None:
    indices = np.array(data.draw(st.lists(st.integers(0, size - 1), max_size=8)), dtype=np.int64)
    whole = permute(seed, indices, size)
    alone = [permute(seed, indices[i : i + 1], size)[0] for i in range(len(indices))]
    assert whole.tolist() == alone
    assert len(set(alone)) == len(set(indices.tolist()))
    assert all(0 <= value < size for value in alone)


def test_permute_leaves_its_input_alone_and_depends_on_the_seed() -> None:
    indices = all_of(1_000)
    first, second = permute(1, indices, 1_000), permute(2, indices, 1_000)
    assert np.array_equal(indices, all_of(1_000))
    assert (first == second).mean() < 0.02


def test_permute_spreads_neighbours() -> None:
    # Rank correlation of index and image: a biased network would keep or reverse the order.
    images = permute(3, all_of(10_000), 10_000)
    assert abs(np.corrcoef(all_of(10_000), images)[0, 1]) < 0.03
    assert abs(np.corrcoef(images[:-1], images[1:])[0, 1]) < 0.03


def test_derive_tells_paths_types_and_masters_apart() -> None:
    paths = [(0, "a"), (0, "b"), (0, "a", "b"), (0, "a", 0), (0, "a", 1), (1, "a"), (10, "a"), (0,)]
    seeds = [derive(*path) for path in paths]
    assert len(set(seeds)) == len(seeds)
    assert all(0 <= seed < 2**63 for seed in seeds)
    assert len({derive(master, "x") for master in range(5_000)}) == 5_000


def test_derived_bits_are_fair() -> None:
    ones = sum(derive(0, number).bit_count() for number in range(2_000))
    assert abs(ones / (2_000 * 63) - 0.5) < 0.005


def test_a_run_has_seven_seeds_of_different_names() -> None:
    seeds = named_seeds(5)
    assert tuple(seeds) == SEED_NAMES
    assert len(set(seeds.values()) | set(named_seeds(6).values())) == 14


@given(SEEDS, st.integers(1, 2**32), st.lists(st.integers(0, 2**64 - 1), min_size=1, max_size=20))
@settings(max_examples=100, deadline=None)
def test_uniform_index_stays_in_range(seed: int, size: int, counters: list[int]) -> None:
    drawn = uniform_index(seed, np.array(counters, dtype=np.uint64), size)
    assert drawn.dtype == np.int64
    assert ((drawn >= 0) & (drawn < size)).all()


@pytest.mark.parametrize("size", [2, 3, 7, 64, 240])
def test_uniform_index_is_uniform_and_seeds_are_independent(size: int) -> None:
    counters = np.arange(48_000, dtype=np.uint64)
    first, second = (uniform_index(derive(0, n), counters, size) for n in "ab")
    for drawn, cells in ((first, size), (first * size + second, size * size)):
        if 48_000 / cells < 5:
            continue
        expected = 48_000 / cells
        chi2 = ((np.bincount(drawn, minlength=cells) - expected) ** 2 / expected).sum()
        # Five standard deviations of chi-square with cells - 1 degrees of freedom.
        assert abs(chi2 - (cells - 1)) < 5 * np.sqrt(2 * (cells - 1)), (chi2, cells)


def test_close_keys_give_unrelated_streams() -> None:
    counters = np.arange(4_096, dtype=np.uint64)
    streams = [hash64(seed, counters) for seed in range(8)]
    golden = 0x9E3779B97F4A7C15
    streams.append(hash64(golden, counters))
    assert len(set(np.concatenate(streams).tolist())) == 9 * 4_096


def test_seeds_and_sizes_of_each_counter_give_what_each_gives_alone() -> None:
    counters = np.arange(50, dtype=np.uint64) * np.uint64(977)
    seeds = np.array([derive(1, number) for number in range(50)], dtype=np.uint64)
    sizes = np.arange(1, 51) ** 3
    alone = [
        uniform_index(int(seed), counters[place : place + 1], int(size))[0]
        for place, (seed, size) in enumerate(zip(seeds, sizes, strict=True))
    ]
    assert uniform_index(seeds, counters, sizes).tolist() == alone


def test_values_never_change() -> None:
    """Corpora are functions of these: if one changes, every published corpus changes."""
    counters = np.arange(4, dtype=np.uint64)
    assert derive(0) == 3456079177858693020
    assert derive(7, "epoch", 3) == 4743521694803824384
    assert hash64(7, counters).tolist() == [
        4890392752960610371,
        8028497717363250567,
        16974552660816687458,
        1110804685543026352,
    ]
    assert uniform_index(7, counters, 1_000).tolist() == [265, 435, 920, 60]
    assert permute(7, all_of(10), 10).tolist() == [2, 3, 9, 1, 5, 4, 0, 6, 8, 7]
    assert permute(7, np.array([0, 10**9]), 10**10).tolist() == [817059731, 9656536195]


def test_numpys_streams_that_worlds_rest_on_never_change() -> None:
    """Worlds and dialogues use numpy's generator, whose streams numpy does not promise to keep."""
    rng = np.random.default_rng(derive(0, "names"))
    assert rng.permutation(10).tolist() == [3, 4, 5, 1, 7, 8, 0, 2, 6, 9]
    assert rng.integers(100, size=5).tolist() == [57, 70, 72, 50, 80]
    assert rng.random(2).tolist() == [0.00953352565562171, 0.2963939569159475]
