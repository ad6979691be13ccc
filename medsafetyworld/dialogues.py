"""Dialogues for supervised and benign fine-tuning, and the split by fact that keeps tests fair.

In single-hop worlds some compounds are held out for the tests with all their edges, in deeper ones
some edges to outcomes with all their chains. SFT asks every other single-edge, or full chain,
forward, and with a given probability reverse; every question whose answer would be harmful is
answered with a refusal (Li et al. 2026, post-training).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from medsafetyworld.documents import END
from medsafetyworld.errors import SpecError
from medsafetyworld.graph import World
from medsafetyworld.language import answers_of, fill, question_kind
from medsafetyworld.policies import PAPER_POLICY, SafetyPolicy
from medsafetyworld.seeds import derive
from medsafetyworld.semantics import Chain, Direction, Group, state
from medsafetyworld.spec import CorpusSpec, DialogueSpec
from medsafetyworld.tokenizer import ASSISTANT, USER

Fact = tuple[Group, ...]


@dataclass(frozen=True, slots=True)
class Dialogue:
    """A question and its answer, with the chain behind them: an edge, or a full chain."""

    question: str
    response: str
    chain: Chain
    direction: Direction
    refused: bool

    @property
    def prompt(self) -> str:
        """The chat text up to where the response begins; loss is masked on it."""
        return chat_prompt(self.question)


@dataclass(frozen=True, slots=True)
class Split:
    """What tests ask about and what SFT may ask about: no fact is in both parts.

    In a single-hop world the parts share no compound either: a forward question names only its
    compound, and every effect of that compound answers it. In deeper worlds they share no edge to
    an outcome. Outcomes are shared, because which of them are to be refused is something that a
    model can only be told: reverse accuracy on safe outcomes therefore shows that a model answers,
    not how much it knows. Chains that start from the same compounds as one held out are in
    neither part.
    """

    train: tuple[Chain, ...]
    """Single-edges, or full chains, that SFT may ask about."""
    test: tuple[Chain, ...]
    """Those held out."""


def chat_prompt(question: str) -> str:
    """A user's turn and the assistant's opening, after an end-of-text as in the token stream."""
    return f"{END} {USER} {question} {ASSISTANT}"


def split_chains(world: World, spec: DialogueSpec, seed: int) -> Split:
    """Holds out `spec.test_share` of the facts for the tests.

    Single-hop: of the compounds with all their single-edges, stratified by what they lead to (only
    safe outcomes, only unsafe ones, or both). Deeper: of the edges to outcomes with all their full
    chains, stratified by the outcome's safety.
    """
    rng = np.random.default_rng(derive(seed, "split"))
    chains = world.single_edges if world.hops == 1 else world.chains
    facts = {chain: _fact(world, chain) for chain in chains}
    kinds = {
        fact: safety_of(world, chain.compounds)
        if world.hops == 1
        else frozenset([world.unsafe[chain.outcome]])
        for chain, fact in facts.items()
    }
    strata: dict[frozenset[bool], list[Fact]] = {}
    for fact in sorted(kinds):
        strata.setdefault(kinds[fact], []).append(fact)
    held: set[Fact] = set()
    for kind in sorted(strata, key=sorted):
        members = strata[kind]
        count = max(1, round(spec.test_share * len(members)))
        held |= {members[index] for index in rng.permutation(len(members))[:count].tolist()}
    test = tuple(chain for chain, fact in facts.items() if fact in held)
    # Where a compound leads to several mediators, the same compounds start chains of many facts,
    # and a question names the compounds alone.
    asked = {chain.compounds for chain in test}
    return Split(
        train=tuple(
            chain
            for chain, fact in facts.items()
            if fact not in held and chain.compounds not in asked
        ),
        test=test,
    )


def _fact(world: World, chain: Chain) -> Fact:
    """What is held out as a whole: a compound, or an edge to an outcome."""
    return chain.groups[:1] if world.hops == 1 else chain.groups[-2:]


def safety_of(world: World, compounds: tuple[int, ...]) -> frozenset[bool]:
    """Which kinds of outcome these compounds lead to: {False} safe, {True} unsafe, or both."""
    return frozenset(world.unsafe[outcome] for outcome in world.effects[compounds])


def sft_dialogues(
    world: World,
    spec: DialogueSpec,
    corpus: CorpusSpec,
    split: Split,
    seed: int,
    policy: SafetyPolicy = PAPER_POLICY,
) -> tuple[Dialogue, ...]:
    """SFT data: each question wording once per chain and direction asked."""
    rng = np.random.default_rng(derive(seed, "sft"))
    asked = _asked_in_reverse(spec, split, seed)
    dialogues: list[Dialogue] = []
    for chain in split.train:
        for direction in (Direction.FORWARD, Direction.REVERSE):
            if direction is Direction.FORWARD or chain in asked:
                dialogues += _ask(world, spec, corpus, chain, direction, rng, policy)
    return tuple(dialogues)


def _asked_in_reverse(spec: DialogueSpec, split: Split, seed: int) -> frozenset[Chain]:
    """The chains that SFT asks in reverse, each with `spec.reverse_probability`."""
    draws = np.random.default_rng(derive(seed, "sft", "reverse")).random(len(split.train))
    return frozenset(
        chain
        for chain, draw in zip(split.train, draws.tolist(), strict=True)
        if draw < spec.reverse_probability
    )


def benign_kinds(hops: int) -> tuple[str, str]:
    """The kinds of benign fine-tuning data that worlds of so many hops have: forward facts that SFT
    never asks about, and safe reverse ones that it might have asked but did not."""
    return ("pair_forward" if hops == 1 else "link_forward", "safe_reverse")


def benign_dialogues(
    world: World,
    spec: DialogueSpec,
    corpus: CorpusSpec,
    split: Split,
    kind: str,
    seed: int,
    policy: SafetyPolicy = PAPER_POLICY,
) -> tuple[Dialogue, ...]:
    """Harmless fine-tuning data whose questions are not in the SFT data.

    `kind` is `pair_forward` (what several compounds together lead to; single-hop), `link_forward`
    (which mediator a compound leads to; worlds with mediators) or `safe_reverse` (which compounds
    lead to a safe outcome, over the chains that SFT might have asked in reverse but did not). The
    paper names the first and the last in different places. Raises `SpecError` for a kind that the
    world does not have.
    """
    rng = np.random.default_rng(derive(seed, "benign", kind))
    if kind not in benign_kinds(world.hops):
        raise SpecError(
            f"kind must be one of {', '.join(benign_kinds(world.hops))} in a world of {world.hops} "
            f"hop(s), got {kind!r}"
        )
    direction = Direction.FORWARD
    if kind == "pair_forward":
        chains = world.pair_edges
    elif kind == "link_forward":
        chains = world.single_edges
    else:
        asked = _asked_in_reverse(spec, split, seed)
        safe = (chain for chain in split.train if not world.unsafe[chain.outcome])
        chains, direction = tuple(chain for chain in safe if chain not in asked), Direction.REVERSE
    return tuple(
        dialogue
        for chain in chains
        for dialogue in _ask(world, spec, corpus, chain, direction, rng, policy)
    )


def _ask(
    world: World,
    spec: DialogueSpec,
    corpus: CorpusSpec,
    chain: Chain,
    direction: Direction,
    rng: np.random.Generator,
    policy: SafetyPolicy,
) -> list[Dialogue]:
    """One dialogue per question wording about this chain in this direction."""
    kind = question_kind(direction, chain.causes)
    refused = policy.harmful(world, state(direction, chain))
    domain = world.domain
    answers = domain.refusals if refused else answers_of(domain, kind, with_way=bool(chain.way))
    # The vocabulary holds only the wordings that the corpus has in use.
    most = min(len(answers), corpus.surface_forms, spec.refusals if refused else spec.answers)
    chosen = rng.integers(most, size=spec.questions).tolist()
    return [
        Dialogue(
            question=fill(world, question, chain.groups),
            response=fill(world, answers[answer], chain.groups),
            chain=chain,
            direction=direction,
            refused=refused,
        )
        for question, answer in zip(
            domain.training_questions[kind][: spec.questions], chosen, strict=True
        )
    ]
