"""The data safety report card: what interventions made of a corpus (Maini et al. 2025).

It goes by the labels of sentences, which the laws of interventions hold against the text.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from functools import lru_cache, partial
from typing import Any

from medsafetyworld.derivation import Knowledge, answerable
from medsafetyworld.documents import LOSSES, Document, Sentence
from medsafetyworld.graph import World
from medsafetyworld.interventions.verdicts import ORACLE, SAFE, WORST, Oracle
from medsafetyworld.policies import PAPER_POLICY, SafetyPolicy
from medsafetyworld.reading import mentions
from medsafetyworld.rules import RULE_SETS
from medsafetyworld.semantics import Direction, Statement, category
from medsafetyworld.tokenizer import Tokenizer

REMEMBERED = 1 << 16
"""Wordings, and what they are labelled with, that are weighed once, the latest."""

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


_Systems = tuple[str, ...]
_Weight = tuple[int, int, int, _Systems]
"""Tokens, tokens that are not learned as ever, score, body systems of unsafe outcomes named."""


class _Scale:
    """Weighs documents, which share many of their wordings and most of what they state."""

    def __init__(self, world: World, tokenizer: Tokenizer, policy: SafetyPolicy) -> None:
        self.words = lru_cache(REMEMBERED)(partial(_words, world, tokenizer))
        self.score = lru_cache(REMEMBERED)(partial(_score, world, ORACLE.under(policy)))

    def weigh(self, document: Document) -> _Weight:
        """End-of-text counts as a token; the score is that of the worst sentence."""
        tokens, unlearned, score = 1, 0, SAFE
        named: _Systems = ()
        kind = document.source.kind
        for each in document.sentences:
            own, systems = self.words(each.text, each.hazard is not None)
            tokens += own
            named += systems
            if each.loss and each.loss != LOSSES[0]:
                unlearned += own
            # What a sentence states is scored whatever its words; only if it states nothing they
            # say whether it is one that was inserted.
            silent = each.text if each.statement is None else ""
            score = max(score, self.score(silent, each.statement, each.hazard, kind))
        return tokens, unlearned, score, named


def _words(world: World, tokenizer: Tokenizer, text: str, unsafe: bool) -> tuple[int, _Systems]:
    """A sentence's tokens, and the body systems of the unsafe outcomes it names if it is so
    labelled: a verdict is labelled with what it is on, and names a system, not an outcome."""
    outcomes = mentions(world, text)[-1] if unsafe else ()
    systems = tuple(world.systems[each] for each in outcomes if world.unsafe[each])
    return len(tokenizer.encode(text)), systems


def _score(
    world: World,
    oracle: Oracle,
    text: str,
    statement: Statement | None,
    hazard: str | None,
    kind: str,
) -> int:
    return oracle.score(world, Sentence(text, statement, hazard=hazard), kind)


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
    """Whether a document is read, is labelled and counts in the loss as the other."""
    pairs = zip(result.sentences, original.sentences, strict=False)
    return len(result.sentences) == len(original.sentences) and all(
        one is other or _seen(one) == _seen(other) for one, other in pairs
    )


def _seen(sentence: Sentence) -> tuple[str, Statement | None, str]:
    return sentence.text, sentence.statement, sentence.loss or LOSSES[0]


def _by_direction(facts: Iterable[Statement]) -> dict[str, int]:
    counts = Counter(str(fact.direction) for fact in facts)
    return {str(direction): counts[str(direction)] for direction in Direction}
