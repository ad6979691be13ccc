"""Laws of the wordings in `medsafetyworld/templates`: enough, distinct, well formed, kept apart."""

from __future__ import annotations

import re
from itertools import chain

import pytest

from medsafetyworld.language import (
    FORMS,
    QUESTION_KINDS,
    TRAINING_QUESTIONS,
    _cues,
    _data,
    _families,
    fill,
    load_templates,
)
from medsafetyworld.lexicon import MODIFIERS, SYMPTOMS

POOL = load_templates()
CORES = [(form, arity, core) for (form, arity), cores in POOL.cores.items() for core in cores]
SLOTS = {1: ["a", "c"], 2: ["a1", "a2", "c"]}
EVERY_QUESTION = {
    kind: POOL.training_questions[kind] + POOL.test_questions[kind] for kind in QUESTION_KINDS
}
EVERY_WORDING = [
    *(core for _, _, core in CORES),
    *(framing.text for framing in POOL.framings),
    *POOL.closings,
    *chain(*EVERY_QUESTION.values()),
    *chain(*POOL.answers.values()),
    *POOL.refusals,
    *POOL.stems,
]


def slots(wording: str) -> list[str]:
    return re.findall(r"\{(\w+)\}", wording)


def words(wording: str) -> list[str]:
    return re.findall(r"\w+", re.sub(r"\{\w+\}", "", wording))


def arity_of(kind: str) -> int:
    return 2 if kind.endswith("pair") else 1


def cues_of(wording: str) -> tuple[str, ...]:
    """Families of the cues in a core whose slots hold the reader's marks."""
    filled = fill(wording, ("A", "A")[: 2 if "{a1}" in wording else 1], "C")
    return _families(" ".join(re.findall(r"\w+", filled)))


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("arity", [1, 2])
def test_each_kind_has_forty_cores_and_more_than_1400_renderings(form: str, arity: int) -> None:
    cores = POOL.cores[form, arity]
    renderings = {
        (framing.text, core, closing)
        for framing in POOL.framings
        for core in cores
        for closing in POOL.closings
    }
    assert len(set(cores)) == len(cores) >= 40
    assert len(renderings) > 1_400


def test_no_wording_is_in_two_lists_of_cores() -> None:
    cores = [core for _, _, core in CORES]
    assert len(set(cores)) == len(cores)


def test_framings_and_closings_are_distinct_and_cover_the_papers_styles() -> None:
    assert len({framing.text for framing in POOL.framings}) == len(POOL.framings) >= 24
    assert len(set(POOL.closings)) == len(POOL.closings) >= 24
    assert {"report", "glossary", "case"} <= {framing.style for framing in POOL.framings[:4]}


def test_each_core_is_a_clause_with_every_slot_once() -> None:
    for _, arity, core in CORES:
        assert sorted(slots(core)) == SLOTS[arity], core
        assert core == core.lower(), core
        assert core[-1].isalpha() or core[-1] == "}", core
        # The outcome counts as two words, the least an outcome's name has.
        assert 5 <= len(core.split()) + 1 <= 14, core


def test_each_core_names_its_entities_in_the_order_of_its_form() -> None:
    outcome_first = {"reverse", "cooccurrence_outcome_first"}
    for form, _, core in CORES:
        found = slots(core)
        assert (found[0] == "c") == (form in outcome_first), core
        if form != "cooccurrence_outcome_first":
            assert found[-1] == "c" or form == "reverse", core
        assert [slot for slot in found if slot != "c"] == sorted(set(found) - {"c"}), core


@pytest.mark.parametrize("arity", [1, 2])
def test_most_reverse_cores_end_with_the_compound(arity: int) -> None:
    at_end = [core for core in POOL.cores["reverse", arity] if core.endswith("}")]
    assert len(at_end) >= 30


def test_each_core_has_cues_of_its_own_family_only() -> None:
    for form, _, core in CORES:
        family = form.split("_")[0]
        if family == "warning":  # a warning names the act that it warns of, and overrides it
            assert "warning" in cues_of(core), core
        else:
            assert cues_of(core) == (family,), core


def test_no_cue_belongs_to_two_families() -> None:
    cues = list(chain(*_data("cues").values()))
    assert len(set(cues)) == len(cues) == len(_cues()[1])


def test_framings_and_closings_state_nothing_and_name_nothing() -> None:
    for wording in [*(framing.text for framing in POOL.framings), *POOL.closings]:
        assert _families(wording.lower()) == (), wording
        assert not slots(wording), wording


def test_framings_open_a_sentence_and_closings_are_whole_ones() -> None:
    for framing in POOL.framings:
        assert framing.text[0].isupper(), framing
        assert framing.text.endswith((",", ":", " that")), framing
    for closing in POOL.closings:
        assert re.fullmatch(r"[A-Z][a-z ]+\.", closing), closing
        assert 3 <= len(closing.split()) <= 7, closing


def test_training_and_test_questions_are_disjoint_and_enough() -> None:
    for kind, questions in EVERY_QUESTION.items():
        assert len(POOL.training_questions[kind]) == TRAINING_QUESTIONS
        assert len(POOL.test_questions[kind]) >= 6
        assert len({tuple(words(question.lower())) for question in questions}) == len(questions)


def test_no_question_is_a_training_statement() -> None:
    cores = {tuple(core.split()) for _, _, core in CORES}
    for question in chain(*EVERY_QUESTION.values()):
        assert tuple(question.lower().rstrip("?.").split()) not in cores, question


def test_questions_ask_with_the_slots_of_their_kind() -> None:
    for kind, questions in EVERY_QUESTION.items():
        expected = ["c"] if kind.startswith("reverse") else SLOTS[arity_of(kind)][:-1]
        for question in questions:
            assert slots(question) == expected, question
            assert question[0].isupper(), question
            assert question.endswith(("?", ".")), question


def test_test_questions_use_no_word_that_training_has_not_shown() -> None:
    small = [core for cores in POOL.cores.values() for core in cores[:8]]
    shown = {
        word for text in chain(small, *POOL.training_questions.values()) for word in words(text)
    }
    for question in chain(*POOL.test_questions.values()):
        assert set(words(question)) <= shown, question


def test_answers_are_whole_sentences_and_a_third_begin_with_the() -> None:
    for kind, answers in POOL.answers.items():
        assert len(set(answers)) == len(answers) >= 10
        assert 1 / 4 <= sum(answer.startswith("The ") for answer in answers) / len(answers) <= 1 / 2
        for answer in answers:
            # A short answer ("The answer is ...") leaves out what the question named.
            asked = "a" if kind.startswith("reverse") else "c"
            if slots(answer) != [asked]:
                assert sorted(slots(answer)) == SLOTS[arity_of(kind)], answer
                assert (slots(answer)[0] == "c") == kind.startswith("reverse"), answer
            assert answer.endswith("."), answer
            assert answer[0].isupper() or answer[0] == "{", answer


def test_refusals_are_sentences_of_their_own_that_never_begin_with_the() -> None:
    assert len(set(POOL.refusals)) == len(POOL.refusals) >= 10
    for refusal in POOL.refusals:
        assert refusal.startswith("I "), refusal
        assert refusal.endswith("."), refusal
        assert not slots(refusal), refusal


def test_answer_stems_use_words_of_reverse_cores_and_stop_before_the_compound() -> None:
    known = {word for core in POOL.cores["reverse", 1] for word in words(core)}
    known |= {word for core in POOL.cores["cooccurrence_outcome_first", 1] for word in words(core)}
    assert len(set(POOL.stems)) == len(POOL.stems) >= 4
    for stem in POOL.stems:
        assert set(slots(stem)) <= {"c"}, stem
        assert set(words(stem)) <= known | {"it"}, stem


def test_wordings_are_plain_text() -> None:
    for wording in EVERY_WORDING:
        assert re.fullmatch(r"[A-Za-z,.:;?() -]+", re.sub(r"\{(a|a1|a2|c)\}", "x", wording)), (
            wording
        )
        assert "  " not in wording, wording


def test_no_wording_uses_a_word_of_an_outcomes_name() -> None:
    entity_words = set(chain(MODIFIERS, *(name.split() for name in chain(*SYMPTOMS.values()))))
    for wording in EVERY_WORDING:
        assert not entity_words & set(words(wording.lower())), wording


def test_small_corpora_need_few_words() -> None:
    def stock(first: int) -> set[str]:
        texts = [core for cores in POOL.cores.values() for core in cores[:first]]
        texts += [framing.text for framing in POOL.framings[:first]] + list(POOL.closings[:first])
        texts += chain(*EVERY_QUESTION.values(), *POOL.answers.values(), POOL.refusals, POOL.stems)
        return {word for text in texts for word in words(text)}

    assert len(stock(8)) < 180
    assert len(stock(12)) < 220
