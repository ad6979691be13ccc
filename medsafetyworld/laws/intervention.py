"""Laws of interventions: what a method may do to a document, and what none may.

A filter drops documents whole; a rewriting puts harmless sentences in the place of harmful ones;
an insertion adds what can be taken out again, may cut overlong sentences off after a word and may
end a document after an Unsafe verdict on what was said. What replaces a document, or is added
behind one, says nothing that the document did not. Compositions do several of these.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from itertools import zip_longest
from typing import get_args

from medsafetyworld.derivation import say
from medsafetyworld.dialogues import Dialogue
from medsafetyworld.documents import LOSSES, Document
from medsafetyworld.graph import World
from medsafetyworld.interventions.algebra import Does, Step, Touches
from medsafetyworld.laws.dialogue import check_dialogue_step
from medsafetyworld.laws.trial import (
    Trial,
    adds_only_if_it_says_so,
    drops_only_if_it_filters,
    ends_unsafe,
    hazards,
    is_cut,
    quoted,
)
from medsafetyworld.laws.violation import Law, Violation, violations
from medsafetyworld.policies import PAPER_POLICY, SafetyPolicy
from medsafetyworld.reading import ReadError, read
from medsafetyworld.reflections import strip_insertions, verdicts
from medsafetyworld.semantics import Chain, Direction, Statement
from medsafetyworld.tokenizer import SAFE, UNSAFE
from medsafetyworld.training_stream import Apply


def check_intervention(
    world: World,
    step: Step | Apply,
    documents: Iterable[Document] = (),
    does: Iterable[Does] | None = None,
    *,
    touches: Touches | None = None,
    policy: SafetyPolicy = PAPER_POLICY,
    leaves_harm: bool | None = None,
    dialogues: Iterable[Dialogue] = (),
    strip: Callable[[str], str] = strip_insertions,
) -> list[Violation]:
    """The laws that an intervention breaks on these documents and dialogues; empty if none.

    A step is tried only on what it acts on.

    What it claims (`does`, `touches`, whether it leaves harm) is the step's own unless it is given;
    a bare function claims nothing. A step whose verdicts may err may take anything for harm.
    `policy` says what harm is. `strip` takes its insertions out of a text again.
    """
    errs = False
    found: list[Violation] = []
    if isinstance(step, Step):
        if "dialogues" in step.acts_on():
            found = check_dialogue_step(world, step, dialogues, does, policy=policy, strip=strip)
        if "documents" not in step.acts_on():
            return found
        step = step.under(policy)
        errs = not step.truthful(policy)
        does = step.does if does is None else does
        touches = touches or ("all" if errs else step.touches)
        leaves_harm = not step.leaves_no_harm(policy) if leaves_harm is None else leaves_harm
    trial = Trial(
        world,
        step.document if isinstance(step, Step) else step,
        tuple(sorted(documents, key=lambda document: len(document.text))),
        frozenset(get_args(Does) if does is None else does),
        touches or "all",
        policy,
        leaves_harm is not False,
        strip,
        errs,
    )
    return [*violations(INTERVENTION_LAWS, trial), *found]


_PROVENANCE = ("index", "kind", "source")


def _leaves_its_input_alone(trial: Trial) -> Iterator[str]:
    for document in trial.documents:
        before = repr(document)
        trial.apply(trial.world, document)
        if repr(document) != before:
            yield f"{quoted(document)} was changed in place"


def _does_the_same_again(trial: Trial) -> Iterator[str]:
    for document, results in trial.results:
        if tuple(trial.apply(trial.world, document)) != results:
            yield f"{quoted(document)} gives two different results"


def _keeps_where_it_is_from(trial: Trial) -> Iterator[str]:
    for document, result in trial.made:
        fields = ("index", "source") if trial.does & {"replaces", "adds"} else _PROVENANCE
        for field in fields:
            before, after = getattr(document, field), getattr(result, field)
            if before != after:
                yield f"{quoted(document)} has another {field}: {after!r} instead of {before!r}"


def _touches_only_its_own(trial: Trial) -> Iterator[str]:
    for document, results in trial.results:
        if results == (document,) or trial.touches == "all":
            continue
        own = document.unsafe if trial.touches == "unsafe" else False
        if not (own or trial.harm(document)):
            yield f"{quoted(document)} is not {trial.touches}, but is changed"


def _loses_no_sentence(trial: Trial) -> Iterator[str]:
    for document, result in trial.changed:
        left, had = trial.without_insertions(result), trial.without_insertions(document)
        if len(left) < len(had) and not ends_unsafe(trial, result):
            lost = next((text for text in had if text not in left), had[-1])
            yield f"{quoted(document)} loses {lost!r}"


def _rewords_only_harm(trial: Trial) -> Iterator[str]:
    for document, result in trial.changed:
        kept = [each for each in document.sentences if trial.strip(each.text) or not each.text]
        pairs = zip(kept, trial.without_insertions(result), strict=False)
        whole = [after for each, after in pairs if trial.strip(each.text) == after]
        longest = max((len(text.split(" ")) for text in whole), default=0)
        for each, after in zip(kept, trial.without_insertions(result), strict=False):
            before = trial.strip(each.text)
            # Where verdicts are inserted, sentences longer than all others are cut off.
            cut = "inserts" in trial.does and is_cut(before, after)
            if before == after or (cut and len(before.split(" ")) > longest):
                continue
            harm = trial.errs or trial.harmful(document, each)
            allowed = "rewrites" in trial.does and harm
            if not allowed:
                why = "which is not harmful, " if "rewrites" in trial.does else ""
                yield f"{each.text!r}, {why}becomes {after!r}"


def _strips_back(trial: Trial) -> Iterator[str]:
    for document, result in trial.changed:
        left, had = trial.without_insertions(result), trial.without_insertions(document)
        if len(left) > len(had):
            yield f"{left[len(had)]!r}, added to {quoted(document)}, cannot be taken out again"
        if "inserts" not in trial.does and len(result.sentences) > len(document.sentences):
            extra = (
                after.text
                for before, after in zip_longest(document.sentences, result.sentences)
                if after is not None and after not in document.sentences
            )
            yield f"{next(extra, result.text)!r} is inserted into {quoted(document)}"


def _adds_no_fact(trial: Trial) -> Iterator[str]:
    for document, result in trial.made:
        had = read(trial.world, document.text)
        # What stands in for a harmful statement may tell of its groups in another way.
        taken = had if trial.errs else trial.harm(document)
        harmful = taken if trial.does & {"rewrites", "replaces", "adds"} else ()
        # A retelling warns of what was said of an unsafe outcome, harmful or not.
        warned = _of_unsafe_outcomes(trial.world, had) if "replaces" in trial.does else ()
        for said in read(trial.world, result.text):
            if said.direction is Direction.WARNING and said.chain in warned:
                continue
            if said not in had and not any(
                set(said.groups) <= set(each.groups) for each in harmful
            ):
                told = f"the {said.direction} statement ({say(trial.world, said)})"
                yield f"{quoted(result)} says {told}, {quoted(document)} not"


def _of_unsafe_outcomes(world: World, statements: Iterable[Statement]) -> tuple[Chain, ...]:
    found = ((said.chain, world.outcome(said)) for said in statements)
    return tuple(chain for chain, outcome in found if world.hazard(outcome) is not None)


def _adds_no_harm(trial: Trial) -> Iterator[str]:
    for document, result in trial.made:
        had = {said.chain for said in trial.harm(document)}
        for said in trial.harm(result):
            # A policy may forbid even the warning that stands in for what it forbids.
            if said.chain not in had:
                yield (
                    f"{quoted(result)} says ({say(trial.world, said)}), which is harmful; "
                    f"{quoted(document)} says nothing harmful of the kind"
                )


def _leaves_no_harm(trial: Trial) -> Iterator[str]:
    for _, results in () if trial.leaves_harm else trial.results:
        for result in results:
            for said in trial.harm(result):
                yield f"{quoted(result)} is left, which says ({say(trial.world, said)})"


def _labels_tell_the_text(trial: Trial) -> Iterator[str]:
    for _, result in trial.made:
        try:
            stated = read(trial.world, result.text)
        except ReadError as error:
            yield str(error)
            continue
        if stated != result.statements:
            yield f"{quoted(result)} is labelled otherwise than it reads"
        for each in result.sentences:
            if each.statement is not None:
                hazard = trial.world.hazard(trial.world.outcome(each.statement))
                if each.hazard != hazard:
                    yield f"{each.text!r} has the hazard {each.hazard}, its outcome {hazard}"


def _verdicts_tell_what_is_named(trial: Trial) -> Iterator[str]:
    for _, result in () if trial.errs else trial.made:
        for each in verdicts(result.text):
            right = [f"{UNSAFE}{hazard}" for hazard in hazards(trial.world, each.about)] or [SAFE]
            if each.said not in right:
                yield f"{quoted(result)} has the verdict {each.said!r} instead of {right[0]!r}"


def _losses(trial: Trial, document: Document) -> dict[object, set[str]]:
    """How the loss counts what is stated, and each text, with insertions taken out."""
    found: dict[object, set[str]] = {}
    for each in document.sentences:
        for key in (each.statement, trial.strip(each.text)):
            if key:
                found.setdefault(key, set()).add(each.loss or LOSSES[0])
    return found


def _weighs_only_if_it_says_so(trial: Trial) -> Iterator[str]:
    for document, result in () if "weighs" in trial.does else trial.made:
        had = _losses(trial, document)
        every = {LOSSES[0], *(loss for some in had.values() for loss in some)}
        # Retold, a sentence is another one.
        known = {} if trial.does & {"replaces", "adds"} else had
        for each in result.sentences:
            allowed = known.get(each.statement or trial.strip(each.text), every)
            if (each.loss or LOSSES[0]) not in allowed:
                yield f"{each.text!r} has the loss {each.loss or LOSSES[0]!r}"


def _weighs_only_its_own(trial: Trial) -> Iterator[str]:
    if "weighs" not in trial.does or trial.touches == "all":
        return
    for document, result in trial.made:
        had = _losses(trial, document)
        for each in result.sentences:
            loss = each.loss or LOSSES[0]
            own = trial.harmful(document, each)
            if trial.touches == "unsafe":
                own = own or each.hazard is not None or bool(hazards(trial.world, each.text))
            if not own and loss not in had.get(each.statement or trial.strip(each.text), {loss}):
                yield f"{each.text!r}, which is not {trial.touches}, has the loss {loss!r}"


def _says_something(trial: Trial) -> Iterator[str]:
    for document, result in trial.made:
        if trial.strip(document.text).strip() and not trial.strip(result.text).strip():
            yield f"{quoted(document)} becomes {quoted(result)}, which says nothing"
        if any(not each.text for each in result.sentences) and all(
            each.text for each in document.sentences
        ):
            yield f"{quoted(document)} has an empty sentence in {quoted(result)}"


INTERVENTION_LAWS: dict[str, Law] = {
    "leaves its input alone": _leaves_its_input_alone,
    "does the same each time": _does_the_same_again,
    "keeps index, kind and source": _keeps_where_it_is_from,
    "drops no document unless it filters": drops_only_if_it_filters,
    "adds no document unless it says so": adds_only_if_it_says_so,
    "changes only the documents that it claims": _touches_only_its_own,
    "loses no sentence": _loses_no_sentence,
    "rewords harmful sentences only": _rewords_only_harm,
    "insertions strip back": _strips_back,
    "adds no fact": _adds_no_fact,
    "adds no harm": _adds_no_harm,
    "leaves no harm": _leaves_no_harm,
    "labels tell what the text says": _labels_tell_the_text,
    "a verdict says what the sentences before it name": _verdicts_tell_what_is_named,
    "loss changes only if it weighs": _weighs_only_if_it_says_so,
    "weighs only the sentences that it claims": _weighs_only_its_own,
    "what is left says something": _says_something,
}
"""What every intervention must keep, as far as its kinds and the caller claim it."""
