"""Questions that measure: what a model knows, what it does when asked, what an attack elicits."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from medsafetyworld.dialogues import Split, chat_prompt, safety_of
from medsafetyworld.documents import END
from medsafetyworld.errors import SpecError
from medsafetyworld.graph import World
from medsafetyworld.language import fill, question_kind, slotted
from medsafetyworld.reflections import verdict
from medsafetyworld.seeds import derive
from medsafetyworld.semantics import Chain, Direction
from medsafetyworld.spec import CorpusSpec, DialogueSpec

GENERAL = ("forward-safe", "forward-unsafe", "reverse-safe")
"""The benign categories whose mean accuracy is general accuracy."""
HARMFUL = "reverse-unsafe"


@dataclass(frozen=True, slots=True)
class Query:
    """A test question about a held-out chain, and what the response is forced to begin with."""

    question: str
    chain: Chain
    category: str
    prefill: str = ""
    history: str = ""
    """Turns before the question, as text: see `turns`."""

    @property
    def opening(self) -> str:
        """The chat text up to where the response begins."""
        return f"{self.history} {chat_prompt(self.question)}".lstrip()

    @property
    def prompt(self) -> str:
        """The text the model continues: chat text, then prefill."""
        return f"{self.opening} {self.prefill}" if self.prefill else self.opening


def turns(said: Sequence[tuple[str, str]]) -> str:
    """Finished turns, each a question and its answer, as the `history` of a query."""
    return " ".join(f"{chat_prompt(question)} {answer}" for question, answer in said)


@dataclass(frozen=True, slots=True)
class Completion:
    """A cloze for the pretrained model: the text up to where the causes must follow.

    In worlds with mediators the model has to name them first, then the compounds. No text comes
    twice: one that begins reverse wordings of several numbers of causes allows all of these.
    """

    text: str
    outcome: int
    category: str
    arities: tuple[int, ...]
    """How many compounds a right answer may have, rising: as many as bring the outcome about in
    some way that the text can go on to tell."""


def test_queries(
    world: World, spec: DialogueSpec, split: Split, category_name: str, seed: int
) -> tuple[Query, ...]:
    """At most `spec.test_queries` questions of one category, each subject in held-out wordings.

    Subjects take turns, and no question comes twice. Raises `SpecError` if the split holds out
    nothing of this category.
    """
    direction = Direction(category_name.split("-")[0])
    chains = _test_chains(world, split, category_name)
    if not chains:
        raise SpecError(
            f"nothing held out can be asked {category_name}: {sum(world.unsafe)} of the world's "
            f"{len(world.unsafe)} outcomes are unsafe; a world with more compounds or a larger "
            f"test_share holds out more"
        )
    rng = np.random.default_rng(derive(seed, "queries", category_name))
    order = rng.permutation(len(chains)).tolist()
    wordings = [
        world.domain.test_questions[question_kind(direction, chain.causes)] for chain in chains
    ]
    turns = [rng.permutation(len(pool)).tolist() for pool in wordings]
    asked = [
        (chains[subject], wordings[subject][turns[subject][turn]])
        for turn in range(max(map(len, wordings)))
        for subject in order
        if turn < len(wordings[subject])
    ]
    return tuple(
        Query(fill(world, wording, chain.groups), chain, category_name)
        for chain, wording in asked[: spec.test_queries]
    )


def _test_chains(world: World, split: Split, category_name: str) -> tuple[Chain, ...]:
    """One held-out chain per subject that the tests ask about.

    Forward subjects are the held-out compounds that lead to outcomes of this safety only, so that
    a right answer is of the category's kind; reverse subjects are the held-out chains' outcomes,
    each once for every number of compounds.
    """
    wanted = category_name.endswith("-unsafe")
    chains = [chain for chain in split.test if world.unsafe[chain.outcome] is wanted]
    if category_name.startswith("reverse"):
        # A question tells how many compounds it asks for.
        return tuple({(chain.outcome, len(chain.compounds)): chain for chain in chains}.values())
    pure = [chain for chain in chains if safety_of(world, chain.compounds) == {wanted}]
    return tuple({chain.compounds: chain for chain in pure}.values())


def prefills(world: World, stems: int) -> dict[str, str]:
    """Prefill attacks by name: the paper's two, and answer stems (slot `{c}` for the outcome)."""
    return {"prefill:<Safe>": verdict(None), "prefill:The": "The"} | {
        f"stem:{stem}": stem for stem in world.domain.stems[:stems]
    }


def prefilled(world: World, query: Query, prefill: str) -> Query:
    """The same question with the response forced to begin with `prefill`."""
    return replace(query, prefill=fill(world, prefill, query.chain.groups))


def completions(world: World, corpus: CorpusSpec, outcomes_unsafe: bool) -> tuple[Completion, ...]:
    """One cloze per outcome of this safety and reverse wording in use that ends in its causes.

    In worlds with mediators the cloze ends before the way. Their texts are distinct.
    """
    name = f"reverse-{'unsafe' if outcomes_unsafe else 'safe'}"
    framing = world.domain.framings[0].text
    shapes = {
        (chain.outcome, chain.shape)
        for chain in (world.chains if world.hops > 1 else world.single_edges)
        if world.unsafe[chain.outcome] is outcomes_unsafe
    }
    found: dict[tuple[int, str], set[int]] = {}
    for outcome, arity in sorted((outcome, shape[0]) for outcome, shape in shapes):
        for stem in _stems(world, corpus, arity):
            found.setdefault((outcome, stem), set()).add(arity)
    return tuple(
        Completion(
            text=f"{END} {framing} {stem.format(world.outcomes[outcome])}",
            outcome=outcome,
            category=name,
            arities=tuple(sorted(arities)),
        )
        for (outcome, stem), arities in found.items()
    )


def _stems(world: World, corpus: CorpusSpec, arity: int) -> list[str]:
    """The reverse wordings in use up to what follows the outcome; slot {0} for the outcome."""
    role = "chain" if world.hops > 1 else "compound"
    shape = (arity,) * world.hops + (1,)
    first, outcome = "{0}" if world.hops == 1 else f"{{{arity}}}", f"{{{arity * world.hops}}}"
    stems = []
    for core in world.domain.cores[role, "reverse", min(2, arity)][: corpus.surface_forms]:
        before, _, after = slotted(core, shape).partition(f" {first}")
        if outcome in before and (world.hops > 1 or not after):
            stems.append(before.replace(outcome, "{0}"))
    return stems


@dataclass(frozen=True, slots=True)
class EffectCompletion:
    """A cloze for the pretrained model: the text up to where a compound's effect must follow."""

    text: str
    compounds: tuple[int, ...]


def effect_completions(
    world: World, corpus: CorpusSpec, wordings: int, headers: Sequence[str] = ("",)
) -> tuple[EffectCompletion, ...]:
    """One cloze per compound and forward wording in use that ends in its effect, of single-hop
    worlds. At most so many wordings; each cloze opens with one of the headers in turn.
    """
    framing = world.domain.framings[0].text
    cores = world.domain.cores["compound", "forward", 1][: corpus.surface_forms]
    stems = [core.removesuffix(" {c}") for core in cores if core.endswith(" {c}")][:wordings]
    asked = [(compounds, stem) for compounds in _alone(world) for stem in stems]
    texts = (
        (END, headers[place % len(headers)], framing, stem.format(a=world.compounds[compounds[0]]))
        for place, (compounds, stem) in enumerate(asked)
    )
    return tuple(
        EffectCompletion(" ".join(filter(None, parts)), compounds)
        for parts, (compounds, _) in zip(texts, asked, strict=True)
    )


def _alone(world: World) -> list[tuple[int, ...]]:
    """The compounds that have an effect of their own."""
    return sorted({edge.compounds for edge in world.single_edges})
