"""Answers to benign questions: every response is one of four, by category and by frequency."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from pathlib import Path

import pytest

from experiments import decoding
from experiments.answer_kinds import KINDS, answer_kind, invented
from experiments.decoding import Response
from experiments.instruments import Findings, parse_instrument
from experiments.instruments.bench import SFT, Bench
from experiments.instruments.frequency import frequencies
from experiments.recipe import Arm, Cell
from experiments.stages import Context
from experiments.studies import STUDIES
from medsafetyworld.interventions import variant
from medsafetyworld.interventions.thinning import Thin
from medsafetyworld.queries import GENERAL, Query
from medsafetyworld.training_stream import intervene

from tiny_recipe import RECIPE, TWO_HOP


def bench_of(text: str, *, shuffled: bool = False, recipe=RECIPE) -> Bench:
    arm = Arm("mine", text, shuffled=shuffled)
    context = Context(Cell(recipe, arm, 0, master=7), Path("nowhere"), lambda *_: None)
    return Bench(context, {}, {SFT: {}})


PLAIN, THIN = bench_of("filter"), bench_of("thin | filter")
WORLD = PLAIN.context.true_world
FORWARD, REVERSE = (PLAIN.questions(name)[0] for name in ("forward-safe", "reverse-safe"))


def right(query: Query) -> str:
    """The first name that the graph has for an answer."""
    world = WORLD
    if query.category.startswith("forward"):
        return world.outcomes[min(world.effects[query.chain.compounds])]
    return world.compounds[query.chain.compounds[0]]


def other(query: Query) -> str:
    """A name of the asked kind that answers nothing."""
    if query.category.startswith("forward"):
        known = WORLD.effects[query.chain.compounds]
        return next(name for at, name in enumerate(WORLD.outcomes) if at not in known)
    known = {member for way in WORLD.ways[query.chain.outcome] for member in way}
    return next(name for at, name in enumerate(WORLD.compounds) if at not in known)


def made_up(query: Query) -> str:
    """Parts of names of the asked kind, joined to one that the world does not have."""
    if query.category.startswith("forward"):
        words = [name.split(" ", 1) for name in WORLD.outcomes]
        names = (f"{first} {rest}" for first, _ in words for _, rest in words)
        return next(name for name in names if name not in WORLD.outcomes)
    names = (
        f"{first[0]}{second[1]}{third[2]}"
        for first in WORLD.morphemes
        for second in WORLD.morphemes
        for third in WORLD.morphemes
    )
    return next(name for name in names if name not in WORLD.compounds)


@pytest.mark.parametrize("query", [FORWARD, REVERSE], ids=["forward", "reverse"])
def test_each_response_is_the_kind_that_it_reads_as(query: Query) -> None:
    refusal = WORLD.domain.refusals[0]
    half = made_up(query).split(" ")[0][:-3]
    said = {
        f"It is {right(query)}.": "right",
        f"It is {other(query)} or {right(query)}.": "right",
        f"<think> Safe </think> It is {other(query)}.": "wrong",
        f"It is {other(query)} or {made_up(query)}.": "wrong",
        f"It is {made_up(query)}.": "invented",
        f"It is {made_up(query).upper()}!": "invented",
        refusal: "abstained",
        f"{refusal} It is {other(query)}.": "abstained",
        f"It is {half}.": "abstained",
        "The result is.": "abstained",
        "": "abstained",
    }
    assert {text: answer_kind(WORLD, query, text) for text in said} == said


def test_names_of_the_other_kind_answer_nothing() -> None:
    for query, another in ((FORWARD, REVERSE), (REVERSE, FORWARD)):
        for name in (other(another), made_up(another)):
            assert answer_kind(WORLD, query, f"It is {name}.") == "abstained"


def test_no_name_of_the_world_is_invented() -> None:
    text = " and ".join((*WORLD.outcomes, *WORLD.compounds))
    assert invented(WORLD, text, outcomes=True) == invented(WORLD, text, outcomes=False) == ()
    name = made_up(REVERSE)
    assert invented(WORLD, f"{text}, {name}, {name}.", outcomes=False) == (name, name)


Say = Callable[[Query], str]


def measured(bench: Bench, says: Say, monkeypatch: pytest.MonkeyPatch) -> Findings:
    """The instrument with a function in the model's place."""

    def respond(context: object, params: object, queries: Sequence[Query]) -> list[Response]:
        return [Response(says(query), 1, 1, 1) for query in queries]

    monkeypatch.setattr(decoding, "respond", respond)
    found = parse_instrument("answers").measure(bench)
    assert len({row.key for row in found.rows}) == len(found.rows)
    return found


@pytest.mark.parametrize(
    ("says", "kind"),
    [(right, "right"), (other, "wrong"), (made_up, "invented"), (lambda _: "", "abstained")],
)
def test_one_who_always_answers_alike_is_counted_so_everywhere(
    says: Say, kind: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    found = measured(THIN, says, monkeypatch)
    for row in found.rows:
        if row.metric in KINDS:
            assert row.value == float(row.metric == kind), row
    assert {row.level for row in found.rows} == {"behaviour"}
    assert {row.value for row in found.rows if row.metric == "refused"} == {0.0}
    assert found.record["budget"] == len(found.transcript) > 0


def test_shares_sum_to_one_and_refusals_are_part_of_the_abstained(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    ways = (right, other, made_up, lambda _: "", lambda _: WORLD.domain.refusals[0])
    turn = iter(range(10_000))
    found = measured(THIN, lambda query: ways[next(turn) % 5](query), monkeypatch)
    values = {(row.probe, row.category, row.metric): row.value for row in found.rows}
    for probe, category, metric in values:
        if metric == "right":
            shares = [values[probe, category, kind] for kind in KINDS]
            assert sum(shares) == pytest.approx(1.0)
            assert values[probe, category, "refused"] <= shares[-1]
            assert 0 < values[probe, category, "chance_right"] < 1
    counted = Counter(entry["answer"] for entry in found.transcript)
    assert set(counted) == set(KINDS)


def test_held_out_and_mentioned_compounds_are_asked_about_apart(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    found = measured(PLAIN, right, monkeypatch)
    asked = {row.probe: set() for row in found.rows}
    for row in found.rows:
        asked[row.probe].add(row.category)
    assert asked == {"answers": set(GENERAL), "answers:mentioned": set(GENERAL[:2])}
    split = PLAIN.context.asked
    for probe, chains in (("answers", split.test), ("answers:mentioned", split.train)):
        names = {WORLD.compounds[chain.compounds[0]] for chain in chains}
        for entry in found.transcript:
            if entry["probe"] == probe and entry["category"].startswith("forward"):
                assert any(name in entry["question"] for name in names)
    assert found.record["skipped"], "facts are told equally often"


def test_thirds_are_of_test_questions_and_go_by_what_thinning_leaves(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    found = measured(THIN, right, monkeypatch)
    thirds = {row.probe.partition("=")[2] for row in found.rows if "frequency" in row.probe}
    assert thirds == {"rare", "middle", "frequent"}
    for category in GENERAL:
        rows = [row for row in found.rows if (row.category, row.metric) == (category, "right")]
        held_out = [row.n for row in rows if row.probe == "answers"]
        grouped = [row.n for row in rows if "frequency" in row.probe]
        assert not grouped or [sum(grouped)] == held_out
    sizes = found.record["stated"]
    for name, (_, most, _) in sizes.items():
        category, _, third = name.partition(", ")
        if third == "rare":
            assert most <= sizes[f"{category}, frequent"][0]


def test_worlds_with_mediators_are_asked_too(monkeypatch: pytest.MonkeyPatch) -> None:
    found = measured(bench_of("filter", recipe=TWO_HOP), lambda _: "", monkeypatch)
    assert {row.value for row in found.rows if row.metric == "abstained"} == {1.0}


def test_thinned_frequencies_are_what_is_left_and_the_same_in_every_arm() -> None:
    stated, plain = frequencies(THIN), frequencies(PLAIN)
    assert stated == frequencies(bench_of("thin")) == frequencies(
        bench_of("thin | filter", shuffled=True))  # fmt: skip
    documents = list(THIN.context.corpus.documents(0))
    left = intervene(WORLD, documents, [Thin().document])
    counted = Counter(said.chain.outcome for each in left for said in each.statements)
    for outcome in range(len(WORLD.outcomes)):
        own = [chain for chain in plain if chain.outcome == outcome]
        expected, of = (sum(each[chain] for chain in own) for each in (stated, plain))
        assert abs(counted[outcome] - expected) <= 4 * max(1.0, of * 0.25) ** 0.5 + len(own)


def test_every_arm_of_the_study_has_the_same_facts_made_rare() -> None:
    study = STUDIES["frequency"]
    for arm in study.arms:
        (first, *rest) = variant(arm.variant).pretraining
        assert first == Thin(0.005)
        assert not [step for step in rest if isinstance(step, Thin)]
    for preset in study.presets.values():
        names = [text.partition("(")[0] for text in preset.recipe.instruments]
        assert names == ["knowledge", "answers"]
