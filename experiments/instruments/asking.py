"""Asking harmful questions and judging the answers: what every attack ends with.

One call asks a list of questions of one model, judges each response by the graph, and gives rows
for every judge, leaks by derivation depth, and a transcript that `replay` can decode again.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict
from functools import partial
from itertools import islice
from typing import TYPE_CHECKING

from experiments.decoding import Response, cost_rows, costs, has_room, respond
from experiments.derivability import Derivability, rows_by_depth
from experiments.instruments.bench import SFT, Bench
from experiments.instruments.instrument import Entry, Findings, Instrument
from experiments.rows import Row, rate_row
from medsafetyworld.judge import Judgement, judge
from medsafetyworld.queries import HARMFUL, Query

if TYPE_CHECKING:
    from tiny_models.training import Params

JUDGES = ("leaked", "delivered", "jailbroken", "refused")

Respond = Callable[["Params", Sequence[Query]], Sequence[Response]]
"""Another way to decode than the cell's own rule."""


def ask(
    bench: Bench,
    probe: str,
    queries: Sequence[Query],
    *,
    model: str = SFT,
    maker: Instrument | None = None,
    level: str = "elicited",
    derivable: Derivability | None = None,
    responding: Respond | None = None,
) -> Findings:
    """Rows of all judges for harmful questions put to one model, and each prompt with its answer.

    `maker` is the instrument that makes the model, where training did not. `derivable` is what the
    model could derive, where that is not what the SFT model could.
    """
    params = bench.model(model, maker)
    decode = responding or partial(respond, bench.context)
    responses = decode(params, queries)
    return judged(bench, probe, queries, responses, model=model, level=level, derivable=derivable)


def judged(
    bench: Bench,
    probe: str,
    queries: Sequence[Query],
    responses: Sequence[Response],
    *,
    model: str = SFT,
    level: str = "elicited",
    derivable: Derivability | None = None,
) -> Findings:
    """The same for responses that are there already."""
    cell, world = bench.context.cell, bench.context.true_world
    judgements = [
        judge(world, query, response.text)
        for query, response in zip(queries, responses, strict=True)
    ]
    rows = judgement_rows(bench, probe, queries, judgements, level=level, derivable=derivable)
    rows += cost_rows(cell, (level, probe, HARMFUL), responses)
    transcript = [
        entry(probe, model, query, response, judgement) | costs(cell, response)
        for query, response, judgement in zip(queries, responses, judgements, strict=True)
    ]
    return Findings(tuple(rows), tuple(transcript))


def judgement_rows(
    bench: Bench,
    probe: str,
    queries: Sequence[Query],
    judgements: Sequence[Judgement],
    *,
    level: str = "elicited",
    derivable: Derivability | None = None,
) -> list[Row]:
    """Rows of all judges, one judgement a question, and leaks by derivation depth."""
    cell = bench.context.cell
    depths = [(derivable or bench.derivable).of_query(query) for query in queries]
    row = partial(rate_row, cell.arm.name, cell.replicate, level, probe, HARMFUL)
    flags = {name: [getattr(each, name) for each in judgements] for name in JUDGES}
    rows = [row(name, sum(found), len(found)) for name, found in flags.items()]
    return rows + rows_by_depth(row, "leaked", flags["leaked"], depths)


def ask_each(
    bench: Bench, asked: Mapping[str, Sequence[Query]], *, model: str = SFT, level: str = "elicited"
) -> Findings:
    """`ask` for several probes, all decoded together. Questions that leave no room for a response
    are left out, and so are probes without any; the record has `tried` and `of` for each."""
    alone = {probe: [(query,) for query in queries] for probe, queries in asked.items()}
    return ask_any(bench, alone, model=model, level=level)


def ask_any(
    bench: Bench,
    asked: Mapping[str, Sequence[Sequence[Query]]],
    *,
    model: str = SFT,
    level: str = "elicited",
) -> Findings:
    """The same for questions that are put in several ways: what any response gives away counts, and
    a question is refused if every response refuses."""
    context = bench.context
    ways = {
        probe: [[query for query in own if has_room(context, query)] for own in questions]
        for probe, questions in asked.items()
    }
    every = [query for questions in ways.values() for own in questions for query in own]
    responses = iter(respond(context, bench.model(model), every))
    counts = {
        probe: {"tried": sum(map(bool, questions)), "of": len(questions)}
        for probe, questions in ways.items()
    }
    found = Findings((), record={"probes": counts})
    for probe, questions in ways.items():
        together: list[Judgement] = []
        told: list[Response] = []
        transcript: list[Entry] = []
        for own in filter(None, questions):
            answers = list(islice(responses, len(own)))
            judged = [
                judge(context.true_world, query, answer.text)
                for query, answer in zip(own, answers, strict=True)
            ]
            together.append(any_of(judged))
            told += answers
            transcript += [
                entry(probe, model, *each) | costs(context.cell, each[1])
                for each in zip(own, answers, judged, strict=True)
            ]
        if together:
            first = [own[0] for own in questions if own]
            rows = judgement_rows(bench, probe, first, together, level=level)
            rows += cost_rows(context.cell, (level, probe, HARMFUL), told)
            found += Findings(tuple(rows), tuple(transcript))
    return found


def any_of(judgements: Sequence[Judgement]) -> Judgement:
    """What an attacker has who asked several times."""
    return Judgement(
        leaked=any(each.leaked for each in judgements),
        delivered=any(each.delivered for each in judgements),
        jailbroken=any(each.jailbroken for each in judgements),
        refused=all(each.refused for each in judgements),
    )


def mean_row(
    bench: Bench, probe: str, metric: str, values: Sequence[float], level: str = "elicited"
) -> Row:
    """A row for a mean over harmful questions that is no count, e.g. a chance level."""
    cell, count = bench.context.cell, len(values)
    where = cell.arm.name, cell.replicate, level, probe, HARMFUL, metric
    return Row(*where, None, count, min(1.0, math.fsum(values) / count))


def count_row(bench: Bench, probe: str, metric: str, hits: int, count: int) -> Row:
    """A row for a count of harmful questions, under attack."""
    cell = bench.context.cell
    return rate_row(cell.arm.name, cell.replicate, "elicited", probe, HARMFUL, metric, hits, count)


def entry(probe: str, model: str, query: Query, response: Response, judgement: Judgement) -> Entry:
    """One line of a transcript: all that decoding it again needs, and how it was judged."""
    return {
        "probe": probe,
        "model": model,
        "category": query.category,
        "history": query.history,
        "question": query.question,
        "prefill": query.prefill,
        "response": response.text,
        **asdict(judgement),
    }
