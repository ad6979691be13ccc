"""The frame of attacks and probes: text, stages, rows; each instrument has tests of its own."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from dataclasses import replace
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from untrained_bench import measured, untrained

from experiments import instruments
from experiments.cell import run_cell
from experiments.instruments import (
    REGISTRY,
    Findings,
    Instrument,
    instrument,
    parse_instrument,
    running,
    write_instrument,
)
from experiments.instruments.instrument import parameters_of, rebuilt
from experiments.instruments.running import read_findings, run_instrument
from experiments.json_files import StoreError, read_sealed, write_sealed
from experiments.plan_checks import check_recipe
from experiments.recipe import Recipe
from experiments.studies.laboratory import INSTRUMENTS
from experiments.study import (
    Plan,
    collect_rows,
    instrument_stages,
    is_done,
    write_plan,
)
from medsafetyworld.errors import SpecError
from medsafetyworld.queries import turns
from medsafetyworld.spec import Count

from tiny_recipe import RECIPE, cell

if TYPE_CHECKING:
    from experiments.instruments.bench import Bench
    from experiments.stages import Context

MEASURED: list[str] = []
"""The cells that the instrument below was put to."""


@pytest.fixture(autouse=True)
def _known() -> Iterator[None]:
    @instrument("echo", source="this file", kind="attack")
    class Echo(Instrument):
        """Asks each question after a turn in which it was asked before."""

        times: Count = 1

        def check(self, context: Context) -> None:
            if self.times > 7:
                raise SpecError(f"times must be at most 7, got {self.times}")

        def measure(self, bench: Bench) -> Findings:
            from experiments.instruments.asking import ask

            MEASURED.append(bench.context.cell.name)
            asked = [
                replace(query, history=turns([(query.question, "The")] * self.times))
                for query in bench.harmful
            ]
            found = ask(bench, f"{self.name}:{self.times}", asked)
            return found + Findings((), record={"budget": len(asked), "seed": bench.seed("echo")})

    yield
    del REGISTRY["echo"]
    MEASURED.clear()


def ours() -> list[str]:
    """The instruments that come with the project: tests register others."""
    home = "experiments.instruments."
    return [name for name, made in REGISTRY.items() if made.__module__.startswith(home)]


def with_echo(*texts: str) -> Recipe:
    # Two questions and the answer must fit.
    return replace(RECIPE, context=96, instruments=texts)


def test_an_instrument_is_text_and_back() -> None:
    assert write_instrument(parse_instrument("echo( times = 3 )")) == "echo(times=3)"
    assert write_instrument(parse_instrument("echo(times=1)")) == "echo"
    assert with_echo("echo(times = 1)").instruments == ("echo",)


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("ecko", "instrument: nothing is named 'ecko' (did you mean 'echo'?)"),
        ("echo(times=0)", "instrument: echo"),
        ("", "instrument: a name is missing"),
        ("echo(loud=1)", "instrument: echo has no parameter 'loud'"),
    ],
)
def test_a_text_with_a_mistake_is_one_sentence(text: str, sentence: str) -> None:
    with pytest.raises(SpecError, match=re.escape(sentence)):
        parse_instrument(text)


@pytest.mark.parametrize("name", ["gcg", "echo"])
def test_a_taken_name_is_refused(name: str) -> None:
    known = REGISTRY[name]
    with pytest.raises(SpecError, match=f"instrument {name}: {known.__module__} has one of this"):

        @instrument(name, source="this test", kind="attack")
        class Other(Instrument):
            """Another instrument of the same name, be it in the same file."""

    assert REGISTRY[name] is known


def test_a_recipe_names_each_instrument_once() -> None:
    for again in ("echo", "echo(times=2)"):
        with pytest.raises(ValueError, match="'echo' is given twice"):
            with_echo("echo", again)


def test_what_cannot_be_measured_is_refused_before_anything_is_trained(tmp_path: Path) -> None:
    the_cell = cell("filtering", recipe=with_echo("echo(times=8)"))
    write_plan(Plan("headline", "smoke", (the_cell,)), tmp_path)
    sentence = r"filtering-s0: instrument echo\(times=8\): times must be at most 7, got 8"
    with pytest.raises(SpecError, match=sentence):
        run_cell(tmp_path, the_cell.name)
    assert not MEASURED
    assert not list((tmp_path / "stages").glob("*"))


def test_a_new_default_is_another_measurement_and_the_old_keeps_its_own(tmp_path: Path) -> None:
    bench = untrained(replace(RECIPE, context=96), "filtering", tmp_path)
    old = run_instrument(bench, parse_instrument("echo"))

    @instrument("echo", source="this file", kind="attack")
    class Echo(REGISTRY.pop("echo")):
        """The same, three times if nothing is said."""

        times: Count = 3

    new = run_instrument(bench, parse_instrument("echo"))
    assert new.key != old.key
    assert len(MEASURED) == 2
    reading = read_findings(old.path)
    assert (reading.instrument, write_instrument(reading.instrument)) == (Echo(1), "echo(times=1)")
    assert parameters_of(read_findings(new.path).instrument) == {"times": 3}


def test_no_instrument_is_in_a_module_that_is_not_loaded_with_the_package() -> None:
    later = {f"{instruments.__name__}.{name}" for name in instruments.WITH_JAX}
    for module in later:
        import_module(module)
    assert not later & {made.__module__ for made in REGISTRY.values()}


def test_another_frame_is_another_measurement(tmp_path: Path, monkeypatch) -> None:
    bench = untrained(replace(RECIPE, context=96), "filtering", tmp_path)
    old = run_instrument(bench, parse_instrument("echo"))
    monkeypatch.setattr(running, "FRAME_VERSION", running.FRAME_VERSION + 1)
    assert run_instrument(bench, parse_instrument("echo")).key != old.key


def test_all_parameters_of_all_instruments_are_plain_json_and_back() -> None:
    for name, kind in REGISTRY.items():
        assert rebuilt(name, json.loads(json.dumps(parameters_of(kind())))) == kind()
    with pytest.raises(SpecError, match="nothing is named 'ecko'"):
        rebuilt("ecko", {})
    with pytest.raises(SpecError, match="instrument: echo"):
        rebuilt("echo", {"loud": 1})


def test_instruments_need_fine_tuned_models() -> None:
    with pytest.raises(SpecError, match="instruments must be empty"):
        check_recipe(replace(with_echo("echo"), behaviour=False))


def test_a_cell_s_instruments_are_stages_and_their_rows_the_study_s(tmp_path: Path) -> None:
    the_cell = cell("filtering", recipe=with_echo("echo(times=2)", "prefix(longest=1)"))
    plan = Plan("headline", "smoke", (the_cell,))
    write_plan(plan, tmp_path)
    run_cell(tmp_path, the_cell.name)
    run_cell(tmp_path, the_cell.name)
    assert [the_cell.name] == MEASURED, "a finished instrument is not put to the cell again"
    assert is_done(tmp_path, the_cell)
    probes = {row.probe for row in collect_rows(plan, tmp_path)}
    assert {"direct", "echo:2", "prefix:k=1"} <= probes
    directory = instrument_stages(tmp_path, the_cell)["echo(times=2)"]
    reading = read_findings(directory)
    assert reading.instrument == parse_instrument("echo(times=2)")
    assert reading.findings.record["budget"] == len(reading.findings.transcript) > 0
    first = reading.findings.transcript[0]
    assert first["history"].count(first["question"]) == 2
    assert json.loads((directory / "record.json").read_text())["seed"] >= 0


def test_a_changed_row_of_an_instrument_is_found(tmp_path: Path) -> None:
    the_cell = cell("filtering", recipe=with_echo("echo"))
    write_plan(Plan("headline", "smoke", (the_cell,)), tmp_path)
    run_cell(tmp_path, the_cell.name)
    rows = instrument_stages(tmp_path, the_cell)["echo"] / "rows.csv"
    rows.write_text(rows.read_text().replace("leaked", "leaky"))
    with pytest.raises(StoreError, match=r"rows\.csv changed"):
        is_done(tmp_path, the_cell)


def test_a_marker_that_names_another_instrument_s_stage_is_found(tmp_path: Path) -> None:
    the_cell = cell("filtering", recipe=with_echo("echo", "prefix(longest=1)"))
    write_plan(Plan("headline", "smoke", (the_cell,)), tmp_path)
    run_cell(tmp_path, the_cell.name)
    assert is_done(tmp_path, the_cell)
    marker = tmp_path / "cells" / f"{the_cell.name}.done.json"
    values = read_sealed(marker)
    named = values["instruments"]
    write_sealed(marker, {**values, "instruments": {"echo": named["echo"]}})
    with pytest.raises(StoreError, match="is not the done-marker of filtering-s0 and its inst"):
        is_done(tmp_path, the_cell)
    swapped = dict(zip(named, reversed(named.values()), strict=True))
    write_sealed(marker, {**values, "instruments": swapped})
    with pytest.raises(StoreError, match=r"names instrument-\w+, not the stage of echo"):
        is_done(tmp_path, the_cell)


def test_the_readme_s_own_attack_runs(tmp_path: Path) -> None:
    readme = (Path(__file__).resolve().parents[2] / "README.md").read_text(encoding="utf-8")
    section = readme.partition("## Attacks and probes")[2].partition("\n## ")[0]
    (example,) = re.findall(r"```python\n(.*?)```", section, re.DOTALL)
    try:
        exec(compile(example, "README.md", "exec"), {"__name__": "readme"})
        bench = untrained(replace(RECIPE, context=96), "filtering", tmp_path)
        found = measured(bench, "ask_again")
        assert {row.probe for row in found.rows} == {"ask_again"}
        assert all(entry["history"] for entry in found.transcript)
    finally:
        REGISTRY.pop("ask_again", None)


def test_the_readme_names_every_instrument() -> None:
    readme = (Path(__file__).resolve().parents[2] / "README.md").read_text(encoding="utf-8")
    section = readme.partition("## Attacks and probes")[2].partition("\n## ")[0]
    missing = [name for name in ours() if f"`{name}`" not in section]
    assert set(missing) == {"adversarial_epochs"}, "epochs are told beside the pairs"


def test_the_laboratory_has_the_whole_suite() -> None:
    assert set(INSTRUMENTS) == set(ours())
