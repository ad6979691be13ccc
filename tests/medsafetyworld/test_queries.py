"""Laws of test questions: held-out edges in held-out wordings, taking turns, ready for attack."""

from __future__ import annotations

import hashlib
from collections import Counter
from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from medsafetyworld import queries
from medsafetyworld.corpus import Corpus, intervene
from medsafetyworld.dialogues import Split, chat_prompt, sft_dialogues, split_edges
from medsafetyworld.errors import SpecError
from medsafetyworld.graph import Edge, World, build_world
from medsafetyworld.interventions import VARIANTS
from medsafetyworld.judge import correct
from medsafetyworld.language import fill, load_templates, mentions, read
from medsafetyworld.queries import GENERAL, HARMFUL, completions, prefilled, prefills
from medsafetyworld.semantics import Direction, Statement, category
from medsafetyworld.spec import CORPUS_PRESETS, WORLD_PRESETS, CorpusSpec, DialogueSpec
from medsafetyworld.testing import worlds

BOOK = load_templates()
CATEGORIES = (*GENERAL, HARMFUL)
SMOKE = build_world(WORLD_PRESETS["smoke"])
SPEC = DialogueSpec(test_queries=40)
CORPUS = CORPUS_PRESETS["smoke"]


@given(worlds(), st.sampled_from(CATEGORIES), st.integers(1, 30), st.integers(0, 2**40))
@settings(max_examples=100, deadline=None)
def test_questions_are_of_their_category_about_held_out_edges_in_held_out_wordings(
    world: World, name: str, count: int, seed: int
) -> None:
    spec = DialogueSpec(test_queries=count)
    split = split_edges(world, spec, seed)
    eligible = subjects(world, split, name)
    if not eligible:
        with pytest.raises(SpecError, match=f"nothing held out can be asked {name}"):
            queries.test_queries(world, spec, split, name, seed)
        return
    asked = queries.test_queries(world, spec, split, name, seed)
    assert len(asked) == min(count, len(eligible) * len(wordings(name.split("-")[0])))
    assert len({query.question for query in asked}) == len(asked)
    assert asked == queries.test_queries(world, spec, split, name, seed)
    direction = name.split("-")[0]
    for query in asked:
        said = Statement(Direction(direction), query.edge.compounds, query.edge.outcome)
        assert query.category == category(world, said) == name
        names = tuple(world.compounds[a] for a in query.edge.compounds)
        worded = [fill(w, names, world.outcomes[query.edge.outcome]) for w in wordings(direction)]
        assert query.question in worded
        assert query.edge in split.test
    turns = Counter(subject(query.edge, name) for query in asked)
    assert set(turns) <= eligible
    assert len(turns) == min(count, len(eligible))
    assert max(turns.values()) - min(turns.values()) <= 1


def subject(edge: Edge, name: str) -> int:
    """What a question of this category names: the compound, or the outcome."""
    return edge.compounds[0] if name.startswith("forward") else edge.outcome


def subjects(world: World, split: Split, name: str) -> set[int]:
    """Held-out subjects, counted by hand: forward, every effect has the category's safety."""
    unsafe = name.endswith("-unsafe")
    if name.startswith("reverse"):
        return {edge.outcome for edge in split.test if world.unsafe[edge.outcome] is unsafe}
    effects: dict[int, set[bool]] = {}
    for edge in world.single_edges:
        effects.setdefault(edge.compounds[0], set()).add(world.unsafe[edge.outcome])
    held = {edge.compounds[0] for edge in split.test}
    return {compound for compound in held if effects[compound] == {unsafe}}


def test_a_forward_answer_is_right_only_if_it_is_of_the_category_s_kind() -> None:
    world = build_world(WORLD_PRESETS["laptop"])
    split = split_edges(world, SPEC, 0)
    for name in ("forward-safe", "forward-unsafe"):
        for query in queries.test_queries(world, SPEC, split, name, 0):
            for outcome, answer in enumerate(world.outcomes):
                if correct(world, query, f"It leads to {answer}."):
                    assert world.unsafe[outcome] is name.endswith("-unsafe")


def wordings(direction: str) -> tuple[str, ...]:
    return BOOK.test_questions[direction]


def test_no_test_question_is_asked_in_sft() -> None:
    spec = replace(SPEC, reverse_probability=1.0)
    split = split_edges(SMOKE, spec, 0)
    trained = {d.question for d in sft_dialogues(SMOKE, spec, CORPUS, split, 0)}
    for name in CATEGORIES:
        asked = {query.question for query in queries.test_queries(SMOKE, spec, split, name, 0)}
        assert len(asked) > 5
        assert not asked & trained


def test_the_question_names_what_it_asks_about_and_never_the_answer() -> None:
    split = split_edges(SMOKE, SPEC, 0)
    for name in CATEGORIES:
        for query in queries.test_queries(SMOKE, SPEC, split, name, 0):
            compounds, outcomes = mentions(SMOKE, query.question)
            if name.startswith("forward"):
                assert (compounds, outcomes) == (query.edge.compounds, ())
            else:
                assert (compounds, outcomes) == ((), (query.edge.outcome,))
            assert read(SMOKE, query.question) == ()


def test_an_unknown_category_is_an_error() -> None:
    with pytest.raises(ValueError, match="sideways"):
        queries.test_queries(SMOKE, SPEC, split_edges(SMOKE, SPEC, 0), "sideways-safe", 0)


def test_test_questions_never_change() -> None:
    split = split_edges(SMOKE, SPEC, 0)
    asked = [
        query.prompt
        for name in CATEGORIES
        for query in queries.test_queries(SMOKE, SPEC, split, name, 0)
    ]
    probes = [
        probe.text for unsafe in (False, True) for probe in completions(SMOKE, CORPUS, unsafe)
    ]
    digest = hashlib.sha256("\n".join((*asked, *probes)).encode()).hexdigest()
    assert digest == "611d8ed2d5162ca9e3a7cb3ec9d68b6342f5c615a763d856b052bc7d0402ebfb"


def test_prefills_are_the_papers_two_and_then_stems() -> None:
    assert prefills(0) == {"prefill:<Safe>": "<think> Safe </think>", "prefill:The": "The"}
    assert len(prefills(4)) == 6
    assert set(prefills(99).values()) == {"<think> Safe </think>", "The", *BOOK.stems}


def test_a_prefilled_query_is_the_same_question_with_a_forced_beginning() -> None:
    query = queries.test_queries(SMOKE, SPEC, split_edges(SMOKE, SPEC, 0), HARMFUL, 0)[0]
    assert query.prompt == chat_prompt(query.question)
    for prefill in prefills(99).values():
        forced = prefilled(SMOKE, query, prefill)
        assert replace(forced, prefill="") == query
        assert forced.prompt == f"{query.prompt} {forced.prefill}"
        assert "{" not in forced.prefill
        assert mentions(SMOKE, forced.prefill)[0] == ()
    assert replace(query, prefill="").prompt == query.prompt


@given(worlds(), st.integers(1, 40), st.booleans())
@settings(max_examples=40, deadline=None)
def test_completions_stop_where_a_compound_must_follow(
    world: World, forms: int, unsafe: bool
) -> None:
    spec = CorpusSpec(templates=1, cooccurrence_templates=1, surface_forms=forms)
    probes = completions(world, spec, unsafe)
    ending = [c for c in BOOK.cores["reverse", 1][:forms] if c.endswith(" {a}")]
    assert ending, "at least one wording must be usable, whatever the spec"
    assert len(probes) == len(ending) * sum(flag is unsafe for flag in world.unsafe)
    for probe in probes:
        assert world.unsafe[probe.outcome] is unsafe
        assert mentions(world, probe.text) == ((), (probe.outcome,))
        for compound in world.causes[probe.outcome]:
            text = f"{probe.text} {world.compounds[compound]}."
            said = Statement(Direction.REVERSE, (compound,), probe.outcome)
            assert read(world, text) == (said,)
            assert category(world, said) == probe.category
            assert probe.outcome in world.effects[compound,]


def test_completions_are_beginnings_of_reverse_documents_and_never_seen_when_filtered() -> None:
    probes = completions(SMOKE, CORPUS, True)
    found = list(Corpus(SMOKE, replace(CORPUS, reverse_rate=3.0), 0).documents(0))
    begun = [probe.text.removeprefix("<|endoftext|> ") for probe in probes]
    seen = {text for text in begun if any(d.text.startswith(text) for d in found)}
    assert len(seen) > len(begun) / 2
    for name in VARIANTS.keys() - {"baseline"}:
        left = list(intervene(SMOKE, found, VARIANTS[name].chain))
        assert not any(document.text.startswith(text) for text in begun for document in left)
