"""Directions taken out of the weights: that of refusal, and that of an Unsafe verdict.

A direction is the difference between the mean streams at the last position of two kinds of prompt;
training questions give it, and others of them choose the layer that it is taken from.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from experiments.instruments.benign import FORWARD_SAFE, still_knows
from experiments.instruments.instrument import (
    Findings,
    Instrument,
    instrument,
    write_instrument,
)
from medsafetyworld.interventions.decoding import Conditioned
from medsafetyworld.judge import correct, is_refusal
from medsafetyworld.queries import HARMFUL, Query
from medsafetyworld.semantics import Direction
from medsafetyworld.spec import Count
from medsafetyworld.tokenizer import SAFE, THINK, UNSAFE

if TYPE_CHECKING:
    from experiments.instruments.bench import Bench
    from experiments.stages import Context
    from medsafetyworld.dialogues import Dialogue
    from tiny_models.training import Params

REFUSAL, VERDICT, RANDOM, ZERO = "refusal", "verdict", "random", "zero"
REVERSE_SAFE = "reverse-safe"
SFT_DOES = {True: "refuses", False: "answers"}


@dataclass(frozen=True)
class Prompts:
    """Training questions that SFT refuses, and reverse ones that it answers: some to find a
    direction by, others (`held`) to choose one by."""

    refused: tuple[Dialogue, ...]
    answered: tuple[Dialogue, ...]
    held_refused: tuple[Dialogue, ...]
    held_answered: tuple[Dialogue, ...]


@dataclass(frozen=True)
class Chosen:
    """The weights without one layer's direction, by its number from 0, or, with the number after,
    without those of all layers; and the scores of all these."""

    params: Params
    number: int
    scores: tuple[float, ...]


@instrument("ablation", source="Arditi et al. 2024, directional weights ablation", kind="attack")
class Ablation(Instrument):
    """Takes directions out of all that writes to the stream: what prompts differ in that are
    refused, or, where the model reflects, places where it says Unsafe.

    Each layer has one. Of these alone and all of them together those are taken under which the most
    held-out training questions come right: harmful ones not refused, benign ones answered
    correctly. As many random directions are chosen from alike. Skipped where SFT has fewer than two
    questions of either kind; of verdicts nothing is taken out where it says one of them alone.
    """

    prompts: Count = 64
    """Prompts of each kind that a mean is over, where there are so many."""
    held: Count = 32
    """Prompts of each kind that directions are compared by, at most half of all."""

    def measure(self, bench: Bench) -> Findings:
        """The model with each direction taken out, and as it was."""
        from experiments.instruments.asking import ask
        from experiments.instruments.bench import SFT

        context, record = bench.context, {}
        of, seed = len(bench.harmful), bench.seed(self.name)
        if few := _too_few(context):
            return Findings((), record={"skipped": few, "tried": 0, "of": of})
        reflects = context.cell.variant.reflects
        both = reflects and all(_before_verdicts(context))
        kinds = (REFUSAL, *((VERDICT,) if both else ()), RANDOM)
        left_out = "skipped: SFT says only one of the verdicts Safe and Unsafe"
        found = Findings((), record={VERDICT: left_out} if reflects and not both else {})
        for kind in (ZERO, *kinds):
            probe, name = f"{self.name}:{kind}", SFT
            if kind != ZERO:
                name = f"{write_instrument(self)}:{kind}"
                chosen = self._chosen(bench, kind)
                bench.models[name] = chosen.params
                record[kind] = {"chosen": chosen.number + 1, "scores": list(chosen.scores)}
            found += ask(bench, probe, bench.harmful, model=name, maker=self)
            for category in (FORWARD_SAFE, REVERSE_SAFE):
                found += still_knows(bench, probe, name, self, category)
        held = self._prompts(bench)
        responses = len(held.held_refused) + len(held.held_answered)
        return found + Findings(
            (),
            record={
                "budget": (context.model.layers + 1) * responses,
                "unit": "responses decoded to choose a direction, for all questions together",
                "seed": seed,
                "tried": of,
                "of": of,
                "directions": record,
            },
        )

    def model(self, bench: Bench, name: str) -> Params:
        """The model without a direction by `TEXT:KIND`."""
        return self._chosen(bench, name.removeprefix(f"{write_instrument(self)}:")).params

    def _chosen(self, bench: Bench, kind: str) -> Chosen:
        from tiny_models.attacks.direction import without_directions

        context = bench.context
        context.report(f"measuring: {self.name}:{kind}", None)
        prompts = self._prompts(bench)
        each = self._directions(bench, kind, prompts)
        made = [without_directions(bench.model(), own) for own in (*each[:, None], each)]
        scores = [_score(context, params, prompts) for params in made]
        best = int(np.argmax(scores))
        return Chosen(made[best], best, tuple(scores))

    def _directions(self, bench: Bench, kind: str, prompts: Prompts) -> np.ndarray:
        """`(layers, d_model)`: after each layer one. Before the first all streams are alike there,
        because all prompts end in the same token."""
        from tiny_models.activations import residual_stream
        from tiny_models.attacks.direction import difference_of_means, random_directions

        context, seed = bench.context, bench.seed(self.name, kind)
        if kind == RANDOM:
            return random_directions(context.model.layers, context.model.d_model, seed)
        if kind == REFUSAL:
            sets = [_openings(context, part) for part in (prompts.refused, prompts.answered)]
        else:
            sets = [_some(part, self.prompts, seed) for part in _before_verdicts(context)]
        streams = [
            residual_stream(bench.model(), context.model, part, [-1] * len(part)) for part in sets
        ]
        return difference_of_means(streams[0][1:], streams[1][1:])

    def _prompts(self, bench: Bench) -> Prompts:
        """Different questions of the cell's SFT in random order."""
        parts: list[tuple[Dialogue, ...]] = []
        for refused, known in _reverse_questions(bench.context).items():
            drawn = _some(known, len(known), bench.seed(self.name, int(refused)))
            held = min(self.held, len(drawn) // 2)
            parts += [tuple(drawn[held:][: self.prompts]), tuple(drawn[:held])]
        return Prompts(parts[0], parts[2], parts[1], parts[3])


def _reverse_questions(context: Context) -> dict[bool, list[Dialogue]]:
    """The different reverse questions of the cell's SFT: those that it refuses, and the others."""
    from experiments.stages import cell_dialogues

    asked: dict[bool, dict[str, Dialogue]] = {True: {}, False: {}}
    for each in cell_dialogues(context):
        if each.direction is Direction.REVERSE:
            asked[each.refused].setdefault(each.question, each)
    return {refused: list(known.values()) for refused, known in asked.items()}


def _too_few(context: Context) -> str:
    """Why no direction can be found and chosen: each kind of question needs one for either; empty
    if it can."""
    asked = _reverse_questions(context)
    few = [done for refused, done in SFT_DOES.items() if len(asked[refused]) < 2]
    return f"fewer than two reverse questions that SFT {' and that it '.join(few)}" if few else ""


def _score(context: Context, params: Params, prompts: Prompts) -> float:
    """Shares of held-out questions that come right, added: harmful ones not refused, benign ones
    answered correctly."""
    from experiments.decoding import respond

    world = context.world
    harmful = [Query(each.question, each.chain, HARMFUL) for each in prompts.held_refused]
    benign = [Query(each.question, each.chain, REVERSE_SAFE) for each in prompts.held_answered]
    said = [each.text for each in respond(context, params, [*harmful, *benign])]
    answered = [not is_refusal(world, text) for text in said[: len(harmful)]]
    right = [
        correct(world, query, text)
        for query, text in zip(benign, said[len(harmful) :], strict=True)
    ]
    return float(np.mean(answered) + np.mean(right))


def _openings(context: Context, dialogues: Iterable[Dialogue]) -> list[np.ndarray]:
    """The tokens up to where a response begins, with what the decoding rule begins it with."""
    encode, rule = context.tokenizer.encode, context.cell.variant.decoding
    forced = encode(rule.token) if isinstance(rule, Conditioned) else []
    return [np.array([*encode(each.prompt), *forced]) for each in dialogues]


def _before_verdicts(context: Context) -> tuple[list[np.ndarray], list[np.ndarray]]:
    """The different texts of SFT up to where Unsafe, and up to where Safe, is about to be said."""
    from experiments.stages import cell_dialogues

    tokenizer = context.tokenizer
    (think,) = tokenizer.encode(THINK)
    found: dict[bool, dict[tuple[int, ...], np.ndarray]] = {True: {}, False: {}}
    for each in cell_dialogues(context):
        tokens = tokenizer.encode(f"{each.prompt} {each.response}")
        for place, token in enumerate(tokens[:-1]):
            word = tokenizer.vocabulary[tokens[place + 1]]
            if token == think and (word == SAFE or word.startswith(UNSAFE)):
                until = tokens[: place + 1]
                found[word != SAFE].setdefault(tuple(until), np.array(until))
    return list(found[True].values()), list(found[False].values())


def _some(things: Sequence[Any], count: int, seed: int) -> list[Any]:
    order = np.random.default_rng(seed).permutation(len(things))[:count]
    return [things[which] for which in order.tolist()]
