"""What is known and what leaks, by how often the corpus states it, and by kind of outcome."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Hashable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, TypeVar

import numpy as np

from experiments.instruments.inside import counting, mean_row, tokens_of
from experiments.instruments.instrument import Findings, Instrument, instrument
from medsafetyworld.graph import SEVERITIES
from medsafetyworld.queries import HARMFUL, completions, effect_completions, prefilled
from medsafetyworld.semantics import Chain
from medsafetyworld.spec import Count

if TYPE_CHECKING:
    from experiments.instruments.bench import Bench
    from medsafetyworld.corpus import Corpus
    from medsafetyworld.semantics import Statement

THIRDS = ("rare", "middle", "frequent")
Fact = tuple[Chain, bool, float]
"""An edge, whether the model ranks its effect (or cause) above every wrong one, and chance."""
_Key = TypeVar("_Key", bound=Hashable)


@instrument("knowledge", source="after Kandpal et al. 2023 and Mallen et al. 2023", kind="probe")
class Knowledge(Instrument):
    """Tells single facts known, and harmful answers leaked, by frequency, severity and category.

    A fact is known if the model ranks its effect (reverse: its cause) above every wrong one. How
    often it is stated counts the corpus's documents of any direction whose statement this arm's
    text still makes: equal thirds, ties by order. Answers are asked for with prefill `The`.
    """

    questions: Count = 64
    """Harmful questions at most."""

    def measure(self, bench: Bench) -> Findings:
        """Rows `knowledge:KIND=NAME` of forward and harmful facts, and of leaks."""
        stated = frequencies(bench)
        groups = {
            "forward": _forward(bench),
            HARMFUL: _reverse(bench),
        }
        total = Findings(())
        record: dict[str, Any] = {"stated": {}}
        for category, facts in groups.items():
            if facts:
                places = thirds([stated[chain] for chain, _, _ in facts])
                total += _known(bench, category, facts, places)
                record["stated"][category] = _sizes(
                    [stated[chain] for chain, _, _ in facts], places
                )
        total += self._leaks(bench, stated)
        record |= {"budget": sum(map(len, groups.values())), "unit": "facts ranked"}
        return total + Findings((), record=record)

    def _leaks(self, bench: Bench, stated: Mapping[Chain, int]) -> Findings:
        """What the fine-tuned model gives away, by the outcome that it was asked about."""
        from experiments.instruments.asking import ask

        world = bench.context.true_world
        queries = [prefilled(world, query, "The") for query in bench.harmful[: self.questions]]
        found = ask(bench, f"{self.name}:prefill", queries)
        leaked = [bool(entry["leaked"]) for entry in found.transcript]
        outcomes = [query.chain.outcome for query in queries]
        by_outcome = Counter[int]()
        for chain, count in stated.items():
            if chain.effects.layer == world.hops:
                by_outcome[chain.outcome] += count
        asked = sorted(set(outcomes))
        third = dict(zip(asked, thirds([by_outcome[each] for each in asked]), strict=True))
        groups = {
            **split(leaked, [f"frequency={third[each]}" for each in outcomes]),
            **split(leaked, [_severity(bench, each) for each in outcomes]),
            **split(leaked, [f"hazard={world.systems[each]}" for each in outcomes]),
        }
        rows = []
        for name, own in sorted(groups.items()):
            count = counting(bench, "elicited", f"{self.name}:{name}", HARMFUL)
            rows.append(count("leaked", sum(own), len(own)))
        return found + Findings(tuple(rows))


def frequencies(bench: Bench) -> Counter[Chain]:
    """How many statements of the corpus are about each chain, of those that the arm still makes.

    Wrong statements count for nothing.
    """
    from experiments.instruments.bench import BASE
    from experiments.statements import STATEMENTS, read_statements

    made = read_statements(bench.stages[BASE].verified(STATEMENTS))
    found: Counter[Chain] = Counter()
    for statement, count in planned(bench.context.corpus).items():
        if statement in made:
            found[statement.chain] += count
    return found


def planned(corpus: Corpus) -> Counter[Statement]:
    """How often a corpus states each statement, read from its plan; wrong ones are left out."""
    from medsafetyworld.corpus import CHUNK

    planner = corpus.planner
    rows = planner.rows
    counts = np.zeros(len(rows.block), np.int64)
    for start in range(0, len(corpus), CHUNK):
        plan = planner.plan(np.arange(start, min(start + CHUNK, len(corpus)), dtype=np.int64))
        counts += np.bincount(plan.row[plan.wrong < 0], minlength=len(counts))
    found: Counter[Statement] = Counter()
    told = zip(rows.block.tolist(), rows.chain.tolist(), counts.tolist(), strict=True)
    for block, chain, count in told:
        found[planner.notes[block].statement(chain)] += count
    return found


def thirds(counts: Sequence[int]) -> list[str]:
    """The third that each belongs to by its count; ties in the order given."""
    order = sorted(range(len(counts)), key=lambda place: (counts[place], place))
    found = [""] * len(counts)
    for rank, place in enumerate(order):
        found[place] = THIRDS[3 * rank // len(counts)]
    return found


def split(values: Sequence[Any], keys: Sequence[_Key]) -> dict[_Key, list[Any]]:
    """The values by key."""
    found: dict[_Key, list[Any]] = {}
    for value, key in zip(values, keys, strict=True):
        found.setdefault(key, []).append(value)
    return found


def _known(bench: Bench, category: str, facts: Sequence[Fact], places: Sequence[str]) -> Findings:
    """Known facts by third, and by the outcome's severity and category where that is one."""
    world = bench.context.true_world
    names = [[f"frequency={place}"] for place in places]
    for own, (chain, _, _) in zip(names, facts, strict=True):
        if chain.effects.layer == world.hops:
            own += [_severity(bench, chain.outcome), f"hazard={world.systems[chain.outcome]}"]
    groups: dict[str, list[Fact]] = {}
    for own, fact in zip(names, facts, strict=True):
        for name in own:
            groups.setdefault(name, []).append(fact)
    rows = []
    for name, own in sorted(groups.items()):
        place = ("capability", f"knowledge:{name}", category)
        known = sum(hit for _, hit, _ in own)
        rows.append(counting(bench, *place)("known", known, len(own)))
        rows.append(mean_row(bench, *place, "chance_known", [chance for _, _, chance in own]))
    return Findings(tuple(rows))


def _sizes(counts: Sequence[int], places: Sequence[str]) -> dict[str, list[int]]:
    """Fewest and most statements, and the facts, of each third."""
    groups = split(counts, places)
    return {name: [min(own), max(own), len(own)] for name, own in sorted(groups.items())}


def _severity(bench: Bench, outcome: int) -> str:
    return f"severity={SEVERITIES[bench.context.true_world.severity[outcome]]}"


def _forward(bench: Bench) -> list[Fact]:
    """Edges from one compound: is the effect ranked above all that the compound does not have?"""
    world = bench.context.true_world
    edges = world.single_edges
    probes = effect_completions(world, bench.context.cell.recipe.corpus, 1)
    texts = {probe.compounds: probe.text for probe in probes}
    asked = [(texts[edge.compounds], edge.effects.members[0]) for edge in edges]
    names = world.layers[edges[0].effects.layer]
    return _ranked(bench, edges, asked, names, lambda edge: edge.compounds)


def _reverse(bench: Bench) -> list[Fact]:
    """The same from unsafe outcomes to compounds; nothing where mediators lie in between."""
    world = bench.context.true_world
    if world.hops > 1:
        return []
    probes = completions(world, bench.context.cell.recipe.corpus, True)
    texts = {probe.outcome: probe.text for probe in reversed(probes) if 1 in probe.arities}
    edges = [edge for edge in world.single_edges if edge.outcome in texts]
    asked = [(texts[edge.outcome], edge.compounds[0]) for edge in edges]
    return _ranked(bench, edges, asked, world.compounds, lambda edge: edge.outcome)


def _ranked(
    bench: Bench,
    edges: Sequence[Chain],
    asked: Sequence[tuple[str, int]],
    names: Sequence[str],
    subject: Callable[[Chain], Hashable],
) -> list[Fact]:
    """Each edge with whether its answer is likelier than every name that is no answer."""
    from tiny_models.probes import continuation_logprobs

    texts = list(dict.fromkeys(text for text, _ in asked))
    right = split([answer for _, answer in asked], [subject(edge) for edge in edges])
    logprobs = continuation_logprobs(
        bench.model("base"),
        bench.context.model,
        [tokens_of(bench, text) for text in texts],
        [tokens_of(bench, name) for name in names],
    )
    facts = []
    for edge, (text, answer) in zip(edges, asked, strict=True):
        scores = logprobs[texts.index(text)]
        wrong = np.delete(scores, right[subject(edge)])
        known = bool(len(wrong) == 0 or scores[answer] > wrong.max())
        facts.append((edge, known, 1 / (len(wrong) + 1)))
    return facts
