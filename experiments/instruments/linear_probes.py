"""Linear probes of the residual stream: what can be read off it, layer by layer."""

from __future__ import annotations

from collections import Counter
from collections.abc import Hashable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Annotated, Any

import numpy as np
from pydantic import Field

from experiments.instruments.inside import kept_models, mean_row, spread, tokens_of
from experiments.instruments.instrument import Findings, Instrument, instrument
from medsafetyworld.dialogues import chat_prompt, safety_of
from medsafetyworld.language import fill, question_kind
from medsafetyworld.queries import completions, effect_completions
from medsafetyworld.semantics import Chain, Direction
from medsafetyworld.spec import Count

if TYPE_CHECKING:
    from experiments.instruments.bench import Bench
    from experiments.rows import Row
    from tiny_models.training import Params

POSITIONS = ("subject", "last")
"""The last token of the name asked about, and the last of the text."""


@dataclass(frozen=True)
class Example:
    """A text about one entity, or about a group of them."""

    text: str
    name: str
    """The entity's name, or the last of the group's."""
    entity: Hashable
    reverse: bool
    unsafe: bool | None
    """Safety of the outcome that is named, or that the compounds named lead to; None if unknown."""
    teaches: bool
    """Whether probes are fitted to it; they are tested on the others."""
    chain: Chain | None = None
    arity: int = 1
    """How many compounds the wording speaks of, which can be read off it."""


@dataclass(frozen=True)
class Task:
    """Examples with a label each, for one thing that may be readable."""

    name: str
    examples: tuple[Example, ...]
    labels: tuple[bool, ...]


@instrument(
    "linear_probes",
    source="Alain and Bengio 2016; Hewitt and Liang 2019",
    kind="probe",
    version=3,
)
class LinearProbes(Instrument):
    """Fits linear probes to the stream and tests them on entities and wordings held out together.

    `outcome_safety` of an outcome that is named; `effect_safety` of what the compounds named lead
    to; `direction` of a question, which the kind of name decides (at `subject` nothing else is
    read); `harmful`: whether it is reverse and unsafe; `mediator`: which mediators lie between, in
    worlds that have them. Accuracy is balanced (of `mediator`: the likeliest is one of them).
    `control` is its null: labels shuffled within a fold. Except for `direction` they are shuffled
    only among entities in the same wordings, so that what these tell (one compound or a pair, and
    of `harmful` the direction) stays readable. `taught_accuracy` is that on held-out wordings of
    entities that taught; `control_taught_accuracy` the control task of Hewitt and Liang: the same
    with a label at random for each entity, to be learned by heart; selectivity is the difference.
    SFT models read questions, base models clozes, early ones too: `TASK:layer=LAST:step=STEP`.
    """

    folds: Annotated[int, Field(ge=2)] = 4
    """Parts that the entities are split into; each is tested once."""
    controls: Count = 8
    """Deals of labels, whose accuracies are averaged."""
    entities: Count = 60
    """Outcomes, and groups of compounds, at most."""
    forms: Count = 4
    """Wordings that teach, and as many that test."""
    first: Count = 16
    """The first step of pretraining whose weights are probed beside step 0."""

    def measure(self, bench: Bench) -> Findings:
        """Accuracies and controls per layer, at two positions; over pretraining after the last."""
        from experiments.instruments.mediator_probe import mediator_findings

        record: dict[str, Any] = {"skipped": [], "curves": {}, "selectivity": {}, "budget": 0}
        rows = []
        begun = clozes(self, bench)
        for model, examples in (("sft", questions(self, bench)), ("base", begun)):
            for position in POSITIONS:
                found = self._probed(bench, bench.model(model), examples, position, record)
                for (task, layer), (scores, n) in found.items():
                    place = f"{self.name}:{task}:layer={layer}", f"{model}:{position}"
                    rows += _rows(bench, *place, scores, n)
                    gap = scores["taught_accuracy"] - scores["control_taught_accuracy"]
                    key = f"{model}:{position}:{task}"
                    record["selectivity"].setdefault(key, []).append(gap)
        for step, params in kept_models(bench, self.first):
            bench.context.report(f"measuring: {self.name}, step {step}", None)
            found = self._probed(bench, params, begun, "last", record)
            for (task, layer), (scores, n) in found.items():
                curve = record["curves"].setdefault(f"{task}:layer={layer}", [])
                curve.append([step, scores["accuracy"], scores["control"]])
                if layer == bench.context.model.layers:
                    probe = f"{self.name}:{task}:layer={layer}:step={step}"
                    rows += _rows(bench, probe, "base:last", scores, n)
        record |= {
            "unit": "sequences read",
            "columns": ["step", "accuracy", "control"],
            "skipped": sorted(set(record["skipped"])),
            "seed": bench.seed(self.name),
        }
        return Findings(tuple(rows), record=record) + mediator_findings(self, bench)

    def _probed(
        self,
        bench: Bench,
        params: Params,
        examples: Sequence[Example],
        position: str,
        record: dict[str, Any],
    ) -> dict[tuple[str, int], tuple[dict[str, float], int]]:
        """Accuracies by metric, and tested examples, by task and layer."""
        from tiny_models.activations import residual_stream

        sequences = [tokens_of(bench, each.text) for each in examples]
        at = [place_of(bench, each, position) for each in examples]
        streams = residual_stream(params, bench.context.model, sequences, at)
        record["budget"] += len(sequences)
        rows = {example: row for row, example in enumerate(examples)}
        found = {}
        for task in tasks(examples):
            part = streams[:, [rows[example] for example in task.examples]]
            # The same folds and deals at every layer, model and step.
            scored = self._scored(task, part, bench.seed(self.name, task.name))
            if scored is None:
                record["skipped"].append(task.name)
                continue
            for layer, scores in enumerate(scored):
                found[task.name, layer] = scores, sum(not each.teaches for each in task.examples)
        return found

    def _scored(self, task: Task, streams: np.ndarray, seed: int) -> list[dict[str, float]] | None:
        """By layer; None if a class has too few entities to be taught and tested apart."""
        from tiny_models.linear_probe import (
            balanced_accuracy,
            dealt_out,
            entity_folds,
            fit_signs,
            held_out_scores,
        )

        entities = list(dict.fromkeys(each.entity for each in task.examples))
        numbers = np.array([entities.index(each.entity) for each in task.examples])
        # An entity of `harmful` or `direction` has one label too: it is a compound or an outcome.
        first = {each.entity: own for each, own in zip(task.examples, task.labels, strict=True)}
        known = np.array([first[entity] for entity in entities])
        # Labels are dealt among entities in the same wordings: what these tell stays readable.
        spoken = {each.entity: (each.reverse, each.arity) for each in task.examples}
        among_all = task.name == "direction"
        wordings = [None if among_all else spoken[entity] for entity in entities]
        kinds = np.array([list(dict.fromkeys(wordings)).index(each) for each in wordings])
        strata = list(zip(known.tolist(), kinds.tolist(), strict=True))
        # Every stratum is spread from fold 0 on, so a class is in as many folds as its largest has.
        sizes = Counter(strata)
        largest = (max(sizes[own, kind] for kind in kinds.tolist()) for own in (False, True))
        folds = min(self.folds, *largest)
        if folds < 2:
            return None
        rng = np.random.default_rng(seed)
        fold = entity_folds(strata, folds, rng)
        null, by_heart = (
            np.stack([known, *(dealt_out(known, among, rng) for _ in range(self.controls))], 1)
            for among in (fold + folds * kinds, kinds)
        )
        null, by_heart = null[numbers], by_heart[numbers]
        teaches = np.array([each.teaches for each in task.examples])
        found: list[dict[str, float]] = []
        for stream in streams:
            scores: dict[str, float] = {}
            apart = held_out_scores(stream, null, fold[numbers], teaches, fit_signs)[~teaches]
            taught = fit_signs(stream[teaches], by_heart[teaches]).scores(stream[~teaches])
            for end, read, labels in (("", apart, null), ("taught_", taught, by_heart)):
                right = balanced_accuracy(read, labels[~teaches])
                scores[f"{end}accuracy"] = float(right[0])
                control = f"control_{end}accuracy" if end else "control"
                scores[control] = float(right[1:].mean())
            found.append(scores)
        return found


def _rows(
    bench: Bench, probe: str, category: str, scores: Mapping[str, float], n: int
) -> list[Row]:
    """A row of each accuracy, over so many tested examples."""
    place = ("inside", probe, category)
    return [mean_row(bench, *place, metric, [value] * n) for metric, value in scores.items()]


def tasks(examples: Sequence[Example]) -> Iterator[Task]:
    """What may be readable off these texts; a task that no text is for is left out."""
    known = [each for each in examples if each.unsafe is not None]
    outcomes = [each for each in known if each.reverse]
    compounds = [each for each in known if not each.reverse]
    yield Task("direction", tuple(examples), tuple(each.reverse for each in examples))
    if outcomes:
        yield Task("outcome_safety", tuple(outcomes), tuple(bool(e.unsafe) for e in outcomes))
    if compounds:
        yield Task("effect_safety", tuple(compounds), tuple(bool(e.unsafe) for e in compounds))
        harmful = tuple(each.reverse and bool(each.unsafe) for each in known)
        yield Task("harmful", tuple(known), harmful)


def place_of(bench: Bench, example: Example, position: str) -> int:
    """Where in the text's tokens the stream is read."""
    if position == "last":
        return -1
    text, name = (tokens_of(bench, each).tolist() for each in (example.text, example.name))
    starts = range(len(text) - len(name), -1, -1)
    start = next(start for start in starts if text[start : start + len(name)] == name)
    return start + len(name) - 1


def questions(made: LinearProbes, bench: Bench) -> list[Example]:
    """Questions in SFT's wordings, which teach, and in the tests': reverse ones about outcomes,
    forward ones about compounds that lead to outcomes of one safety only."""
    world = bench.context.true_world
    effects: dict[int, Chain] = {chain.outcome: chain for chain in reversed(world.chains)}
    causes: dict[tuple[int, ...], Chain] = {
        chain.compounds: chain
        for chain in reversed(world.chains)
        if len(safety_of(world, chain.compounds)) == 1
    }
    found: list[Example] = []
    for direction, chains in (
        (Direction.REVERSE, spread([effects[key] for key in sorted(effects)], made.entities)),
        (Direction.FORWARD, spread([causes[key] for key in sorted(causes)], made.entities)),
    ):
        for chain in chains:
            kind, reverse = question_kind(direction, chain.causes), direction is Direction.REVERSE
            group = chain.effects if reverse else chain.causes
            for teaches, pool in (
                (True, world.domain.training_questions[kind]),
                (False, world.domain.test_questions[kind]),
            ):
                for wording in pool[: made.forms]:
                    text = chat_prompt(fill(world, wording, chain.groups))
                    unsafe = world.unsafe[chain.outcome]
                    name = world.names(group)[-1]
                    arity = len(chain.causes.members)
                    found.append(Example(text, name, group, reverse, unsafe, teaches, chain, arity))
    return found


def clozes(made: LinearProbes, bench: Bench) -> list[Example]:
    """Clozes in pretraining's wordings, every other one of which teaches."""
    world, corpus = bench.context.true_world, bench.context.cell.recipe.corpus
    found: list[Example] = []
    turns: dict[Hashable, int] = {}
    asked: list[tuple[str, tuple[int, Hashable], str, bool | None]] = [
        (each.text, (world.hops, each.outcome), world.outcomes[each.outcome], unsafe)
        for unsafe in (False, True)
        for each in completions(world, corpus, unsafe)
    ]
    effects = effect_completions(world, corpus, 2 * made.forms)
    shown = set(spread(sorted({each.compounds for each in effects}), made.entities))
    for each in effects:
        safety = safety_of(world, each.compounds) if world.hops == 1 else frozenset()
        unsafe = next(iter(safety)) if len(safety) == 1 else None
        if each.compounds in shown:
            name = world.compounds[each.compounds[0]]
            asked.append((each.text, (0, each.compounds), name, unsafe))
    for text, entity, name, unsafe in asked:
        turn = turns[entity] = turns.get(entity, -1) + 1
        if turn < 2 * made.forms:
            found.append(Example(text, name, entity, entity[0] > 0, unsafe, turn % 2 == 0))
    # Where there is one wording only, it does both.
    return found + [replace(each, teaches=False) for each in found if not turns[each.entity]]
