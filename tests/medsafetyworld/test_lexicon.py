"""Laws of names: they split in one way, collide nowhere and suffice for the paper's world."""

from __future__ import annotations

from itertools import chain, permutations, product

import numpy as np
import pytest

from medsafetyworld.language import load_templates
from medsafetyworld.lexicon import (
    COMPOUND_CAPACITY,
    CORES,
    ENDINGS,
    MODIFIERS,
    ONSETS,
    OUTCOME_CAPACITY,
    SYMPTOMS,
    SYSTEMS,
    compound_morphemes,
    outcome_name,
    sample_names,
)

OUTCOMES = [outcome_name(number) for number in range(OUTCOME_CAPACITY)]


@pytest.mark.parametrize("morphemes", [ONSETS, CORES + ENDINGS], ids=["onsets", "cores+endings"])
def test_no_morpheme_begins_another(morphemes: tuple[str, ...]) -> None:
    clashes = [pair for pair in permutations(morphemes, 2) if pair[1].startswith(pair[0])]
    assert clashes == []
    assert all(morpheme.isalpha() and morpheme.islower() for morpheme in morphemes)


def test_all_compound_names_are_distinct() -> None:
    names = {"".join(compound_morphemes(number)) for number in range(COMPOUND_CAPACITY)}
    assert len(names) == COMPOUND_CAPACITY == len(ONSETS) * len(CORES) * len(ENDINGS)
    assert names == {"".join(parts) for parts in product(ONSETS, CORES, ENDINGS)}


def test_no_outcome_name_contains_another() -> None:
    names = [name for name, _ in OUTCOMES]
    assert len(set(names)) == OUTCOME_CAPACITY
    whole = set(names)
    for name in names:
        words = name.split(" ")
        parts = {
            " ".join(words[start:end])
            for start in range(len(words))
            for end in range(start + 1, len(words) + 1)
        }
        assert parts & whole == {name}


def test_the_longest_run_of_words_decides_where_outcome_names_meet() -> None:
    # No name may begin with the last word of another, or two in a row could share it.
    firsts = {name.split(" ")[0] for name, _ in OUTCOMES}
    later = set(chain(*(name.split(" ")[1:] for name, _ in OUTCOMES)))
    assert firsts == set(MODIFIERS)
    assert not firsts & later


def test_no_compound_name_is_a_word_of_the_language() -> None:
    book = load_templates()
    texts = (*chain(*book.cores.values()), *book.closings, *chain(*SYMPTOMS.values()), *MODIFIERS)
    words = {word for text in texts for word in text.split(" ")}
    assert not words & {"".join(parts) for parts in product(ONSETS, CORES, ENDINGS)}


def test_there_are_enough_names_for_the_papers_world() -> None:
    assert COMPOUND_CAPACITY >= 10_000
    assert OUTCOME_CAPACITY >= 1_500
    assert len({symptom for symptoms in SYMPTOMS.values() for symptom in symptoms}) == 40


def test_every_outcome_belongs_to_the_system_of_its_symptom() -> None:
    for name, system in OUTCOMES:
        assert system in SYSTEMS
        assert name.split(" ", 1)[1] in SYMPTOMS[system]


def test_sampled_names_are_distinct_up_to_the_whole_stock() -> None:
    compounds, outcomes = sample_names(
        np.random.default_rng(0), COMPOUND_CAPACITY, OUTCOME_CAPACITY
    )
    assert len(set(compounds)) == COMPOUND_CAPACITY
    assert len(set(outcomes)) == OUTCOME_CAPACITY
