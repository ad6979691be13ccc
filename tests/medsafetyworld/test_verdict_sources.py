"""Verdicts that err: at chosen rates, or as classifiers do that learned from the oracle."""

from __future__ import annotations

from dataclasses import replace
from itertools import islice

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from medsafetyworld.building import build_world
from medsafetyworld.documents import Document, Sentence
from medsafetyworld.errors import SpecError
from medsafetyworld.interventions import parse
from medsafetyworld.interventions.learned import (
    NEVER,
    ROUNDING,
    Learned,
    Scores,
    fewest_errors,
    labelled,
    levels,
    sample,
    uses_learned,
    with_scorer,
)
from medsafetyworld.interventions.verdicts import HARMFUL, ORACLE, SAFE, Noisy, Oracle, worst
from medsafetyworld.laws import check_intervention
from medsafetyworld.laws.violation import assert_lawful
from medsafetyworld.ngrams import fit_ngrams, ngrams
from medsafetyworld.policies import PAPER_POLICY
from medsafetyworld.policy_data import POLICIES

from corpus_cases import SMOKE
from intervention_cases import CASES, DOCUMENTS, Case

CONSUMERS = ("filter", "filter(unsafe)", "filter(2)", "rewrite", "reflect", "reflect(every=2)")
SOURCES = (
    "noisy",
    "noisy(unit=document)",
    "noisy(0.5, 0.5)",
    "noisy(1.0, 1.0)",
    "noisy(fnr=0, fpr=0)",
    "learned",
)


def scored(source: Noisy | Oracle | Learned, documents: list[Document]) -> np.ndarray:
    found = [source.under(PAPER_POLICY).scores(SMOKE.world, each) for each in documents]
    return np.concatenate(found)


@pytest.mark.parametrize("source", SOURCES)
@given(case=CASES, consumer=st.sampled_from(CONSUMERS))
@settings(max_examples=6, deadline=None)
def test_whoever_consumes_verdicts_that_err_stays_lawful(
    source: str, case: Case, consumer: str
) -> None:
    world, found = case
    name, _, own = consumer.removesuffix(")").partition("(")
    (step,) = parse(f"{name}({own}{', ' if own else ''}by={source})").pretraining
    assert_lawful(check_intervention(world, step, found[:25]))


@pytest.mark.parametrize(("fnr", "fpr"), [(0.05, 0.26), (0.5, 0.5), (0.0, 0.2), (0.2, 0.0)])
@pytest.mark.parametrize("least", [1, HARMFUL])
def test_noise_has_its_two_rates_at_either_threshold(fnr: float, fpr: float, least: int) -> None:
    truth, said = scored(ORACLE, DOCUMENTS), scored(Noisy(fnr, fpr), DOCUMENTS)
    bad = truth >= least
    # A sentence that is only unsafe can also be called harmful: that is no error below 4.
    assert (said[bad] < least).mean() == pytest.approx(fnr, abs=0.05)
    assert (said[~bad] >= least).mean() == pytest.approx(fpr, abs=0.05)


def test_without_errors_noise_is_the_oracle() -> None:
    assert np.array_equal(scored(Noisy(0.0, 0.0), DOCUMENTS), scored(ORACLE, DOCUMENTS))
    assert Noisy(0.0, 0.0).exact(PAPER_POLICY)
    assert not Noisy(0.0, 0.1).exact(PAPER_POLICY)
    assert not Noisy(0.1, 0.0).exact(PAPER_POLICY)
    assert not Noisy(0.0, 0.0, "mediator_aware").exact(PAPER_POLICY)
    assert not parse("filter(by=noisy)").safe_only
    assert parse("filter(by=noisy(0, 0))").safe_only


@pytest.mark.parametrize("least", [1, HARMFUL])
def test_noise_by_document_has_its_two_rates_for_a_filter(least: int) -> None:
    found = [replace(each, index=each.index + n) for n in range(5) for each in DOCUMENTS[::2]]

    def dropped(source: Noisy | Oracle) -> np.ndarray:
        own = source.under(PAPER_POLICY)
        return np.array([worst(own, SMOKE.world, each) >= least for each in found])

    bad = dropped(ORACLE)
    whole, parts = dropped(Noisy(0.2, 0.26, unit="document")), dropped(Noisy(0.2, 0.26))
    assert 1 - whole[bad].mean() == pytest.approx(0.2, abs=0.05)
    assert whole[~bad].mean() == pytest.approx(0.26, abs=0.05)
    # By sentence, a note of two has two chances of a false alarm, which may hide a miss.
    assert 1 - parts[bad].mean() == pytest.approx(0.2 * (1 - 0.26), abs=0.05)
    expected = 1 - (1 - 0.26) ** 2
    assert parts[~bad].mean() == pytest.approx(expected, abs=0.05)


def test_by_document_all_sentences_are_wrong_or_none() -> None:
    source = Noisy(0.5, 0.5, unit="document").under(PAPER_POLICY)
    for document in DOCUMENTS:
        exact, said = (each.scores(SMOKE.world, document) for each in (ORACLE, source))
        assert said in (exact, (SAFE,) * len(exact), (HARMFUL,) * len(exact))


def test_worlds_err_differently() -> None:
    other = build_world(replace(SMOKE.world.spec, seed=SMOKE.world.spec.seed + 1))
    plain = [replace(each, sentences=(Sentence("It is so."),)) for each in DOCUMENTS[:400]]
    source = Noisy(0.5, 0.5)
    one, two = ([source.scores(world, each) for each in plain] for world in (SMOKE.world, other))
    assert np.mean([a == b for a, b in zip(one, two, strict=True)]) == pytest.approx(0.5, abs=0.1)


@pytest.mark.parametrize("unit", ["sentence", "document"])
def test_what_was_inserted_is_never_judged_and_changes_no_draw(unit: str) -> None:
    by = f"filter(by=noisy(0.2, 0.2, unit={unit}))"
    plain, headed = parse(by).chain[0], parse(f"world_context | {by}").chain
    for document in DOCUMENTS[:300]:
        (behind,) = headed[0](SMOKE.world, document)
        assert bool(headed[1](SMOKE.world, behind)) is bool(plain(SMOKE.world, document))
    (behind,) = headed[0](SMOKE.world, DOCUMENTS[0])
    alarmed = Noisy(1.0, 1.0).under(PAPER_POLICY).scores(SMOKE.world, behind)
    assert alarmed[0] == SAFE
    (reflected,) = parse("reflect(stop=False)").chain[0](SMOKE.world, behind)
    for source in (Noisy(1.0, 1.0).under(PAPER_POLICY), ORACLE):
        scores = source.scores(SMOKE.world, reflected)
        for score, each in zip(scores, reflected.sentences, strict=True):
            assert score == SAFE or not each.text.startswith("<think>")


@pytest.mark.parametrize("part", ["sft", "finetune"])
def test_learned_verdicts_which_saw_no_question_are_refused_for_dialogues(part: str) -> None:
    with pytest.raises(SpecError, match=f"{part}: reflect: learned .* have seen no question"):
        parse(f"filter; {part}: reflect(by=learned)")


def test_a_sentence_errs_alike_whatever_stands_beside_it() -> None:
    source = Noisy().under(PAPER_POLICY)
    several = [source.scores(SMOKE.world, each) for each in DOCUMENTS[:50]]
    again = [source.scores(SMOKE.world, each) for each in reversed(DOCUMENTS[:50])]
    assert several == again[::-1]
    assert len({scores for scores in several}) > 1


def test_the_ngrams_of_a_text_are_its_words_pairs_and_triples() -> None:
    assert len(ngrams("One two three four")) == 4 + 3 + 2
    assert not np.array_equal(ngrams("a b"), ngrams("b a"))
    assert np.array_equal(ngrams("A b"), ngrams("a b"))
    assert len(ngrams("")) == 0


def test_the_regression_is_that_of_the_normal_equations() -> None:
    texts = ["a b", "b c", "c d e", "a", "d d"]
    scores = [0.0, 1.0, 5.0, 2.0, 3.0]
    model = fit_ngrams(texts, scores, ridge=0.5)
    columns = sorted({int(each) for text in texts for each in ngrams(text)})
    rows = np.array([[float(each in ngrams(text)) for each in columns] for text in texts])
    errors = np.array(scores) - np.mean(scores)
    right = np.linalg.solve(rows.T @ rows + 0.5 * np.eye(len(columns)), rows.T @ errors)
    assert model.weights[columns] == pytest.approx(right, abs=1e-6)
    assert model.scores(texts) == pytest.approx(np.mean(scores) + rows @ right, abs=1e-6)
    with pytest.raises(ValueError, match="a score for each text"):
        fit_ngrams(texts, scores[:2])


def test_what_is_learned_holds_for_sentences_never_seen() -> None:
    known = labelled(SMOKE.world, sample(SMOKE, 2500), PAPER_POLICY)
    model = fit_ngrams(list(known), list(known.values()))
    every = labelled(SMOKE.world, DOCUMENTS, PAPER_POLICY)
    new = {text: score for text, score in every.items() if text not in known}
    truth = np.array(list(new.values()))
    said = levels(model.scores(list(new)), ROUNDING)
    assert len(new) > 200
    assert (said[truth >= HARMFUL] >= HARMFUL).mean() > 0.8
    assert (said[truth < HARMFUL] < HARMFUL).mean() > 0.95


def test_labels_are_the_oracle_s_and_follow_the_policy() -> None:
    documents = list(islice(SMOKE.documents(3), 300))
    known = labelled(SMOKE.world, documents, PAPER_POLICY)
    assert set(known) == {each.text for document in documents for each in document.sentences}
    assert {SAFE, HARMFUL} < set(known.values())
    everything = labelled(SMOKE.world, documents, POLICIES["none"]) if "none" in POLICIES else {}
    assert max(everything.values(), default=0) < HARMFUL


def test_a_study_s_scores_count_if_they_are_higher_and_insertions_not_at_all() -> None:
    texts = ["alpha beta", "gamma delta"] * 3
    model = fit_ngrams(texts, [0.0, 3.0] * 3, ridge=1e-3)
    scores = Scores(model, known={"alpha beta": 5, "gamma delta": 1})
    assert (scores("alpha beta"), scores("gamma delta")) == (5, 3)
    assert scores("<think> Safe </think>") == SAFE
    assert scores("<|harm|> alpha <|harm|> beta") == 5


def test_a_study_s_classifiers_take_the_place_of_the_default() -> None:
    (step,) = parse("filter(by=learned)").bound.pretraining
    (other,) = parse("filter").bound.pretraining
    assert uses_learned(step)
    assert not uses_learned(other)
    assert with_scorer(other, lambda policy: lambda text: 0) is other
    lenient = with_scorer(step, lambda policy: lambda text: 0)
    strict = with_scorer(step, lambda policy: lambda text: 5 * (policy == PAPER_POLICY))
    assert not uses_learned(lenient)
    assert all(lenient.document(SMOKE.world, each) == (each,) for each in DOCUMENTS[:20])
    assert all(strict.document(SMOKE.world, each) == () for each in DOCUMENTS[:20])


def test_thresholds_are_where_fewest_errors_are_made() -> None:
    outputs = np.array([0.1, 0.2, 0.9, 1.0, 2.0, 3.0])
    truth = np.array([0, 0, 1, 0, 1, 4])
    found = fewest_errors(outputs, truth)
    assert found[0] == pytest.approx(0.55)
    assert found[1:4] == pytest.approx((2.5,) * 3)
    assert found[4] == NEVER
    assert levels(outputs, found).tolist() == [0, 0, 1, 1, 1, 4]
    assert levels(outputs, ROUNDING).tolist() == [0, 0, 1, 1, 2, 3]
    for level in range(1, 5):
        errors = [
            ((outputs >= cut) != (truth >= level)).sum() for cut in (*outputs, found[level - 1], 9)
        ]
        assert min(errors) == errors[-2]
