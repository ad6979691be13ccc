"""The probe for mediators: which ones lie between the compounds asked about and their effect."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from experiments.instruments.inside import counting, mean_row, spread, tokens_of
from experiments.instruments.instrument import Findings
from medsafetyworld.dialogues import chat_prompt
from medsafetyworld.language import fill, question_kind
from medsafetyworld.semantics import Chain, Direction

if TYPE_CHECKING:
    from experiments.instruments.bench import Bench
    from experiments.instruments.linear_probes import LinearProbes

MOST_CHAINS = 120


def mediator_findings(made: LinearProbes, bench: Bench) -> Findings:
    """Whether the likeliest mediator is on the way, by layer and position, at the SFT model.

    Forward questions about full chains. Chains of one edge to an outcome are in one fold, so a
    probe has met the compounds and mediators that it is tested on, but in other company. `chance`
    is how often the mediator is on the way that most chains of the other folds have. The control
    deals the mediators out anew among the edges from compounds, each as often as in truth, which a
    probe can learn by heart as well. Nothing in worlds without mediators.
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
    targets += [_control(chains, targets[0], rng) for _ in range(made.controls)]
    usual = _by_majority(targets[0], folds[::2])
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
            rows.append(count("chance", int(usual.sum()), len(usual)))
    return Findings(tuple(rows))


def _true(chains: Sequence[Chain], size: int) -> np.ndarray:
    """1 for each mediator of the first layer on a chain's way, `(chains, mediators)`."""
    found = np.zeros((len(chains), size))
    for row, chain in enumerate(chains):
        found[row, list(chain.groups[1].members)] = 1.0
    return found


def _control(chains: Sequence[Chain], true: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """The same with the mediators of the first edges dealt out anew, once for all chains."""
    edges = sorted({chain.groups[:2] for chain in chains})
    first = [edges.index(chain.groups[:2]) for chain in chains]
    of_edge = true[[first.index(edge) for edge in range(len(edges))]]
    return of_edge[rng.permutation(len(edges))][first]


def _by_majority(true: np.ndarray, folds: np.ndarray) -> np.ndarray:
    """Whether the commonest mediator of the other folds is on each chain's way, `(chains,)`."""
    found = np.zeros(len(true), bool)
    for fold in np.unique(folds).tolist():
        own = folds == fold
        found[own] = true[own, true[~own].sum(axis=0).argmax()] > 0
    return found
