"""The data safety report card: what interventions made of a corpus (Maini et al. 2025).

It goes by the labels of sentences, which the laws of interventions hold against the text.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from functools import lru_cache
from typing import Any

from medsafetyworld.derivation import Knowledge, answerable
from medsafetyworld.documents import LOSSES, Document, Sentence
from medsafetyworld.graph import World
from medsafetyworld.interventions.verdicts import ORACLE, SAFE, WORST
from medsafetyworld.policies import PAPER_POLICY, SafetyPolicy
from medsafetyworld.reading import mentions
from medsafetyworld.rules import RULE_SETS
from medsafetyworld.semantics import Direction, Statement, category
from medsafetyworld.tokenizer import Tokenizer

REMEMBERED = 1 << 16
"""Sentences that are weighed once, however many documents hold them."""

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
        self._scale = _Scale(world, tokenizer, policy)
        # Most documents come out as they went in: on both sides, but counted once.
        self._same, self._gone, self._new = (_Pile(world) for _ in range(3))

    def add(self, original: Document, results: Sequence[Document]) -> None:
        """Counts one original and what became of it."""
        weight = self._scale.weigh(original)
        kept = False
        for result in results:
            if result is not original and not _alike(result, original):
                self._new.add(result, self._scale.weigh(result))
            else:
                (self._new if kept else self._same).add(result, weight)
                kept = True
        if not kept:
            self._gone.add(original, weight)
        self._counts["removed" if not results else "kept" if kept else "changed"] += 1
        self._counts["added"] += max(len(results) - 1, 0)

    def card(self) -> ReportCard:
        """The card of all that was added so far."""
        piles = self._same + self._gone, self._same + self._new
        before, after = (pile.facts() for pile in piles)
        return ReportCard(
            **{name: self._counts[name] for name in ("kept", "changed", "removed", "added")},
            unsafe_outcomes=sum(self._world.unsafe),
            before=piles[0].holding(),
            after=piles[1].holding(),
            stated_still=_by_direction(before & after),
        )


_Weight = tuple[int, int, int, tuple[str, ...]]
"""Tokens, tokens that are not learned as ever, score, body systems of unsafe outcomes named."""


class _Scale:
    """Weighs documents, each different sentence once."""

    def __init__(self, world: World, tokenizer: Tokenizer, policy: SafetyPolicy) -> None:
        self.world, self.tokenizer, self.oracle = world, tokenizer, ORACLE.under(policy)
        self._known = lru_cache(REMEMBERED)(self._weigh)

    def weigh(self, document: Document) -> _Weight:
        """End-of-text counts as a token; the score is that of the worst sentence."""
        tokens, unlearned, score = 1, 0, SAFE
        named: tuple[str, ...] = ()
        kind = document.source.kind
        for each in document.sentences:
            own, worst, systems = self._known(each.text, each.statement, each.hazard, kind)
            tokens += own
            if each.loss and each.loss != LOSSES[0]:
                unlearned += own
            score = max(score, worst)
            named += systems
        return tokens, unlearned, score, named

    def _weigh(
        self, text: str, statement: Statement | None, hazard: str | None, kind: str
    ) -> tuple[int, int, tuple[str, ...]]:
        """Tokens, score and systems named of a sentence from this kind of source."""
        # A verdict is labelled with what it is on, and names a body system, not an outcome.
        outcomes = () if hazard is None else mentions(self.world, text)[-1]
        systems = tuple(self.world.systems[each] for each in outcomes if self.world.unsafe[each])
        score = self.oracle.score(self.world, Sentence(text, statement, hazard=hazard), kind)
        return len(self.tokenizer.encode(text)), score, systems


class _Pile:
    """Documents, counted."""

    def __init__(self, world: World) -> None:
        self.world = world
        self.documents = self.tokens = self.unlearned = 0
        self.scores = [0 for _ in SCORES]
        self.stated: Counter[Statement] = Counter()
        self.named: Counter[str] = Counter()

    def add(self, document: Document, weight: _Weight) -> None:
        tokens, unlearned, score, named = weight
        self.documents += 1
        self.tokens += tokens
        self.unlearned += unlearned
        self.scores[score] += 1
        for each in document.sentences:
            if each.statement is not None:
                self.stated[each.statement] += 1
        for system in named:
            self.named[system] += 1

    def __add__(self, other: _Pile) -> _Pile:
        both = _Pile(self.world)
        both.documents = self.documents + other.documents
        both.tokens = self.tokens + other.tokens
        both.unlearned = self.unlearned + other.unlearned
        both.scores = [
            mine + theirs for mine, theirs in zip(self.scores, other.scores, strict=True)
        ]
        both.stated = self.stated + other.stated
        both.named = self.named + other.named
        return both

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
    return [_seen(each) for each in result.sentences] == [
        _seen(each) for each in original.sentences
    ]


def _seen(sentence: Sentence) -> tuple[str, Statement | None, str]:
    return sentence.text, sentence.statement, sentence.loss or LOSSES[0]


def _by_direction(facts: Iterable[Statement]) -> dict[str, int]:
    counts = Counter(str(fact.direction) for fact in facts)
    return {str(direction): counts[str(direction)] for direction in Direction}
