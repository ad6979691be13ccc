"""Headers tell where a document is from and nothing else; they strip out and can be trusted."""

from __future__ import annotations

import re
from collections import Counter
from dataclasses import replace
from itertools import islice

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from medsafetyworld.building import build_world
from medsafetyworld.corpus import Corpus
from medsafetyworld.dialogues import Dialogue, sft_dialogues, split_chains
from medsafetyworld.errors import SpecError
from medsafetyworld.graph import World
from medsafetyworld.interventions import VARIANTS, parse, write
from medsafetyworld.interventions.reflection import Reflect
from medsafetyworld.interventions.world_context import FIELDS, LEVELS, WorldContext
from medsafetyworld.laws import assert_lawful, check_intervention
from medsafetyworld.presets import CORPUS_PRESETS, WORLD_PRESETS
from medsafetyworld.reading import mentions, read
from medsafetyworld.reflections import strip_insertions
from medsafetyworld.spec import DialogueSpec
from medsafetyworld.testing import corpora, worlds
from medsafetyworld.tokenizer import CONTEXT, END_CONTEXT, build_tokenizer

CORPUS = Corpus(
    build_world(WORLD_PRESETS["smoke-contradictory"]), CORPUS_PRESETS["smoke-contradictory"], 0
)
WORLD = CORPUS.world
DOCUMENTS = list(islice(CORPUS.documents(0), 300))
DIALOGUES = sft_dialogues(
    WORLD, DialogueSpec(), CORPUS.spec, split_chains(WORLD, DialogueSpec(), 0), 0
)
STEPS = st.builds(
    WorldContext,
    fields=st.lists(st.sampled_from(FIELDS), min_size=1, unique=True).map(tuple),
    forms=st.integers(1, 4),
    share=st.floats(0.0, 1.0),
    shuffled=st.booleans(),
    reliability=st.tuples(*[st.floats(0.0, 1.0)] * 5),
)
TRUST = CORPUS.spec.reliability


def headers(step: WorldContext) -> list[str]:
    return [step.document(WORLD, each)[0].sentences[0].text for each in DOCUMENTS]


SMALL = worlds(max_compounds=5, max_outcomes=3, max_hops=2, domains=("medical", "household"))


@given(SMALL, STEPS, st.data())
@settings(max_examples=15, deadline=None)
def test_headers_keep_the_laws_and_are_in_the_vocabulary(
    world: World, step: WorldContext, data: st.DataObject
) -> None:
    corpus = data.draw(corpora(world))
    documents = list(islice(corpus.documents(0), 40))
    assert_lawful(check_intervention(world, step, documents))
    tokenizer = build_tokenizer(world, corpus.spec, step.wordings(world))
    for each in documents:
        (made,) = step.document(world, each)
        assert tokenizer.decode(tokenizer.encode(made.text)) == made.text


@given(STEPS, st.integers(4, 60), st.integers(1, 3))
@settings(max_examples=15, deadline=None)
def test_a_header_is_never_cut_by_reflections_that_come_behind_it(
    step: WorldContext, words: int, every: int
) -> None:
    reflect = Reflect(words=words, every=every)
    for each in DOCUMENTS[:40]:
        (plain,) = reflect.document(WORLD, each)
        (both,) = reflect.document(WORLD, step.document(WORLD, each)[0])
        assert both.text.count(CONTEXT) == both.text.count(END_CONTEXT)
        # A header takes a sentence's place in its segment, so an Unsafe verdict may come elsewhere.
        shorter, longer = sorted((strip_insertions(each.text) for each in (plain, both)), key=len)
        assert longer.startswith(shorter)


def test_a_header_tells_the_documents_own_source() -> None:
    step = WorldContext(forms=1, reliability=TRUST)
    for each, header in zip(DOCUMENTS, headers(step), strict=True):
        assert not read(WORLD, header)
        assert not any(mentions(WORLD, header))
        told = header.removeprefix(f"{CONTEXT} ").removesuffix(f". {END_CONTEXT}").split(", ")
        source = each.source
        assert (told[0], *told[2:6]) == (
            source.kind, source.purpose, source.audience, str(source.year), source.place
        )  # fmt: skip
        assert told[6] == f"{step.level(WORLD, source.kind)} reliability"


def test_reliability_is_a_word_for_how_far_a_source_can_be_trusted() -> None:
    step = WorldContext(reliability=(1.0, 0.9, 0.3, 0.29, 0.0))
    words = [step.level(WORLD, kind.name) for kind in WORLD.domain.sources]
    assert words == ["high", "high", "medium", "low", "low"]


def test_only_the_fields_asked_for_are_told_in_their_order() -> None:
    step = WorldContext(fields=("reliability", "year"), forms=1, reliability=TRUST)
    for header in headers(step):
        assert re.fullmatch(
            r"<\|context\|> (high|medium|low) reliability, \d{4}\. <\|end-context\|>", header
        )


@pytest.mark.parametrize("forms", [1, 2, 4])
def test_every_form_in_use_is_drawn_alike(forms: int) -> None:
    found = Counter(
        re.sub(r"\d{4}", "", header)
        for header in headers(WorldContext(fields=("year",), forms=forms))
    )
    assert len(found) == forms
    assert min(found.values()) > 0.7 * len(DOCUMENTS) / forms


def test_a_share_of_documents_has_none_and_stays_as_it_was() -> None:
    kept = [WorldContext(share=0.3).document(WORLD, each)[0] for each in DOCUMENTS]
    plain = sum(one is other for one, other in zip(kept, DOCUMENTS, strict=True))
    assert 0.6 < plain / len(DOCUMENTS) < 0.8


def test_shuffled_headers_say_as_much_but_not_of_their_own_document() -> None:
    kinds = [kind.name for kind in WORLD.domain.sources]
    own = 0
    found: Counter[str] = Counter()
    for each, header in zip(
        DOCUMENTS, headers(WorldContext(fields=("source",), forms=1, shuffled=True)), strict=True
    ):
        kind = header.split(" ", 1)[1].rsplit(".", 1)[0]
        own += kind == each.source.kind
        found[kind] += 1
    assert set(found) == set(kinds)
    assert 0.1 < own / len(DOCUMENTS) < 0.3  # one in five by chance


def test_responses_open_with_a_reliable_source_and_nothing_else_changes() -> None:
    step = WorldContext(forms=1, reliability=TRUST)
    for each in DIALOGUES[:60]:
        (made,) = step.dialogue(WORLD, each)
        assert strip_insertions(made.response) == each.response
        assert replace(made, response=each.response) == each
        assert "high reliability" in made.response


def test_questions_carry_headers_of_any_source() -> None:
    def asked(each: Dialogue) -> str:
        (made,) = WorldContext(forms=1, at="question", reliability=TRUST).dialogue(WORLD, each)
        assert strip_insertions(made.question) == each.question
        assert replace(made, question=each.question) == each
        return made.question

    told = " ".join(asked(each) for each in DIALOGUES[:120])
    assert all(f"{word} reliability" in told for word in LEVELS)


def test_headers_are_silent_on_a_reliability_that_nobody_gave() -> None:
    for variant in ("jt_safe", "jt_safe_srp"):
        (step,) = (each for each in VARIANTS[variant].sft if isinstance(each, WorldContext))
        told = " ".join((*headers(step), *step.wordings(WORLD)))
        told += " ".join(step.dialogue(WORLD, each)[0].response for each in DIALOGUES[:60])
        assert "reliab" not in told
    with pytest.raises(SpecError, match="reliability must be given, as in the corpus"):
        step.level(WORLD, DOCUMENTS[0].source.kind)


def test_no_reliable_source_is_a_mistake_that_says_so() -> None:
    step = WorldContext(reliability=(0.5, 0.5, 0.5, 0.5, 0.5))
    with pytest.raises(SpecError, match=r"no source .* has the reliability high, which needs 0\.9"):
        step.dialogue(WORLD, DIALOGUES[0])


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("world_context(fields=reliability)", "told only if it is given, as in the corpus"),
        ("world_context(fields=(year, reliability))", "told only if it is given"),
        ("world_context(fields=colour)", "'reliability'"),
        ("world_context(fields=(year, year))", "one or more different fields"),
        ("world_context(forms=5)", "forms must be .*4, got 5"),
        ("world_context(at=answer)", "'response' or 'question'"),
        (
            "world_context(reliability=(0.5, 2.0, 0.0, 0.0, 0.0))",
            "reliability.1 must be a finite number at most 1",
        ),
    ],
)
def test_mistakes_are_named(text: str, said: str) -> None:
    with pytest.raises(SpecError, match=said):
        parse(text)


@given(STEPS)
@settings(max_examples=25, deadline=None)
def test_a_header_step_is_written_as_text_and_read_back(step: WorldContext) -> None:
    variant = replace(parse("world_context"), pretraining=(step,))
    assert parse(write(variant)).pretraining == (step,)
