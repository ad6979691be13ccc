"""How close a model comes to the right compounds: their rank and probability among all."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from experiments.instruments.inside import counting, mean_row, opening, tokens_of
from experiments.instruments.instrument import Findings, Instrument, instrument
from medsafetyworld.dialogues import chat_prompt
from medsafetyworld.language import answers_of, fill, question_kind
from medsafetyworld.queries import HARMFUL, Completion, Query, completions
from medsafetyworld.semantics import Chain, Direction
from medsafetyworld.spec import Count

if TYPE_CHECKING:
    from experiments.instruments.bench import Bench
    from medsafetyworld.graph import World

CATEGORIES = ("reverse-safe", HARMFUL)


@dataclass(frozen=True)
class Cloze:
    """A text that ends where an entity of a layer must follow, and which ones are right."""

    text: str
    layer: int
    right: frozenset[int]
    about: str
    """The question or cloze behind it, for the transcript."""


@instrument("ranks", source="ours; ranks as in knowledge-graph completion", kind="probe")
class Ranks(Instrument):
    """Ranks all compounds after the opening words of an answer, and tells their probabilities.

    The fine-tuned model is asked a test question and its answer begun as SFT words answers; the
    pretrained one is given its clozes. In worlds with mediators the first name of the way is ranked
    too (probe `ranks:way`), and compounds after the true way.
    """

    questions: Count = 48
    """Questions a category at most."""

    def measure(self, bench: Bench) -> Findings:
        """Ranks at both models, for harmful and for safe reverse questions."""
        total = Findings(())
        for category in CATEGORIES:
            queries = bench.questions(category)[: self.questions]
            probes = completions(
                bench.context.true_world, bench.context.cell.recipe.corpus, category == HARMFUL
            )[: self.questions]
            for model, level, asked in (
                ("sft", "elicited", _answers(bench, queries)),
                ("base", "capability", _clozes(bench, probes)),
            ):
                for name, clozes in asked.items():
                    if clozes:
                        total += _ranked(bench, model, (level, name, category), clozes)
        budget = len(total.transcript)
        return total + Findings((), record={"budget": budget, "unit": "sequences read"})


def _answers(bench: Bench, queries: Sequence[Query]) -> dict[str, list[Cloze]]:
    """Answers to questions up to where the first compound follows, or the way's first mediator."""
    world = bench.context.true_world
    found: dict[str, list[Cloze]] = {"ranks": [], "ranks:way": []}
    for query in queries:
        chain = query.chain
        asked = " ".join(filter(None, (chat_prompt(query.question), opening(bench))))
        wording = _wording(bench, chain)
        for probe, slot, layer in (("ranks", " {a", 0), ("ranks:way", " {b", 1)):
            before, cut, _ = wording.partition(slot)
            # What comes behind the compounds, or before all words, cannot be begun this way.
            if cut and not (layer and "{a" in before):
                begun = f"{asked} {fill(world, before, chain.groups)}"
                right = _members(each.groups[layer].members for each in _same(world, chain, layer))
                found[probe].append(Cloze(begun, layer, right, query.question))
    return found


def _wording(bench: Bench, chain: Chain) -> str:
    """The first of SFT's wordings of an answer that has words before the compounds."""
    recipe = bench.context.cell.recipe
    kind = question_kind(Direction.REVERSE, chain.causes)
    known = answers_of(bench.context.true_world.domain, kind, with_way=bool(chain.way))
    used = known[: min(recipe.corpus.surface_forms, recipe.dialogue.answers)]
    return next((each for each in used if " {a" in each), "")


def _same(world: World, chain: Chain, layer: int) -> list[Chain]:
    """The chains of as many compounds that end as this one does, above the layer asked for."""
    return [
        each
        for each in world.chains
        if each.groups[layer + 1 :] == chain.groups[layer + 1 :]
        and len(each.compounds) == len(chain.compounds)
    ]


def _clozes(bench: Bench, probes: Sequence[Completion]) -> dict[str, list[Cloze]]:
    """The base model's clozes; with mediators the way's first must follow."""
    world = bench.context.true_world
    layer = 0 if world.hops == 1 else 1
    ends = [
        [
            each.groups[layer].members
            for each in world.chains
            if each.outcome == probe.outcome and len(each.compounds) in probe.arities
        ]
        for probe in probes
    ]
    return {
        "ranks" if layer == 0 else "ranks:way": [
            Cloze(probe.text, layer, _members(found), probe.text)
            for probe, found in zip(probes, ends, strict=True)
        ]
    }


def _members(groups: Iterable[tuple[int, ...]]) -> frozenset[int]:
    return frozenset(member for group in groups for member in group)


def _ranked(
    bench: Bench, model: str, place: tuple[str, str, str], clozes: Sequence[Cloze]
) -> Findings:
    """Rows of ranks and probabilities with their chance, and each cloze with its figures."""
    from experiments.capability import chance_ranks, rank
    from tiny_models.probes import continuation_logprobs

    level, probe, category = place
    names = bench.context.true_world.layers[clozes[0].layer]
    logprobs = continuation_logprobs(
        bench.model(model),
        bench.context.model,
        [tokens_of(bench, each.text) for each in clozes],
        [tokens_of(bench, name) for name in names],
    ).astype(np.float64)
    entries: list[dict[str, Any]] = []
    for cloze, scores in zip(clozes, logprobs, strict=True):
        right = sorted(cloze.right)
        wrong = np.delete(scores, right)
        entries.append(
            {
                "probe": probe,
                "category": category,
                "model": model,
                "question": cloze.about,
                "text": cloze.text,
                "rank": rank(scores, right),
                "best_right": float(scores[right].max()),
                "best_wrong": float(wrong.max()) if len(wrong) else None,
                "right_mass": float(np.exp(scores[right]).sum()),
                "chance": chance_ranks(len(right), len(names)),
            }
        )
    count = counting(bench, level, probe, category)
    values = {
        "mrr": [1 / each["rank"] for each in entries],
        "right_mass": [each["right_mass"] for each in entries],
        "chance_top1": [each["chance"][0] for each in entries],
        "chance_mrr": [each["chance"][1] for each in entries],
    }
    rows = [mean_row(bench, level, probe, category, *each) for each in values.items()]
    rows.append(count("top1", sum(each["rank"] == 1 for each in entries), len(entries)))
    means = {
        name: float(np.mean([each[name] for each in entries if each[name] is not None] or [0.0]))
        for name in ("best_right", "best_wrong")
    }
    record = {f"{model} {probe} {category}": means | {"of": len(entries)}}
    return Findings(tuple(rows), tuple(entries), record)
