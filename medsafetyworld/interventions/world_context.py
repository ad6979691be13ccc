"""World context: a header that tells where a document is from (Feng et al. 2025, JT-Safe).

Inspired by their data with world context, whose fields could not be obtained. Ours are what our
documents are made with: source, author's role, purpose, audience, year, place, and the source's
reliability in a word. A header says nothing about the world's entities, and it strips out again.

How reliable a source is, is the corpus's own business: `reliability` must be told what its spec
says, and without it headers are silent on that.

In dialogues the response opens with the header of a reliable source, which is what calls up what
such sources say (their prefix activation), or the question carries the header of any source. Where
nothing is known of reliability any source opens the response.
Reflections go first: in `reflect | world_context` they judge the text alone.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import Annotated, Any, ClassVar, Literal, get_args

from pydantic import BeforeValidator, Field

from medsafetyworld.dialogues import Dialogue
from medsafetyworld.documents import Document, Sentence, Source
from medsafetyworld.domain import METHODS, SourceKind, method_texts
from medsafetyworld.errors import SpecError
from medsafetyworld.graph import World
from medsafetyworld.interventions.algebra import Step, draw, intervention
from medsafetyworld.spec import Share
from medsafetyworld.tokenizer import CONTEXT, END_CONTEXT

ContextField = Literal["source", "author", "purpose", "audience", "year", "place", "reliability"]
FIELDS: tuple[ContextField, ...] = get_args(ContextField)

_FORMS = 4

LEVELS = {"high": 0.9, "medium": 0.3, "low": 0.0}
"""A reliability in a word: the first that it reaches."""


def _fields(value: Any) -> Any:
    """A name alone is a list of one; no field comes twice."""
    named = (value,) if isinstance(value, str) else value
    if isinstance(named, tuple) and (not named or len(set(named)) < len(named)):
        raise ValueError(f"must be one or more different fields: {', '.join(FIELDS)}")
    return named


@intervention(
    "world_context",
    source="inspired by Feng et al. 2025 (JT-Safe), data with world context",
    does={"inserts"},
)
class WorldContext(Step):
    """Puts a header in front of a document that tells its source, purpose, year and the like.

    In dialogues the header of a reliable source opens the response, or one of any source the
    question.
    """

    fields: Annotated[tuple[ContextField, ...], BeforeValidator(_fields)] = FIELDS
    """What the header tells, in this order; `reliability` only if it is given."""
    forms: Annotated[int, Field(ge=1, le=_FORMS)] = _FORMS
    """Ways to write a header, of which each is drawn."""
    share: Share = 1.0
    """Share of the documents, or dialogues, that have a header."""
    at: Literal["response", "question"] = "response"
    """In dialogues: what the header opens."""
    shuffled: bool = False
    """Control: the header of another document."""
    reliability: tuple[Share, Share, Share, Share, Share] | None = None
    """That of the domain's sources in their order, as in the corpus; None leaves it out."""

    marks: ClassVar[tuple[str, ...]] = (CONTEXT, END_CONTEXT)

    def __post_init__(self) -> None:
        if self.reliability is None and "reliability" in self.fields and self.fields != FIELDS:
            raise SpecError(
                "fields: reliability can be told only if it is given, as in the "
                "corpus, e.g. reliability=(0.98, 0.95, 0.35, 0.0, 0.0)"
            )

    @property
    def told(self) -> tuple[ContextField, ...]:
        """The fields that headers tell."""
        known = self.reliability is not None
        return tuple(each for each in self.fields if known or each != "reliability")

    def document(self, world: World, document: Document) -> tuple[Document, ...]:
        """The document with its header as a sentence in front."""
        if draw(self.name, document.index) >= self.share:
            return (document,)
        key = str(document.index)
        source = self._drawn(world, "low", key) if self.shuffled else document.source
        return (
            replace(
                document,
                sentences=(Sentence(self.header(world, source, key)), *document.sentences),
                interventions=(*document.interventions, self.name),
            ),
        )

    def dialogue(self, world: World, dialogue: Dialogue) -> tuple[Dialogue, ...]:
        """The dialogue with a header in front of its response or question."""
        key = dialogue.question
        if draw(self.name, "dialogue", key) >= self.share:
            return (dialogue,)
        if self.at == "question":
            header = self.header(world, self._drawn(world, "low", key), key)
            return (replace(dialogue, question=f"{header} {dialogue.question}"),)
        header = self.drawn_header(world, "high", key)
        return (replace(dialogue, response=f"{header} {dialogue.response}"),)

    def drawn_header(self, world: World, level: str, key: str, *, exactly: bool = False) -> str:
        """The header of a source at least so reliable, or exactly so, drawn by `key`."""
        return self.header(world, self._drawn(world, level, key, exactly=exactly), key)

    def header(self, world: World, source: Source, key: str) -> str:
        """A source's header in one of the forms, drawn by `key`, between its marks."""
        form = int(draw(self.name, "form", key) * self.forms)
        values = {
            "source": source.kind,
            "author": _pick(_authors(world, source.kind), self.name, "author", key),
            "purpose": source.purpose,
            "audience": source.audience,
            "year": str(source.year),
            "place": source.place,
        }
        if self.reliability is not None:
            values["reliability"] = self.level(world, source.kind)
        told = ", ".join(
            _phrases(world, each)[form].format(value=values[each]) for each in self.told
        )
        return f"{CONTEXT} {told}. {END_CONTEXT}"

    def level(self, world: World, kind: str) -> str:
        """How reliable a kind of source is, in a word."""
        kinds = world.domain.sources
        if self.reliability is None:
            raise SpecError(f"{self.name}: reliability must be given, as in the corpus")
        if len(kinds) != len(self.reliability):
            raise SpecError(
                f"{self.name}: reliability has {len(self.reliability)} entries; the domain "
                f"{world.domain.name} has {len(kinds)} sources"
            )
        trust = next(
            trust for each, trust in zip(kinds, self.reliability, strict=True) if each.name == kind
        )
        return next(word for word, least in LEVELS.items() if trust >= least)

    def wordings(self, world: World) -> tuple[str, ...]:
        """Everything that a header may tell, in every form in use."""
        return (CONTEXT, END_CONTEXT, *dict.fromkeys(self._told(world)))

    def _told(self, world: World) -> Iterator[str]:
        every: dict[str, list[str]] = {each: [] for each in FIELDS}
        for kind in world.domain.sources:
            first, last = kind.years
            every["source"].append(kind.name)
            every["author"] += _authors(world, kind.name)
            every["purpose"] += kind.purposes
            every["audience"] += kind.audiences
            every["place"] += kind.places
            every["year"] += map(str, range(first, last + 1))
            if self.reliability is not None:
                every["reliability"].append(self.level(world, kind.name))
        for each in self.told:
            for phrase in _phrases(world, each)[: self.forms]:
                yield from (phrase.format(value=value) for value in every[each])

    def _drawn(self, world: World, level: str, key: str, *, exactly: bool = False) -> Source:
        """A source like those of documents, at least so reliable or exactly so.

        Any source where nothing is known of reliability.
        """
        words = list(LEVELS)
        good = (level,) if exactly else words[: words.index(level) + 1]
        kinds = [
            kind
            for kind in world.domain.sources
            if self.reliability is None or self.level(world, kind.name) in good
        ]
        if not kinds:
            raise SpecError(
                f"{self.name}: no source of the domain {world.domain.name} has the reliability "
                f"{level}, which needs {LEVELS[level]:g} or more; got {self.reliability}"
            )
        kind = _pick(kinds, self.name, "source", key)
        return _details(kind, self.name, key)


def _phrases(world: World, field: str) -> tuple[str, ...]:
    """Ways to tell what a field holds, one for each form."""
    name = f"world_context.phrases.{field}"
    found = method_texts(world.domain, name, slots=("value",), sentences=False)
    if len(found) < _FORMS:
        raise SpecError(
            f"domain: {world.domain.name}/{METHODS}.json: {name} must have {_FORMS} wordings, one "
            f"for each form; it has {len(found)}"
        )
    return found


def _authors(world: World, kind: str) -> tuple[str, ...]:
    """Roles of those who write for this kind of source."""
    return method_texts(world.domain, f"world_context.authors.{kind}", sentences=False)


def _details(kind: SourceKind, *path: str) -> Source:
    """A source of this kind with details drawn as those of documents are."""
    first, last = kind.years
    return Source(
        kind=kind.name,
        purpose=_pick(kind.purposes, *path, "purpose"),
        audience=_pick(kind.audiences, *path, "audience"),
        place=_pick(kind.places, *path, "place"),
        year=_pick(range(first, last + 1), *path, "year"),
    )


def _pick(pool: Any, *path: str) -> Any:
    return pool[int(draw(*path) * len(pool))]
