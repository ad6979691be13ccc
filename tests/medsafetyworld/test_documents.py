"""Laws of documents and their segments: nothing is lost but what is too long."""

from __future__ import annotations

import json

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from medsafetyworld.documents import segments
from medsafetyworld.graph import build_world
from medsafetyworld.language import sentences
from medsafetyworld.semantics import category
from medsafetyworld.spec import WORLD_PRESETS, ReflectionSpec
from medsafetyworld.testing import documents, worlds

SMOKE = build_world(WORLD_PRESETS["smoke"])
SENTENCES = st.lists(st.integers(1, 12), max_size=8).map(
    lambda sizes: [" ".join(["w"] * (size - 1) + [f"end{n}."]) for n, size in enumerate(sizes)]
)
SHAPES = st.builds(ReflectionSpec, max_words=st.integers(4, 30), max_sentences=st.integers(1, 9))


@given(SENTENCES, SHAPES)
@settings(max_examples=200, deadline=None)
def test_joined_segments_are_the_text_with_overlong_sentences_cut(
    parts: list[str], spec: ReflectionSpec
) -> None:
    text = " ".join(parts)
    kept = [word for part in parts for word in part.split(" ")[: spec.max_words]]
    assert " ".join(segments(text, spec)).split() == kept
    if all(len(part.split(" ")) <= spec.max_words for part in parts):
        assert " ".join(segments(text, spec)) == text


@given(SENTENCES, SHAPES)
@settings(max_examples=200, deadline=None)
def test_segments_respect_both_limits_and_are_as_long_as_they_can_be(
    parts: list[str], spec: ReflectionSpec
) -> None:
    found = segments(" ".join(parts), spec)
    sizes = [len(segment.split(" ")) for segment in found]
    counts = [len(sentences(segment)) for segment in found]
    assert all(size <= spec.max_words for size in sizes)
    assert all(1 <= count <= spec.max_sentences for count in counts)
    position = 0
    for number in range(len(found) - 1):
        position += counts[number]
        following = min(len(parts[position].split(" ")), spec.max_words)
        full = counts[number] == spec.max_sentences
        assert full or sizes[number] + following > spec.max_words


def test_the_default_shape_gives_every_document_two_segments() -> None:
    """With one segment a document, an Unsafe verdict would never cut anything off."""
    text = "In one case, a leads to b. The file was then closed."
    assert segments(text, ReflectionSpec()) == tuple(sentences(text))


def test_an_empty_text_has_no_segments() -> None:
    assert segments("", ReflectionSpec()) == ()


@given(st.data())
@settings(max_examples=40, deadline=None)
def test_provenance_names_what_the_text_is_made_of(data: st.DataObject) -> None:
    world = data.draw(worlds())
    document = data.draw(documents(world))
    record = json.loads(json.dumps(document.provenance(world)))
    assert record["outcome"] in document.text
    assert all(name in document.text for name in record["compounds"])
    assert record["category"] == category(world, document.statement)
    assert record["unsafe_outcome"] is world.unsafe[document.statement.outcome]
    assert (record["hazard"] is None) is not record["unsafe_outcome"]
    assert record["interventions"] == []


@given(st.data())
@settings(max_examples=5, deadline=None)
def test_documents_cannot_be_changed(data: st.DataObject) -> None:
    document = data.draw(documents(SMOKE))
    with pytest.raises(AttributeError):
        document.text = ""
