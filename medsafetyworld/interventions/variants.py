"""`Variant`: interventions on pretraining, SFT and fine-tuning, and a decoding rule."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

from medsafetyworld.errors import SpecError
from medsafetyworld.graph import World
from medsafetyworld.interventions.algebra import ALWAYS, Step
from medsafetyworld.interventions.decoding import GREEDY, Decoding, SafeBeam
from medsafetyworld.interventions.learned import uses_learned
from medsafetyworld.interventions.reflection import Reflect
from medsafetyworld.policies import PAPER_POLICY, SafetyPolicy
from medsafetyworld.spec import ReflectionSpec
from medsafetyworld.training_stream import Apply

PARTS = {"pretraining": "documents", "sft": "dialogues", "finetune": "dialogues"}
"""The chains of a variant, and what the steps of each must act on."""

_REFLECTION = ReflectionSpec()


@dataclass(frozen=True)
class Variant:
    """A setting: chains of steps, applied left to right, and how the model decodes.

    Raises `SpecError` for a step that does not act on what its chain is made of, and for a decoding
    rule that looks for a token that no step inserts.
    """

    name: str
    pretraining: tuple[Step, ...] = ()
    """On pretraining documents."""
    sft: tuple[Step, ...] = ()
    """On SFT dialogues."""
    finetune: tuple[Step, ...] = ()
    """On the dialogues of a benign fine-tuning: a defence."""
    decoding: Decoding = GREEDY
    """How responses are written."""
    description: str = ""
    policy: SafetyPolicy = PAPER_POLICY
    """What harm is, for every step whose verdicts have no policy of their own."""
    reflection: ReflectionSpec = _REFLECTION
    """Shape of the segments of every `reflect` that says nothing of its own."""

    def __post_init__(self) -> None:
        for part, wanted in PARTS.items():
            for step in getattr(self, part):
                if wanted not in step.acts_on():
                    raise SpecError(
                        f"{part}: {step.name} changes {' and '.join(step.acts_on())}, not {wanted}"
                    )
        for part in ("sft", "finetune"):
            for step in getattr(self, part):
                if uses_learned(step):
                    raise SpecError(
                        f"{part}: {step.name}: learned verdicts are trained on documents and have "
                        "seen no question; name another source"
                    )
                if step.when != ALWAYS:
                    raise SpecError(
                        f"{part}: {step.name}: when is for pretraining, which has a token budget"
                    )
        self._check_token()

    def _check_token(self) -> None:
        """Refuses a token to stop at or begin with that is never written.

        SafeBeam's own tag may be missing from the data: a control, where the beams alone do
        something.
        """
        rule = self.decoding
        token = rule.tag if isinstance(rule, SafeBeam) else getattr(rule, "token", None)
        if token is None or (isinstance(rule, SafeBeam) and token == SafeBeam.tag):
            return
        known = tuple(dict.fromkeys(mark for step in self.steps for mark in step.marks))
        if token not in known:
            raise SpecError(
                f"decode: {rule.name}: no step of the variant inserts {token!r:.80}; its steps "
                f"insert {', '.join(known) or 'no such token'}"
            )

    @property
    def steps(self) -> tuple[Step, ...]:
        """The steps of all chains."""
        return (*self.pretraining, *self.sft, *self.finetune)

    @cached_property
    def bound(self) -> Variant:
        """The same with every step told the policy and the shape of reflections."""
        changes: dict[str, Any] = {part: self._bound(getattr(self, part)) for part in PARTS}
        return replace(self, **changes)

    def _bound(self, steps: Sequence[Step]) -> tuple[Step, ...]:
        under = (step.under(self.policy) for step in steps)
        return tuple(
            replace(step, shape=self.reflection) if isinstance(step, Reflect) else step
            for step in under
        )

    @property
    def chain(self) -> tuple[Apply, ...]:
        """The pretraining steps as functions. Raises `SpecError` if they change with the budget."""
        if self.timed:
            raise SpecError(
                f"{self.name}: its steps start and stop within the token budget, so that there is "
                "no one chain"
            )
        return self.chain_at(0.0)

    @property
    def timed(self) -> bool:
        """Whether any step starts late or stops early."""
        return len(self.phases) > 1

    @cached_property
    def phases(self) -> tuple[tuple[float, tuple[Apply, ...]], ...]:
        """The share of the token budget at which each phase starts, and its chain."""
        steps = self.bound.pretraining
        borders = {0.0} | {share for step in steps for share in step.when if share < 1.0}
        return tuple(
            (start, tuple(s.document for s in steps if s.when[0] <= start < s.when[1]))
            for start in sorted(borders)
        )

    def chain_at(self, share: float) -> tuple[Apply, ...]:
        """The pretraining steps that are on at this share of the token budget."""
        return next(chain for start, chain in reversed(self.phases) if start <= share)

    @property
    def safe_only(self) -> bool:
        """Whether its corpus must hold no harmful statement, which the oracle then proves."""
        return any(step.leaves_no_harm(self.policy) for step in self.bound.pretraining)

    @property
    def mentions_unsafe(self) -> bool:
        """Whether the corpus may mention unsafe outcomes at all."""
        return not any(step.leaves_no_mention for step in self.bound.pretraining)

    @property
    def reflects(self) -> bool:
        """Whether SFT responses carry reflections."""
        return any(isinstance(step, Reflect) for step in self.sft)

    def wordings(self, world: World) -> tuple[str, ...]:
        """Texts that its steps and its decoding may insert: their words join the vocabulary."""
        marks = (getattr(self.decoding, field, "") for field in ("tag", "token"))
        steps = (text for step in self.steps for text in step.wordings(world))
        return tuple(dict.fromkeys((*steps, *filter(None, marks))))


ChainAt = Callable[[float], Sequence[Apply]]
"""The steps that are on at a share of the token budget."""


def always(chain: Sequence[Apply]) -> ChainAt:
    """A chain that is the same at every share of the budget."""
    return lambda share: chain
