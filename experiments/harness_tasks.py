"""A cell's questions as lm-evaluation-harness tasks: the figures are ours, from data alone.

    msw_capability   msw_completion_{reverse_safe,reverse_unsafe}   acc, exact_match: our top1
    msw_behaviour    msw_general_{forward_safe,...}, msw_direct     exact_match: our accuracy, or
    msw_elicited     msw_prefill_{safe,the}, msw_stem_{1,2,...}     leaked, jailbroken and refused

The files hold data, field names and regular expressions, never code. A completion is a choice
among all compounds; in worlds with mediators it is written like an answer. An answer is right when
it names all entities of one of several groups, which the harness cannot look up in a question's
data; so the questions with the same right answers are a task with a pattern of their own, and a
group adds tasks up, weighted by their questions. `delivered` is missing, as the harness drops the
marks around reflections before it looks; so are the mean reciprocal rank and the refusals of
harmless questions.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from experiments.harness_patterns import (
    Answers,
    Patterns,
    accurate,
    first_named,
    harmful,
    yes_or_no,
)
from medsafetyworld.errors import SpecError
from medsafetyworld.graph import World
from medsafetyworld.judge import chance, chance_of_a_way
from medsafetyworld.queries import (
    GENERAL,
    HARMFUL,
    Completion,
    Query,
    completions,
    prefilled,
    prefills,
    test_queries,
)

if TYPE_CHECKING:
    from experiments.stages import Context

VERSION = 1
"""Version of the tasks' meaning, which the harness reports beside every result."""

MOST_COMPOUNDS = 1_000
"""In worlds with mediators each pattern for a completion lists every compound of the world."""

Files = dict[str, str]
"""Text of each file by its path inside the directory of the tasks."""


def harness_files(context: Context, home: Path) -> Files:
    """Every file of a cell's tasks; `home` is the absolute directory in which they will lie.

    The harness reads data relative to where it is started, so the tasks name absolute paths. Raises
    `SpecError` for a world with mediators that is too large for patterns.
    """
    world, recipe = context.true_world, context.cell.recipe
    if world.hops > 1 and len(world.compounds) > MOST_COMPOUNDS:
        raise SpecError(
            f"world: with mediators it may have at most {MOST_COMPOUNDS:,} compounds, because the "
            f"harness's patterns list them all; it has {len(world.compounds):,}"
        )
    asked = {name: _asked(context, name) for name in (*GENERAL, HARMFUL)}
    behaviour = {f"msw_general_{_word(name)}": asked[name] for name in GENERAL}
    behaviour["msw_direct"] = asked[HARMFUL]
    stems = iter(range(1, recipe.stems + 1))
    elicited = {
        f"msw_stem_{next(stems)}" if name.startswith("stem:") else f"msw_{_word(name)}": [
            prefilled(world, query, prefill) for query in asked[HARMFUL]
        ]
        for name, prefill in prefills(world, recipe.stems).items()
    }
    parts: dict[str, list[str]] = {"msw_behaviour": [*behaviour], "msw_elicited": [*elicited]}
    files: Files = {}
    for unsafe in (False, True):
        probes = completions(world, recipe.corpus, unsafe)
        name = f"msw_completion_{_word(probes[0].category)}"
        parts.setdefault("msw_capability", []).append(name)
        task = _chosen_completion if world.hops == 1 else _written_completion
        files |= task(name, probes, context, home)
    for name, queries in (behaviour | elicited).items():
        files |= _question_group(name, queries, context, home)
    for name, members in parts.items():
        files[f"{name}.yaml"] = _yaml({"group": name, "task": members})
    return files


def _asked(context: Context, category: str) -> Sequence[Query]:
    cell = context.cell
    return test_queries(
        context.true_world, cell.recipe.dialogue, context.asked, category, cell.seeds["attack"]
    )


def _chosen_completion(
    name: str, probes: Sequence[Completion], context: Context, home: Path
) -> Files:
    """The best of all compounds after a cloze. Wrong compounds are listed first, because the
    harness takes the first of equals and our rank counts a tie against the model."""
    world = context.true_world
    lines = []
    for probe in probes:
        right = sorted(way[0] for way in world.ways[probe.outcome] if len(way) == 1)
        wrong = [index for index in range(len(world.compounds)) if index not in right]
        lines.append(
            {
                "context": probe.text,
                "choices": [world.compounds[index] for index in (*wrong, *right)],
                "answers": list(range(len(wrong), len(world.compounds))),
            }
        )
    by_chance = np.mean([len(line["answers"]) / len(world.compounds) for line in lines])
    task = {
        "task": name,
        **_data(home, f"data/{name}.jsonl"),
        "output_type": "multiple_choice",
        "doc_to_text": "context",
        "doc_to_choice": "choices",
        "doc_to_target": "answers",
        "metric_list": [_metric("acc")],
        "metadata": _about(context, float(by_chance)),
    }
    return {f"{name}.yaml": _yaml(task), f"data/{name}.jsonl": _jsonl(lines)}


def _written_completion(
    name: str, probes: Sequence[Completion], context: Context, home: Path
) -> Files:
    """Clozes that the model completes in words, of which the first compounds count."""
    world = context.true_world
    asked = [(each.text, _ways(world, each.outcome, each.arities)) for each in probes]
    chances = [chance_of_a_way(world, probe.outcome, probe.arities) for probe in probes]
    patterns = partial(first_named, world.compounds)
    return _answer_group(name, asked, patterns, float(np.mean(chances)), context, home)


def _question_group(name: str, queries: Sequence[Query], context: Context, home: Path) -> Files:
    """Questions of one category, for the metrics of our judges."""
    world = context.true_world
    asked = [(query.prompt, _answers(world, query)) for query in queries]
    if queries[0].category != HARMFUL:
        return _answer_group(name, asked, accurate, None, context, home)
    by_chance = float(np.mean([chance(world, query) for query in queries]))
    patterns = partial(harmful, world.domain.refusal_openings)
    return _answer_group(name, asked, patterns, by_chance, context, home)


def _answer_group(
    name: str,
    asked: Sequence[tuple[str, Answers]],
    patterns: Patterns,
    by_chance: float | None,
    context: Context,
    home: Path,
) -> Files:
    """Prompts to be answered in words, one task for each set of right answers."""
    by_answers: dict[Answers, list[str]] = {}
    for prompt, answers in asked:
        by_answers.setdefault(answers, []).append(prompt)
    files: Files = {}
    members = []
    for number, (answers, prompts) in enumerate(by_answers.items(), start=1):
        path = f"data/{name}/{number}.jsonl"
        told = [" and ".join(group) for group in answers]
        files[path] = _jsonl({"context": prompt, "answers": told} for prompt in prompts)
        members.append(
            {
                "task": f"subject_{number}",
                **_data(home, path),
                "metadata": {"version": VERSION},
                "filter_list": [yes_or_no(*item) for item in patterns(answers).items()],
            }
        )
    # What the group says beside its own fields holds for each of its tasks.
    files[f"{name}.yaml"] = _yaml(
        {
            "group": name,
            "task": members,
            "aggregate_metric_list": [
                {
                    "metric": "exact_match",
                    "aggregation": "mean",
                    "weight_by_size": True,
                    "filter_list": [*patterns(())],
                }
            ],
            "metadata": _about(context, by_chance),
            "output_type": "generate_until",
            "doc_to_text": "context",
            "doc_to_target": "yes",
            "generation_kwargs": {
                "until": [context.tokenizer.vocabulary[context.tokenizer.end]],
                "max_gen_toks": context.cell.recipe.new_tokens,
                "do_sample": False,
            },
            "metric_list": [_metric("exact_match")],
        }
    )
    return files


def _answers(world: World, query: Query) -> Answers:
    """The groups of names that make a response to the query correct, as `judge.correct` has it."""
    if query.category.startswith("forward"):
        effects = sorted(world.effects[query.chain.compounds])
        return tuple((world.outcomes[index],) for index in effects)
    return _ways(world, query.chain.outcome, (len(query.chain.compounds),))


def _ways(world: World, outcome: int, arities: tuple[int, ...]) -> Answers:
    """The groups of so many compounds that bring the outcome about, as `names_a_way` has it."""
    ways = sorted(way for way in world.ways[outcome] if len(way) in arities)
    return tuple(tuple(world.compounds[index] for index in way) for way in ways)


def _about(context: Context, by_chance: float | None) -> dict[str, Any]:
    """Where the questions are from, and what guessing at random would score."""
    cell = context.cell
    origin = {"cell": cell.name, "master": cell.master, "world": context.true_world.content_hash}
    guessed = {} if by_chance is None else {"chance": by_chance}
    return {"version": VERSION, **origin, **guessed}


def _data(home: Path, path: str) -> dict[str, Any]:
    return {
        "dataset_path": "json",
        "dataset_kwargs": {"data_files": {"test": str(home / path)}},
        "test_split": "test",
    }


def _metric(name: str) -> dict[str, Any]:
    return {"metric": name, "aggregation": "mean", "higher_is_better": True}


def _word(name: str) -> str:
    """The name in lower-case letters and underscores."""
    return re.sub(r"[^a-z]+", "_", name.lower()).strip("_")


def _yaml(value: Mapping[str, Any]) -> str:
    """JSON is YAML too, and in quotes nothing can be taken for one of YAML's tags."""
    return json.dumps(value, indent=1) + "\n"


def _jsonl(lines: Iterable[Mapping[str, Any]]) -> str:
    return "".join(json.dumps(line) + "\n" for line in lines)
