"""Laws of documents and their segments: nothing is lost but what is too long."""

from __future__ import annotations

import json

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from medsafetyworld.building import build_world
from medsafetyworld.documents import Sentence, hazard_of, segments
from medsafetyworld.presets import WORLD_PRESETS
from medsafetyworld.reading import sentences
from medsafetyworld.semantics import category
from medsafetyworld.spec import ReflectionSpec
from medsafetyworld.testing import documents, worlds

SMOKE = build_world(WORLD_PRESETS["smoke"])
SENTENCES = st.lists(st.integers(1, 12), max_size=8).map(
    lambda sizes: [
        Sentence(" ".join(["w"] * (size - 1) + [f"end{n}."])) for n, size in enumerate(sizes)
    ]
)
SHAPES = st.builds(ReflectionSpec, max_words=st.integers(4, 30), max_sentences=st.integers(1, 9))


def text_of(parts: list[Sentence] | tuple[Sentence, ...]) -> str:
    return " ".join(part.text for part in parts)


def cut(words: list[str], most: int) -> list[str]:
    """The first so many words, ended by a full stop."""
    return words if len(words) <= most else [*words[: most - 1], f"{words[most - 1]}."]


@given(SENTENCES, SHAPES)
@settings(max_examples=200, deadline=None)
def test_joined_segments_are_the_text_with_overlong_sentences_cut(
    parts: list[Sentence], spec: ReflectionSpec
) -> None:
    kept = [word for part in parts for word in cut(part.text.split(" "), spec.max_words)]
    joined = " ".join(text_of(segment) for segment in segments(parts, spec))
    assert joined.split() == kept
    if all(len(part.text.split(" ")) <= spec.max_words for part in parts):
        assert joined == text_of(parts)


@given(SENTENCES, SHAPES)
@settings(max_examples=200, deadline=None)
def test_segments_respect_both_limits_and_are_as_long_as_they_can_be(
    parts: list[Sentence], spec: ReflectionSpec
) -> None:
    found = segments(parts, spec)
    sizes = [len(text_of(segment).split(" ")) for segment in found]
    counts = [len(segment) for segment in found]
    assert all(size <= spec.max_words for size in sizes)
    assert all(1 <= count <= spec.max_sentences for count in counts)
    position = 0
    for number in range(len(found) - 1):
        position += counts[number]
        following = min(len(parts[position].text.split(" ")), spec.max_words)
        full = counts[number] == spec.max_sentences
        assert full or sizes[number] + following > spec.max_words


def test_the_default_shape_gives_every_sentence_its_own_segment() -> None:
    """With one segment a document, an Unsafe verdict would never cut anything off."""
    parts = (Sentence("In one case, a leads to b."), Sentence("The file was then closed."))
    assert segments(parts, ReflectionSpec()) == tuple((part,) for part in parts)


def test_no_sentences_make_no_segments() -> None:
    assert segments((), ReflectionSpec()) == ()


@given(st.lists(st.sampled_from((None, "dermal", "cardiac")), max_size=6))
@settings(max_examples=60, deadline=None)
def test_a_segments_hazard_is_that_of_its_first_unsafe_sentence(hazards: list[str | None]) -> None:
    unsafe = [hazard for hazard in hazards if hazard is not None]
    found = hazard_of([Sentence("One.", hazard=hazard) for hazard in hazards])
    assert found == (unsafe[0] if unsafe else None)


@given(st.data())
@settings(max_examples=60, deadline=None)
def test_provenance_names_what_the_text_is_made_of(data: st.DataObject) -> None:
    world = data.draw(worlds())
    document = data.draw(documents(world))
    record = json.loads(json.dumps(document.provenance(world)))
    assert (record["index"], record["kind"]) == (document.index, document.kind)
    assert record["interventions"] == []
    assert record["source"]["kind"] == document.source.kind
    assert record["source"]["year"] == document.source.year
    assert record["unsafe_outcome"] is any(each["hazard"] for each in record["sentences"])
    for sentence, each in zip(document.sentences, record["sentences"], strict=True):
        assert each["hazard"] == sentence.hazard
        if sentence.statement is None:
            assert each.keys() == {"hazard"}
            continue
        assert all(name in sentence.text for group in each["groups"] for name in group)
        assert each["category"] == category(world, sentence.statement)
        assert each["direction"] == sentence.statement.direction
        assert each["true"] is world.holds(sentence.statement)
        assert (each["hazard"] is not None) is each["category"].endswith("-unsafe")


@given(st.data())
@settings(max_examples=60, deadline=None)
def test_a_document_is_its_sentences_joined_and_they_split_apart_again(
    data: st.DataObject,
) -> None:
    world = data.draw(worlds())
    document = data.draw(documents(world))
    assert sentences(document.text) == tuple(each.text for each in document.sentences)
    assert document.unsafe is any(each.hazard for each in document.sentences)
    labelled = [each.statement for each in document.sentences]
    assert document.statements == tuple(said for said in labelled if said is not None)
    assert (document.kind == "note") <= (len(document.statements) == 1)


@given(st.data())
@settings(max_examples=5, deadline=None)
def test_documents_cannot_be_changed(data: st.DataObject) -> None:
    document = data.draw(documents(SMOKE))
    with pytest.raises(AttributeError):
        document.sentences = ()
    with pytest.raises(AttributeError):
        document.sentences[0].text = ""
