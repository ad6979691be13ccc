"""Laws of interventions: what a method may do to a document, and what none may.

A filter drops documents whole; a rewriting puts harmless sentences in the place of harmful ones;
an insertion adds sentences that can be taken out again, may cut overlong ones off after a word and
may end a document after an Unsafe verdict on what was said. Compositions do several of these.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from functools import cached_property
from itertools import zip_longest
from typing import Literal

from medsafetyworld.corpus import Apply
from medsafetyworld.derivation import say
from medsafetyworld.documents import Document, Sentence
from medsafetyworld.graph import World
from medsafetyworld.interventions.reflection import has_unsafe_verdict, strip_reflections
from medsafetyworld.laws.violation import Law, Violation, violations
from medsafetyworld.policies import PAPER_POLICY, SafetyPolicy
from medsafetyworld.reading import ReadError, mentions, read
from medsafetyworld.semantics import Statement
from medsafetyworld.tokenizer import END_THINK, SAFE, THINK, UNSAFE

Kind = Literal["removes", "rewrites", "inserts"]
"""What an intervention may do to documents."""

_REFLECTION = re.compile(f"({THINK}[^<]*{END_THINK})")


def check_intervention(
    world: World,
    apply: Apply,
    documents: Iterable[Document],
    kinds: Iterable[Kind] = ("removes", "rewrites", "inserts"),
    *,
    policy: SafetyPolicy = PAPER_POLICY,
    leaves_harm: bool = True,
    strip: Callable[[str], str] = strip_reflections,
) -> list[Violation]:
    """The laws that an intervention breaks on these documents; empty if it keeps them all.

    `kinds` is what it claims to do, by default any of the three. `policy` says what harm is. With
    `leaves_harm=False` no harmful statement may be left. `strip` takes its insertions out of a
    text again.
    """
    by_length = tuple(sorted(documents, key=lambda document: len(document.text)))
    trial = _Trial(world, apply, by_length, frozenset(kinds), policy, leaves_harm, strip)
    return violations(INTERVENTION_LAWS, trial)


@dataclass(frozen=True)
class _Trial:
    """An intervention, what it claims, and the documents it is tried on, shortest first."""

    world: World
    apply: Apply
    documents: tuple[Document, ...]
    kinds: frozenset[Kind]
    policy: SafetyPolicy
    leaves_harm: bool
    strip: Callable[[str], str]

    @cached_property
    def results(self) -> tuple[tuple[Document, Document | None], ...]:
        return tuple((each, self.apply(self.world, each)) for each in self.documents)

    @property
    def changed(self) -> Iterator[tuple[Document, Document]]:
        """The documents that are kept, but not as they were, with what became of them."""
        for document, result in self.results:
            if result is not None and result.sentences != document.sentences:
                yield document, result

    def without_insertions(self, document: Document) -> tuple[str, ...]:
        """The texts of its sentences with what can be taken out taken out."""
        return tuple(
            text for each in document.sentences if (text := self.strip(each.text)) or not each.text
        )

    def harmful(self, document: Document, sentence: Sentence) -> bool:
        said = sentence.statement
        return said is not None and self.policy.harmful(self.world, said, document.source.kind)

    def harm(self, document: Document) -> tuple[Statement, ...]:
        """The harmful statements that the oracle reads in a document."""
        return tuple(
            said
            for said in read(self.world, document.text)
            if self.policy.harmful(self.world, said, document.source.kind)
        )


def _leaves_its_input_alone(trial: _Trial) -> Iterator[str]:
    for document in trial.documents:
        before = repr(document)
        trial.apply(trial.world, document)
        if repr(document) != before:
            yield f"{_quoted(document)} was changed in place"


def _does_the_same_again(trial: _Trial) -> Iterator[str]:
    for document, result in trial.results:
        if trial.apply(trial.world, document) != result:
            yield f"{_quoted(document)} gives two different results"


def _keeps_where_it_is_from(trial: _Trial) -> Iterator[str]:
    for document, result in trial.results:
        if result is None:
            continue
        for field in ("index", "kind", "source"):
            before, after = getattr(document, field), getattr(result, field)
            if before != after:
                yield f"{_quoted(document)} has another {field}: {after!r} instead of {before!r}"


def _drops_only_if_it_filters(trial: _Trial) -> Iterator[str]:
    for document, result in trial.results:
        if result is None and "removes" not in trial.kinds:
            yield f"{_quoted(document)} is dropped"


def _loses_no_sentence(trial: _Trial) -> Iterator[str]:
    for document, result in trial.changed:
        left, had = trial.without_insertions(result), trial.without_insertions(document)
        if len(left) < len(had) and not _ends_unsafe(trial, result):
            lost = next((text for text in had if text not in left), had[-1])
            yield f"{_quoted(document)} loses {lost!r}"


def _rewords_only_harm(trial: _Trial) -> Iterator[str]:
    for document, result in trial.changed:
        kept = [each for each in document.sentences if trial.strip(each.text) or not each.text]
        pairs = zip(kept, trial.without_insertions(result), strict=False)
        whole = [after for each, after in pairs if trial.strip(each.text) == after]
        longest = max((len(text.split(" ")) for text in whole), default=0)
        for each, after in zip(kept, trial.without_insertions(result), strict=False):
            before = trial.strip(each.text)
            # Where verdicts are inserted, sentences longer than all others are cut off.
            cut = "inserts" in trial.kinds and _is_cut(before, after)
            if before == after or (cut and len(before.split(" ")) > longest):
                continue
            allowed = "rewrites" in trial.kinds and trial.harmful(document, each)
            if not allowed:
                why = "which is not harmful, " if "rewrites" in trial.kinds else ""
                yield f"{each.text!r}, {why}becomes {after!r}"


def _strips_back(trial: _Trial) -> Iterator[str]:
    for document, result in trial.changed:
        left, had = trial.without_insertions(result), trial.without_insertions(document)
        if len(left) > len(had):
            yield f"{left[len(had)]!r}, added to {_quoted(document)}, cannot be taken out again"
        if "inserts" not in trial.kinds and len(result.sentences) > len(document.sentences):
            extra = (
                after.text
                for before, after in zip_longest(document.sentences, result.sentences)
                if after is not None and after not in document.sentences
            )
            yield f"{next(extra, result.text)!r} is inserted into {_quoted(document)}"


def _adds_no_fact(trial: _Trial) -> Iterator[str]:
    for document, result in trial.changed:
        had = read(trial.world, document.text)
        # What stands in for a harmful statement may tell of its groups in another way.
        harmful = trial.harm(document) if "rewrites" in trial.kinds else ()
        for said in read(trial.world, result.text):
            if said not in had and not any(
                set(said.groups) <= set(each.groups) for each in harmful
            ):
                told = f"the {said.direction} statement ({say(trial.world, said)})"
                yield f"{_quoted(result)} says {told}, {_quoted(document)} not"


def _adds_no_harm(trial: _Trial) -> Iterator[str]:
    for document, result in trial.changed:
        had = {said.chain for said in trial.harm(document)}
        for said in trial.harm(result):
            # A policy may forbid even the warning that stands in for what it forbids.
            if said.chain not in had:
                yield (
                    f"{_quoted(result)} says ({say(trial.world, said)}), which is harmful; "
                    f"{_quoted(document)} says nothing harmful of the kind"
                )


def _leaves_no_harm(trial: _Trial) -> Iterator[str]:
    for _, result in () if trial.leaves_harm else trial.results:
        for said in () if result is None else trial.harm(result):
            yield f"{_quoted(result)} is left, which says ({say(trial.world, said)})"


def _labels_tell_the_text(trial: _Trial) -> Iterator[str]:
    for _, result in trial.changed:
        try:
            stated = read(trial.world, result.text)
        except ReadError as error:
            yield str(error)
            continue
        if stated != result.statements:
            yield f"{_quoted(result)} is labelled otherwise than it reads"
        for each in result.sentences:
            if each.statement is not None:
                hazard = trial.world.hazard(trial.world.outcome(each.statement))
                if each.hazard != hazard:
                    yield f"{each.text!r} has the hazard {each.hazard}, its outcome {hazard}"


def _verdicts_tell_what_is_named(trial: _Trial) -> Iterator[str]:
    for _, result in trial.changed:
        for said, named in _verdicts(trial.world, result.text):
            right = [f"{UNSAFE}{hazard}" for hazard in named] or [SAFE]
            if said not in right:
                yield f"{_quoted(result)} has the verdict {said!r} instead of {right[0]!r}"


INTERVENTION_LAWS: dict[str, Law] = {
    "leaves its input alone": _leaves_its_input_alone,
    "does the same each time": _does_the_same_again,
    "keeps index, kind and source": _keeps_where_it_is_from,
    "drops no document unless it filters": _drops_only_if_it_filters,
    "loses no sentence": _loses_no_sentence,
    "rewords harmful sentences only": _rewords_only_harm,
    "insertions strip back": _strips_back,
    "adds no fact": _adds_no_fact,
    "adds no harm": _adds_no_harm,
    "leaves no harm": _leaves_no_harm,
    "labels tell what the text says": _labels_tell_the_text,
    "a verdict says what the sentences before it name": _verdicts_tell_what_is_named,
}
"""What every intervention must keep, as far as its kinds and the caller claim it."""


def _ends_unsafe(trial: _Trial, result: Document) -> bool:
    """Whether it stops at an inserted Unsafe verdict on sentences that name such an outcome."""
    if "inserts" not in trial.kinds or not result.sentences:
        return False
    last = result.sentences[-1].text
    stops = trial.strip(last) != last and has_unsafe_verdict((last,))
    verdicts = _verdicts(trial.world, result.text)
    return stops and bool(verdicts and verdicts[-1][1])


def _verdicts(world: World, text: str) -> list[tuple[str, tuple[str, ...]]]:
    """Each verdict, with the hazards that are named in the text since the one before it.

    One right behind another is about the same text. What else a reflection says is no verdict.
    """
    found: list[tuple[str, tuple[str, ...]]] = []
    about = ""
    for piece in _REFLECTION.split(text):
        reflects = _REFLECTION.fullmatch(piece)
        said = piece.removeprefix(THINK).removesuffix(END_THINK).strip()
        if reflects is None or not (said == SAFE or said.startswith(UNSAFE)):
            about += piece
            continue
        hazards = (world.hazard(outcome) for outcome in mentions(world, about)[-1])
        named = tuple(hazard for hazard in hazards if hazard is not None)
        found.append((said, named if about.strip() or not found else found[-1][1]))
        about = ""
    return found


def _is_cut(before: str, after: str) -> bool:
    """Whether `after` is the first word or words of `before`, closed by a full stop."""
    words, left = before.split(" "), after.removesuffix(".").split(" ")
    shorter = left != [""] and len(left) < len(words) and after.endswith(".")
    return shorter and left == [*words[: len(left) - 1], words[len(left) - 1].rstrip(",.:;")]


def _quoted(document: Document | None) -> str:
    return "nothing" if document is None else repr(document.text)
