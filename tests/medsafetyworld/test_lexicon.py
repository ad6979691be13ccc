"""Laws of names: they split in one way, collide nowhere and suffice for the paper's worlds."""

from __future__ import annotations

from itertools import chain, permutations, product

import numpy as np
import pytest

from medsafetyworld.domain import load_domain
from medsafetyworld.lexicon import sample_names

DOMAIN = load_domain()
LEXICON = DOMAIN.lexicon
OUTCOMES = [LEXICON.outcome(number) for number in range(LEXICON.outcome_capacity)]
MEDIATORS = [LEXICON.mediator(number) for number in range(LEXICON.mediator_capacity)]
SYMPTOMS = tuple(chain(*LEXICON.symptoms.values()))
PARTS = (LEXICON.onsets, LEXICON.cores, LEXICON.endings)


@pytest.mark.parametrize(
    "morphemes", [LEXICON.onsets, LEXICON.cores + LEXICON.endings], ids=["onsets", "cores+endings"]
)
def test_no_morpheme_begins_another(morphemes: tuple[str, ...]) -> None:
    clashes = [pair for pair in permutations(morphemes, 2) if pair[1].startswith(pair[0])]
    assert clashes == []
    assert all(morpheme.isalpha() and morpheme.islower() for morpheme in morphemes)


def test_all_compound_names_are_distinct() -> None:
    names = {"".join(LEXICON.compound(number)) for number in range(LEXICON.compound_capacity)}
    assert len(names) == LEXICON.compound_capacity
    assert names == {"".join(parts) for parts in product(*PARTS)}


def test_all_mediator_names_are_distinct() -> None:
    assert len(set(MEDIATORS)) == LEXICON.mediator_capacity
    assert all(name == name.lower() for name in MEDIATORS)


@pytest.mark.parametrize("names", [[name for name, _ in OUTCOMES], MEDIATORS], ids=["out", "med"])
def test_no_name_of_a_layer_contains_another(names: list[str]) -> None:
    whole = set(names)
    assert len(whole) == len(names)
    for name in names:
        words = name.split(" ")
        parts = {
            " ".join(words[start:end])
            for start in range(len(words))
            for end in range(start + 1, len(words) + 1)
        }
        assert parts & whole == {name}


def test_the_longest_run_of_words_decides_where_names_meet() -> None:
    # No name may begin with a later word of another, or two in a row could share it.
    names = [*(name for name, _ in OUTCOMES), *MEDIATORS]
    firsts = {name.split(" ")[0] for name in names}
    later = set(chain(*(name.split(" ")[1:] for name in names)))
    assert firsts == {*LEXICON.modifiers, *LEXICON.sites}
    assert not firsts & later
    assert not set(LEXICON.modifiers) & set(LEXICON.sites)


def test_no_compound_name_is_a_word_of_the_language() -> None:
    texts = (*chain(*DOMAIN.cores.values()), *DOMAIN.closings, *SYMPTOMS, *LEXICON.modifiers)
    texts += (*LEXICON.sites, *LEXICON.states, *LEXICON.processes, *DOMAIN.distractors)
    words = {word for text in texts for word in text.split(" ")}
    assert not words & {"".join(parts) for parts in product(*PARTS)}


def test_there_are_enough_names_for_the_papers_worlds() -> None:
    assert LEXICON.compound_capacity >= 10_000
    assert LEXICON.mediator_capacity >= 8_500
    assert LEXICON.outcome_capacity >= 1_500
    assert len(set(SYMPTOMS)) == len(SYMPTOMS) == 40


def test_every_outcome_belongs_to_the_system_of_its_symptom() -> None:
    for name, system in OUTCOMES:
        assert system in LEXICON.systems
        assert name.split(" ", 1)[1] in LEXICON.symptoms[system]


def test_sampled_names_are_distinct_up_to_the_whole_stock() -> None:
    half = LEXICON.mediator_capacity // 2
    layers = (half, LEXICON.mediator_capacity - half)
    names = sample_names(
        LEXICON,
        np.random.default_rng(0),
        LEXICON.compound_capacity,
        layers,
        LEXICON.outcome_capacity,
    )
    assert len(set(names.compounds)) == LEXICON.compound_capacity
    assert len(set(names.outcomes)) == LEXICON.outcome_capacity
    assert tuple(map(len, names.mediators)) == layers
    assert set(chain(*names.mediators)) == set(MEDIATORS)


def test_mediators_change_no_name_of_another_layer() -> None:
    without, having = (
        sample_names(LEXICON, np.random.default_rng(3), 20, mediators, 10)
        for mediators in ((), (9, 4))
    )
    assert (without.compounds, without.outcomes) == (having.compounds, having.outcomes)
    assert without.mediators == ()
