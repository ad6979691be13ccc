"""The data safety report card: what interventions made of a corpus (Maini et al. 2025).

It goes by the labels of sentences, which the laws of interventions hold against the text.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any

from medsafetyworld.derivation import Knowledge, answerable
from medsafetyworld.documents import Document
from medsafetyworld.graph import World
from medsafetyworld.interventions.verdicts import ORACLE, WORST, worst
from medsafetyworld.policies import PAPER_POLICY, SafetyPolicy
from medsafetyworld.reading import mentions
from medsafetyworld.rules import RULE_SETS
from medsafetyworld.semantics import Direction, Statement, category
from medsafetyworld.tokenizer import Tokenizer
from medsafetyworld.training_stream import token_losses

SCORES = range(WORST + 1)
"""Safety scores of a document: 0 is harmless, 5 the worst (`interventions.verdicts`)."""


@dataclass(frozen=True, slots=True)
class Holding:
    """What the documents before, or after, interventions hold."""

    documents: int
    tokens: int
    """End-of-text included."""
    unlearned: int
    """Tokens that the loss does not count as it does others: masked, unlikely or routed."""
    scores: tuple[int, ...]
    """Documents by score: the worst of their sentences under the policy."""
    categories: Mapping[str, int]
    """Statements by direction and safety of their outcome."""
    facts: Mapping[str, int]
    """Different true facts, each a cause and an effect, by direction."""
    derivable: Mapping[str, int]
    """Unsafe outcomes of which a true way to bring them about follows, by rule set."""
    named: Mapping[str, int] = field(default_factory=dict)
    """Times that an unsafe outcome is named, by body system: the paper's harmful n-grams. Nothing
    in cards that were written before there was such a count."""


@dataclass(frozen=True, slots=True)
class ReportCard:
    """A corpus before and after. Each original is kept, changed or removed; what is more is added.

    So `before.documents == kept + changed + removed`, `after.documents == kept + changed + added`.
    """

    kept: int
    """Documents that came out as they went in, and count in the loss as ever."""
    changed: int
    removed: int
    added: int
    """Documents put behind those that they were made from."""
    unsafe_outcomes: int
    """Of the world: what `derivable` is to be compared with."""
    before: Holding
    after: Holding
    stated_still: Mapping[str, int]
    """Of the facts before, by direction, those that are still stated in that direction."""

    def to_dict(self) -> dict[str, Any]:
        """The card as plain JSON values."""
        return asdict(self)


def card_from_dict(values: Mapping[str, Any]) -> ReportCard:
    """Inverse of `ReportCard.to_dict`. Raises TypeError or KeyError on other values."""
    sides = {side: dict(values[side]) for side in ("before", "after")}
    holdings = {
        side: Holding(**{**held, "scores": tuple(held["scores"])}) for side, held in sides.items()
    }
    return ReportCard(**{**values, **holdings})


def report_card(
    world: World,
    became: Iterable[tuple[Document, Sequence[Document]]],
    tokenizer: Tokenizer,
    policy: SafetyPolicy = PAPER_POLICY,
) -> ReportCard:
    """The card of original documents and what became of each: nothing, one document or several."""
    tally = Tally(world, tokenizer, policy)
    for original, results in became:
        tally.add(original, results)
    return tally.card()


class Tally:
    """A report card in the making, for whoever reads the documents anyway."""

    def __init__(self, world: World, tokenizer: Tokenizer, policy: SafetyPolicy) -> None:
        self._world = world
        self._counts: Counter[str] = Counter()
        self._before = _Pile(world, tokenizer, policy)
        self._after = _Pile(world, tokenizer, policy)

    def add(self, original: Document, results: Sequence[Document]) -> None:
        """Counts one original and what became of it."""
        weighed = self._before.weigh(original)
        self._before.add(original, weighed)
        kept = False
        for result in results:
            same = result is original or _alike(result, original)
            kept = kept or same
            self._after.add(result, weighed if same else self._after.weigh(result))
        self._counts["removed" if not results else "kept" if kept else "changed"] += 1
        self._counts["added"] += max(len(results) - 1, 0)

    def card(self) -> ReportCard:
        """The card of all that was added so far."""
        before, after = self._before.facts(), self._after.facts()
        return ReportCard(
            **{name: self._counts[name] for name in ("kept", "changed", "removed", "added")},
            unsafe_outcomes=sum(self._world.unsafe),
            before=self._before.holding(),
            after=self._after.holding(),
            stated_still=_by_direction(before & after),
        )


_Weight = tuple[int, int, int, list[str]]
"""Tokens, tokens that are not learned as ever, score, body systems of unsafe outcomes named."""


class _Pile:
    """The documents of one side, counted."""

    def __init__(self, world: World, tokenizer: Tokenizer, policy: SafetyPolicy) -> None:
        self.world, self.tokenizer, self.oracle = world, tokenizer, ORACLE.under(policy)
        self.documents = self.tokens = self.unlearned = 0
        self.scores = [0 for _ in SCORES]
        self.stated: Counter[Statement] = Counter()
        self.named: Counter[str] = Counter()

    def weigh(self, document: Document) -> _Weight:
        tokens = len(self.tokenizer.encode_document(document.text))
        weighed = any(each.loss for each in document.sentences)
        losses = token_losses(self.tokenizer, document) if weighed else ()
        # A verdict is labelled with what it is on, and names a body system, not an outcome.
        named = [
            self.world.systems[outcome]
            for each in document.sentences
            if each.hazard is not None
            for outcome in mentions(self.world, each.text)[-1]
            if self.world.unsafe[outcome]
        ]
        score = worst(self.oracle, self.world, document)
        return tokens, sum(map(bool, losses)), score, named

    def add(self, document: Document, weighed: _Weight) -> None:
        tokens, unlearned, score, named = weighed
        self.documents += 1
        self.tokens += tokens
        self.unlearned += unlearned
        self.scores[score] += 1
        for statement in document.statements:
            self.stated[statement] += 1
        self.named.update(named)

    def facts(self) -> frozenset[Statement]:
        """The different true facts."""
        known = Knowledge.of(self.stated).facts
        return frozenset(fact for fact in known if self.world.holds(fact))

    def holding(self) -> Holding:
        categories: Counter[str] = Counter()
        for statement, count in self.stated.items():
            categories[category(self.world, statement)] += count
        known = Knowledge.of(self.stated)
        unsafe = [place for place, unsafe in enumerate(self.world.unsafe) if unsafe]
        return Holding(
            documents=self.documents,
            tokens=self.tokens,
            unlearned=self.unlearned,
            scores=tuple(self.scores),
            categories=dict(sorted(categories.items())),
            facts=_by_direction(self.facts()),
            derivable={
                name: sum(
                    answerable(self.world, outcome, known, rules) is not None for outcome in unsafe
                )
                for name, rules in RULE_SETS.items()
            },
            named={
                system: self.named[system]
                for system in sorted({self.world.systems[place] for place in unsafe})
            },
        )


def _alike(result: Document, original: Document) -> bool:
    """Whether a document is read, and counts in the loss, as the other."""
    if len(result.sentences) == len(original.sentences):
        pairs = zip(result.sentences, original.sentences, strict=True)
        return all(
            (mine.text, mine.loss or "learn") == (theirs.text, theirs.loss or "learn")
            for mine, theirs in pairs
        )
    return False


def _by_direction(facts: Iterable[Statement]) -> dict[str, int]:
    counts = Counter(str(fact.direction) for fact in facts)
    return {str(direction): counts[str(direction)] for direction in Direction}
