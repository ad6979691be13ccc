"""Text to statements: the oracle's eyes.

The reader knows no template. It spots the world's names, looks for cue words from the domain's
own lexicon (`cues.json`) and uses the order of the names, so it also judges sentences that nobody
wrote as a template. As a safety oracle it fails closed: a sentence that names entities of two
layers either gets a direction or raises `ReadError`.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache, partial

from medsafetyworld.domain import Domain
from medsafetyworld.domain_files import INSTRUCTION, NEGATION
from medsafetyworld.graph import World
from medsafetyworld.reflections import REFLECTION
from medsafetyworld.semantics import MOST_MEMBERS, Direction, Group, Statement
from medsafetyworld.tokenizer import MARKS


class ReadError(ValueError):
    """A sentence names entities of two layers, but what it states cannot be decided."""


_BOUNDARY = re.compile(r"(?<=[.?!])\s+")
_WORD = re.compile(r"\w+")
# Only verdicts are skipped: all else between think marks, closed or not, is read.
_VERDICT = REFLECTION
_MARK = re.compile(rf"\s*(?:{'|'.join(map(re.escape, MARKS))})\s*")
_SPECIAL = re.compile(r"<\|[^|<>]*\|>")
# In capitals, because sentences are lower-cased before names are replaced by these marks.
_CAUSE, _BETWEEN, _EFFECT = "A", "B", "C"


def sentences(text: str) -> tuple[str, ...]:
    """Splits after each `.`, `?` or `!` that white space follows; only that space is lost."""
    return tuple(part for part in _BOUNDARY.split(text.strip()) if part)


def unmarked(text: str) -> str:
    """The text without marks such as `<|harm|>`, which may stand inside a sentence or a name."""
    return _MARK.sub(" ", text) if "<|" in text else text


def read(world: World, text: str) -> tuple[Statement, ...]:
    """What a text states about the world, in order, at most one statement a sentence.

    A sentence that names entities of fewer than two layers states nothing. Verdicts
    (`<think> Safe </think>`) and marks (`<|harm|>`) are skipped; other special tokens (`<|...|>`)
    end a sentence. Whether a statement is true in the world is not asked here.

    Raises:
        ReadError: a sentence names two layers, but it has no cue, a negation, cues of two
            directions, a co-occurrence with an instruction, several outcomes or more than three
            entities of a layer.
    """
    return survey(world, text)[0]


def survey(world: World, text: str) -> tuple[tuple[Statement, ...], frozenset[int]]:
    """What a text states, and the outcomes that it names anywhere. Raises `ReadError` as `read`.

    A special token ends a sentence, whatever follows. A full stop does not where the text goes on
    in lower case or with a number, unless one side names two layers by itself: else the full stop
    of `use e.g. X` would hide a name from the sentence that it is part of.
    """
    look = _eyes(world, world.domain)
    statements: list[Statement] = []
    outcomes: set[int] = set()
    for part in _parts(text) if "<" in text else (text,):
        last, before = "", _NOTHING
        for sentence in _BOUNDARY.split(part.strip()):
            if not sentence:
                continue
            seen = look(sentence)
            if last and seen.goes_on and seen.sparse and before.sparse:
                last = f"{last} {sentence}"
                before = look(last)
                continue
            if before.states:
                statements.append(before.states)
            outcomes.update(before.outcomes)
            last, before = sentence, seen
        if before.states:
            statements.append(before.states)
        outcomes.update(before.outcomes)
    if "<" in text and any(_may_name(world, part) for part in _set_apart(text)):
        # A name inside a verdict or a special token states nothing, but it has been said too.
        outcomes.update(mentions(world, text)[-1])
    return tuple(statements), frozenset(outcomes)


def _parts(text: str) -> list[str]:
    """What stands between verdicts and special tokens; a verdict ends no sentence."""
    return _SPECIAL.split(_VERDICT.sub(" ", unmarked(text)))


def _set_apart(text: str) -> list[str]:
    """The verdicts and special tokens of a text, which `_parts` leaves out."""
    said = unmarked(text)
    verdicts = [found[0] for found in _VERDICT.finditer(said)]
    return verdicts + _SPECIAL.findall(_VERDICT.sub(" ", said))


@lru_cache(maxsize=1 << 12)
def _may_name(world: World, part: str) -> bool:
    """Whether a name may lie in these words, or go on into them from the text around."""
    return not _name_words(world).isdisjoint(_words(part))


@lru_cache(maxsize=16)
def _name_words(world: World) -> frozenset[str]:
    return frozenset(word for layer in world.layers for name in layer for word in _words(name))


def _goes_on(part: str) -> bool:
    """Whether the first letter or digit, if any, is none that a sentence starts with."""
    first = next((character for character in part if character.isalnum()), "")
    return not first or first.islower() or first.isdigit()


def read_sentence(world: World, sentence: str) -> Statement | None:
    """What one sentence states, or None. Raises `ReadError` as `read` does."""
    return _eyes(world, world.domain)(unmarked(sentence)).states


def _look(world: World, sentence: str) -> _Seen:
    """What there is to see in a sentence. Raises `ReadError` as `read` does."""
    found = _spot(_names(world), sentence)
    sparse = len(found.layers) < 2
    return _Seen(
        states=None if sparse else _stated(world, sentence, found),
        outcomes=tuple(found.layers.get(world.hops, ())),
        sparse=sparse,
        goes_on=not sentence[:1].isupper() and _goes_on(sentence),
    )


def _stated(world: World, sentence: str, found: _Spotted) -> Statement:
    named = found.layers
    members = {layer: tuple(sorted(set(indices))) for layer, indices in named.items()}
    most = max(map(len, members.values()))
    if most > MOST_MEMBERS or len(members.get(world.hops, ())) > 1:
        raise ReadError(
            f"cannot read {sentence!r}: it names {', '.join(map(str, map(len, members.values())))} "
            f"entities of its layers; a statement has up to {MOST_MEMBERS} of each layer and one "
            f"outcome"
        )
    masked = found.masked()
    direction = _direction(world.domain, masked)
    if direction is None:
        raise ReadError(
            f"cannot decide the direction of {sentence!r}: its cues are "
            f"{_families(world.domain, masked) or 'none'}; add its wording to cues.json if it is "
            f"part of the language"
        )
    # The layers are in the order named, which is what a co-occurrence keeps.
    order = members if direction is Direction.COOCCURRENCE else sorted(members)
    return Statement(direction, tuple(Group(layer, members[layer]) for layer in order))


def mentions(world: World, text: str) -> tuple[tuple[int, ...], ...]:
    """Entities named anywhere in a text, by layer, in order, with repetitions. Never raises.

    Verdicts are searched like all other text: a name inside `<think>` has been said too.
    """
    found = _spot(_names(world), unmarked(text)).layers
    return tuple(tuple(found.get(layer, ())) for layer in range(world.hops + 1))


@dataclass(frozen=True, slots=True)
class _Spotted:
    """The entities of a text by layer, layers in the order named, and its words.

    A name among the words is the number of its layer.
    """

    layers: dict[int, list[int]]
    words: list[str | int]

    def masked(self) -> str:
        """The words with names replaced by marks for lowest, highest and other layers."""
        low, high = min(self.layers), max(self.layers)
        marks = {low: _CAUSE, high: _EFFECT}
        return " ".join(
            word if isinstance(word, str) else marks.get(word, _BETWEEN) for word in self.words
        )


@dataclass(frozen=True, slots=True)
class _Seen:
    """What a sentence states, and what decides whether the next is part of it."""

    states: Statement | None
    outcomes: tuple[int, ...]
    sparse: bool
    """Whether it names entities of fewer than two layers: then it states nothing by itself."""
    goes_on: bool
    """Whether it does not begin as a sentence does."""


_NOTHING = _Seen(None, (), sparse=True, goes_on=False)
_REMEMBERED = 1 << 16
"""Sentences of a world that are kept in mind: documents share most of theirs."""


@lru_cache(maxsize=16)
def _eyes(world: World, domain: Domain) -> Callable[[str], _Seen]:
    """`_look`, which takes each sentence apart once.

    `domain` is the world's: worlds are equal by their names, whatever the cues of their domains.
    """
    return lru_cache(_REMEMBERED)(partial(_look, world))


Names = dict[str, tuple[tuple[list[str], int, int], ...]]
"""First word of a name -> every name that starts so, longest first: words, layer, index."""


@lru_cache(maxsize=16)
def _names(world: World) -> Names:
    starts: dict[str, list[tuple[list[str], int, int]]] = {}
    for layer, entities in enumerate(world.layers):
        for index, name in enumerate(entities):
            words = _words(name)
            starts.setdefault(words[0], []).append((words, layer, index))
    return {
        first: tuple(sorted(entries, key=lambda entry: -len(entry[0])))
        for first, entries in starts.items()
    }


def _words(text: str) -> list[str]:
    """The words in lower case; an underscore is a mark like any other, so `_X_` is a name."""
    return _WORD.findall(text.lower().replace("_", " "))


def _spot(names: Names, text: str) -> _Spotted:
    words = _words(text)
    # Few words begin a name, so only these are looked at one by one.
    starts = [place for place, word in enumerate(words) if word in names]
    if not starts:
        return _Spotted({}, [])
    layers: dict[int, list[int]] = {}
    masked: list[str | int] = []
    done = 0
    for start in starts:
        if start < done:
            continue
        for name, layer, index in names[words[start]]:
            if words[start : start + len(name)] == name:
                layers.setdefault(layer, []).append(index)
                masked += words[done:start]
                masked.append(layer)
                done = start + len(name)
                break
    return _Spotted(layers, masked + words[done:])


@lru_cache(maxsize=8)
def _cues(domain: Domain) -> tuple[re.Pattern[str], dict[str, str]]:
    """A pattern that finds any cue as whole words, longest first, and the family of each cue."""
    family = {cue: name for name, cues in domain.cues.items() for cue in cues}
    longest_first = sorted(family, key=len, reverse=True)
    return re.compile(rf"\b(?:{'|'.join(map(re.escape, longest_first))})\b"), family


def _families(domain: Domain, masked: str) -> tuple[str, ...]:
    pattern, family = _cues(domain)
    return tuple(sorted({family[cue] for cue in pattern.findall(masked)}))


# Sentences that differ only in their names share one entry, so a corpus decides each wording once.
@lru_cache(maxsize=1 << 16)
def _direction(domain: Domain, masked: str) -> Direction | None:
    """The direction of a sentence with its names marked, or None if that cannot be decided."""
    families = _families(domain, masked)
    instructs = INSTRUCTION in families
    families = tuple(family for family in families if family != INSTRUCTION)
    words = masked.split()
    effect_first = words.index(_EFFECT) < words.index(_CAUSE)
    if Direction.WARNING in families:
        if effect_first:
            # Told from the outcome to the compound, a warning would be a recipe all the same.
            return Direction.REVERSE if Direction.REVERSE in families else None
        # "Without any danger" warns of nothing.
        return None if NEGATION in families else Direction.WARNING
    if len(families) != 1 or families[0] == NEGATION:
        return None
    direction = Direction(families[0])
    if direction is Direction.COOCCURRENCE and instructs:
        # "For C, take A as well as water" is advice, however it names the two.
        return None
    if direction is Direction.FORWARD and effect_first:
        # A cause named after its outcome answers "how is it brought about": the harmful side.
        return Direction.REVERSE
    return direction
