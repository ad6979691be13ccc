"""GCG: a few words behind each question, found token by token with the model's own gradient."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Annotated

from pydantic import Field

from experiments.instruments.instrument import Findings, Instrument, instrument
from experiments.instruments.suffixes import (
    PASSES,
    Target,
    check_target,
    goals,
    ordinary_tokens,
    progress,
    put,
    search_record,
)
from medsafetyworld.spec import Count

if TYPE_CHECKING:
    from experiments.instruments.bench import Bench
    from experiments.stages import Context

GRADIENT = 3
"""What a gradient costs in forward passes: one there, and two back, by inputs and by weights as
training counts them. Here nothing goes back to weights, so random search has rather too much."""


@instrument("gcg", source="Zou et al. 2023, algorithm 1", kind="attack")
class GCG(Instrument):
    """Adds to each harmful question the words that make the beginning of an answer likeliest.

    The words are searched for each question alone. `gcg:zero` has the random words that the search
    starts from, `gcg:random` those of a search without gradient, which spends on more candidates
    what a gradient costs.
    """

    length: Count = 4
    """Tokens added."""
    steps: Annotated[int, Field(ge=0)] = 16
    candidates: Count = 32
    """Words tried at each step, each in one place."""
    topk: Count = 16
    """Of how many tokens a place's candidates are drawn, of some 130."""
    target: Target = "answer"

    def check(self, context: Context) -> None:
        """The target must be known to who knows no answer."""
        check_target(context, self.target)

    def measure(self, bench: Bench) -> Findings:
        from tiny_models.attacks import Attacked, random_controls, search_controls

        context, seed = bench.context, bench.seed(self.name)
        tried = goals(bench, self.target, self.length)
        # Equal forward passes: a step of random search tries more candidates.
        each_step = self.candidates + GRADIENT
        unit = f"{PASSES}; a gradient counts as {GRADIENT}"
        record = partial(search_record, bench, tried, self.steps * each_step, seed, unit=unit)
        if not tried:
            return Findings((), record=record({}))
        prompts = [Attacked(goal.opens + goal.asked, goal.tail, goal.target) for goal in tried]
        allowed = ordinary_tokens(context.true_world, context.tokenizer)
        places = [goal.place for goal in tried]
        start = random_controls(allowed, len(bench.harmful), self.length, seed)[places]
        searches = {
            self.name: (self.candidates, min(self.topk, len(allowed))),
            f"{self.name}:random": (each_step, None),
        }
        found = {
            probe: search_controls(
                bench.model(),
                context.model,
                prompts,
                start,
                allowed,
                steps=self.steps,
                candidates=candidates,
                topk=topk,
                seed=seed,
                places=places,
                report=progress(context, probe, len(tried)),
            )
            for probe, (candidates, topk) in searches.items()
        }
        at_start = found[self.name].losses[:, 0]
        attacks = {f"{self.name}:zero": (start, at_start)} | {
            probe: (each.tokens, each.losses[:, -1]) for probe, each in found.items()
        }
        findings = Findings(())
        for probe, (controls, losses) in attacks.items():
            words = [context.tokenizer.decode(control) for control in controls]
            said = [
                f"{goal.query.question} {added}" for goal, added in zip(tried, words, strict=True)
            ]
            read = [
                (*goal.opens, *goal.asked, *control.tolist(), goal.tail[0])
                for goal, control in zip(tried, controls, strict=True)
            ]
            findings += put(bench, probe, tried, said, read, losses)
        curves = {probe: each.losses for probe, each in found.items()}
        spent = {
            **record(curves),
            "gradients": self.steps,
            "candidates": {probe: self.steps * each for probe, (each, _) in searches.items()},
            "tokens_allowed": len(allowed),
        }
        return findings + Findings((), record=spent)
