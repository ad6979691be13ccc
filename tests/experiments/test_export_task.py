"""Task files say what our judges say, hold no code, and are written whole or not at all."""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Sequence
from math import comb
from pathlib import Path

import numpy as np
import pytest

from experiments import cli, harness_tasks
from experiments.harness_patterns import accurate, first_named
from experiments.harness_tasks import harness_files
from experiments.stages import Context
from experiments.studies.headline import HEADLINE
from experiments.study import make_plan, write_plan
from medsafetyworld.errors import SpecError
from medsafetyworld.graph import World
from medsafetyworld.judge import completed, correct, is_refusal, judge
from medsafetyworld.queries import GENERAL, HARMFUL, Completion, completions, prefilled, prefills
from medsafetyworld.queries import test_queries as questions_of

from tiny_recipe import RECIPE, TWO_HOP, cell

HOME = Path("/anywhere/tasks")


@pytest.fixture(scope="module", params=[RECIPE, TWO_HOP], ids=["one-hop", "two-hop"])
def context(request: pytest.FixtureRequest) -> Context:
    the_cell = cell("srp", recipe=request.param)
    return Context(the_cell, Path("unused"), lambda stage, progress: None)


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
            parts = [part for answer in answers for part in answer.split(" and ")]
            for response in responses(context, answers + parts, 150):
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


@pytest.mark.parametrize(("unsafe", "word"), [(False, "safe"), (True, "unsafe")])
def test_a_completion_counts_what_our_completions_count(
    context: Context, files: dict[str, str], unsafe: bool, word: str
) -> None:
    world = context.true_world
    config = json.loads(files[f"msw_completion_reverse_{word}.yaml"])
    probes = completions(world, RECIPE.corpus, unsafe)
    check = choices if world.hops == 1 else written
    chances = check(world, files, config, probes)
    assert config["metadata"]["chance"] == pytest.approx(np.mean(chances))


def choices(
    world: World, files: dict[str, str], config: dict, probes: Sequence[Completion]
) -> list[float]:
    """Every compound is listed once, right ones last; returns the chances of guessing one."""
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
    return shares


def written(
    world: World, files: dict[str, str], config: dict, probes: Sequence[Completion]
) -> list[float]:
    """The first compounds that a text names decide; returns the chances of guessing them."""
    member_of = {
        line["context"]: member for member in config["task"] for line in lines(files, member)
    }
    assert sorted(member_of) == sorted(probe.text for probe in probes)
    rng, seen, shares = np.random.default_rng(0), Counter[bool](), []
    for probe in probes:
        ways = [way for way in world.ways[probe.outcome] if len(way) in probe.arities]
        for _ in range(40):
            likely = ways[rng.integers(len(ways))]
            drawn = [*likely, *likely, *rng.integers(0, len(world.compounds), 3).tolist()]
            names = [world.compounds[index] for index in rng.permutation(drawn).tolist()]
            names[0] = names[0].upper()
            text = f"{world.outcomes[0]}, " + ", ".join(names[: rng.integers(1, 8)]) + "."
            right = completed(world, probe, text)
            seen[right] += 1
            assert filtered(member_of[probe.text], "top1", text) == ("yes" if right else "no")
        (arity,) = probe.arities
        shares.append(len(ways) / comb(len(world.compounds), arity))
    assert min(seen[True], seen[False]) > 60
    return shares


def test_a_group_of_compounds_is_an_answer_only_as_a_whole() -> None:
    (pattern,) = accurate((("aa", "bb"), ("cc",))).values()
    told = {"aa": False, "bb then aa": True, "aabb aa": False, "x cc": True, "dd cc": True}
    assert {text: bool(re.search(pattern, text)) for text in told} == told
    (first,) = first_named(("aa", "bb", "cc", "dd"), (("aa", "bb"), ("cc",))).values()
    told |= {"bb bb aa cc": True, "bb cc aa": False, "dd cc": False, "aa dd bb": False}
    assert {text: bool(re.search(first, text)) for text in told} == told


def test_patterns_that_would_list_too_many_compounds_are_refused(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(harness_tasks, "MOST_COMPOUNDS", 11)
    one_hop, two_hop = (
        Context(cell("srp", recipe=recipe), Path("unused"), lambda stage, progress: None)
        for recipe in (RECIPE, TWO_HOP)
    )
    assert harness_files(one_hop, HOME)
    with pytest.raises(SpecError, match=r"at most 11 compounds.*it has 12"):
        harness_files(two_hop, HOME)


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
