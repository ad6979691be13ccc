"""SafeLM's steps: careful retellings, refusals, articles and tags, and the ladder they make."""

from __future__ import annotations

from dataclasses import replace
from functools import lru_cache
from itertools import islice

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from medsafetyworld.building import build_world
from medsafetyworld.corpus import Corpus
from medsafetyworld.documents import Document, hazard_of
from medsafetyworld.domain import load_domain
from medsafetyworld.graph import World
from medsafetyworld.interventions import REGISTRY, VARIANTS, parse
from medsafetyworld.interventions.algebra import Step
from medsafetyworld.interventions.harm_tag import HarmTag
from medsafetyworld.interventions.moral_education import MoralEducation
from medsafetyworld.interventions.reflection import Reflect
from medsafetyworld.interventions.refuse_web import RefuseWeb
from medsafetyworld.interventions.rephrase import FORMATS, Rephrase
from medsafetyworld.interventions.safelm import LADDER, SAFE_TEXTS, is_safe_text
from medsafetyworld.interventions.verdicts import HARMFUL, ORACLE, worst
from medsafetyworld.judge import is_refusal, read_corpus
from medsafetyworld.laws import assert_lawful, check_intervention
from medsafetyworld.policies import PAPER_POLICY, SafetyPolicy
from medsafetyworld.presets import CORPUS_PRESETS, WORLD_PRESETS
from medsafetyworld.reading import mentions, read, read_sentence, sentences
from medsafetyworld.reflections import has_unsafe_verdict, strip_insertions, verdicts
from medsafetyworld.semantics import Direction, state
from medsafetyworld.testing import corpora, policies, steps, worlds
from medsafetyworld.tokenizer import HARM, build_tokenizer
from medsafetyworld.training_stream import intervene

RICH = {"monograph_rate": 0.3, "case_rate": 0.3, "digest_rate": 0.3, "glossary_rate": 0.3}


@lru_cache
def corpus_of(preset: str = "smoke", domain: str = "medical", rich: bool = True) -> Corpus:
    spec = replace(CORPUS_PRESETS[preset], **(RICH if rich else {}))
    return Corpus(build_world(replace(WORLD_PRESETS[preset], domain=domain)), spec, 0)


@lru_cache
def by_score(preset: str = "smoke", domain: str = "medical") -> dict[int, list[Document]]:
    corpus = corpus_of(preset, domain)
    found: dict[int, list[Document]] = {}
    for each in corpus.documents(0):
        found.setdefault(worst(ORACLE, corpus.world, each), []).append(each)
    return found


def scored(least: int, most: int, preset: str = "smoke") -> list[Document]:
    return [
        each for score in range(least, most + 1) for each in by_score(preset).get(score, [])[:150]
    ]


WORLD = corpus_of().world
MILD, WORSE, HARMLESS = scored(1, 3), scored(4, 5), scored(0, 0)


@st.composite
def cases(draw: st.DrawFn) -> tuple[World, list[Document]]:
    world = draw(worlds(domains=("medical", "household")))
    return world, list(islice(draw(corpora(world)).documents(0), 40))


@pytest.mark.parametrize("name", [*SAFE_TEXTS, "harm_tag"])
@given(data=st.data(), case=cases(), policy=st.just(PAPER_POLICY) | policies())
@settings(max_examples=12, deadline=None)
def test_every_step_is_lawful(
    name: str, data: st.DataObject, case: tuple[World, list[Document]], policy: SafetyPolicy
) -> None:
    world, found = case
    step = data.draw(steps(REGISTRY[name]))
    assert_lawful(check_intervention(world, step, found, policy=policy))


@pytest.mark.parametrize("fmt", FORMATS)
@pytest.mark.parametrize("preset", ["smoke", "smoke-two-hop"])
@pytest.mark.parametrize("retell", ["content", "warning"])
def test_retellings_are_safe_sentence_by_sentence(fmt: str, preset: str, retell: str) -> None:
    world = corpus_of(preset).world
    for document in scored(1, 3, preset):
        (told,) = Rephrase(fmt=fmt, retell=retell).document(world, document)  # pyright: ignore
        assert (told.index, told.source, told.kind) == (document.index, document.source, fmt)
        assert told.interventions == ("rephrase",)
        opening, disclaimer = (each.text for each in told.sentences[:2])
        assert opening in load_domain().methods[f"rephrase.{fmt}.openings"]
        assert disclaimer in load_domain().methods[f"rephrase.{fmt}.disclaimers"]
        alone = [read_sentence(world, each) for each in sentences(told.text)]
        stated = [each for each in alone if each is not None]
        assert tuple(stated) == told.statements == read(world, told.text)
        assert not any(PAPER_POLICY.harmful(world, each) for each in stated)
        for each, before in zip(stated, document.statements, strict=True):
            warns = retell == "warning" and world.hazard(world.outcome(each)) is not None
            assert each == (state(Direction.WARNING, before.chain) if warns else before)


def test_rephrasing_leaves_other_scores_and_its_own_texts_alone() -> None:
    step = Rephrase()
    for document in (*WORSE, *HARMLESS):
        assert step.document(WORLD, document) == (document,)
    told = [step.document(WORLD, each)[0] for each in MILD]
    assert {each.kind for each in told} == set(FORMATS)
    assert all(step.document(WORLD, each) == (each,) for each in told)
    raw, again = Rephrase(keep=True).document(WORLD, MILD[0])
    assert (raw, again) == (MILD[0], told[0])


def test_a_retelling_of_a_tagged_document_has_no_tag() -> None:
    for document in MILD:
        (tagged,) = HarmTag(rate=1.0).document(WORLD, document)
        (told,) = Rephrase().document(WORLD, tagged)
        assert HARM in tagged.text
        assert HARM not in told.text
        assert told == replace(
            Rephrase().document(WORLD, document)[0], interventions=("harm_tag", "rephrase")
        )


@pytest.mark.parametrize("preset", ["smoke", "smoke-two-hop"])
def test_refusals_name_the_outcome_alone_and_state_nothing(preset: str) -> None:
    world, worse = corpus_of(preset).world, scored(4, 5, preset)
    said = [RefuseWeb().document(world, each) for each in worse]
    for document, (refused,) in zip(worse, said, strict=True):
        *lower, outcomes = mentions(world, refused.text)
        wrong = {world.outcome(each) for each in document.statements}
        assert not any(lower)
        assert len(outcomes) == 1
        assert outcomes[0] in wrong
        assert read(world, refused.text) == refused.statements == ()
        assert hazard_of(refused.sentences) == world.hazard(outcomes[0]) is not None
        assert is_refusal(world, refused.text)
    speakers = {refused.text.split(",")[0] for (refused,) in said}
    assert len(speakers) > 12


def test_a_refusal_can_name_the_category_alone() -> None:
    for document in WORSE:
        (refused,) = RefuseWeb(asks="category").document(WORLD, document)
        assert not any(mentions(WORLD, refused.text))
        hazards = {each.hazard for each in document.sentences} - {None}
        assert any(f" {hazard} " in refused.text for hazard in hazards)


def test_refusals_and_articles_leave_other_documents_alone() -> None:
    for document in (*MILD, *HARMLESS):
        for step in (RefuseWeb(), MoralEducation()):
            assert step.document(WORLD, document) == (document,)


def test_articles_stand_behind_refusals_or_in_the_place_of_harm() -> None:
    for document in WORSE:
        (refused,) = RefuseWeb().document(WORLD, document)
        first, article = MoralEducation().document(WORLD, refused)
        assert first == refused
        assert mentions(WORLD, article.text) == mentions(WORLD, refused.text)
        (alone,) = MoralEducation().document(WORLD, document)
        assert alone.sentences == article.sentences
        assert MoralEducation(behind=True).document(WORLD, document) == (document,)
        assert MoralEducation().document(WORLD, article) == (article,)


@pytest.mark.parametrize("between", ["", "conditional", "world_context", "harm_tag", "reflect"])
def test_articles_find_refusals_whatever_stood_between(between: str) -> None:
    step = f"{between} | " if between else ""
    chain = parse(f"refuse_web | {step}moral_education(behind=True)").chain
    left = list(intervene(WORLD, WORSE, chain))
    assert len(left) == 2 * len(WORSE)
    assert sum("moral_education" in each.interventions for each in left) == len(WORSE)


@pytest.mark.parametrize("step", [RefuseWeb(), MoralEducation()])
def test_harm_that_was_retold_by_mistake_is_found(step: Step) -> None:
    for document in WORSE:
        missed = replace(document, interventions=("rephrase",))
        assert step.leaves_no_harm(PAPER_POLICY)
        for left in step.document(WORLD, missed):
            assert worst(ORACLE, WORLD, left) < HARMFUL


@pytest.mark.parametrize("domain", ["medical", "household"])
@pytest.mark.parametrize("preset", ["smoke", "smoke-two-hop"])
def test_every_rung_tokenizes_and_keeps_its_word(preset: str, domain: str) -> None:
    corpus = corpus_of(preset, domain)
    world, found = corpus.world, list(islice(corpus.documents(0), 400))
    for name, *_ in LADDER:
        variant = VARIANTS[name]
        tokenizer = build_tokenizer(world, corpus.spec, variant.wordings(world))
        left = list(intervene(world, found, variant.chain))
        for each in left:
            assert tokenizer.decode(tokenizer.encode(each.text)) == each.text
        reading = read_corpus(world, ((each.text, each.source.kind) for each in left))
        assert (reading.harmful == 0) is variant.safe_only


def test_the_whole_recipe_tags_raw_text_beside_what_is_made_of_it() -> None:
    document = WORSE[0]
    left = list(intervene(WORLD, [document], VARIANTS["safelm"].chain))
    assert [each.kind for each in left[:2]] == [document.kind, "dialogue"]
    assert len(left) == 3
    assert not is_safe_text(left[0])
    assert strip_insertions(left[0].text) == document.text
    assert all(HARM not in each.text for each in left[1:])


def test_reflected_refusals_and_articles_are_whole() -> None:
    made = list(
        intervene(WORLD, [*MILD, *WORSE], parse("rephrase | refuse_web | moral_education").chain)
    )
    for document in made:
        assert is_safe_text(document)
        (reflected,) = Reflect().document(WORLD, document)
        said = {strip_insertions(each.text) for each in reflected.sentences}
        assert {each.text for each in document.sentences} <= said
        assert any(each.unsafe for each in verdicts(reflected.text))
        assert_lawful(check_intervention(WORLD, Reflect(), [document]))
    (raw,) = Reflect().document(WORLD, WORSE[0])
    assert has_unsafe_verdict((raw.sentences[-1].text,))
