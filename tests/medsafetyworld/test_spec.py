"""Laws of specs: every field is validated, every error is one sentence, JSON is exact."""

from __future__ import annotations

import dataclasses
import json
import math
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from medsafetyworld.errors import SpecError
from medsafetyworld.presets import CORPUS_PRESETS, WORLD_PRESETS, preset
from medsafetyworld.spec import (
    CorpusSpec,
    DialogueSpec,
    ReflectionSpec,
    WorldSpec,
    from_json,
    make,
    to_json,
)
from medsafetyworld.testing import corpus_specs, world_specs

KINDS = (WorldSpec, CorpusSpec, DialogueSpec, ReflectionSpec)
FIELDS = [(kind, field.name, field.default) for kind in KINDS for field in dataclasses.fields(kind)]
WRONG_TYPES = (None, "1", b"1", [1], {"a": 1}, True, False, 1j)
OUT_OF_RANGE = (-1, -(10**30), 10**30, math.nan, math.inf, -math.inf)


@pytest.mark.parametrize("kind", KINDS)
def test_defaults_and_presets_are_valid_and_frozen(kind: type) -> None:
    spec = kind()
    assert from_json(kind, to_json(spec)) == spec
    with pytest.raises(dataclasses.FrozenInstanceError):
        setattr(spec, dataclasses.fields(kind)[0].name, 1)


@pytest.mark.parametrize(("kind", "field", "default"), FIELDS)
def test_every_field_refuses_wrong_types_and_values_out_of_range(
    kind: type, field: str, default: Any
) -> None:
    # Any count may be large where no pool or graph limits it; all else has an upper end.
    unlimited = {"test_queries", "max_words", "max_sentences", "most_causes"}
    # A name may be any text, and what may be left out may be None.
    fine = {"domain": ("1",), "most_causes": (None,), "group_templates": (None,)}.get(field, ())
    half = (default + 0.5,) if isinstance(default, int) else ()
    for value in (*WRONG_TYPES, *OUT_OF_RANGE, *half):
        if value in fine or (field in unlimited and value == 10**30):
            continue
        with pytest.raises(SpecError, match=field) as caught:
            make(kind, **{field: value})
        assert "\n" not in str(caught.value)


FINE_IN_JSON = {("most_causes", "null"), ("group_templates", "null"), ("mediators", "[]")}
"""What says the default in JSON."""


@pytest.mark.parametrize(("kind", "field", "default"), FIELDS)
@pytest.mark.parametrize(
    "text", ["null", "true", '"1"', "NaN", "Infinity", "1e999", "[]", "{}", "-1"]
)
def test_every_field_refuses_the_same_in_json_and_names_the_file(
    kind: type, field: str, default: Any, text: str
) -> None:
    if (field, text) in FINE_IN_JSON:
        assert from_json(kind, f'{{"{field}": {text}}}') == kind()
        return
    with pytest.raises(SpecError, match=rf"^runs/a\.json: .*{field}"):
        from_json(kind, f'{{"{field}": {text}}}', "runs/a.json")


@pytest.mark.parametrize("kind", KINDS)
def test_unknown_fields_are_refused_by_name(kind: type) -> None:
    with pytest.raises(SpecError, match=r"sede.* is not a field"):
        make(kind, sede=1)
    with pytest.raises(SpecError, match=r"a\.json: .*sede"):
        from_json(kind, '{"sede": 1}', "a.json")


IMPOSSIBLE: list[tuple[type, dict[str, Any], str]] = [
    (WorldSpec, {"compounds": 3, "outcomes": 2, "single_edges": 3}, "between 4 .* and 6 .* got 3"),
    (WorldSpec, {"compounds": 3, "outcomes": 2, "single_edges": 7}, "between 4 .* and 6 .* got 7"),
    (
        WorldSpec,
        {"compounds": 3, "outcomes": 2, "single_edges": 4, "pair_edges": 4},
        r"pair_edges must be at most 3 .* got 4",
    ),
    (
        WorldSpec,
        {"compounds": 4, "outcomes": 2, "single_edges": 5, "pair_edges": 0, "triple_edges": 5},
        r"triple_edges must be at most 4 .* got 5",
    ),
    (WorldSpec, {"mediator_edges": 1}, "mediator_edges must be 0 .* without mediators, got 1"),
    (WorldSpec, {"mediators": [0]}, r"mediators\.0 must be .* at least 1, got 0"),
    (WorldSpec, {"mediators": [121]}, r"mediators must not grow .* \[121\] after 120"),
    (WorldSpec, {"mediators": [40, 50]}, r"mediators must not grow .* \[40, 50\]"),
    (
        WorldSpec,
        {"compounds": 9, "mediators": [4], "outcomes": 3, "single_edges": 8},
        "between 9 .* and 36 .* got 8",
    ),
    (
        WorldSpec,
        {"compounds": 9, "mediators": [4], "outcomes": 3, "single_edges": 9, "pair_edges": 2},
        "together must be at least 3 .* got 2",
    ),
    (
        WorldSpec,
        {"mediators": [60], "outcomes": 3, "pair_edges": 0, "mediator_edges": 181},
        "mediator_edges must be at most 180 .* got 181",
    ),
    (
        WorldSpec,
        {"mediators": [4], "outcomes": 3, "pair_edges": 7},
        r"pair_edges must be at most 6 \(groups among 4 causes\), got 7",
    ),
    (WorldSpec, {"most_causes": 7}, "most_causes must be at least 8, .* single_edges, got 7"),
    (WorldSpec, {"severity_shares": [0.5, 0.5, 0.5]}, "severity_shares must sum to 1, got 1.5"),
    (WorldSpec, {"severity_shares": [0.5, 0.5]}, "severity_shares"),
    (WorldSpec, {"skew": 4.5}, "skew must be a finite number from 0 to 4, got 4.5"),
    (WorldSpec, {"held_out_share": -0.1}, "held_out_share"),
    (WorldSpec, {"one_way_share": 1.1}, "one_way_share"),
    (WorldSpec, {"domain": "medcial"}, "no domain named 'medcial' .did you mean 'medical'"),
    (WorldSpec, {"outcomes": 0}, "outcomes"),
    (WorldSpec, {"compounds": 1}, "compounds"),
    (WorldSpec, {"seed": 2**63}, "seed"),
    (WorldSpec, {"unsafe_fraction": 1.0001}, "unsafe_fraction"),
    (CorpusSpec, {"templates": 9, "surface_forms": 2, "framings": 2, "closings": 2}, "1 and 8"),
    (CorpusSpec, {"surface_forms": 41}, "surface_forms"),
    (CorpusSpec, {"group_templates": 513}, "group_templates must be between 1 and 512 .* got 513"),
    (CorpusSpec, {"sentences": 65}, "sentences must be an integer from 1 to 64, got 65"),
    (CorpusSpec, {"contradiction_rate": 2.0}, "contradiction_rate"),
    (CorpusSpec, {"distractor_rate": -0.5}, "distractor_rate"),
    (CorpusSpec, {"reliability": [1, 1, 1, 1]}, "reliability"),
    (CorpusSpec, {"reliability": [1, 1, 1, 1, 1.5]}, r"reliability\.4"),
    (CorpusSpec, {"outcome_first_share": 1.1}, "outcome_first_share"),
    (DialogueSpec, {"test_share": 0.0}, "test_share"),
    (DialogueSpec, {"test_share": 1.0}, "test_share"),
    (DialogueSpec, {"questions": 11}, "questions"),
    (ReflectionSpec, {"max_words": 3}, "max_words"),
]


@pytest.mark.parametrize(("kind", "values", "message"), IMPOSSIBLE)
def test_impossible_combinations_are_refused_with_what_is_possible(
    kind: type, values: dict[str, Any], message: str
) -> None:
    # JSON has lists where Python has tuples.
    given = {name: tuple(v) if isinstance(v, list) else v for name, v in values.items()}
    with pytest.raises(SpecError, match=message):
        make(kind, **given)
    with pytest.raises(SpecError, match=message):
        from_json(kind, json.dumps(values))


@given(world_specs() | corpus_specs())
@settings(max_examples=100, deadline=None)
def test_json_round_trip_is_exact_and_canonical(spec: WorldSpec | CorpusSpec) -> None:
    text = to_json(spec)
    again = from_json(type(spec), text)
    assert again == spec
    assert (
        to_json(again)
        == text
        == json.dumps(json.loads(text), sort_keys=True, separators=(",", ":"))
    )


def test_equal_specs_give_equal_json_however_their_numbers_are_written() -> None:
    assert to_json(make(WorldSpec, unsafe_fraction=1)) == to_json(WorldSpec(unsafe_fraction=1.0))
    assert from_json(WorldSpec, '{"unsafe_fraction": 1}') == WorldSpec(unsafe_fraction=1.0)


NAMES = sorted({field for _, field, _ in FIELDS})
VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=2),
    max_leaves=4,
)


@given(
    st.sampled_from(KINDS),
    st.dictionaries(st.sampled_from(NAMES) | st.text(max_size=4), VALUES, max_size=6),
)
@settings(max_examples=150, deadline=None)
def test_any_json_object_gives_a_valid_spec_or_a_spec_error(kind: type, values: dict) -> None:
    try:
        spec = from_json(kind, json.dumps(values), "fuzz.json")
    except SpecError:
        return
    assert from_json(kind, to_json(spec)) == spec


@given(st.sampled_from(KINDS), st.text() | st.binary())
@settings(max_examples=200, deadline=None)
def test_any_text_or_bytes_give_a_valid_spec_or_a_spec_error(kind: type, text: str | bytes) -> None:
    with pytest.raises(SpecError, match=r"^fuzz\.json: "):
        from_json(kind, text, "fuzz.json")


def test_deep_nesting_is_refused_without_exhausting_the_stack() -> None:
    with pytest.raises(SpecError, match=r"deep\.json"):
        from_json(WorldSpec, '{"seed":' * 100_000, "deep.json")


def test_an_unknown_preset_is_refused_with_the_nearest_name() -> None:
    assert preset(WORLD_PRESETS, "smoke") is WORLD_PRESETS["smoke"]
    with pytest.raises(SpecError, match=r"world: no preset named 'laptpo' \(did you mean 'laptop'"):
        preset(WORLD_PRESETS, "laptpo", "world")
    with pytest.raises(SpecError, match="allowed: smoke, laptop, paper"):
        preset(CORPUS_PRESETS, "zzz")


def test_the_paper_presets_hold_the_papers_numbers() -> None:
    world, corpus = WORLD_PRESETS["paper"], CORPUS_PRESETS["paper"]
    assert (world.compounds, world.outcomes) == (10_000, 1_500)
    assert (world.single_edges, world.pair_edges) == (20_000, 6_000)
    assert corpus.templates == 1_400
    assert (corpus.reverse_rate, corpus.pair_reverse_rate) == (0.3, 0.3)
    assert (corpus.cooccurrence_rate, corpus.pair_cooccurrence_rate) == (0.4, 0.8)


def test_the_papers_two_hop_presets_hold_the_papers_numbers() -> None:
    world, corpus = WORLD_PRESETS["paper-two-hop"], CORPUS_PRESETS["paper-two-hop"]
    assert (world.compounds, world.mediators, world.outcomes) == (10_000, (8_500,), 1_500)
    assert (world.single_edges, world.pair_edges, world.mediator_edges) == (10_000, 10_000, 0)
    assert (corpus.templates, corpus.group_templates) == (200, 700)
    assert (corpus.cooccurrence_rate, corpus.pair_cooccurrence_rate) == (0.0, 0.0)
    reverse = (corpus.reverse_rate, corpus.pair_reverse_rate, corpus.chain_reverse_rate)
    assert {*reverse, corpus.group_rate, corpus.group_reverse_rate} == {1.0}


@pytest.mark.parametrize("name", WORLD_PRESETS)
def test_knobs_that_came_later_are_off_in_the_presets(name: str) -> None:
    world, corpus = WORLD_PRESETS[name], CORPUS_PRESETS[name]
    plain = WorldSpec()
    for field in ("skew", "held_out_share", "one_way_share", "most_causes", "domain"):
        assert getattr(world, field) == getattr(plain, field)
    kinds = (corpus.monograph_rate, corpus.case_rate, corpus.digest_rate, corpus.glossary_rate)
    assert {*kinds, corpus.distractor_rate} == {0.0}
    contradicts = name.endswith("-contradictory")
    assert {corpus.contradiction_rate, corpus.misconception_share} == {float(contradicts)}
    assert corpus.unsafe_cooccurrence_share == 1.0


@given(world_specs())
@settings(max_examples=50, deadline=None)
def test_hops_and_sizes_count_the_layers(spec: WorldSpec) -> None:
    assert spec.hops == len(spec.mediators) + 1 == len(spec.sizes) - 1
    assert spec.sizes == (spec.compounds, *spec.mediators, spec.outcomes)
    assert replace(spec, unsafe_fraction=1.0).unsafe_outcomes == spec.outcomes
