"""Learned verdicts: classifiers trained on a labelled sample of documents (Maini et al. 2025).

Two regressions learn the oracle's scores of sentences: a linear model on hashed n-grams, and,
where a study trains a small model first, a linear head on what that model makes of a sentence. The
final score is the higher of both, to favour recall.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass as plain_dataclass
from dataclasses import field, replace
from functools import lru_cache
from typing import Any, ClassVar, Protocol, TypeVar

import numpy as np
from pydantic.dataclasses import dataclass

from medsafetyworld.corpus import Corpus
from medsafetyworld.documents import Document
from medsafetyworld.graph import World
from medsafetyworld.interventions.algebra import PARAMETERS
from medsafetyworld.interventions.verdicts import SAFE, SOURCES, WORST, Oracle, Policy, resolved
from medsafetyworld.ngrams import NgramModel, fit_ngrams
from medsafetyworld.policies import SafetyPolicy
from medsafetyworld.reflections import strip_insertions
from medsafetyworld.seeds import derive
from medsafetyworld.spec import CorpusSpec

ROUNDING = (0.5, 1.5, 2.5, 3.5, 4.5)
NEVER = 1e9
"""A threshold that no output reaches; a number, so that files can hold it."""
SAMPLE = 10_000
"""Documents that a study's classifiers learn from, at most."""
_SMALL_SAMPLE = 1_000
_Bound = TypeVar("_Bound")


class Scorer(Protocol):
    """Whatever scores sentences."""

    def __call__(self, text: str) -> int:
        """The score of a sentence, 0 to 5."""
        ...


@plain_dataclass(frozen=True)
class Scores:
    """Classifiers ready for use: scores of known sentences, and a model for all others.

    The n-grams see whatever a chain makes; what else has looked at the corpus's own sentences
    has its higher scores in `known`.
    """

    ngrams: NgramModel
    thresholds: tuple[float, ...] = ROUNDING
    """The least output of the n-grams for each score from 1 to 5."""
    known: Mapping[str, int] = field(default_factory=dict)
    _heard: dict[str, int] = field(default_factory=dict, repr=False, compare=False)

    def __call__(self, text: str) -> int:
        """The score of a sentence; of what insertions alone make up, 0."""
        found = self._heard.get(text)
        if found is None:
            bare = strip_insertions(text) if "<" in text else text
            found = self._heard[text] = self._scored(bare) if bare else SAFE
        return found

    def _scored(self, text: str) -> int:
        (score,) = levels(self.ngrams.scores([text]), self.thresholds).tolist()
        return max(score, self.known.get(text, SAFE))


def levels(outputs: np.ndarray, thresholds: Sequence[float]) -> np.ndarray:
    """Outputs as scores from 0 to 5: the highest whose threshold is reached."""
    reached = outputs[:, None] >= np.asarray(thresholds)
    return (reached * np.arange(1, WORST + 1)).max(axis=1)


def fewest_errors(outputs: np.ndarray, truth: np.ndarray) -> tuple[float, ...]:
    """For each score from 1 to 5 the threshold that tells it and more from less with fewest errors.

    A score that is never told rightly more often than wrongly has one that nothing reaches.
    """
    order = np.argsort(-outputs, kind="stable")
    ordered = outputs[order]
    # A threshold stands between two different outputs, halfway.
    cuts = np.flatnonzero(np.diff(ordered, append=-np.inf))
    found = []
    for level in range(1, WORST + 1):
        gained = np.cumsum(np.where(truth[order] >= level, 1, -1))[cuts]
        # Of equals the lowest, to favour recall.
        best = len(cuts) - 1 - int(np.argmax(gained[::-1])) if len(cuts) else 0
        if not len(cuts) or gained[best] <= 0:
            found.append(NEVER)
            continue
        last = cuts[best]
        below = ordered[last + 1] if last + 1 < len(ordered) else ordered[last]
        found.append(float((ordered[last] + below) / 2))
    return tuple(found)


@dataclass(frozen=True, config=PARAMETERS)
class Learned:
    """Classifiers trained on a sample that the oracle scored: they err as real ones do.

    A study trains them on its own corpus first. Elsewhere it is the n-grams alone, trained on
    a thousand documents of the world in the default wordings.
    They have seen no question and no response, so a variant refuses them for dialogues.
    """

    name: ClassVar[str] = "learned"

    policy: Policy = None
    scorer: Any = field(default=None, metadata={"text": False})
    """A study's trained classifiers."""

    def exact(self, policy: SafetyPolicy) -> bool:
        """False: nothing is proved of what was learned."""
        return False

    def scores(self, world: World, document: Document) -> tuple[int, ...]:
        """The score of each sentence, read alone."""
        scorer: Scorer = self.scorer or _of_world(world, resolved(self.policy))
        return tuple(scorer(each.text) for each in document.sentences)

    def under(self, policy: SafetyPolicy) -> Learned:
        """Trained on the scores under this policy, unless it has its own."""
        return replace(self, policy=resolved(self.policy, policy))


SOURCES[Learned.name] = Learned


def uses_learned(step: object) -> bool:
    """Whether a step's verdicts are learned ones that no study has trained yet."""
    return any(_open(value) for value in vars(step).values())


def with_scorer(step: _Bound, scorer_of: Callable[[SafetyPolicy], Scorer]) -> _Bound:
    """The step with its learned verdicts given by the classifiers of their policies."""
    changes = {
        name: replace(value, scorer=scorer_of(resolved(value.policy)))
        for name, value in vars(step).items()
        if _open(value)
    }
    return replace(step, **changes) if changes else step  # pyright: ignore[reportArgumentType, reportCallIssue]


def _open(value: object) -> bool:
    return isinstance(value, Learned) and value.scorer is None


def sample(corpus: Corpus, most: int = SAMPLE) -> Iterable[Document]:
    """Documents to learn from: the first of an order that no training has."""
    count = range(min(most, len(corpus)))
    return corpus.documents(derive(corpus.seed, "classifier"), positions=count)


def labelled(world: World, documents: Iterable[Document], policy: SafetyPolicy) -> dict[str, int]:
    """The oracle's score of each different sentence of some documents."""
    oracle = Oracle(policy)
    found: dict[str, int] = {}
    for document in documents:
        for each, score in zip(document.sentences, oracle.scores(world, document), strict=True):
            # Some sources exempt what others may not say: the same words then count as the worse.
            found[each.text] = max(score, found.get(each.text, SAFE))
    return found


@lru_cache(maxsize=4)
def _of_world(world: World, policy: SafetyPolicy) -> Scores:
    scores = labelled(world, sample(Corpus(world, CorpusSpec(), 0), _SMALL_SAMPLE), policy)
    return Scores(fit_ngrams(list(scores), list(scores.values())))
