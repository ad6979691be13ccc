"""Linear probes: what they find, what they must not find, and what a control makes of it."""

from __future__ import annotations

import numpy as np
import pytest

from tiny_models.linear_probe import (
    balanced_accuracy,
    dealt_out,
    entity_folds,
    fit_probe,
    fit_signs,
    held_out_scores,
)


def test_a_linear_function_is_found_up_to_the_penalty() -> None:
    draw = np.random.default_rng(0)
    features = 3 + 5 * draw.normal(size=(200, 6))
    wanted = features @ draw.normal(size=(6, 2)) + [1.0, -4.0]
    np.testing.assert_allclose(
        fit_probe(features, wanted, ridge=1e-9).scores(features), wanted, atol=1e-5
    )
    shrunk = fit_probe(features, wanted, ridge=1e9).scores(features)
    np.testing.assert_allclose(shrunk, np.tile(wanted.mean(axis=0), (200, 1)), atol=1e-5)


def test_features_in_other_units_and_dead_ones_give_the_same_scores() -> None:
    draw = np.random.default_rng(1)
    features, targets = draw.normal(size=(50, 4)), draw.normal(size=(50, 1))
    other = np.concatenate([features * [1, 100, 0.01, -7] + 9, np.ones((50, 1))], axis=1)
    np.testing.assert_allclose(
        fit_probe(features, targets).scores(features), fit_probe(other, targets).scores(other)
    )


def test_classes_of_unequal_size_count_alike() -> None:
    features = np.array([[0.0]] * 95 + [[1.0]] * 5)
    labels = features > 0.5
    scores = fit_signs(features, labels).scores(features)
    np.testing.assert_array_equal(scores > 0, labels)
    np.testing.assert_allclose(scores[0], -scores[-1])


def test_balanced_accuracy_is_the_mean_over_classes() -> None:
    labels = np.array([[True], [False], [False], [False]])
    assert balanced_accuracy(np.array([[1.0], [-1.0], [-1.0], [1.0]]), labels) == 0.5 * (1 + 2 / 3)
    assert balanced_accuracy(-np.ones((4, 1)), labels) == 0.5
    with pytest.raises(ValueError, match="both"):
        balanced_accuracy(np.ones((2, 1)), np.ones((2, 1), dtype=bool))


def test_what_names_an_entity_says_nothing_of_entities_held_out() -> None:
    draw = np.random.default_rng(2)
    known = draw.random(60) < 0.4
    folds = entity_folds(known.tolist(), 4, draw)
    numbers = np.repeat(np.arange(60), 3)
    teaches = np.tile([True, True, False], 60)
    labels = known[numbers][:, None]
    names = np.eye(60)[numbers]
    alone = held_out_scores(names, labels, folds[numbers], teaches, fit_signs)
    assert abs(balanced_accuracy(alone[~teaches], labels[~teaches])[0] - 0.5) < 0.05
    # Where an entity may be in both parts, the same features tell everything.
    mixed = np.tile([0, 1, 1], 60)
    learned = held_out_scores(names, labels, mixed, teaches | True, fit_signs)
    assert balanced_accuracy(learned[mixed == 0], labels[mixed == 0])[0] == 1.0
    told = np.concatenate([names, labels], axis=1)
    shown = held_out_scores(told, labels, folds[numbers], teaches, fit_signs)
    assert balanced_accuracy(shown[~teaches], labels[~teaches])[0] > 0.95


def test_folds_spread_every_label_and_a_deal_keeps_what_a_fold_has() -> None:
    draw = np.random.default_rng(3)
    labels = [True] * 9 + [False] * 22
    folds = entity_folds(labels, 4, draw)
    for own in (True, False):
        counts = np.bincount(folds[np.array(labels) == own], minlength=4)
        assert counts.max() - counts.min() <= 1
    dealt = dealt_out(np.array(labels), folds, draw)
    for fold in range(4):
        assert dealt[folds == fold].sum() == np.array(labels)[folds == fold].sum()
    assert (dealt != np.array(labels)).any()


def test_a_probe_needs_examples() -> None:
    with pytest.raises(ValueError, match="0 examples"):
        fit_probe(np.zeros((0, 3)), np.zeros((0, 1)))
    with pytest.raises(ValueError, match="3 examples and 2 targets"):
        fit_probe(np.zeros((3, 3)), np.zeros((2, 1)))
