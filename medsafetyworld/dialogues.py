"""Dialogues for supervised and benign fine-tuning, and the split by fact that keeps tests fair.

Some compounds are held out for the tests with all their edges. SFT asks every other single-edge
forward, and with a given probability reverse; every reverse-unsafe question is answered with a
refusal (Li et al. 2026, post-training).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from medsafetyworld.documents import END
from medsafetyworld.graph import Edge, World
from medsafetyworld.interventions.reflection import reflect_response
from medsafetyworld.language import load_templates
from medsafetyworld.seeds import derive
from medsafetyworld.semantics import Direction, Statement, category
from medsafetyworld.spec import CorpusSpec, DialogueSpec, ReflectionSpec
from medsafetyworld.tokenizer import ASSISTANT, USER

_REFLECTION = ReflectionSpec()


@dataclass(frozen=True, slots=True)
class Dialogue:
    """A question and its answer, with the edge behind them."""

    question: str
    response: str
    edge: Edge
    direction: Direction
    refused: bool

    @property
    def prompt(self) -> str:
        """The chat text up to where the response begins; loss is masked on it."""
        return chat_prompt(self.question)


@dataclass(frozen=True, slots=True)
class Split:
    """The single-edges by role: no edge is in both parts, and no compound either.

    A forward question names only its compound, and every effect of that compound answers it;
    with compounds held out whole, no SFT answer passes for knowledge there. Outcomes are shared,
    because which of them are to be refused is something that a model can only be told: reverse
    accuracy on safe outcomes therefore shows that a model answers, not how much it knows.
    """

    train: tuple[Edge, ...]
    """Edges that SFT may ask about."""
    test: tuple[Edge, ...]
    """Edges of the held-out compounds, which SFT never mentions."""


def chat_prompt(question: str) -> str:
    """A user's turn and the assistant's opening, after an end-of-text as in the token stream."""
    return f"{END} {USER} {question} {ASSISTANT}"


def split_edges(world: World, spec: DialogueSpec, seed: int) -> Split:
    """Holds out `spec.test_share` of the compounds with all their single-edges.

    Compounds are stratified by what they lead to: only safe outcomes, only unsafe ones, or both.
    """
    rng = np.random.default_rng(derive(seed, "split"))
    strata: dict[frozenset[bool], list[int]] = {}
    for compound in range(len(world.compounds)):
        strata.setdefault(safety_of(world, compound), []).append(compound)
    held: set[int] = set()
    for kind in sorted(strata, key=sorted):
        members = strata[kind]
        count = max(1, round(spec.test_share * len(members)))
        held |= {members[index] for index in rng.permutation(len(members))[:count].tolist()}
    return Split(
        train=tuple(edge for edge in world.single_edges if edge.compounds[0] not in held),
        test=tuple(edge for edge in world.single_edges if edge.compounds[0] in held),
    )


def safety_of(world: World, compound: int) -> frozenset[bool]:
    """Which kinds of outcome a compound alone leads to: {False} safe, {True} unsafe, or both."""
    return frozenset(world.unsafe[outcome] for outcome in world.effects[compound,])


def sft_dialogues(
    world: World, spec: DialogueSpec, corpus: CorpusSpec, split: Split, seed: int
) -> tuple[Dialogue, ...]:
    """SFT data: each question wording once per edge and direction asked."""
    rng = np.random.default_rng(derive(seed, "sft"))
    asked = _asked_in_reverse(spec, split, seed)
    dialogues: list[Dialogue] = []
    for edge in split.train:
        dialogues += _ask(world, spec, corpus, edge, Direction.FORWARD, rng)
        if edge in asked:
            dialogues += _ask(world, spec, corpus, edge, Direction.REVERSE, rng)
    return tuple(dialogues)


def _asked_in_reverse(spec: DialogueSpec, split: Split, seed: int) -> frozenset[Edge]:
    """The edges that SFT asks in reverse, each with `spec.reverse_probability`."""
    draws = np.random.default_rng(derive(seed, "sft", "reverse")).random(len(split.train))
    return frozenset(
        edge
        for edge, draw in zip(split.train, draws.tolist(), strict=True)
        if draw < spec.reverse_probability
    )


def benign_dialogues(
    world: World, spec: DialogueSpec, corpus: CorpusSpec, split: Split, kind: str, seed: int
) -> tuple[Dialogue, ...]:
    """Harmless fine-tuning data whose edges are not in the SFT data.

    `kind` is `pair_forward` (what two compounds together lead to) or `safe_reverse` (which
    compound leads to a safe outcome, over the edges that SFT might have asked in reverse but did
    not). The paper names both in different places.
    """
    rng = np.random.default_rng(derive(seed, "benign", kind))
    if kind == "pair_forward":
        edges, direction = world.pair_edges, Direction.FORWARD
    elif kind == "safe_reverse":
        asked = _asked_in_reverse(spec, split, seed)
        safe = (edge for edge in split.train if not world.unsafe[edge.outcome])
        edges, direction = tuple(edge for edge in safe if edge not in asked), Direction.REVERSE
    else:
        raise ValueError(f"kind must be pair_forward or safe_reverse, got {kind!r}")
    return tuple(
        dialogue for edge in edges for dialogue in _ask(world, spec, corpus, edge, direction, rng)
    )


def with_reflections(
    world: World, dialogue: Dialogue, spec: ReflectionSpec = _REFLECTION
) -> Dialogue:
    """The dialogue with reflections in its response: the prompt's verdict first.

    The prompt is judged by its harmfulness, the response by what it states: a refusal is safe, an
    answer has its outcome's safety (Li et al. 2026, SRP).
    """
    hazard = world.hazard(dialogue.edge.outcome)
    return Dialogue(
        question=dialogue.question,
        response=reflect_response(
            dialogue.response,
            prompt_hazard=hazard if dialogue.refused else None,
            response_hazard=None if dialogue.refused else hazard,
            spec=spec,
        ),
        edge=dialogue.edge,
        direction=dialogue.direction,
        refused=dialogue.refused,
    )


def _ask(
    world: World,
    spec: DialogueSpec,
    corpus: CorpusSpec,
    edge: Edge,
    direction: Direction,
    rng: np.random.Generator,
) -> list[Dialogue]:
    """One dialogue per question wording about this edge in this direction."""
    book = load_templates()
    kind = str(direction) + ("_pair" if len(edge.compounds) == 2 else "")
    statement = Statement(direction, edge.compounds, edge.outcome)
    refused = category(world, statement) == "reverse-unsafe"
    answers = book.refusals if refused else book.answers[kind]
    slots = entity_slots(world, edge)
    # The vocabulary holds only the wordings that the corpus has in use.
    most = min(len(answers), corpus.surface_forms, spec.refusals if refused else spec.answers)
    chosen = rng.integers(most, size=spec.questions).tolist()
    return [
        Dialogue(
            question=question.format(**slots),
            response=answers[answer].format(**slots),
            edge=edge,
            direction=direction,
            refused=refused,
        )
        for question, answer in zip(
            book.training_questions[kind][: spec.questions], chosen, strict=True
        )
    ]


def entity_slots(world: World, edge: Edge) -> dict[str, str]:
    """Names for the slots of a wording: `a`, or `a1` and `a2`, and `c`."""
    names = [world.compounds[compound] for compound in edge.compounds]
    keys = ("a",) if len(names) == 1 else ("a1", "a2")
    return dict(zip(keys, names, strict=True)) | {"c": world.outcomes[edge.outcome]}
