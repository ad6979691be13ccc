"""Studies that vary size, data, world or defence: what differs between arms, and that they run."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from experiments.cell import run_cell
from experiments.checks import check_cell
from experiments.json_files import read_sealed
from experiments.measures import MissingMeasurement, measure
from experiments.recipe import Arm, Cell
from experiments.rows import variant_order
from experiments.stages import Context, finetune_dialogues, pretrain_inputs
from experiments.studies import STUDIES
from experiments.studies.data import SHARES, with_tokens
from experiments.studies.finetune_defences import SHARES as MIXED
from experiments.studies.headline import LAPTOP
from experiments.studies.hops import DOCUMENTS
from experiments.studies.size import RATES
from experiments.study import Preset, Study, collect_rows, load_plan, make_plan, write_plan
from experiments.training_size import tokens

from fake_study import fake_rows
from tiny_recipe import RECIPE


def cells(study: str, preset: str = "laptop") -> dict[str, Cell]:
    return {each.arm.name: each for each in make_plan(STUDIES[study], preset, replicates=1).cells}


def context(cell: Cell, root: Path = Path("nowhere")) -> Context:
    return Context(cell, root, lambda stage, progress: None)


def test_sizes_differ_in_model_and_learning_rate_alone() -> None:
    found = cells("size")
    assert {cell.recipe.model for cell in found.values()} == set(RATES)
    for cell in found.values():
        same = replace(
            cell.recipe, model=LAPTOP.model, pretrain=LAPTOP.pretrain, vocabulary=LAPTOP.vocabulary
        )
        assert same == LAPTOP
        assert tokens(cell.recipe) == tokens(LAPTOP)
        assert cell.recipe.pretrain.peak_lr == RATES[cell.recipe.model]


def test_tables_and_figures_order_sizes_by_value() -> None:
    names = [arm.name for arm in STUDIES["size"].arms if arm.variant == "filtering"]
    assert sorted(reversed(names), key=variant_order) == names
    assert [name.removeprefix("filtering_") for name in names] == list(RATES)


def test_data_varies_tokens_or_wordings_and_never_both() -> None:
    found = [(tokens(c.recipe), c.recipe.corpus.templates) for c in cells("data").values()]
    usual = (tokens(LAPTOP), LAPTOP.corpus.templates)
    assert sorted(amount / usual[0] for amount, same in found if same == usual[1]) == list(SHARES)
    assert all(amount == usual[0] for amount, count in found if count != usual[1])


def test_the_grid_of_scaling_has_every_size_at_every_amount() -> None:
    found = {(cell.recipe.model, tokens(cell.recipe)) for cell in cells("scaling").values()}
    assert len(found) == 12
    assert len({model for model, _ in found}) * len({amount for _, amount in found}) == 12


def test_the_laboratory_reads_as_many_tokens_as_the_headline_in_longer_rows() -> None:
    for preset in ("smoke", "laptop"):
        usual, wide = (STUDIES[name].presets[preset].recipe for name in ("headline", "laboratory"))
        assert (wide.context, wide.budget) == (2 * usual.context, usual.budget)
    assert len(STUDIES["laboratory"].arms) >= 8


@pytest.mark.parametrize("name", ["filtering_3_hops", "mediators_too_2_hops"])
def test_a_world_of_more_hops_can_be_asked_and_answered_in_its_rows(name: str) -> None:
    found = cells("hops", "smoke")
    assert [cell.recipe.world.hops for cell in found.values()] == [1, 2, 3, 2, 3]
    cell = found[f"smoke_{name}"]
    check_cell(context(cell))
    assert {each.recipe.context for each in found.values()} == {128}
    assert (cell.corpus_spec.cooccurrence_rate, cell.corpus_spec.reverse_rate) == (0.0, 1.0)
    assert found["smoke_filtering_1_hop"].corpus_spec.cooccurrence_rate > 0
    steps = [each.recipe.pretrain.steps for each in found.values()]
    assert [each / steps[0] for each in steps] == [1, 1, DOCUMENTS, 1, DOCUMENTS]


@pytest.mark.parametrize("name", ["filtering_20_unsafe", "srp_80_unsafe"])
def test_worlds_with_little_or_much_harm_can_be_asked(name: str) -> None:
    cell = cells("unsafe_fraction", "smoke")[name]
    check_cell(context(cell))
    assert sum(cell.worlds()[0].unsafe) == round(8 * cell.recipe.world.unsafe_fraction)


def test_defences_change_the_fine_tuning_data_and_nothing_before() -> None:
    plan = make_plan(STUDIES["finetune_defences"], "smoke", replicates=1)
    assert plan.trainings == 2
    found = {cell.arm.name: context(cell) for cell in plan.cells}
    plain = len(finetune_dialogues(found["srp"], "pair_forward"))
    for percent, share in MIXED.items():
        mixed = finetune_dialogues(found[f"srp_mix_{percent}"], "pair_forward+mixsft")
        assert len(mixed) == plain + max(1, round(share * plain))
    marked, unmarked = (
        finetune_dialogues(found[name], "pair_forward")[0].response
        for name in ("srp_reflection", "srp")
    )
    assert "<think>" in marked
    assert "<think>" not in unmarked


def test_arms_of_other_hops_are_measured_by_their_own_fine_tuning() -> None:
    rows = [
        replace(row, probe=row.probe.replace("pair_forward", "link_forward"))
        if row.variant == "srp"
        else row
        for row in fake_rows()
    ]
    measures = measure(rows)
    for variant in ("srp", "filtering"):
        for quantity in ("finetune", "finetune_mixsft"):
            expected = measure(fake_rows()).series(variant, quantity)
            assert measures.series(variant, quantity) == expected
    lost = [r for r in rows if not (r.probe == "finetune:link_forward" and r.seed == 1)]
    with pytest.raises(MissingMeasurement, match="link_forward"):
        measure(lost).series("srp", "finetune")


def test_an_arm_that_changes_a_field_to_what_it_was_shares_the_headline_s_pretraining() -> None:
    usual = pretrain_inputs(context(cells("headline")["filtering"]))
    found = cells("size")
    assert pretrain_inputs(context(found["filtering_0.3M"])) == usual
    larger = pretrain_inputs(context(found["filtering_1M"]))
    assert larger["model"]["d_model"] > usual["model"]["d_model"]
    assert {name for name in usual if usual[name] != larger[name]} == {"model", "train"}


@pytest.mark.slow
def test_arms_of_another_size_and_amount_run_to_their_rows(tmp_path: Path) -> None:
    shared = replace(RECIPE, behaviour=False)
    sized = Arm("wider", "filtering", recipe=(("model", "0.3M"), ("pretrain.steps", 4)))
    plan = make_plan(
        Study(
            "sizes", "do they run?", (sized, with_tokens(RECIPE, 0.25)), {"tiny": Preset(shared, 1)}
        ),
        "tiny",
    )
    write_plan(plan, tmp_path)
    for cell in plan.cells:
        run_cell(tmp_path, cell.name)
    rows = collect_rows(load_plan(tmp_path), tmp_path)
    assert {row.variant for row in rows} == {arm.name for arm in (sized, with_tokens(RECIPE, 0.25))}
    kept = [read_sealed(tmp_path / "cells" / f"{cell.name}.json") for cell in plan.cells]
    assert [cell["recipe"]["pretrain"]["steps"] for cell in kept] == [4, 8]
