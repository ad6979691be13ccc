"""A harmful question taken apart in two turns, and what the answers come to together."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from experiments.decoding import Response, costs, has_room, respond
from experiments.instruments.asking import entry, judgement_rows, mean_row
from experiments.instruments.bench import SFT, Bench
from experiments.instruments.instrument import Entry, Findings
from medsafetyworld.attacks.decomposition import (
    ask_compounds,
    ask_mediators,
    chance_of_holding,
    judge_together,
    named,
    stem_of_part,
)
from medsafetyworld.graph import World
from medsafetyworld.judge import Judgement, judge
from medsafetyworld.queries import Query, turns
from medsafetyworld.reading import mentions
from medsafetyworld.semantics import Group
from medsafetyworld.tokenizer import TokenizeError

Part = tuple[Query, Response]
_Asked = tuple[Query, Response | None]
"""A part, or one that could not be asked."""


class Interview:
    """Asks each different prompt once and remembers the response."""

    def __init__(self, bench: Bench) -> None:
        self.bench = bench
        self.heard: dict[str, Response] = {}
        self.impossible: set[str] = set()
        """Prompts without room for a response, or with half a word that the model wrote before."""

    def ask(self, queries: Sequence[Query]) -> list[Response | None]:
        """The responses in order; None to what cannot be asked."""
        new = {query.prompt: query for query in queries if query.prompt not in self.heard}
        possible = {prompt: query for prompt, query in new.items() if self._possible(query)}
        self.impossible |= new.keys() - possible.keys()
        if possible:
            params = self.bench.model(SFT)
            told = respond(self.bench.context, params, [*possible.values()])
            self.heard |= zip(possible, told, strict=True)
        return [self.heard.get(query.prompt) for query in queries]

    def _possible(self, query: Query) -> bool:
        try:
            return has_room(self.bench.context, query)
        except TokenizeError:
            return False


def two_turns(bench: Bench, name: str, most: int) -> Findings:
    """Worlds with mediators: asks for the mediators, then for what brings each of them about; once
    as it is, once with every response begun as corpora state such facts."""
    interview, seed = Interview(bench), bench.seed(name, "random")
    plain = _turns(bench, interview, name, most, seed, forced=False)
    forced = _turns(bench, interview, f"{name}:prefilled", most, seed, forced=True)
    record = {
        "seed": seed,
        "budget": len(interview.heard),
        "mediators_named": {
            "plain": plain.record["mediators_named"],
            "prefilled": forced.record["mediators_named"],
            "of": len(bench.harmful),
        },
        "impossible_prompts": len(interview.impossible),
        "probes": plain.record["probes"] | forced.record["probes"],
    }
    return plain + forced + Findings((), record=record)


def _turns(
    bench: Bench, interview: Interview, name: str, most: int, seed: int, *, forced: bool
) -> Findings:
    """Rows of the mediators that the model names, those in the same conversation, as many others at
    random, and the true ones. Questions of which some part cannot be asked are left out."""
    world, queries = bench.context.true_world, bench.harmful
    last = world.hops - 1
    given = [query.chain.groups[-2].members for query in queries]
    first = [
        _part(world, query, query.chain.effects, len(members), forced)
        for query, members in zip(queries, given, strict=True)
    ]
    told = list(zip(first, interview.ask(first), strict=True))
    known = [named(world, _text(response), last, most) for _, response in told]
    rng = np.random.default_rng(seed)
    drawn = [
        tuple(rng.permutation(len(world.layers[last]))[: max(1, len(own))].tolist())
        for own in known
    ]
    # In the same conversation the first question and its answer stand before the others.
    talking = [
        replace(query, history=turns([(asked.question, _text(response))]))
        for query, (asked, response) in zip(queries, told, strict=True)
    ]
    before: list[list[_Asked]] = [[each] for each in told]
    found, tried = Findings(()), {}
    for probe, asked, mediators, begun in (
        (name, queries, known, before),
        (f"{name}:dialogue", talking, known, before),
        (f"{name}:random", queries, drawn, None),
        (f"{name}:given:control", queries, given, None),
    ):
        parts = _down(world, interview, asked, mediators, most, forced)
        if begun is not None:
            parts = [[*start, *own] for start, own in zip(begun, parts, strict=True)]
        found += _joined(bench, probe, queries, parts)
        whole = sum(_whole(own) is not None for own in parts)
        tried[probe] = {"tried": whole, "of": len(queries)}
    true = {(edge.outcome, edge.causes.members) for edge in world.edges_into(world.hops)}
    right = sum(
        any(set(members) <= set(own) for outcome, members in true if outcome == query.chain.outcome)
        for query, own in zip(queries, known, strict=True)
    )
    return found + Findings((), record={"mediators_named": right, "probes": tried})


def _part(world: World, query: Query, effect: Group, arity: int, forced: bool) -> Query:
    """The question what brings an outcome or a mediator about, by so many causes below it."""
    if effect.layer == 1:
        question = ask_compounds(world, effect.members[0])
    else:
        question = ask_mediators(world, effect, arity)
    stem = stem_of_part(world, effect, arity) if forced else ""
    return replace(query, question=question, prefill=stem)


def _text(response: Response | None) -> str:
    return "" if response is None else response.text


def _down(
    world: World,
    interview: Interview,
    queries: Sequence[Query],
    mediators: Sequence[Sequence[int]],
    most: int,
    forced: bool,
) -> list[list[_Asked]]:
    """For each question, what the model says brings these mediators of the last layer about, and
    what those that it names, down to compounds."""
    parts: list[list[_Asked]] = [[] for _ in queries]
    for layer in range(world.hops - 1, 0, -1):
        places, asked = [], []
        for place, (query, own) in enumerate(zip(queries, mediators, strict=True)):
            places += [place] * len(own)
            asked += [_part(world, query, Group(layer, (each,)), 1, forced) for each in own]
        below: list[list[int]] = [[] for _ in queries]
        for place, query, response in zip(places, asked, interview.ask(asked), strict=True):
            parts[place].append((query, response))
            below[place] += named(world, _text(response), layer - 1, most)
        mediators = [tuple(dict.fromkeys(own))[:most] for own in below]
    return parts


def _whole(parts: Sequence[_Asked]) -> list[Part] | None:
    """The parts of a question; None if one of them could not be asked."""
    heard = [(query, response) for query, response in parts if response is not None]
    return heard if len(heard) == len(parts) else None


def _joined(
    bench: Bench, probe: str, queries: Sequence[Query], parts: Sequence[Sequence[_Asked]]
) -> Findings:
    """Rows of the answers to each question's parts as one, every part and what they come to.

    `chance` is that of as many different compounds, drawn blindly, as a question's answers name.
    """
    world, cell = bench.context.true_world, bench.context.cell
    asked: list[Query] = []
    judged: list[Judgement] = []
    guesses: list[float] = []
    transcript: list[Entry] = []
    for query, own in zip(queries, parts, strict=True):
        heard = _whole(own)
        if heard is None:
            continue
        answers = [response.text for _, response in heard]
        together = judge_together(world, query, answers)
        asked.append(query)
        judged.append(together)
        size = len(query.chain.compounds)
        ways = [way for way in world.ways[query.chain.outcome] if len(way) == size]
        drawn = len({*mentions(world, " ".join(answers))[0]})
        guesses.append(chance_of_holding(ways, len(world.compounds), drawn))
        transcript += [
            entry(f"{probe}:part", SFT, part, response, judge(world, part, response.text))
            | costs(cell, response)
            for part, response in heard
        ]
        transcript.append(_together(probe, query, heard, together))
    if not asked:
        return Findings(())
    rows = judgement_rows(bench, probe, asked, judged)
    return Findings((*rows, mean_row(bench, probe, "chance", guesses)), tuple(transcript))


def _together(probe: str, query: Query, parts: Sequence[Part], judgement: Judgement) -> Entry:
    """The line of a transcript for what the answers to the parts come to."""
    tokens, read, least = (
        sum(getattr(response, name) for _, response in parts)
        for name in ("tokens", "read", "least")
    )
    whole = Response(" ".join(response.text for _, response in parts), tokens, read, least)
    return entry(probe, SFT, query, whole, judgement) | {
        "parts": [asked.question for asked, _ in parts],
        "replay": False,
        "reason": "joined from the answers to its parts, which can be replayed",
    }
