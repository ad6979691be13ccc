"""Laws of tokens: exact both ways for all that the language writes, and never of a variant."""

from __future__ import annotations

import json
from dataclasses import replace
from itertools import chain, islice
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from medsafetyworld import queries
from medsafetyworld.building import build_world, shuffle_causes
from medsafetyworld.corpus import Corpus
from medsafetyworld.dialogues import (
    benign_dialogues,
    benign_kinds,
    sft_dialogues,
    split_chains,
)
from medsafetyworld.errors import SpecError
from medsafetyworld.graph import World
from medsafetyworld.interventions import VARIANTS
from medsafetyworld.interventions.reflection import with_reflections
from medsafetyworld.language import plainest, write
from medsafetyworld.presets import CORPUS_PRESETS, WORLD_PRESETS
from medsafetyworld.reflections import verdict
from medsafetyworld.semantics import Statement
from medsafetyworld.spec import CorpusSpec, DialogueSpec
from medsafetyworld.testing import corpora, corpus_specs, statements, worlds
from medsafetyworld.tokenizer import (
    CLOSING,
    OPENING,
    ROUND_SIZE,
    SAFE,
    SPECIAL,
    UNSAFE,
    TokenizeError,
    Tokenizer,
    build_tokenizer,
)
from medsafetyworld.training_stream import intervene

SMOKE = build_world(WORLD_PRESETS["smoke"])
SPEC = CORPUS_PRESETS["smoke"]
TOKENIZER = build_tokenizer(SMOKE, SPEC)
TWO_HOP = build_world(WORLD_PRESETS["smoke-two-hop"])
TWO_HOP_TOKENIZER = build_tokenizer(TWO_HOP, CORPUS_PRESETS["smoke-two-hop"])
SYSTEMS = SMOKE.domain.lexicon.systems
VERDICTS = (SAFE, *(f"{UNSAFE}{system}" for system in SYSTEMS))
DIALOGUE = DialogueSpec(questions=10, test_queries=8, reverse_probability=1.0, test_share=0.5)


def exact(tokenizer: Tokenizer, texts: list[str]) -> None:
    """Asserts the round trip of texts, and of their ids."""
    for text in texts:
        ids = tokenizer.encode(text)
        assert tokenizer.decode(ids) == text
        assert tokenizer.encode(tokenizer.decode(ids)) == ids
        assert all(0 <= index < len(tokenizer) for index in ids)


def dialogue_texts(world: World, spec: CorpusSpec) -> list[str]:
    """Everything a model reads or is asked after pretraining: all data sets, queries, attacks."""
    split = split_chains(world, DIALOGUE, 0)
    data = [*sft_dialogues(world, DIALOGUE, spec, split, 0)]
    for kind in benign_kinds(world.hops):
        data += benign_dialogues(world, DIALOGUE, spec, split, kind, 0)
    data += [with_reflections(world, dialogue) for dialogue in data]
    texts = [f"{dialogue.prompt} {dialogue.response}" for dialogue in data]
    for category in (*queries.GENERAL, queries.HARMFUL):
        try:
            asked = queries.test_queries(world, DIALOGUE, split, category, 0)
        except SpecError:  # a world without that category
            continue
        texts += [query.prompt for query in asked]
        for prefill in queries.prefills(world, 99).values():
            texts += [queries.prefilled(world, query, prefill).prompt for query in asked[:2]]
    for unsafe in (False, True):
        texts += [probe.text for probe in queries.completions(world, spec, unsafe)]
    return texts


@given(worlds(max_compounds=6, max_outcomes=4).flatmap(corpora))
@settings(max_examples=15, deadline=None)
def test_every_document_of_every_variant_is_exact_in_tokens(corpus: Corpus) -> None:
    found = list(islice(corpus.documents(0), 120))
    every = [text for each in VARIANTS.values() for text in each.wordings(corpus.world)]
    tokenizer = build_tokenizer(corpus.world, corpus.spec, every)
    for variant in VARIANTS.values():
        for _, steps in variant.phases:
            exact(tokenizer, [d.text for d in intervene(corpus.world, found, steps)])


@given(st.data())
@settings(max_examples=40, deadline=None)
def test_whatever_the_language_can_word_with_the_entities_at_hand_is_exact_in_tokens(
    data: st.DataObject,
) -> None:
    world = data.draw(worlds(max_hops=4).filter(lambda world: world.hops > 1))
    tokenizer = build_tokenizer(world, CorpusSpec(surface_forms=8))
    said: list[Statement] = data.draw(st.lists(statements(world), max_size=5))
    most = 3 if world.spec.triple_edges else 2
    fitting = [s for s in said if all(len(group.members) <= most for group in s.groups)]
    exact(tokenizer, [write(world, each, plainest(each, core=7, framing=7)) for each in fitting])


@given(worlds(max_compounds=5, max_outcomes=4), corpus_specs())
@settings(max_examples=12, deadline=None)
def test_every_dialogue_query_and_attack_is_exact_in_tokens(world: World, spec: CorpusSpec) -> None:
    exact(build_tokenizer(world, spec), dialogue_texts(world, spec))


@pytest.mark.parametrize("name", ["smoke", "laptop", "smoke-two-hop", "laptop-two-hop"])
def test_the_presets_are_exact_in_tokens(name: str) -> None:
    world, spec = build_world(WORLD_PRESETS[name]), CORPUS_PRESETS[name]
    tokenizer = build_tokenizer(world, spec)
    exact(tokenizer, dialogue_texts(world, spec)[::13])
    exact(tokenizer, [d.text for d in islice(Corpus(world, spec, 0).documents(0), 500)])


@given(st.lists(st.integers(0, len(TOKENIZER) - 1), max_size=30))
@settings(max_examples=200, deadline=None)
def test_any_ids_decode_to_text(ids: list[int]) -> None:
    """A model may say anything; its words must still be readable, and none is lost."""
    text = TOKENIZER.decode(ids)
    joined = "".join(TOKENIZER.vocabulary[index].removeprefix("##") for index in ids)
    assert text.replace(" ", "") == joined


def test_the_vocabulary_has_no_token_twice_and_no_split_or_variant_in_it() -> None:
    assert len(set(TOKENIZER.vocabulary)) == len(TOKENIZER)
    again = build_tokenizer(SMOKE, replace(SPEC, reverse_rate=0.0, cooccurrence_rate=0.0))
    shuffled = build_tokenizer(shuffle_causes(SMOKE, 0), SPEC)
    other_edges = build_tokenizer(replace(SMOKE, severity=SMOKE.severity[::-1]), SPEC)
    for tokenizer in (again, shuffled, other_edges):
        assert tokenizer.vocabulary == TOKENIZER.vocabulary
        assert tokenizer.content_hash == TOKENIZER.content_hash


def test_the_vocabulary_has_a_round_size_and_ends_in_tokens_that_no_text_has() -> None:
    assert len(TOKENIZER) % ROUND_SIZE == 0
    unused = [token for token in TOKENIZER.vocabulary if token.startswith("<|unused")]
    assert 0 < len(unused) < ROUND_SIZE
    assert TOKENIZER.vocabulary[-len(unused) :] == tuple(unused)
    documents = Corpus(SMOKE, SPEC, 0).documents(0)
    ids = [index for each in documents for index in TOKENIZER.encode(each.text)]
    assert max(ids) < len(TOKENIZER) - len(unused)
    row = range(len(TOKENIZER) - 3, len(TOKENIZER))
    assert TOKENIZER.encode(TOKENIZER.decode(row)) == list(row)


@pytest.mark.parametrize("name", ["paper", "paper-two-hop"])
def test_the_papers_vocabularies_fit_the_token_type(name: str) -> None:
    paper = build_tokenizer(build_world(WORLD_PRESETS[name]), CORPUS_PRESETS[name])
    assert len(paper) < 2**16


def test_mediators_are_words_and_only_worlds_that_have_them_know_their_wordings() -> None:
    for name in TWO_HOP.mediators[0]:
        tokens = [TWO_HOP_TOKENIZER.vocabulary[index] for index in TWO_HOP_TOKENIZER.encode(name)]
        assert tokens == name.split(" ")
    for word in ("through", *TWO_HOP.mediators[0][0].split(" ")):
        assert word in TWO_HOP_TOKENIZER.vocabulary
        assert word not in TOKENIZER.vocabulary


def test_sentences_of_other_kinds_are_known_only_where_the_corpus_has_them() -> None:
    domain = SMOKE.domain
    for field, text in (
        ("monograph_rate", domain.kind_closings["monograph"][0]),
        ("case_rate", domain.openings["case_report"][0]),
        ("distractor_rate", domain.distractors[3]),
    ):
        with pytest.raises(TokenizeError):
            TOKENIZER.encode(text)
        exact(build_tokenizer(SMOKE, replace(SPEC, **{field: 0.5})), [text])


def test_special_tokens_come_first_and_each_is_one_token() -> None:
    assert TOKENIZER.vocabulary[: len(SPECIAL)] == SPECIAL
    for token in (*SPECIAL, *VERDICTS):
        assert len(TOKENIZER.encode(token)) == 1
    assert (TOKENIZER.pad, TOKENIZER.end) == (0, 1)
    for hazard in (None, *SYSTEMS):
        assert len(TOKENIZER.encode(verdict(hazard))) == 3


def test_a_compound_is_its_three_morphemes() -> None:
    for name, parts in zip(SMOKE.compounds, SMOKE.morphemes, strict=True):
        ids = TOKENIZER.compound_tokens(name)
        assert tuple(TOKENIZER.vocabulary[index].removeprefix("##") for index in ids) == parts
        assert TOKENIZER.encode(f"({name}).")[1:-2] == list(ids)


def test_a_document_is_closed_by_end_of_text() -> None:
    assert TOKENIZER.encode_document("Safe") == [*TOKENIZER.encode("Safe"), TOKENIZER.end]


@pytest.mark.parametrize(
    ("text", "word"), [("to cause aspirin.", "aspirin"), ("to cause ##.", "##"), ("a  b", "")]
)
def test_an_unknown_word_is_an_error_that_names_it(text: str, word: str) -> None:
    with pytest.raises(TokenizeError, match=f"'{word}' is not in the vocabulary"):
        TOKENIZER.encode(text)


def test_a_compound_of_another_world_is_unknown() -> None:
    other = build_world(WORLD_PRESETS["laptop"])
    strangers = set(other.compounds) - set(SMOKE.compounds)
    assert strangers
    for name in sorted(strangers)[:10]:
        with pytest.raises(TokenizeError, match=name):
            TOKENIZER.encode(name)


def test_the_saved_file_has_the_structure_of_the_tokenizers_library(tmp_path: Path) -> None:
    path = tmp_path / "deep" / "tokenizer.json"
    TOKENIZER.save(path)
    assert list(path.parent.iterdir()) == [path]
    saved = json.loads(path.read_text(encoding="utf-8"))
    assert saved["version"] == "1.0"
    assert saved["model"]["type"] == "WordPiece"
    assert saved["model"]["continuing_subword_prefix"] == "##"
    vocabulary = saved["model"]["vocab"]
    assert sorted(vocabulary, key=vocabulary.__getitem__) == list(TOKENIZER.vocabulary)
    for token in saved["added_tokens"]:
        assert vocabulary[token["content"]] == token["id"]
    glued = {step["content"] for step in saved["decoder"]["decoders"] if step["type"] == "Replace"}
    assert glued == {OPENING, *CLOSING, ""}
    added = {token["content"] for token in saved["added_tokens"]}
    assert added == {*SPECIAL, *VERDICTS} - {"Safe"}


def test_greedy_word_pieces_are_the_morphemes() -> None:
    """What the saved file's WordPiece model does: the longest known piece first, then the rest."""
    known = set(TOKENIZER.vocabulary)
    for name in SMOKE.compounds:
        pieces, place = [], 0
        while place < len(name):
            prefix = "##" if place else ""
            ends = range(len(name), place, -1)
            end = next(end for end in ends if prefix + name[place:end] in known)
            pieces.append(prefix + name[place:end])
            place = end
        assert tuple(TOKENIZER.vocabulary[i] for i in TOKENIZER.compound_tokens(name)) == tuple(
            pieces
        )


def test_no_word_of_the_language_is_taken_for_a_morpheme() -> None:
    pieces = {"".join(parts[:1]) for parts in SMOKE.morphemes}
    words = set(chain(*(name.split(" ") for name in SMOKE.outcomes)))
    assert not pieces & words
