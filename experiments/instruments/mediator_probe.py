"""The probe for mediators: which ones lie between the compounds asked about and their effect."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from experiments.instruments.inside import counting, mean_row, spread, tokens_of
from experiments.instruments.instrument import Findings
from medsafetyworld.dialogues import chat_prompt
from medsafetyworld.language import fill, question_kind
from medsafetyworld.semantics import Direction

if TYPE_CHECKING:
    from experiments.instruments.bench import Bench
    from experiments.instruments.linear_probes import LinearProbes

MOST_CHAINS = 120


def mediator_findings(made: LinearProbes, bench: Bench) -> Findings:
    """Whether the likeliest mediator is on the way, by layer and position, at the SFT model.

    Forward questions about full chains. Chains of one edge to an outcome are in one fold, so a
    probe has met the compounds and mediators that it is tested on, but in other company. The
    control gives each compound mediators of its own at random, which a probe can learn by heart as
    well. Nothing in worlds without mediators.
    """
    world = bench.context.true_world
    if world.hops == 1:
        return Findings(())
    from experiments.instruments.linear_probes import POSITIONS, Example, place_of
    from tiny_models.activations import residual_stream
    from tiny_models.linear_probe import entity_folds, held_out_scores

    chains = spread(world.chains, MOST_CHAINS)
    examples = []
    for chain in chains:
        kind = question_kind(Direction.FORWARD, chain.causes)
        name = world.names(chain.causes)[-1]
        wordings = world.domain.training_questions[kind][0], world.domain.test_questions[kind][0]
        for teaches, wording in zip((True, False), wordings, strict=True):
            text = chat_prompt(fill(world, wording, chain.groups))
            examples.append(Example(text, name, chain, False, None, teaches))
    rng = np.random.default_rng(bench.seed(made.name, "mediator"))
    ends = sorted({chain.groups[-2:] for chain in chains})
    own = entity_folds([0] * len(ends), min(made.folds, len(ends)), rng)
    folds = np.repeat([own[ends.index(chain.groups[-2:])] for chain in chains], 2)
    size = len(world.layers[1])
    if len(ends) < 2:
        return Findings(())
    targets = [_true(chains, size)]
    targets += [_control(chains, size, len(world.compounds), rng) for _ in range(made.controls)]
    teaches = np.array([each.teaches for each in examples])
    sequences = [tokens_of(bench, each.text) for each in examples]
    rows = []
    for position in POSITIONS:
        at = [place_of(bench, each, position) for each in examples]
        streams = residual_stream(bench.model("sft"), bench.context.model, sequences, at)
        for layer, stream in enumerate(streams):
            hits = []
            for target in targets:
                wanted = np.repeat(target, 2, axis=0)
                scores = held_out_scores(stream, wanted, folds, teaches)
                best = scores.argmax(axis=1)
                hits.append(wanted[np.arange(len(best)), best][~teaches] > 0)
            place = ("inside", f"{made.name}:mediator:layer={layer}", f"sft:{position}")
            count = counting(bench, *place)
            rows.append(count("accuracy", int(hits[0].sum()), len(hits[0])))
            chosen = np.concatenate(hits[1:]).astype(float).tolist()
            rows.append(mean_row(bench, *place, "control", chosen))
            lucky = (targets[0] > 0).mean(axis=1).tolist()
            rows.append(mean_row(bench, *place, "chance", lucky))
    return Findings(tuple(rows))


def _true(chains, size: int) -> np.ndarray:
    """1 for each mediator of the first layer on a chain's way, `(chains, mediators)`."""

    found = np.zeros((len(chains), size))
    for row, chain in enumerate(chains):
        found[row, list(chain.groups[1].members)] = 1.0
    return found


def _control(chains, size: int, compounds: int, rng: np.random.Generator) -> np.ndarray:
    """The same with the mediator of each compound drawn at random, once for all chains."""

    drawn = rng.integers(size, size=compounds)
    found = np.zeros((len(chains), size))
    for row, chain in enumerate(chains):
        found[row, drawn[list(chain.compounds)]] = 1.0
    return found
