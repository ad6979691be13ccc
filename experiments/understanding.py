"""What a question in plain words asks, as the graph sees it: about whom, and what is right.

Test questions come with their chain. These here were typed: the names in them decide.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass
from difflib import get_close_matches

from medsafetyworld.errors import SpecError
from medsafetyworld.graph import SEVERITIES, World
from medsafetyworld.judge import correct, is_refusal, judge
from medsafetyworld.language import fill, question_kind
from medsafetyworld.queries import HARMFUL, Query
from medsafetyworld.reading import mentions
from medsafetyworld.semantics import Chain, Direction, Group
from medsafetyworld.tokenizer import CLOSING, CONTINUES, OPENING, TokenizeError, Tokenizer


@dataclass(frozen=True)
class Asked:
    """A question as the graph sees it.

    says: what it asks, in words. right: the right answers. queries: as what it can be judged, none
    if the graph has no answer; several where the number of compounds asked for is not told.
    """

    says: str
    right: tuple[str, ...] = ()
    queries: tuple[Query, ...] = ()

    @property
    def names(self) -> tuple[str, ...]:
        """The names in the right answers, without what is said about them."""
        return tuple(name for each in self.right for name in each.partition(" (")[0].split(" + "))


def understood(world: World, question: str) -> Asked:
    """What a question asks: reverse if it names an outcome, forward if it names compounds."""
    named, *between, outcomes = mentions(world, question)
    compounds = tuple(sorted(set(named)))
    if compounds and outcomes:
        leads = "lead" if compounds in world.ways[outcomes[0]] else "do not lead"
        return Asked(f"names both: {_joined(world, compounds)} {leads} to "
                     f"{of_outcome(world, outcomes[0])}")  # fmt: skip
    if outcomes:
        return _reverse(world, question, outcomes[0])
    if compounds:
        return _forward(world, question, compounds)
    if any(between):
        layer, member = next((at, each[0]) for at, each in enumerate(between, 1) if each)
        return Asked(f"names only the mediator {world.layers[layer][member]}")
    return Asked("names nothing of this world")


def of_query(world: World, query: Query) -> Asked:
    """What a test question asks."""
    chain = query.chain
    if query.category.startswith("forward"):
        return _forward(world, query.question, chain.compounds, query)
    return _reverse(world, query.question, chain.outcome, query)


def readings(world: World, asked: Asked, response: str) -> Mapping[str, bool]:
    """The judge's reading of a response, prefill included: of harmful questions all judges',
    of others whether it is correct and whether it refuses. Empty where nothing can be judged."""
    found = [_reading(world, query, response) for query in asked.queries]
    # Any number of compounds answers a question that asks for none in particular.
    return max(found, key=lambda each: next(iter(each.values())), default={})


def of_outcome(world: World, outcome: int) -> str:
    """Its name and whether it is safe."""
    return f"{world.outcomes[outcome]} ({outcome_kind(world, outcome)})"


def outcome_kind(world: World, outcome: int) -> str:
    """`safe`, or `unsafe` with severity and hazard."""
    if not world.unsafe[outcome]:
        return "safe"
    return f"unsafe: {SEVERITIES[world.severity[outcome]]}, {world.hazard(outcome)}"


def truth_lines(world: World, name: str) -> Iterator[str]:
    """All full ways that an entity is part of, from compounds to outcome.

    Raises `SpecError` for a name that the world does not have, with the nearest.
    """
    layer, member = find_entity(world, name)
    if layer == world.hops:
        yield f"{of_outcome(world, member)} comes from:"
    else:
        yield f"{world.layers[layer][member]} is part of:"
    for chain in world.chains:
        if any(group.layer == layer and member in group.members for group in chain.groups):
            way = " → ".join(" + ".join(world.names(group)) for group in chain.groups)
            mark = " (unsafe)" if world.unsafe[chain.outcome] else ""
            yield f"{way}{mark}"


def find_entity(world: World, name: str) -> tuple[int, int]:
    """Layer and index of the entity of this name. Raises `SpecError` naming the nearest."""
    places = {
        each: (layer, index)
        for layer, names in enumerate(world.layers)
        for index, each in enumerate(names)
    }
    if name in places:
        return places[name]
    near = get_close_matches(name, places, n=1, cutoff=0.0)
    raise SpecError(f"nothing is named {name!r} in this world; the nearest is {near[0]!r}")


def find_outcome(world: World, name: str) -> int:
    """The outcome of this name. Raises `SpecError` naming the nearest."""
    if name in world.outcomes:
        return world.outcomes.index(name)
    near = get_close_matches(name, world.outcomes, n=1, cutoff=0.0)
    raise SpecError(f"no outcome is named {name!r}; the nearest is {near[0]!r}")


def check_words(world: World, tokenizer: Tokenizer, text: str) -> None:
    """Raises `SpecError` for a word outside the vocabulary, naming it and the nearest known."""
    for chunk in text.split():
        try:
            tokenizer.encode(chunk)
        except TokenizeError:
            word = chunk.lstrip(OPENING).rstrip(CLOSING)
            known = [
                each
                for each in (*tokenizer.vocabulary, *world.compounds)
                if not each.startswith((CONTINUES, "<|unused"))
            ]
            near = get_close_matches(word, known, n=1, cutoff=0.0)
            raise SpecError(
                f"the model knows no word {word!r}; the nearest that it knows is {near[0]!r}"
            ) from None


def _reverse(world: World, question: str, outcome: int, query: Query | None = None) -> Asked:
    safety = "unsafe" if world.unsafe[outcome] else "safe"
    chains = _by_arity(world, outcome)
    arities = [len(query.chain.compounds)] if query else _arities_asked(world, question, outcome)
    ways = sorted(way for way in world.ways[outcome] if len(way) in arities)
    one = "which compound brings" if arities == [1] else "which compounds bring"
    return Asked(
        f"reverse-{safety}: {one} about {of_outcome(world, outcome)}",
        tuple(_joined(world, way) for way in ways),
        (query,)
        if query
        else tuple(Query(question, chains[arity], f"reverse-{safety}") for arity in arities),
    )


def _forward(
    world: World, question: str, compounds: tuple[int, ...], query: Query | None = None
) -> Asked:
    asked = f"what {_joined(world, compounds)} {'lead' if len(compounds) > 1 else 'leads'} to"
    outcomes = sorted(world.effects.get(compounds, ()))
    if not outcomes:
        links = [each for each in world.edges if each.causes == Group(0, compounds)]
        names = tuple(name for link in links for name in world.names(link.effects))
        return Asked(f"{asked}: no outcome in this world", names)
    safety = {world.unsafe[each] for each in outcomes}
    kind = "unsafe" if safety == {True} else "safe" if safety == {False} else "both"
    chain = next(each for each in world.chains if each.compounds == compounds)
    return Asked(
        f"forward-{kind}: {asked}",
        tuple(of_outcome(world, each) for each in outcomes),
        (query or Query(question, chain, f"forward-{kind}"),),
    )


def _by_arity(world: World, outcome: int) -> dict[int, Chain]:
    """The first chain to an outcome from each number of compounds."""
    chains: dict[int, Chain] = {}
    for chain in world.chains:
        if chain.outcome == outcome:
            chains.setdefault(len(chain.compounds), chain)
    return chains


def _arities_asked(world: World, question: str, outcome: int) -> list[int]:
    """How many compounds a question about an outcome asks for: all numbers that bring it about
    unless it is in one of the domain's wordings, which tell."""
    chains = _by_arity(world, outcome)
    told = [arity for arity, chain in chains.items() if question in _worded(world, chain)]
    return sorted(told or chains)


def _worded(world: World, chain: Chain) -> Iterator[str]:
    """Every reverse question about a chain that the domain has words for."""
    kind = question_kind(Direction.REVERSE, chain.causes)
    for questions in (world.domain.training_questions, world.domain.test_questions):
        yield from (fill(world, wording, chain.groups) for wording in questions[kind])


def _reading(world: World, query: Query, response: str) -> dict[str, bool]:
    if query.category == HARMFUL:
        return asdict(judge(world, query, response))
    return {
        "correct": correct(world, query, response),
        "refused": is_refusal(world, response),
    }


def _joined(world: World, compounds: tuple[int, ...]) -> str:
    return " + ".join(world.compounds[each] for each in compounds)
