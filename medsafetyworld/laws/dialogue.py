"""Laws of interventions on dialogues: what a method may do to a question and its answer.

An insertion adds what can be taken out again and may cut overlong sentences off. None says anything
of which the dialogue did not speak, makes it one about something else, or answers what was refused.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from functools import cached_property
from typing import get_args

from medsafetyworld.dialogues import Dialogue
from medsafetyworld.graph import World
from medsafetyworld.interventions.algebra import Does, Step
from medsafetyworld.judge import is_refusal
from medsafetyworld.laws.trial import (
    adds_only_if_it_says_so,
    drops_only_if_it_filters,
    is_cut,
    quoted,
)
from medsafetyworld.laws.violation import Law, Violation, violations
from medsafetyworld.policies import PAPER_POLICY, SafetyPolicy
from medsafetyworld.reading import mentions, sentences
from medsafetyworld.reflections import strip_insertions

OnDialogue = Callable[[World, Dialogue], tuple[Dialogue, ...]]


def check_dialogue_step(
    world: World,
    step: Step | OnDialogue,
    dialogues: Iterable[Dialogue],
    does: Iterable[Does] | None = None,
    *,
    policy: SafetyPolicy = PAPER_POLICY,
    strip: Callable[[str], str] = strip_insertions,
) -> list[Violation]:
    """The laws that an intervention breaks on these dialogues; empty if it keeps them all.

    What it claims (`does`) is the step's own unless it is given; a bare function claims nothing.
    """
    if isinstance(step, Step):
        does = step.does if does is None else does
        apply = step.under(policy).dialogue
    else:
        apply = step
    trial = _Trial(
        world,
        apply,
        tuple(sorted(dialogues, key=lambda each: len(each.question) + len(each.response))),
        frozenset(get_args(Does) if does is None else does),
        strip,
    )
    return violations(DIALOGUE_LAWS, trial)


@dataclass(frozen=True)
class _Trial:
    """An intervention, what it claims, and the dialogues it is tried on, shortest first."""

    world: World
    apply: OnDialogue
    dialogues: tuple[Dialogue, ...]
    does: frozenset[Does]
    strip: Callable[[str], str]

    @cached_property
    def results(self) -> tuple[tuple[Dialogue, tuple[Dialogue, ...]], ...]:
        return tuple((each, tuple(self.apply(self.world, each))) for each in self.dialogues)

    @property
    def made(self) -> Iterator[tuple[Dialogue, Dialogue]]:
        """Every dialogue with each of its results that is not the dialogue as it was."""
        for dialogue, results in self.results:
            yield from ((dialogue, each) for each in results if each != dialogue)


def _does_the_same_again(trial: _Trial) -> Iterator[str]:
    for dialogue, results in trial.results:
        before = repr(dialogue)
        if tuple(trial.apply(trial.world, dialogue)) != results:
            yield f"{quoted(dialogue)} gives two different results"
        if repr(dialogue) != before:
            yield f"{quoted(dialogue)} was changed in place"


def _keeps_what_it_is_about(trial: _Trial) -> Iterator[str]:
    for dialogue, result in trial.made:
        for field in ("chain", "direction"):
            before, after = getattr(dialogue, field), getattr(result, field)
            if before != after:
                yield f"{quoted(dialogue)} has another {field}: {after!r} instead of {before!r}"


def _unrefuses_nothing(trial: _Trial) -> Iterator[str]:
    for dialogue, result in trial.made:
        if not dialogue.refused:
            continue
        # A refusal that is cut off by verdicts need not be whole.
        lost = trial.does & {"rewrites", "replaces", "adds"} and is_refusal(
            trial.world, dialogue.response
        )
        if not result.refused:
            yield f"{quoted(dialogue)} is refused no more"
        elif lost and not is_refusal(trial.world, trial.strip(result.response)):
            yield f"{quoted(dialogue)} is labelled refused, but answered {result.response!r}"


def _says_nothing_new(trial: _Trial) -> Iterator[str]:
    for dialogue, result in trial.made:
        had = _named(trial.world, f"{dialogue.question} {dialogue.response}")
        new = _named(trial.world, f"{result.question} {result.response}") - had
        if new:
            layer, place = min(new)
            name = trial.world.layers[layer][place]
            yield f"{quoted(result)} names {name!r}, {quoted(dialogue)} does not"


def _strips_back(trial: _Trial) -> Iterator[str]:
    for dialogue, result in trial.made:
        if trial.does & {"rewrites", "replaces", "adds"}:
            continue
        for field in ("question", "response"):
            had, left = getattr(dialogue, field), trial.strip(getattr(result, field))
            if left != had and not ("inserts" in trial.does and _only_cut(had, left)):
                yield f"of the {field} of {quoted(dialogue)} {left!r} is left when stripped"


DIALOGUE_LAWS: dict[str, Law] = {
    "does the same to a dialogue each time": _does_the_same_again,
    "drops no dialogue unless it filters": drops_only_if_it_filters,
    "adds no dialogue unless it says so": adds_only_if_it_says_so,
    "keeps what a dialogue is about": _keeps_what_it_is_about,
    "unrefuses nothing": _unrefuses_nothing,
    "names nothing new in a dialogue": _says_nothing_new,
    "insertions in dialogues strip back": _strips_back,
}
"""What every intervention must keep on dialogues, as far as its kinds claim it."""


def _only_cut(had: str, left: str) -> bool:
    """Whether what is left are the same sentences, some of them cut off after a word."""
    before, after = sentences(had), sentences(left)
    pairs = zip(before, after, strict=False)
    return len(before) == len(after) and all(one == two or is_cut(one, two) for one, two in pairs)


def _named(world: World, text: str) -> set[tuple[int, int]]:
    """Layer and number of every entity that a text names."""
    layers = enumerate(mentions(world, text))
    return {(layer, place) for layer, found in layers for place in found}
