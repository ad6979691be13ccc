"""What was found inside the models, in Markdown: linear probes and activation patching.

In: what was probed. Out: text; empty without such rows.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from experiments.probe_cells import NOTHING, difference, rate, table
from experiments.probe_layers import PLACES, Layers, at_layers, best_layers, by_layer
from experiments.probe_measures import Key, Probed, points_apart
from experiments.rows import label
from experiments.tables import span
from medsafetyworld.queries import HARMFUL

PATCHING = "patching"
INTO = {
    HARMFUL: "From a benign question into a harmful one",
    "reverse-safe": "From a harmful question into a benign one",
}
"""Category of the question that is patched -> what is done to it."""
_LINEAR = """\
A linear probe reads one property off the residual stream, and is tested on entities and wordings
held out together; accuracy is balanced over classes. In brackets its control: the same probe on
labels shuffled among entities. (`mediator`: the share whose likeliest mediator is on the way, which
is not balanced; ways that taught nothing, of compounds and mediators that did; its control deals
mediators out anew among first edges, and beside it stands what the commonest mediator of the others
gets.) n: texts tested a seed. The layer (0: embeddings) is for each seed the one that is best on
average over the other seeds, so that it is not the best by luck (a single seed has no others: its
own best). Selectivity, in points: accuracy on held-out wordings of entities that taught, minus that
of labels dealt out at random and learned by heart (Hewitt and Liang 2019). Read a probe that is no
better than its control, or not selective, as what probes can learn rather than what the model
holds; `direction`, whether an outcome or a compound is asked about, is easy.
"""
_PATCHING = """\
The stream at one layer and kind of position is copied from a question into another in the same
wording; what counts is how often refusing turns into answering or back (`answer`), or one verdict
into the other (`verdict`), in points above what a donor of the question's own class does (in
brackets: both rates). Read 100 as: what decides lies there at that layer; 0: to copy this place
alone does not turn it.
Only pairs count that are treated rightly to begin with, so arms differ in their numbers of pairs.
"""


def linear_section(found: Mapping[Key, Probed], arms: Sequence[str], seeds: int) -> str:
    """A table for each place of accuracies at the best layer, control and selectivity; empty
    without linear probes."""
    places = by_layer(found)
    parts: list[str] = []
    for place, tasks in places.items():
        head = ["variant"]
        for task, layers in tasks.items():
            tested = span(sorted({n for each in layers.values() for n in each.prompts["accuracy"]}))
            held = f"control{' / chance' * _has(layers, 'chance')}"
            head.append(f"{_named(task)}, n = {tested} ({held}), layer")
            head += ["selectivity"] * _has(layers, "taught_accuracy")
        rows = []
        for arm in arms:
            cells = [cell for layers in tasks.values() for cell in _at_best(layers, arm, seeds)]
            if set(cells) != {NOTHING}:
                rows.append([label(arm), *cells])
        parts.append(f"**{PLACES.get(place, place)}**\n\n{table(head, rows)}" if rows else "")
    return "\n".join([_LINEAR, *filter(None, parts)]) if any(parts) else ""


def patching_section(found: Mapping[Key, Probed], arms: Sequence[str], seeds: int) -> str:
    """A row for each reading, site and layer where anything flipped in any model, a column an arm;
    empty without patches."""
    parts: list[str] = []
    for category, words in INTO.items():
        patches = {
            key[1].partition(":")[2]: each
            for key, each in found.items()
            if key[1].partition(":")[0] == PATCHING and key[2] == category
        }
        moved = {site: each for site, each in patches.items() if _moved(each)}
        rows = [
            [
                f"`{site}`",
                span(sorted(each.prompts["flipped"])),
                *(_effect(each, arm, seeds) for arm in arms),
            ]
            for site, each in moved.items()
        ]
        if rows:
            head = ("reading, site, layer", "pairs a seed", *map(label, arms))
            parts.append(f"**{words}**\n\n{table(head, rows)}")
        if still := [f"`{site}`" for site in patches if site not in moved]:
            into = "a harmful question" if category == HARMFUL else "a benign question"
            parts.append(f"In no model did anything flip in {into} at {', '.join(still)}.\n")
    return "\n".join([_PATCHING, *parts]) if parts else ""


def _named(task: str) -> str:
    return f"`{task}`" if task else "accuracy"


def _has(layers: Layers, metric: str) -> bool:
    return any(metric in each.metrics for each in layers.values())


def _at_best(layers: Layers, arm: str, seeds: int) -> list[str]:
    """Accuracy with its control and the layers, then selectivity where it was measured."""
    chosen = best_layers(layers, arm)
    at = {
        metric: at_layers(layers, chosen, arm, metric)
        for metric in (
            "accuracy",
            "control",
            "chance",
            "taught_accuracy",
            "control_taught_accuracy",
        )
    }
    beside = [at["control"], *([at["chance"]] if _has(layers, "chance") else [])]
    said = rate(at["accuracy"], seeds, *beside)
    cells = [f"{said}, {span(sorted(chosen.values()))}" if chosen else NOTHING]
    if _has(layers, "taught_accuracy"):
        gap = points_apart(at["taught_accuracy"], at["control_taught_accuracy"])
        cells.append(difference(gap, seeds))
    return cells


def _moved(each: Probed) -> bool:
    """Whether anything flipped in any model, with the donor or with its control."""
    return any(
        rate > 0
        for metric in ("flipped", "control")
        for arm in each.metrics.get(metric, {}).values()
        for rate in arm.values()
    )


def _effect(each: Probed, arm: str, seeds: int) -> str:
    """How far above its control, with both rates."""
    gap = each.gap("flipped", arm)
    if gap is None:
        return NOTHING
    rates = [each.interval(metric, arm) for metric in ("flipped", "control")]
    both = " / ".join(f"{rate.mean:.1f}" for rate in rates if rate is not None)
    return f"{difference(gap, seeds)} ({both})"
