"""Safety reflections: a verdict after every segment (Li et al. 2026, SRP).

In pretraining a sentence is labelled by its outcome's safety, a segment by its sentences, and an
Unsafe verdict ends the document: the end-of-text token follows, as it does every document in the
stream. What the document would have said after that is not shown (our choice; the paper does not
say). So whatever says Unsafe more often, or sooner, also shows less text; `stop=False` shows it
all, for controls with the same dose.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import field, replace
from functools import cached_property
from typing import Annotated, ClassVar, Literal

from pydantic import Field

from medsafetyworld.cutting import cut_back, token_count
from medsafetyworld.dialogues import Dialogue
from medsafetyworld.documents import (
    Document,
    Sentence,
    Source,
    hazard_of,
    segments,
)
from medsafetyworld.graph import SEVERITIES, World
from medsafetyworld.interventions.algebra import Share, Step, draw, intervention
from medsafetyworld.interventions.safelm import is_safe_text
from medsafetyworld.interventions.spans import (
    Span,
    categories,
    merged,
    severity_of,
    topic_of,
)
from medsafetyworld.interventions.verdicts import HARMFUL, ORACLE, SAFE, By, Oracle
from medsafetyworld.policies import SafetyPolicy
from medsafetyworld.reading import sentences
from medsafetyworld.reflections import (
    LAST,
    REFUSAL,
    TOPICS,
    split_opening,
    strip_insertions,
    verdict,
)
from medsafetyworld.seeds import derive
from medsafetyworld.semantics import Statement, category, state
from medsafetyworld.spec import Count, ReflectionSpec
from medsafetyworld.tokenizer import END_THINK, THINK

_DEFAULT = ReflectionSpec()


@intervention("reflect", source="Li et al. 2026, SRP", does={"inserts"})
class Reflect(Step):
    """Puts a verdict after every segment and ends a document after the first Unsafe one.

    In dialogues the prompt's verdict comes first, behind a header if there is one. What SafeLM's
    steps wrote goes on after it: else a refusal would end at the request that names an unsafe
    outcome.
    """

    every: Count | None = None
    """Sentences a segment has at most; None is the study's choice."""
    words: Annotated[int, Field(ge=4)] | None = None
    """Words a segment has at most; longer sentences are cut. None is the study's choice."""
    tokens: Annotated[int, Field(ge=4)] | None = None
    """Tokens a segment has at most: as many sentences as fit, unless `every` says fewer. A longer
    sentence stands alone."""
    share: Share = 1.0
    """Share of segments with a verdict, by draw; it is then also on those before it without one."""
    hint: bool = False
    """Whether a Safe verdict also says what the next segment is about (SRP-Hint). The paper's hint
    is free text of up to 15 words; ours is the next statement's category."""
    before: bool = False
    """Whether the verdict stands before its segment instead of after it: a control with the same
    sentences and verdicts."""
    category: Literal["system", "severity", "drawn"] = "system"
    """What an Unsafe verdict names: the outcome's body system, its severity, or a body system that
    is drawn, right or not."""
    by: By = ORACLE
    """Whose verdicts. The oracle's are the labels. What others rightly call unsafe has its true
    category, a false alarm one that is drawn; `category=drawn` draws all."""
    stop: bool = True
    """Whether an Unsafe verdict ends a document. False is a control that loses no text."""
    shape: ReflectionSpec = field(default=_DEFAULT, metadata={"text": False})
    """The study's choice."""

    marks: ClassVar[tuple[str, ...]] = (THINK, END_THINK)

    @cached_property
    def spec(self) -> ReflectionSpec:
        """The shape of the segments."""
        own = {"max_sentences": self.every, "max_words": self.words}
        return replace(self.shape, **{name: n for name, n in own.items() if n is not None})

    def truthful(self, policy: SafetyPolicy) -> bool:
        """Whether its verdicts are always right, and what they name too."""
        return self.category != "drawn" and Step.truthful(self, policy)

    def wordings(self, world: World) -> tuple[str, ...]:
        """Verdicts and hints that no other text has."""
        hazards = categories(world, self.category) if self.category == "severity" else ()
        safe = (verdict(None, ahead=self.before, hint=topic) for topic in TOPICS)
        plain = (verdict(None, ahead=True),) if self.before else ()
        further = (verdict(each, ahead=self.before) for each in hazards)
        return (*plain, *further, *(safe if self.hint else ()))

    def document(self, world: World, document: Document) -> tuple[Document, ...]:
        """The document with verdicts."""
        # By identity: what was not cut is the very sentence, and hashing one costs a lot.
        whole = set(map(id, document.sentences))
        judged = self._judged(world, document)
        cut: list[Span] = []
        place = 0
        for said in self._segments(world, document.sentences):
            segment = tuple(each if id(each) in whole else cut_back(world, each) for each in said)
            hazards = judged[place : place + len(said)] if judged else self._told(world, segment)
            # What was inserted before is no segment of its own.
            inserted = not any(strip_insertions(each.text) for each in segment)
            drawn = self.share == 1.0 or draw(self.name, document.index, place) < self.share
            reflected = drawn and not inserted
            cut.append(Span(segment, next(filter(None, hazards), None), reflected))
            place += len(said)
        spans = merged(cut, before=self.before)
        stops = self.stop and not is_safe_text(document)
        parts: list[Sentence] = []
        for number, span in enumerate(spans):
            following = spans[number + 1] if number + 1 < len(spans) else None
            parts += self._written(world, span, following)
            if stops and span.reflected and span.hazard is not None:
                break
        done = (*document.interventions, "reflection")
        made = Document(document.index, document.kind, tuple(parts), document.source, done)
        return (made,)

    def dialogue(self, world: World, dialogue: Dialogue) -> tuple[Dialogue, ...]:
        """The dialogue with verdicts in its response, the prompt's first.

        The prompt is judged by its harmfulness, the response by what it states: a refusal is safe,
        an answer has its outcome's safety (Li et al. 2026, SRP).
        """
        hazard = self._category_of(world, dialogue)
        asked, answered = (hazard, None) if dialogue.refused else (None, hazard)
        opening, response = split_opening(dialogue.response)
        said = [Sentence(each, hazard=answered) for each in sentences(response)]
        if not self._as_labelled:
            asked, hazards = self._heard(world, dialogue, asked, said)
        else:
            hazards = [answered] * len(said)
        topic = REFUSAL if dialogue.refused else category(world, _stated(dialogue))
        key = (self.name, dialogue.question, response)
        segments: list[Span] = []
        place = 0
        for segment in self._segments(world, said):
            own = hazards[place : place + len(segment)]
            reflected = self.share == 1.0 or draw(*key, place) < self.share
            segments.append(Span(segment, next(filter(None, own), None), reflected))
            place += len(segment)
        spans = merged(segments, before=self.before)
        hint = topic if self.hint and not self.before and asked is None else None
        parts = [*filter(None, (opening,)), verdict(asked, hint=hint)]
        for number, span in enumerate(spans):
            following = spans[number + 1] if number + 1 < len(spans) else None
            written = self._written(world, span, following, topic)
            parts += [each.text for each in written]
        return (replace(dialogue, response=" ".join(parts)),)

    def _segments(self, world: World, said: Iterable[Sentence]) -> tuple[tuple[Sentence, ...], ...]:
        """The sentences as segments; what is too long in words is cut."""
        if self.tokens is None:
            return segments(said, self.spec)
        compounds = frozenset(world.compounds)
        merged: list[list[Sentence]] = []
        length = 0
        for (sentence,) in segments(said, replace(self.spec, max_sentences=1)):
            own = token_count(compounds, sentence.text)
            fits = merged and (self.every is None or len(merged[-1]) < self.every)
            if fits and length + own <= self.tokens:
                merged[-1].append(sentence)
                length += own
            else:
                merged.append([sentence])
                length = own
        return tuple(map(tuple, merged))

    def _written(
        self, world: World, span: Span, following: Span | None, topic: str | None = None
    ) -> list[Sentence]:
        """The sentences of a span with its verdict. `topic` is of all that is said, if given."""
        if not span.reflected:
            return list(span.sentences)
        hinted = span if self.before else following
        hint = None
        if self.hint and span.hazard is None:
            hint = LAST if hinted is None else topic or topic_of(world, hinted.sentences)
        text = verdict(span.hazard, ahead=self.before, hint=hint)
        seal = Sentence(text, hazard=hazard_of(span.sentences))
        return [seal, *span.sentences] if self.before else [*span.sentences, seal]

    def _told(self, world: World, said: Iterable[Sentence]) -> tuple[str | None, ...]:
        """The category of each sentence by its label; what was inserted before has none."""
        return tuple(
            None
            if each.hazard is None or not strip_insertions(each.text)
            else each.hazard
            if self.category != "severity"
            else severity_of(world, each)
            for each in said
        )

    def _judged(self, world: World, document: Document) -> tuple[str | None, ...]:
        """The category of each sentence by verdicts other than the labels, else nothing."""
        if self._as_labelled:
            return ()
        scores = self.by.scores(world, document)
        true = self._told(world, document.sentences)
        return tuple(
            None if score == SAFE else self._named(known, world, document.index, place)
            for place, (score, known) in enumerate(zip(scores, true, strict=True))
        )

    def _heard(
        self, world: World, dialogue: Dialogue, asked: str | None, said: Sequence[Sentence]
    ) -> tuple[str | None, list[str | None]]:
        """The categories that the verdict source gives a prompt and each sentence of a response."""
        question = Sentence(dialogue.question, _stated(dialogue), hazard=asked)
        index = derive(0, "dialogue", dialogue.question, dialogue.response)
        source = Source("", "", "", "", 0)
        # The prompt counts by its harmfulness, and there alone what it states is known.
        first = Document(index, "dialogue", (question,), source)
        (score,) = self.by.scores(world, first)
        prompt = None if score < HARMFUL else self._named(asked, world, index, 0)
        rest = self.by.scores(world, Document(index + 1, "dialogue", tuple(said), source))
        return prompt, [
            None if score == SAFE else self._named(each.hazard, world, index + 1, place)
            for place, (score, each) in enumerate(zip(rest, said, strict=True))
        ]

    @property
    def _as_labelled(self) -> bool:
        """Whether its verdicts are the labels."""
        return isinstance(self.by, Oracle) and self.category != "drawn"

    def _named(self, known: str | None, world: World, index: int, place: int) -> str:
        """What an Unsafe verdict names: the true category, where there is one, or a drawn one."""
        if known is not None and self.category != "drawn":
            return known
        every = categories(world, self.category)
        drawn = draw(self.name, "category", world.content_hash, index, place)
        return every[int(drawn * len(every))]

    def _category_of(self, world: World, dialogue: Dialogue) -> str | None:
        """The category of the unsafe outcome that a dialogue is about."""
        chain = dialogue.chain
        if chain.effects.layer != world.hops or world.hazard(chain.outcome) is None:
            return None
        severe = SEVERITIES[world.severity[chain.outcome]]
        return severe if self.category == "severity" else world.hazard(chain.outcome)


def reflect_document(world: World, document: Document, spec: ReflectionSpec = _DEFAULT) -> Document:
    """Puts a reflection after every segment and stops after the first Unsafe one."""
    (reflected,) = replace(Reflect(), shape=spec).document(world, document)
    return reflected


def with_reflections(world: World, dialogue: Dialogue, spec: ReflectionSpec = _DEFAULT) -> Dialogue:
    """The dialogue with reflections in its response: the prompt's verdict first."""
    (reflected,) = replace(Reflect(), shape=spec).dialogue(world, dialogue)
    return reflected


def reflect_response(
    response: str,
    prompt_hazard: str | None,
    response_hazard: str | None,
    spec: ReflectionSpec = _DEFAULT,
) -> str:
    """An SFT response with the prompt's verdict first and its own after every segment."""
    parts = [verdict(prompt_hazard)]
    said = [Sentence(text, hazard=response_hazard) for text in sentences(response)]
    for segment in segments(said, spec):
        parts += [*(each.text for each in segment), verdict(response_hazard)]
    return " ".join(parts)


def _stated(dialogue: Dialogue) -> Statement:
    return state(dialogue.direction, dialogue.chain)
