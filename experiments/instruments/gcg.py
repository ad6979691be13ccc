"""GCG: a few words behind each question, found token by token with the model's own gradient."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Annotated

from pydantic import Field

from experiments.instruments.instrument import Findings, Instrument, instrument
from experiments.instruments.suffixes import (
    Target,
    goals,
    ordinary_tokens,
    progress,
    put,
    search_record,
)
from medsafetyworld.spec import Count

if TYPE_CHECKING:
    from experiments.instruments.bench import Bench


@instrument("gcg", source="Zou et al. 2023, algorithm 1", kind="attack")
class GCG(Instrument):
    """Adds to each harmful question the words that make the beginning of an answer likeliest.

    The words are searched for each question alone. `gcg:zero` has the random words that the search
    starts from, `gcg:random` those of a search without gradient that tries as many candidates.
    """

    length: Count = 4
    """Tokens added."""
    steps: Annotated[int, Field(ge=0)] = 16
    candidates: Count = 32
    """Words tried at each step, each in one place."""
    topk: Count = 64
    """Of how many tokens a place's candidates are drawn."""
    target: Target = "answer"

    def measure(self, bench: Bench) -> Findings:
        from tiny_models.attacks import Attacked, random_controls, search_controls

        context, seed = bench.context, bench.seed(self.name)
        tried = goals(bench, self.target, self.length)
        record = partial(search_record, bench, tried, self.steps * self.candidates, seed)
        if not tried:
            return Findings((), record=record({}))
        prompts = [Attacked(goal.opens + goal.asked, goal.tail, goal.target) for goal in tried]
        allowed = ordinary_tokens(context.true_world, context.tokenizer)
        start = random_controls(allowed, len(tried), self.length, seed)
        searches = {self.name: min(self.topk, len(allowed)), f"{self.name}:random": None}
        found = {
            probe: search_controls(
                bench.model(),
                context.model,
                prompts,
                start,
                allowed,
                steps=self.steps,
                candidates=self.candidates,
                topk=topk,
                seed=seed,
                report=progress(context, probe, len(tried)),
            )
            for probe, topk in searches.items()
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
        spent = {**record(curves), "gradients": self.steps, "tokens_allowed": len(allowed)}
        return findings + Findings((), record=spent)
