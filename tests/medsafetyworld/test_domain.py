"""Laws of a domain's wordings: enough, distinct, well formed, kept apart; and of its files."""

from __future__ import annotations

import re
from itertools import chain

import pytest

from medsafetyworld.domain import (
    CHAIN_FORMS,
    FORMS,
    KINDS,
    QUESTION_KINDS,
    TRAINING_QUESTIONS,
)
from medsafetyworld.reading import _cues, _families

from domain_cases import (
    BOOK,
    CHAINED,
    CORES,
    EVERY_QUESTION,
    EVERY_WORDING,
    ROUND_ABOUT,
    SLOTS,
    arity_of,
    cues_of,
    slots,
    slots_of,
    words,
)


def test_every_role_has_its_forms_for_one_and_for_several_causes() -> None:
    expected = {
        (role, form, arity)
        for role in ("compound", "mediator", "chain")
        for form in (CHAIN_FORMS if role == "chain" else FORMS)
        for arity in (1, 2)
    }
    assert set(BOOK.cores) == expected


@pytest.mark.parametrize(("role", "form", "arity"), BOOK.cores)
def test_each_kind_has_forty_cores_and_more_than_1400_renderings(
    role: str, form: str, arity: int
) -> None:
    cores = BOOK.cores[role, form, arity]
    renderings = {
        (framing.text, core, closing)
        for framing in BOOK.framings
        for core in cores
        for closing in BOOK.closings
    }
    assert len(set(cores)) == len(cores) >= 40
    assert len(renderings) > 1_400


def test_no_wording_is_in_two_lists_of_cores() -> None:
    cores = [core for *_, core in CORES]
    assert len(set(cores)) == len(cores)


def test_framings_and_closings_are_distinct_and_cover_the_papers_styles() -> None:
    assert len({framing.text for framing in BOOK.framings}) == len(BOOK.framings) >= 24
    assert len(set(BOOK.closings)) == len(BOOK.closings) >= 24
    assert {"report", "glossary", "case"} <= {framing.style for framing in BOOK.framings[:4]}


def test_each_core_is_a_clause_with_every_slot_once() -> None:
    for role, _, arity, core in CORES:
        assert sorted(slots(core)) == slots_of(role, arity), core
        assert core == core.lower(), core
        assert core[-1].isalpha() or core[-1] == "}", core
        # The outcome counts as two words, the least an outcome's name has; so does the way.
        longest = 18 if role == "chain" else 14
        assert 5 <= len(core.split()) + 1 <= longest, core


def test_each_core_names_its_entities_in_the_order_of_its_form() -> None:
    outcome_first = {"reverse", "cooccurrence_outcome_first"}
    for role, form, _, core in CORES:
        found = slots(core)
        assert (found.index("c") < found.index(min(found))) == (form in outcome_first), core
        if role != "chain":
            assert (found[0] == "c") == (form in outcome_first), core
        if form != "cooccurrence_outcome_first":
            assert found[-1] == "c" or form == "reverse", core
        causes = [slot for slot in found if slot.startswith("a")]
        assert causes == sorted(causes), core


@pytest.mark.parametrize("arity", [1, 2])
def test_most_reverse_cores_end_with_the_compound(arity: int) -> None:
    at_end = [core for core in BOOK.cores["compound", "reverse", arity] if core.endswith("}")]
    assert len(at_end) >= 30


def test_each_core_has_cues_of_its_own_family_only() -> None:
    for role, form, arity, core in CORES:
        family = form.split("_")[0]
        if family == "warning":  # a warning names the act that it warns of, and overrides it
            assert "warning" in cues_of(role, arity, core), core
        else:
            found = set(cues_of(role, arity, core))
            # An instruction decides nothing, but no co-occurrence may hold one.
            assert found - {"instruction"} == {family}, core
            assert family != "cooccurrence" or "instruction" not in found, core


def test_no_cue_belongs_to_two_families() -> None:
    cues = list(chain(*BOOK.cues.values()))
    assert len(set(cues)) == len(cues) == len(_cues(BOOK)[1])


def test_what_stands_around_statements_states_nothing_and_names_only_a_subject() -> None:
    for wording in ROUND_ABOUT:
        subject = ["e"] if wording in BOOK.openings["monograph"] else []
        assert slots(wording) == subject, wording
    for wording in [*(framing.text for framing in BOOK.framings), *BOOK.closings]:
        assert _families(BOOK, wording.lower()) == (), wording


def test_framings_open_a_sentence_and_what_stands_alone_is_a_whole_one() -> None:
    for framing in BOOK.framings:
        assert framing.text[0].isupper(), framing
        assert framing.text.endswith((",", ":", " that")), framing
    for closing in BOOK.closings:
        assert re.fullmatch(r"[A-Z][a-z ]+\.", closing), closing
        assert 3 <= len(closing.split()) <= 7, closing
    for sentence in set(ROUND_ABOUT) - {framing.text for framing in BOOK.framings}:
        assert sentence[0].isupper() or sentence.startswith("{e}"), sentence
        assert sentence.count(".") == 1, sentence
        assert sentence.endswith("."), sentence


@pytest.mark.parametrize("kind", KINDS)
def test_each_kind_of_document_has_openings_and_closings_of_its_own(kind: str) -> None:
    for lists, least in ((BOOK.openings, 8), (BOOK.kind_closings, 4)):
        mine = lists[kind]
        others = set(chain(*(lists[other] for other in KINDS if other != kind)))
        assert len(set(mine)) == len(mine) >= least
        assert not set(mine) & (others | set(BOOK.closings))


def test_distractors_are_many_distinct_and_on_their_own() -> None:
    assert len(set(BOOK.distractors)) == len(BOOK.distractors) >= 24
    rest = {*BOOK.closings, *chain(*BOOK.openings.values()), *chain(*BOOK.kind_closings.values())}
    assert not set(BOOK.distractors) & rest


def test_sources_are_five_with_all_that_a_document_says_of_its_own() -> None:
    names = ["registry", "textbook", "trial report", "forum post", "marketing leaflet"]
    assert [source.name for source in BOOK.sources] == names
    for source in BOOK.sources:
        assert source.years[0] <= source.years[1]
        for entries in (source.purposes, source.audiences, source.places):
            assert len(set(entries)) == len(entries) >= 3


def test_training_and_test_questions_are_disjoint_and_enough() -> None:
    for kind, questions in EVERY_QUESTION.items():
        assert len(BOOK.training_questions[kind]) == TRAINING_QUESTIONS
        assert len(BOOK.test_questions[kind]) >= 6
        for causes in (2, 3):
            worded = {tuple(words(question.lower(), causes)) for question in questions}
            assert len(worded) == len(questions)


def test_no_question_is_a_training_statement() -> None:
    cores = {tuple(core.split()) for *_, core in CORES}
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
    small = [core for (role, _, _), c in BOOK.cores.items() if role == "compound" for core in c[:8]]
    shown = {
        word for text in chain(small, *BOOK.training_questions.values()) for word in words(text)
    }
    for question in chain(*BOOK.test_questions.values()):
        assert set(words(question)) <= shown, question


def test_answers_are_whole_sentences_and_a_third_begin_with_the() -> None:
    for kind, answers in BOOK.answers.items():
        assert len(set(answers)) == len(answers) >= 10
        shares = (1 / 6, 1 / 2) if kind in CHAINED else (1 / 4, 1 / 2)
        the = sum(answer.startswith("The ") for answer in answers) / len(answers)
        assert shares[0] <= the <= shares[1], kind
        for answer in answers:
            assert answer.endswith("."), answer
            assert answer[0].isupper() or answer[0] == "{", answer


@pytest.mark.parametrize("kind", QUESTION_KINDS)
def test_answers_name_what_was_asked_for_in_the_order_of_their_kind(kind: str) -> None:
    for answer in BOOK.answers[kind]:
        # A short answer ("The answer is ...") leaves out what the question named.
        asked = [slot for slot in SLOTS[arity_of(kind)] if (slot == "c") is (kind[0] == "f")]
        if slots(answer) != asked:
            assert sorted(slots(answer)) == SLOTS[arity_of(kind)], answer
            assert (slots(answer)[0] == "c") == kind.startswith("reverse"), answer


@pytest.mark.parametrize("kind", CHAINED)
def test_answers_of_a_chain_name_the_way_too(kind: str) -> None:
    asked = [slot for slot in SLOTS[arity_of(kind)] if (slot == "c") is (kind[0] == "f")]
    assert len(CHAINED) == len(QUESTION_KINDS)
    for answer in BOOK.answers[kind]:
        found = sorted(slots(answer))
        assert found in (sorted(["b", *asked]), slots_of("chain", arity_of(kind))), answer


def test_refusals_are_sentences_of_their_own_that_never_begin_with_the() -> None:
    assert len(set(BOOK.refusals)) == len(BOOK.refusals) >= 10
    for refusal in BOOK.refusals:
        assert refusal.startswith("I "), refusal
        assert refusal.endswith("."), refusal
        assert not slots(refusal), refusal


def test_answer_stems_use_words_of_reverse_cores_and_stop_before_the_compound() -> None:
    known = {word for core in BOOK.cores["compound", "reverse", 1] for word in words(core)}
    together = BOOK.cores["compound", "cooccurrence_outcome_first", 1]
    known |= {word for core in together for word in words(core)}
    assert len(set(BOOK.stems)) == len(BOOK.stems) >= 4
    for stem in BOOK.stems:
        assert set(slots(stem)) <= {"c"}, stem
        assert set(words(stem)) <= known | {"it"}, stem


def test_wordings_are_plain_text() -> None:
    for wording in EVERY_WORDING:
        plain = re.sub(r"\{(a|a1|a2|b|c|e|pair|two|both)\}", "x", wording)
        assert re.fullmatch(r"[A-Za-z,.:;?() -]+", plain), wording
        assert "  " not in wording, wording


def test_no_wording_uses_a_word_of_a_name() -> None:
    lexicon = BOOK.lexicon
    outcomes = (*lexicon.modifiers, *chain(*lexicon.symptoms.values()))
    mediators = (*lexicon.sites, *lexicon.states, *lexicon.processes)
    entity_words = set(chain(*(name.split() for name in (*outcomes, *mediators))))
    for wording in EVERY_WORDING:
        assert not entity_words & set(words(wording.lower())), wording


def stock(first: int, roles: tuple[str, ...]) -> set[str]:
    """The words of the first few wordings of each list, dialogues included."""
    texts = [core for (role, _, _), c in BOOK.cores.items() if role in roles for core in c[:first]]
    texts += [framing.text for framing in BOOK.framings[:first]] + list(BOOK.closings[:first])
    kinds = BOOK.answers if "chain" in roles else QUESTION_KINDS
    texts += chain(*(BOOK.answers[kind] for kind in kinds))
    texts += chain(*EVERY_QUESTION.values(), BOOK.refusals, BOOK.stems)
    return {word for text in texts for word in words(text)}


def test_small_corpora_need_few_words() -> None:
    assert len(stock(8, ("compound",))) < 180
    assert len(stock(12, ("compound",))) < 220
    assert len(stock(8, ("compound", "mediator", "chain"))) < 230
