"""Laws of tokens: exact both ways for all that the language writes, and never of a variant."""

from __future__ import annotations

import json
from dataclasses import replace
from itertools import chain
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from medsafetyworld import queries
from medsafetyworld.corpus import Corpus, intervene
from medsafetyworld.dialogues import (
    benign_dialogues,
    sft_dialogues,
    split_edges,
    with_reflections,
)
from medsafetyworld.errors import SpecError
from medsafetyworld.graph import World, build_world, shuffle_causes
from medsafetyworld.interventions import VARIANTS
from medsafetyworld.interventions.reflection import verdict
from medsafetyworld.lexicon import SYSTEMS
from medsafetyworld.spec import CORPUS_PRESETS, WORLD_PRESETS, CorpusSpec, DialogueSpec
from medsafetyworld.testing import corpus_specs, worlds
from medsafetyworld.tokenizer import (
    CLOSING,
    OPENING,
    ROUND_SIZE,
    SPECIAL,
    VERDICTS,
    TokenizeError,
    Tokenizer,
    build_tokenizer,
)

SMOKE = build_world(WORLD_PRESETS["smoke"])
SPEC = CORPUS_PRESETS["smoke"]
TOKENIZER = build_tokenizer(SMOKE, SPEC)
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
    split = split_edges(world, DIALOGUE, 0)
    data = [*sft_dialogues(world, DIALOGUE, spec, split, 0)]
    data += benign_dialogues(world, DIALOGUE, spec, split, "pair_forward", 0)
    data += benign_dialogues(world, DIALOGUE, spec, split, "safe_reverse", 0)
    data += [with_reflections(world, dialogue) for dialogue in data]
    texts = [f"{dialogue.prompt} {dialogue.response}" for dialogue in data]
    for category in (*queries.GENERAL, queries.HARMFUL):
        try:
            asked = queries.test_queries(world, DIALOGUE, split, category, 0)
        except SpecError:  # a world without that category
            continue
        texts += [query.prompt for query in asked]
        for prefill in queries.prefills(99).values():
            texts += [queries.prefilled(world, query, prefill).prompt for query in asked[:2]]
    for unsafe in (False, True):
        texts += [probe.text for probe in queries.completions(world, spec, unsafe)]
    return texts


@given(worlds(6, 4), corpus_specs(), st.integers(0, 99))
@settings(max_examples=15, deadline=None)
def test_every_document_of_every_variant_is_exact_in_tokens(
    world: World, spec: CorpusSpec, seed: int
) -> None:
    tokenizer = build_tokenizer(world, spec)
    found = list(Corpus(world, spec, seed).documents(seed))[:120]
    for variant in VARIANTS.values():
        exact(tokenizer, [d.text for d in intervene(world, found, variant.chain)])


@given(worlds(5, 4), corpus_specs())
@settings(max_examples=8, deadline=None)
def test_every_dialogue_query_and_attack_is_exact_in_tokens(world: World, spec: CorpusSpec) -> None:
    exact(build_tokenizer(world, spec), dialogue_texts(world, spec))


@pytest.mark.parametrize("name", ["smoke", "laptop"])
def test_the_presets_are_exact_in_tokens(name: str) -> None:
    world, spec = build_world(WORLD_PRESETS[name]), CORPUS_PRESETS[name]
    tokenizer = build_tokenizer(world, spec)
    exact(tokenizer, dialogue_texts(world, spec)[::7])
    corpus = Corpus(world, spec, 0)
    exact(tokenizer, [corpus.document(i).text for i in range(0, len(corpus), len(corpus) // 500)])


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
    other_edges = build_tokenizer(replace(SMOKE, unsafe=SMOKE.unsafe[::-1]), SPEC)
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


def test_the_vocabulary_never_changes() -> None:
    assert (
        TOKENIZER.content_hash == "4033f339daeb13644ab8ab84f95f33811267be6b06e919a27fd474ce4b8e8def"
    )
    laptop = build_tokenizer(build_world(WORLD_PRESETS["laptop"]), CORPUS_PRESETS["laptop"])
    assert laptop.content_hash == "f83750d903b17eb96828f1821ac7c08828b51fa59575b0d38dd09bf69a9888d5"


def test_the_papers_vocabulary_fits_the_token_type() -> None:
    paper = build_tokenizer(build_world(WORLD_PRESETS["paper"]), CORPUS_PRESETS["paper"])
    assert len(paper) < 2**16


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
