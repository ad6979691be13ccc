"""Linear probes by layer: which layer they read best, chosen without the seed that is reported.

In: what was probed. Out: for each task and place (model and position) its layers.
"""

from __future__ import annotations

import math
from collections.abc import Mapping

from experiments.knobs import knob
from experiments.probe_measures import Key, Probed

FAMILY = "linear_probes"
LAYER = "layer"
TASKS = ("outcome_safety", "effect_safety", "harmful", "direction", "mediator")
"""The order of columns and panels; other tasks stand after these."""
PLACES = {
    "sft:last": "fine-tuned model, last token",
    "sft:subject": "fine-tuned model, the name asked about",
    "base:last": "pretrained model, last token",
    "base:subject": "pretrained model, the name asked about",
}
"""Model and position in words, in the order of tables; others stand after these by their names."""

Layers = dict[int, Probed]
"""What was probed at each layer, ascending; 0 is the embeddings."""


def by_layer(found: Mapping[Key, Probed]) -> dict[str, dict[str, Layers]]:
    """Place -> task -> its layers, those of finished models alone; in the order of tables."""
    unordered: dict[tuple[str, str], Layers] = {}
    for (_, probe, place), each in found.items():
        point = knob(probe)
        words = probe.split(":")[:-1]
        # Early models are points of another series: `...:layer=3:step=16`.
        if point is not None and point.name == LAYER and words[0] == FAMILY:
            unordered.setdefault((place, ":".join(words[1:])), {})[int(point.value)] = each
    places, tasks = list(PLACES), list(TASKS)

    def order(names: tuple[str, str]) -> tuple[int, str, int, str]:
        place, task = names
        first = places.index(place) if place in places else len(places)
        return first, place, tasks.index(task) if task in tasks else len(tasks), task

    ordered: dict[str, dict[str, Layers]] = {}
    for place, task in sorted(unordered, key=order):
        ordered.setdefault(place, {})[task] = dict(sorted(unordered[place, task].items()))
    return ordered


def best_layers(layers: Layers, arm: str, metric: str = "accuracy") -> dict[int, int]:
    """Seed -> the layer whose mean over the other seeds is largest, the lowest of equal ones: the
    best of several is better by luck alone, unless it is chosen on what is not reported. A single
    seed has no others and chooses itself."""
    rates = {layer: each.rates(metric, arm) for layer, each in layers.items()}
    seeds = sorted(set.intersection(*(set(each) for each in rates.values())))
    found: dict[int, int] = {}
    for seed in seeds:
        others = [each for each in seeds if each != seed] or [seed]
        means = {
            layer: math.fsum(own[each] for each in others) / len(others)
            for layer, own in rates.items()
        }
        found[seed] = max(means, key=lambda layer: means[layer])
    return found


def at_layers(layers: Layers, chosen: Mapping[int, int], arm: str, metric: str) -> dict[int, float]:
    """The metric of each seed at its own layer; seeds without it are left out."""
    rates = {seed: layers[layer].rates(metric, arm).get(seed) for seed, layer in chosen.items()}
    return {seed: value for seed, value in rates.items() if value is not None}
