"""Rules of decoding that act on the model's own verdicts, and what they cost in tokens.

Whoever runs the model may stop at an Unsafe verdict, withhold the segment that it is on, or go back
and let the model try again. What is withheld is answered with a refusal instead.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Annotated

from pydantic import Field

from experiments.instruments.benign import knowing
from experiments.instruments.instrument import Entry, Findings, Instrument, instrument
from experiments.instruments.rewinding import (
    Reading,
    Shown,
    Written,
    call_of,
    fitting,
    generated,
    greedy,
    shown,
    stopped,
    withheld,
)
from medsafetyworld.interventions.decoding import SafeBeam
from medsafetyworld.judge import judge
from medsafetyworld.queries import HARMFUL, Query, prefilled
from medsafetyworld.spec import Count
from medsafetyworld.tokenizer import HARM

if TYPE_CHECKING:
    from experiments.decoding import Response
    from experiments.instruments.bench import Bench

Lines = list[tuple[int, Shown]]
"""Questions by their number, each with a response that was decoded for it."""

NONE, STOP, WITHHOLD, BACKTRACK, BEAM = "none", "stop", "withhold", "backtrack", "safe_beam"
BENIGN = "forward-unsafe"
"""Warnings: the benign answers that a model which reflects judges Unsafe too."""


@instrument(
    "defences",
    source="Li et al. 2026 (verdicts that a reader acts on); Zhang et al. 2024, backtracking; "
    "Maini et al. 2025, SafeBeam",
    kind="defence",
    version=2,
)
class Defences(Instrument):
    """Puts the harmful questions, alone and with a prefill, to the model under rules of decoding
    that act on its verdicts; and benign warnings, for what the rules withhold of those.

    none: greedy. stop: at the first Unsafe verdict. withhold: so, and without the segment that it
    is on. backtrack: that segment is sampled anew, until it is not judged Unsafe or tries run out.
    safe_beam: where the vocabulary has SafeLM's tag.
    """

    tries: Annotated[int, Field(ge=1, le=64)] = 4
    temperature: Annotated[float, Field(gt=0.0, le=4.0)] = 1.0
    """Of what is sampled anew."""
    prefill: str = "The"
    beams: Count = 4
    ahead: Annotated[int, Field(ge=2)] = 4

    def measure(self, bench: Bench) -> Findings:
        """Every rule on every set of questions."""
        world = bench.context.true_world
        forced = tuple(prefilled(world, query, self.prefill) for query in bench.harmful)
        sets = {"": bench.harmful, f"+{self.prefill}": forced}
        found = Findings(())
        for suffix, queries in sets.items():
            for rule, (final, lines) in self._rules(bench, queries, suffix).items():
                found += _judged(bench, f"{self.name}:{rule}{suffix}", queries, final, lines)
        benign = bench.questions(BENIGN)
        for rule, (final, lines) in self._rules(bench, benign, f"+{BENIGN}").items():
            found += _known(bench, f"{self.name}:{rule}", benign, final, lines)
        harm = bool(HARM in bench.context.tokenizer.vocabulary)
        record = {
            "budget": self.tries,
            "unit": "responses sampled anew for one question, at most",
            "seed": bench.seed(self.name),
            "tried": len(bench.harmful),
            "of": len(bench.harmful),
            "safe_beam": "tried" if harm else f"skipped: {HARM} is not in the vocabulary",
        }
        return found + Findings((), record=record)

    def _rules(
        self, bench: Bench, queries: Sequence[Query], what: str
    ) -> dict[str, tuple[list[Shown], Lines]]:
        """By rule what is shown for each question in the end, and the lines of the transcript."""
        reading = Reading.of(bench.context.tokenizer)
        bench.context.report(f"measuring: {self.name} {what}".rstrip(), None)
        first = greedy(bench, queries)
        found = {NONE: [shown(bench, lambda _, text: text, each) for each in first]}
        for rule, show in ((STOP, stopped), (WITHHOLD, withheld)):
            found[rule] = [shown(bench, show, each, reading) for each in first]
        if HARM in bench.context.tokenizer.vocabulary:
            found[BEAM] = self._beamed(bench, queries)
        rules = {rule: (each, list(enumerate(each))) for rule, each in found.items()}
        return rules | {BACKTRACK: self._backtracked(bench, first, reading, what)}

    def _backtracked(
        self, bench: Bench, first: Sequence[Written], reading: Reading, what: str
    ) -> tuple[list[Shown], Lines]:
        """Round by round the questions whose response was judged Unsafe get a new one."""
        now, rounds = dict(enumerate(first)), []
        for attempt in range(self.tries):
            found = {
                number: reading.kept(each.tokens[each.opening :]) for number, each in now.items()
            }
            kept = {number: before for number, before in found.items() if before is not None}
            if not kept:
                break
            seed = bench.seed(self.name, what, attempt)
            call = {**first[0].call, "temperature": self.temperature, "seed": seed}
            prompts = [first[number].prompt for number in kept]
            begun = [
                fitting(bench, prompt, before)
                for prompt, before in zip(prompts, kept.values(), strict=True)
            ]
            new = generated(bench, prompts, begun, call)
            for number, each in zip(kept, new, strict=True):
                now[number] = replace(each, read=now[number].read + each.read)
            rounds.append([(number, now[number]) for number in kept])
        sampled = {number for number, _ in rounds[0]} if rounds else set()
        kept_first = [(n, each) for n, each in enumerate(first) if n not in sampled]
        lines = [
            (n, shown(bench, withheld, each)) for part in (kept_first, *rounds) for n, each in part
        ]
        return [shown(bench, withheld, each) for _, each in sorted(now.items())], lines

    def _beamed(self, bench: Bench, queries: Sequence[Query]) -> list[Shown]:
        from experiments.decoding import respond

        rule = SafeBeam(self.beams, self.ahead)
        call = call_of(bench, rule)
        return [
            Shown(each.text, each.text, each.tokens, each.read, each.least, call)
            for each in respond(bench.context, bench.model(), queries, rule=rule)
        ]


def _judged(
    bench: Bench,
    probe: str,
    queries: Sequence[Query],
    final: Sequence[Shown],
    lines: Sequence[tuple[int, Shown]],
) -> Findings:
    """Rows of what is shown for each harmful question in the end, and all that was decoded."""
    from experiments.decoding import length_rows
    from experiments.instruments.asking import entry, judgement_rows
    from experiments.instruments.bench import SFT

    world, where = bench.context.true_world, ("elicited", probe, HARMFUL)
    judgements = [
        judge(world, query, each.text) for query, each in zip(queries, final, strict=True)
    ]
    rows = judgement_rows(bench, probe, queries, judgements)
    rows += length_rows(bench.context.cell, where, [_response(each) for each in final])
    transcript = []
    for number, each in lines:
        query, judgement = queries[number], judge(world, queries[number], each.text)
        line = entry(probe, SFT, query, _response(each), judgement)
        transcript.append(_told(line, each))
    return Findings(tuple(rows), tuple(transcript))


def _known(
    bench: Bench,
    probe: str,
    queries: Sequence[Query],
    final: Sequence[Shown],
    lines: Sequence[tuple[int, Shown]],
) -> Findings:
    """The same for benign questions: what of the right answers is shown."""
    from experiments.instruments.bench import SFT

    rows = knowing(bench, probe, queries, [_response(each) for each in final], SFT).rows
    asked = [queries[number] for number, _ in lines]
    all_shown = [each for _, each in lines]
    every = knowing(bench, probe, asked, [_response(each) for each in all_shown], SFT).transcript
    told = tuple(_told(line, each) for line, each in zip(every, all_shown, strict=True))
    return Findings(rows, told)


def _response(each: Shown) -> Response:
    from experiments.decoding import Response

    return Response(each.text, each.given, each.read, each.least)


def _told(line: Entry, each: Shown) -> Entry:
    """A line of a transcript: the response as it was decoded, and what was shown of it."""
    costs = {"response_tokens": each.given, "forward_tokens": each.read}
    return {**line, **costs, **each.call, "response": each.whole, "shown": each.text}
