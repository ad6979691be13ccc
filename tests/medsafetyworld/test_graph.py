"""Laws of the world: its graph's invariants, its refusal of damage, its identity everywhere."""

from __future__ import annotations

import json
import os
import random
import subprocess
import sys
import time
from collections import Counter
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from medsafetyworld.errors import SpecError
from medsafetyworld.graph import Edge, World, build_world, load_world, shuffle_causes
from medsafetyworld.spec import WORLD_PRESETS, WorldSpec
from medsafetyworld.testing import check_world, world_specs, worlds

SMOKE = build_world(WORLD_PRESETS["smoke"])
LAPTOP = build_world(WORLD_PRESETS["laptop"])
GOLDEN = {
    "smoke": "88990a28dbebd923d49c3987e2cfcd94693267c00affcc4fa9f3db989de97ca0",
    "laptop": "caa66f5dbf2e0118329952f872af71d011933848b20f5ea9e409cffa8b17ed5c",
    "paper": "88e6d1902903963cde5f93616085f6ca20149a0e931a9245ba0a7ab9fb977083",
}


@given(world_specs())
@settings(max_examples=100, deadline=None)
def test_every_spec_builds_the_graph_it_describes(spec: WorldSpec) -> None:
    world = build_world(spec)
    singles, pairs = world.single_edges, world.pair_edges
    assert len(set(singles)) == spec.single_edges
    assert len({edge.compounds for edge in pairs}) == len(pairs) == spec.pair_edges
    assert {edge.compounds for edge in singles} == {(a,) for a in range(spec.compounds)}
    assert {edge.outcome for edge in singles} == set(range(spec.outcomes))
    assert all(a < b < spec.compounds for a, b in (edge.compounds for edge in pairs))
    assert all(0 <= edge.outcome < spec.outcomes for edge in world.edges)
    assert sum(world.unsafe) == round(spec.unsafe_fraction * spec.outcomes)
    assert len(set(world.compounds)) == spec.compounds
    assert len(set(world.outcomes)) == spec.outcomes
    assert world.edges == (*sorted(singles), *sorted(pairs))


@given(worlds(max_compounds=6, max_outcomes=4))
@settings(max_examples=15, deadline=None)
def test_every_world_passes_the_public_check(world: World) -> None:
    check_world(world)


@given(worlds())
@settings(max_examples=50, deadline=None)
def test_causes_and_effects_agree_with_a_plain_reading_of_the_edges(world: World) -> None:
    for outcome in range(len(world.outcomes)):
        plain = {
            e.compounds[0] for e in world.edges if len(e.compounds) == 1 and e.outcome == outcome
        }
        assert world.causes[outcome] == plain
    for key in {edge.compounds for edge in world.edges}:
        assert world.effects[key] == {e.outcome for e in world.edges if e.compounds == key}
    assert set(world.effects) == {edge.compounds for edge in world.edges}


def test_first_outcomes_unsafe_marks_and_pairs_are_spread_evenly() -> None:
    """Over many seeds no outcome is favoured by the builder (chi-square, five sigma)."""
    size, seeds = 6, 300
    marked, first, paired = Counter(), Counter(), Counter()
    for seed in range(seeds):
        spec = WorldSpec(
            compounds=12,
            outcomes=size,
            single_edges=17,
            pair_edges=6,
            unsafe_fraction=0.5,
            seed=seed,
        )
        world = build_world(spec)
        marked.update(outcome for outcome, unsafe in enumerate(world.unsafe) if unsafe)
        first.update(edge.outcome for edge in world.single_edges)
        paired.update(edge.outcome for edge in world.pair_edges)
    for counts in (marked, first, paired):
        expected = counts.total() / size
        chi2 = sum((counts[outcome] - expected) ** 2 / expected for outcome in range(size))
        assert chi2 < size - 1 + 5 * (2 * (size - 1)) ** 0.5


def without(world: World, *edges: Edge) -> tuple[Edge, ...]:
    return tuple(edge for edge in world.edges if edge not in edges)


def damaged() -> list[tuple[str, str, dict]]:
    """Name, law and changed fields of worlds that must not be."""
    edges, first, pair = SMOKE.edges, SMOKE.single_edges[0], SMOKE.pair_edges[0]
    lone = next(
        edge
        for edge in SMOKE.single_edges
        if len(SMOKE.effects[edge.compounds]) == 1 and len(SMOKE.causes[edge.outcome]) > 1
    )
    other = next(edge for edge in SMOKE.single_edges if len(SMOKE.effects[edge.compounds]) > 1)
    spare = next(
        Edge(other.compounds, outcome)
        for outcome in range(len(SMOKE.outcomes))
        if outcome not in SMOKE.effects[other.compounds]
    )
    last = len(SMOKE.outcomes) - 1
    others = next(
        Edge((compound,), outcome)
        for compound in range(len(SMOKE.compounds))
        for outcome in range(last)
        if outcome not in SMOKE.effects[compound,]
    )
    singles = list(SMOKE.single_edges)
    return [
        ("dropped", "number of edges", {"edges": edges[1:]}),
        ("added", "number of edges", {"edges": (*edges, pair)}),
        ("twice", "no compound-outcome pair appears twice", {"edges": (first, first, *edges[2:])}),
        (
            "pair twice",
            "no compound pair appears twice",
            {"edges": (*edges[:-1], Edge(edges[-2].compounds, edges[-1].outcome))},
        ),
        ("compound", "joins entities", {"edges": (Edge((24,), first.outcome), *edges[1:])}),
        ("negative", "joins entities", {"edges": (Edge((-1,), first.outcome), *edges[1:])}),
        ("outcome", "joins entities", {"edges": (Edge(first.compounds, 8), *edges[1:])}),
        ("empty", "single-edges have one", {"edges": (Edge((), 0), *edges[1:])}),
        ("pair first", "single-edges have one", {"edges": (pair, *edges[1:])}),
        ("single last", "pair-edges have two", {"edges": (*edges[:-1], first)}),
        (
            "pair order",
            "increasing order",
            {"edges": (*edges[:-1], Edge(edges[-1].compounds[::-1], edges[-1].outcome))},
        ),
        ("self pair", "different", {"edges": (*edges[:-1], Edge((3, 3), 0))}),
        (
            "bare compound",
            "every compound has a single-edge",
            {"edges": (*sorted((*(set(singles) - {lone}), spare)), *SMOKE.pair_edges)},
        ),
        (
            "bare outcome",
            "every outcome has a single-edge",
            {"edges": bare_outcome(last, others)},
        ),
        ("unsorted", "sorted", {"edges": (edges[1], edges[0], *edges[2:])}),
        ("unsafe count", "unsafe outcomes", {"unsafe": (not SMOKE.unsafe[0], *SMOKE.unsafe[1:])}),
        ("marks", "unsafe marks", {"unsafe": SMOKE.unsafe[1:]}),
        ("systems", "systems", {"systems": SMOKE.systems[1:]}),
        ("names", "number of compounds", {"morphemes": SMOKE.morphemes[1:]}),
        ("same name", "compound names", {"morphemes": SMOKE.morphemes[:1] * 24}),
        ("same outcome", "outcome names", {"outcomes": SMOKE.outcomes[:1] * 8}),
    ]


def bare_outcome(bare: int, spare: Edge) -> tuple[Edge, ...]:
    """The edges with every single-edge of one outcome moved elsewhere."""
    kept = {edge for edge in SMOKE.single_edges if edge.outcome != bare}
    free = (
        Edge((compound,), outcome)
        for compound in range(len(SMOKE.compounds))
        for outcome in range(len(SMOKE.outcomes))
        if outcome != bare and Edge((compound,), outcome) not in kept
    )
    lost = [edge for edge in SMOKE.single_edges if edge.outcome == bare]
    needed = [Edge(edge.compounds, spare.outcome) for edge in lost]
    kept |= {edge for edge in needed if edge not in kept}
    for edge in free:
        if len(kept) == len(SMOKE.single_edges):
            break
        kept.add(edge)
    return (*sorted(kept), *SMOKE.pair_edges)


@pytest.mark.parametrize(
    ("law", "fields"), [case[1:] for case in damaged()], ids=[c[0] for c in damaged()]
)
def test_a_damaged_world_is_refused_with_the_law_it_breaks(law: str, fields: dict) -> None:
    with pytest.raises(SpecError, match=f"world: .*{law}"):
        replace(SMOKE, **fields)


@given(worlds())
@settings(max_examples=20, deadline=None)
def test_saving_and_loading_gives_an_equal_world(tmp_path_factory, world: World) -> None:
    path = tmp_path_factory.mktemp("worlds") / "deep" / "world.json"
    world.save(path)
    again = load_world(path)
    assert again == world
    assert hash(again) == hash(world)
    assert again.content_hash == world.content_hash
    assert list(path.parent.iterdir()) == [path]


def test_every_flipped_bit_is_refused_naming_the_file(tmp_path: Path) -> None:
    path = tmp_path / "world.json"
    SMOKE.save(path)
    whole = path.read_bytes()
    draw = random.Random(0)
    for _ in range(200):
        place = draw.randrange(len(whole))
        changed = bytearray(whole)
        changed[place] ^= 1 << draw.randrange(8)
        path.write_bytes(changed)
        with pytest.raises(SpecError, match=r"world\.json"):
            load_world(path)
    for cut in (0, 1, 100, len(whole) - 1):
        path.write_bytes(whole[:cut])
        with pytest.raises(SpecError, match=r"world\.json"):
            load_world(path)


def test_an_added_space_is_told_as_it_is(tmp_path: Path) -> None:
    path = tmp_path / "world.json"
    SMOKE.save(path)
    path.write_bytes(path.read_bytes() + b" ")
    with pytest.raises(SpecError, match=r"world\.json: the file is not as it was saved"):
        load_world(path)


@pytest.mark.parametrize(
    "text",
    ["null", "[]", "3", '"x"', "{}", "[" * 100_000, '{"sha256": "x", "world": 3}', "\xff"],
)
def test_a_file_that_is_no_world_is_refused_by_name(tmp_path: Path, text: str) -> None:
    path = tmp_path / "other.json"
    path.write_bytes(text.encode("latin-1"))
    with pytest.raises(SpecError, match=r"other\.json: not a saved world"):
        load_world(path)
    with pytest.raises(SpecError, match=r"missing\.json"):
        load_world(tmp_path / "missing.json")


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("edges", [[float("inf"), 0]]),
        ("edges", [[]]),
        ("edges", [["a", "b"]]),
        ("compounds", [["a", "b"]]),
        ("outcomes", [[1]] * 8),
        ("spec", {"compounds": True}),
        ("format", "medsafetyworld.world/0"),
    ],
)
def test_a_saved_world_with_a_strange_part_is_refused_by_name(
    tmp_path: Path, key: str, value: object
) -> None:
    path = tmp_path / "strange.json"
    document = json.loads(SMOKE.to_json()) | {key: value}
    path.write_text(json.dumps({"sha256": SMOKE.content_hash, "world": document}))
    with pytest.raises(SpecError, match=r"strange\.json"):
        load_world(path)


def test_only_equal_worlds_have_equal_hashes() -> None:
    base = WORLD_PRESETS["smoke"]
    specs = [replace(base, seed=seed) for seed in range(5)]
    specs += [replace(base, pair_edges=9), replace(base, unsafe_fraction=0.5)]
    assert len({build_world(spec).content_hash for spec in specs}) == len(specs)
    assert build_world(base) == SMOKE
    assert len({build_world(base), SMOKE}) == 1


@pytest.mark.parametrize("name", ["smoke", "laptop"])
def test_preset_worlds_never_change(name: str) -> None:
    assert build_world(WORLD_PRESETS[name]).content_hash == GOLDEN[name]


def test_the_papers_world_builds_quickly_and_never_changes() -> None:
    start = time.process_time()
    world = build_world(WORLD_PRESETS["paper"])
    assert time.process_time() - start < 20
    assert world.counts()["single-edges"] == 20_000
    assert world.content_hash == GOLDEN["paper"]


def test_the_same_spec_gives_the_same_world_in_any_process(tmp_path: Path) -> None:
    program = (
        "from medsafetyworld.graph import build_world\n"
        "from medsafetyworld.spec import WORLD_PRESETS\n"
        "print(build_world(WORLD_PRESETS['smoke']).content_hash)"
    )
    environment = os.environ | {"PYTHONHASHSEED": "12345", "TZ": "Asia/Tokyo", "LC_ALL": "C"}
    found = subprocess.run(
        [sys.executable, "-c", program],
        cwd=tmp_path,
        env=environment,
        capture_output=True,
        text=True,
        check=True,
    )
    assert found.stdout.strip() == GOLDEN["smoke"]


def test_building_leaves_the_global_random_state_alone() -> None:
    before = random.getstate(), str(np.random.get_state())  # noqa: NPY002
    build_world(WORLD_PRESETS["smoke"])
    assert (random.getstate(), str(np.random.get_state())) == before  # noqa: NPY002


@given(worlds())
@settings(max_examples=30, deadline=None)
def test_the_networkx_view_holds_every_entity_and_cause(world: World) -> None:
    graph = world.to_networkx()
    kinds = Counter(kind for _, kind in graph.nodes(data="kind"))
    pairs = len(world.pair_edges)
    assert kinds == Counter(compound=len(world.compounds), outcome=len(world.outcomes), pair=pairs)
    assert graph.number_of_edges() == len(world.single_edges) + 3 * pairs
    for edge in world.edges:
        source = " + ".join(world.compounds[compound] for compound in edge.compounds)
        assert graph.has_edge(source, world.outcomes[edge.outcome])
    for index, name in enumerate(world.outcomes):
        assert graph.nodes[name]["unsafe"] is world.unsafe[index]
        assert graph.nodes[name]["system"] == world.systems[index]


def test_counts_split_every_edge_by_safety() -> None:
    counts = SMOKE.counts()
    assert counts["compounds"], counts["outcomes"] == (24, 8)
    assert counts["unsafe outcomes"] == 3
    assert counts["single-edges to unsafe outcomes"] == sum(
        len(SMOKE.causes[outcome]) for outcome in range(8) if SMOKE.unsafe[outcome]
    )


def test_a_hazard_is_the_system_of_an_unsafe_outcome_only() -> None:
    for outcome, unsafe in enumerate(SMOKE.unsafe):
        assert SMOKE.hazard(outcome) == (SMOKE.systems[outcome] if unsafe else None)


def degrees(world: World) -> list[tuple[int, int]]:
    """Single- and pair-edges of each compound, sorted: what a permutation of compounds keeps."""
    single = Counter(edge.compounds[0] for edge in world.single_edges)
    paired = Counter(compound for edge in world.pair_edges for compound in edge.compounds)
    return sorted((single[a], paired[a]) for a in range(len(world.compounds)))


@given(worlds(), st.integers(0, 2**32))
@settings(max_examples=50, deadline=None)
def test_shuffling_causes_keeps_names_marks_and_degrees(world: World, seed: int) -> None:
    shuffled = shuffle_causes(world, seed)
    assert shuffled == shuffle_causes(world, seed)
    assert (shuffled.compounds, shuffled.outcomes) == (world.compounds, world.outcomes)
    assert (shuffled.unsafe, shuffled.systems) == (world.unsafe, world.systems)
    assert list(map(len, shuffled.causes)) == list(map(len, world.causes))
    assert degrees(shuffled) == degrees(world)


def test_the_shuffled_world_agrees_with_the_true_one_as_often_as_chance() -> None:
    edges = set(LAPTOP.single_edges)
    shared = [len(edges & set(shuffle_causes(LAPTOP, seed).single_edges)) for seed in range(50)]
    chance = len(edges) / (len(LAPTOP.compounds) * len(LAPTOP.outcomes))
    assert abs(np.mean(shared) / len(edges) - chance) < 0.01
    assert max(shared) < len(edges) / 4
