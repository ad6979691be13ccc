"""Task files say what our judges say, hold no code, and are written whole or not at all."""

from __future__ import annotations

import json
import re
from pathlib import Path

import numpy as np
import pytest

from experiments import cli
from experiments.harness_tasks import harness_files
from experiments.stages import Context
from experiments.studies.headline import HEADLINE
from experiments.study import make_plan, write_plan
from medsafetyworld.judge import correct, is_refusal, judge
from medsafetyworld.queries import GENERAL, HARMFUL, completions, prefilled, prefills
from medsafetyworld.queries import test_queries as questions_of

from tiny_recipe import RECIPE, cell

HOME = Path("/anywhere/tasks")


@pytest.fixture(scope="module")
def context(tmp_path_factory: pytest.TempPathFactory) -> Context:
    return Context(cell("srp"), tmp_path_factory.mktemp("tasks"), lambda stage, progress: None)


@pytest.fixture(scope="module")
def files(context: Context) -> dict[str, str]:
    return harness_files(context, HOME)


def lines(files: dict[str, str], config: dict) -> list[dict]:
    """The questions of a task, by the absolute path that it names."""
    path = Path(config["dataset_kwargs"]["data_files"]["test"])
    return [json.loads(line) for line in files[str(path.relative_to(HOME))].splitlines()]


def filtered(config: dict, name: str, response: str) -> str:
    """What the harness's filter of this name makes of a response."""
    (chain,) = (entry["filter"] for entry in config["filter_list"] if entry["name"] == name)
    for step in chain:
        if step["function"] == "regex":
            found = re.compile(step["regex_pattern"]).findall(response)
            response = found[0].strip() if found else step["fallback"]
    return response


def responses(context: Context, likely: list[str], count: int) -> list[str]:
    """Texts that name entities, whole and broken, refuse, and judge themselves."""
    world, rng = context.true_world, np.random.default_rng(count)
    refusals = world.domain.refusals
    pieces = [
        *likely * 20,
        *world.compounds,
        *world.outcomes,
        *(name.upper() for name in world.compounds),
        *(f"{name}olol" for name in world.compounds),
        *(f"re{name}" for name in world.compounds),
        *(f"({name})." for name in world.compounds),
        *(name.replace(" ", ", ") for name in world.outcomes),
        *refusals * 4,
        *("<think> Safe </think>", "<think> Unsafe:cardiac </think>", "no", "yes", "\n") * 8,
        *("I am", "cannot", "it leads to", "Unsafe", "refuse") * 8,
    ]
    return ["", "no"] + [
        " ".join(pieces[place] for place in rng.integers(0, len(pieces), rng.integers(1, 6)))
        for _ in range(count)
    ]


def test_patterns_say_what_the_judges_say(context: Context, files: dict[str, str]) -> None:
    world, seed = context.true_world, context.cell.seeds["attack"]
    seen = {"accuracy": set(), "leaked": set(), "jailbroken": set(), "refused": set()}
    for category in (*GENERAL, HARMFUL):
        queries = questions_of(world, RECIPE.dialogue, context.asked, category, seed)
        by_prompt = {query.prompt: query for query in queries}
        name = "msw_direct" if category == HARMFUL else f"msw_general_{category.replace('-', '_')}"
        members = json.loads(files[f"{name}.yaml"])["task"]
        asked = [line["context"] for member in members for line in lines(files, member)]
        assert sorted(asked) == sorted(by_prompt)
        for member in members:
            query = by_prompt[lines(files, member)[0]["context"]]
            answers = lines(files, member)[0]["answers"]
            for response in responses(context, answers, 150):
                if category == HARMFUL:
                    judged = judge(world, query, response)
                    truth = {metric: getattr(judged, metric) for metric in list(seen)[1:]}
                else:
                    truth = {"accuracy": correct(world, query, response)}
                for metric, flag in truth.items():
                    seen[metric].add(flag)
                    said = filtered(member, metric, response)
                    assert said == ("yes" if flag else "no"), (metric, response)
    assert all(flags == {True, False} for flags in seen.values())


def test_every_refusal_is_seen(context: Context, files: dict[str, str]) -> None:
    member = json.loads(files["msw_direct.yaml"])["task"][0]
    for refusal in context.true_world.domain.refusals:
        assert is_refusal(context.true_world, refusal)
        assert filtered(member, "refused", refusal) == "yes"


def test_a_forced_beginning_is_in_the_prompt_and_judges_nothing(
    context: Context, files: dict[str, str]
) -> None:
    world = context.true_world
    queries = questions_of(
        world, RECIPE.dialogue, context.asked, HARMFUL, context.cell.seeds["attack"]
    )
    tasks = ["msw_prefill_safe", "msw_prefill_the", "msw_stem_1"]
    assert json.loads(files["msw_elicited.yaml"])["task"] == tasks
    for task, prefill in zip(tasks, prefills(world, RECIPE.stems).values(), strict=True):
        forced = [prefilled(world, query, prefill) for query in queries]
        members = json.loads(files[f"{task}.yaml"])["task"]
        asked = [line["context"] for member in members for line in lines(files, member)]
        assert sorted(asked) == sorted(query.prompt for query in forced)
        # Our judge reads the prefill too, the harness only what follows it.
        for query in forced:
            alone = judge(world, query, query.prefill)
            assert (alone.leaked, alone.refused, "Unsafe:" in query.prefill) == (False,) * 3


def test_a_completion_lists_every_compound_once_and_right_ones_last(
    context: Context, files: dict[str, str]
) -> None:
    world = context.true_world
    for unsafe, word in ((False, "safe"), (True, "unsafe")):
        config = json.loads(files[f"msw_completion_reverse_{word}.yaml"])
        probes = completions(world, RECIPE.corpus, unsafe)
        shares = []
        for probe, line in zip(probes, lines(files, config), strict=True):
            assert line["context"] == probe.text
            assert sorted(line["choices"]) == sorted(world.compounds)
            right = {line["choices"][place] for place in line["answers"]}
            ways = world.ways[probe.outcome]
            assert right == {world.compounds[way[0]] for way in ways if len(way) == 1}
            wrong = len(world.compounds) - len(right)
            assert line["answers"] == list(range(wrong, len(world.compounds)))
            shares.append(len(right) / len(world.compounds))
        assert config["metadata"]["chance"] == pytest.approx(np.mean(shares))


def test_files_are_data_and_reproducible(context: Context, files: dict[str, str]) -> None:
    assert harness_files(context, HOME) == files
    for name, text in files.items():
        values = text.splitlines() if name.endswith(".jsonl") else [text]
        for value in map(json.loads, values):
            assert "!function" not in json.dumps(value)
            assert "{{" not in json.dumps(value), "the harness would take this for a template"


@pytest.fixture
def study(tmp_path: Path) -> Path:
    write_plan(make_plan(HEADLINE, "smoke", replicates=1, arms=["srp"]), tmp_path / "study")
    return tmp_path / "study"


def test_the_command_writes_the_tasks_of_a_planned_cell(
    study: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "new" / "tasks"
    assert cli.main(["export-task", str(study), "--cell", "srp-s0", "--out", str(out)]) == 0
    assert "msw_direct" in capsys.readouterr().out
    config = json.loads((out / "msw_completion_reverse_safe.yaml").read_text())
    assert Path(config["dataset_kwargs"]["data_files"]["test"]).is_file()
    assert sorted(path.name for path in out.parent.iterdir()) == ["tasks"]
    assert sorted(path.name for path in study.iterdir()) == ["cells", "study.json"]


@pytest.mark.parametrize(
    ("cell_name", "out", "parts"),
    [
        ("sr-s0", "made", ("cell", "'sr-s0'", "did you mean 'srp-s0'?")),
        ("../srp-s0", "made", ("cell", "srp-s0")),
        ("srp-s0", "study", ("out", "must be a new directory", "study")),
    ],
)
def test_a_bad_request_is_one_sentence_and_writes_nothing(
    study: Path,
    cell_name: str,
    out: str,
    parts: tuple[str, ...],
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    before = sorted(tmp_path.rglob("*"))
    command = ["export-task", str(study), "--cell", cell_name, "--out", str(tmp_path / out)]
    assert cli.main(command) == 2
    said = capsys.readouterr().err
    assert said.count("\n") == 1
    assert all(part in said for part in parts)
    assert sorted(tmp_path.rglob("*")) == before
