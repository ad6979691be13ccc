"""Laws of the world: what its graph says, and its identity in files."""

from __future__ import annotations

import json
import random
from dataclasses import replace
from itertools import combinations, pairwise, permutations, product
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from medsafetyworld.building import build_world
from medsafetyworld.errors import SpecError
from medsafetyworld.graph import World
from medsafetyworld.laws import assert_lawful, check_world
from medsafetyworld.presets import WORLD_PRESETS
from medsafetyworld.semantics import Direction, Group, Statement, state
from medsafetyworld.testing import statements, worlds
from medsafetyworld.world_file import load_world

from graph_cases import DEEP, SMOKE

TWO_HOP = build_world(WORLD_PRESETS["smoke-two-hop"])


def plain_ways(world: World) -> set[tuple[tuple[int, ...], ...]]:
    """Every full way from compounds to an outcome, by trying all groups of compounds.

    A way goes up one layer at a time; each entity of a group is caused by one entity of the group
    below, and no entity is used twice.
    """
    causes = {(e.effects.layer, e.outcome, e.causes.members) for e in world.edges}
    ways = {(e.causes.members, (e.outcome,)) for e in world.edges if e.effects.layer == world.hops}
    for layer in range(world.hops - 1, 0, -1):
        entities = range(len(world.layers[layer - 1]))
        longer: set[tuple[tuple[int, ...], ...]] = set()
        for way in ways:
            for below in product(entities, repeat=len(way[0])):
                links = zip(below, way[0], strict=True)
                if len(set(below)) == len(below) and all(
                    (layer, effect, (cause,)) in causes for cause, effect in links
                ):
                    longer.add((tuple(sorted(below)), *way))
        ways = longer
    return ways


@given(worlds(max_compounds=6, max_outcomes=4, max_hops=4))
@settings(max_examples=40, deadline=None)
def test_chains_ways_and_effects_agree_with_a_plain_search(world: World) -> None:
    plain = plain_ways(world)
    found = [tuple(group.members for group in chain.groups) for chain in world.chains]
    assert len(found) == len(plain)
    assert set(found) == plain
    for chain in world.chains:
        assert [group.layer for group in chain.groups] == list(range(world.hops + 1))
    for outcome in range(len(world.outcomes)):
        assert world.ways[outcome] == {way[0] for way in plain if way[-1] == (outcome,)}
    for compounds in {way[0] for way in plain}:
        expected = {way[-1][0] for way in plain if way[0] == compounds}
        assert world.effects[compounds] == expected
    assert set(world.effects) == {way[0] for way in plain}


@given(worlds(max_compounds=6, max_outcomes=4))
@settings(max_examples=10, deadline=None)
def test_every_world_passes_the_public_check(world: World) -> None:
    assert_lawful(check_world(world))


@given(worlds())
@settings(max_examples=40, deadline=None)
def test_a_full_chain_holds_exactly_if_its_links_hold(world: World) -> None:
    """The label of a way equals the composition of the labels of its steps."""
    for chain in world.chains:
        for direction in (Direction.FORWARD, Direction.REVERSE, Direction.WARNING):
            assert world.holds(state(direction, chain))
            for pair in pairwise(chain.groups):
                assert world.holds(Statement(direction, pair))
        for pair in combinations(chain.groups, 2):
            assert world.holds(Statement(Direction.FORWARD, pair))


def plain_links(world: World) -> set[tuple[Group, Group]]:
    """What leads to what: edges, single-edges side by side, and all that follows one by one."""
    alone = {(each.causes, each.effects) for each in world.edges if len(each.compounds) == 1}
    links = {(each.causes, each.effects) for each in world.edges}
    for size in (2, 3):
        for together in permutations(alone, size):
            sides = [
                {(group.layer, group.members[0]) for group in side}
                for side in zip(*together, strict=True)
            ]
            layers = [{layer for layer, _ in side} for side in sides]
            if all(len(side) == size for side in sides) and all(len(each) == 1 for each in layers):
                causes, effects = (
                    Group(min(side)[0], tuple(sorted(member for _, member in side)))
                    for side in sides
                )
                links.add((causes, effects))
    while True:
        further = {
            (first, last)
            for first, middle in links
            for again, last in links
            if middle == again and (first, last) not in links
        }
        if not further:
            return links
        links |= further


@given(st.data())
@settings(max_examples=60, deadline=None)
def test_a_statement_holds_exactly_if_a_plain_search_of_the_ways_says_so(
    data: st.DataObject,
) -> None:
    world = data.draw(worlds(max_compounds=4, max_outcomes=3, max_hops=3))
    said = data.draw(statements(world))
    if data.draw(st.booleans()):
        # Half of the cases are parts of true ways, some with one entity changed.
        groups = data.draw(st.sampled_from(world.chains)).groups
        chosen = sorted(data.draw(st.sets(st.sampled_from(groups), min_size=2)))
        if data.draw(st.booleans()):
            place = data.draw(st.integers(0, len(chosen) - 1))
            size = len(world.layers[chosen[place].layer])
            chosen[place] = Group(chosen[place].layer, (data.draw(st.integers(0, size - 1)),))
        said = Statement(said.direction, tuple(chosen))
    if said.direction is Direction.COOCCURRENCE:
        assert world.holds(said)
        return
    links = plain_links(world)
    assert world.holds(said) is all(pair in links for pair in pairwise(said.groups))


@given(worlds(max_compounds=6, max_outcomes=4))
@settings(max_examples=40, deadline=None)
def test_a_chain_is_made_of_its_edges_and_they_lead_from_group_to_group(world: World) -> None:
    edges = set(world.edges)
    for chain in world.chains:
        made_of = world.edges_of(chain)
        assert set(made_of) <= edges
        for causes, effects in pairwise(chain.groups):
            between = [e for e in made_of if e.causes.layer == causes.layer]
            assert {e.outcome for e in between} == set(effects.members)
            assert {m for e in between for m in e.causes.members} == set(causes.members)
    for each in world.edges:
        assert world.edges_of(each) == (each,)


@given(worlds())
@settings(max_examples=40, deadline=None)
def test_the_shares_held_out_and_one_way_are_so_many_edges(world: World) -> None:
    for found, share in (
        (world.held_out, world.spec.held_out_share),
        (world.one_way, world.spec.one_way_share),
    ):
        assert found <= set(world.edges)
        assert len(found) == round(share * len(world.edges))


@given(worlds())
@settings(max_examples=20, deadline=None)
def test_saving_and_loading_gives_an_equal_world(tmp_path_factory, world: World) -> None:
    path = tmp_path_factory.mktemp("worlds") / "deep" / "world.json"
    world.save(path)
    again = load_world(path)
    assert again == world
    assert hash(again) == hash(world)
    assert again.content_hash == world.content_hash
    assert (again.held_out, again.one_way) == (world.held_out, world.one_way)
    assert list(path.parent.iterdir()) == [path]


@pytest.mark.parametrize("world", [SMOKE, DEEP], ids=["single-hop", "deep"])
def test_every_flipped_bit_is_refused_naming_the_file(tmp_path: Path, world: World) -> None:
    path = tmp_path / "world.json"
    world.save(path)
    whole = path.read_bytes()
    draw = random.Random(0)
    for _ in range(120):
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
        ("edges", [[0, float("inf"), 0]]),
        ("edges", [[]]),
        ("edges", [[0]]),
        ("edges", [["a", "b", "c"]]),
        ("compounds", [["a", "b"]]),
        ("mediators", [["a"]]),
        ("mediators", 3),
        ("severity", [[1]] * 8),
        ("severity", ["high"] * 8),
        ("outcomes", [[1]] * 8),
        ("spec", {"compounds": True}),
        ("format", "medsafetyworld.world/0"),
        ("format", "medsafetyworld.world/1"),
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
    base = WORLD_PRESETS["smoke-two-hop"]
    specs = [replace(base, seed=seed) for seed in range(5)]
    specs += [replace(base, pair_edges=9), replace(base, unsafe_fraction=0.5)]
    specs += [replace(base, held_out_share=0.1), replace(base, one_way_share=0.1)]
    specs += [replace(base, severity_shares=(0.2, 0.4, 0.4)), WORLD_PRESETS["smoke"]]
    assert len({build_world(spec).content_hash for spec in specs}) == len(specs)
    assert build_world(base) == TWO_HOP
    assert len({build_world(base), TWO_HOP}) == 1


def test_a_hazard_is_the_system_of_an_unsafe_outcome_only() -> None:
    for outcome, unsafe in enumerate(SMOKE.unsafe):
        assert SMOKE.hazard(outcome) == (SMOKE.systems[outcome] if unsafe else None)
        assert unsafe is (SMOKE.severity[outcome] > 0)
    assert SMOKE.hazard(None) is None


@given(worlds())
@settings(max_examples=20, deadline=None)
def test_entities_counted_through_all_layers_are_the_names_in_order(world: World) -> None:
    every = [name for layer in world.layers for name in layer]
    for layer, names in enumerate(world.layers):
        group = Group(layer, tuple(range(min(3, len(names)))))
        assert world.names(group) == tuple(every[number] for number in world.numbers(group))
