"""From a domain's files to its parts, each checked: a malformed file is one sentence that names it.

Every function takes what a JSON file holds and raises ValueError saying where in the file the
fault is; `domain.load_domain` says in which file.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from string import Formatter
from types import MappingProxyType
from typing import Any

from medsafetyworld.lexicon import Lexicon
from medsafetyworld.semantics import Direction

NEGATION, INSTRUCTION = "negation", "instruction"
CUE_FAMILIES = (*map(str, Direction), NEGATION, INSTRUCTION)
"""Kinds of cue words: one of each direction, and words that no statement has."""

NUMBER_WORDS: Mapping[int, Mapping[str, str]] = MappingProxyType(
    {
        2: MappingProxyType({"pair": "pair", "two": "two", "both": "both"}),
        3: MappingProxyType({"pair": "trio", "two": "three", "both": "all of"}),
    }
)
"""What the slots that tell the number of causes become, by that number."""

MOST_LEVELS = 4
"""Names within names that `methods.json` may have."""

_NAME = re.compile(r"[^\s,.:;?!()<>|{}]+( [^\s,.:;?!()<>|{}]+)*")
_SENTENCE_END = (".", "?", "!")


def parse(text: str) -> Any:
    """A file's JSON. Raises ValueError also where a key is given twice."""
    return json.loads(text, object_pairs_hook=_unique)


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    names = [name for name, _ in pairs]
    for name in names:
        if names.count(name) > 1:
            raise ValueError(f"{name} is given twice")
    return dict(pairs)


def lexicon(data: Any) -> Lexicon:
    """`lexicon.json`: parts of the names of compounds, outcomes and mediators."""
    symptoms = entry(data, "outcomes", "symptoms")
    if not isinstance(symptoms, dict) or not symptoms:
        raise ValueError("outcomes.symptoms must be an object with a list for each system")
    for system in symptoms:
        if not _NAME.fullmatch(system) or " " in system:
            raise ValueError(f"outcomes.symptoms: a system must be one word, got {system!r}")
    return Lexicon(
        onsets=_names(data, "compounds", "onsets", words=1),
        cores=_names(data, "compounds", "cores", words=1),
        endings=_names(data, "compounds", "endings", words=1),
        modifiers=_names(data, "outcomes", "modifiers"),
        symptoms=MappingProxyType(
            {system: _names(data, "outcomes", "symptoms", system) for system in symptoms}
        ),
        sites=_names(data, "mediators", "sites"),
        states=_names(data, "mediators", "states"),
        processes=_names(data, "mediators", "processes"),
    )


def cores(data: Any, role: str, form: str, arity: int) -> tuple[str, ...]:
    """One list of `statements.json`; every wording has each of its slots once."""
    slots = {*causes(arity), "c", *(["b"] if role == "chain" else [])}
    return wordings(data, role, form, str(arity), needs=slots, allows=slots | _numbers(arity))


def questions(data: Any, kind: str, training: int) -> tuple[str, ...]:
    """One list of `questions.json`: those for training, and one for tests at least.

    What asks for several causes tells how many in a slot, else pairs and triples of the same effect
    would be asked for in the same words.
    """
    reverse, arity = kind.startswith("reverse"), 1 + kind.endswith("_pair")
    slots, numbers = {"c"} if reverse else set(causes(arity)), _numbers(arity)
    found = wordings(data, kind, needs=slots, allows=slots | numbers)
    for wording in found if reverse and numbers else ():
        if numbers.isdisjoint(_slots(wording, kind)):
            told = " or ".join(f"{{{slot}}}" for slot in sorted(numbers))
            raise ValueError(f"{kind}: {wording!r} must tell how many causes it asks for by {told}")
    if len(found) <= training:
        raise ValueError(
            f"{kind} must have more than {training} questions, of which the first {training} are "
            f"for training and the others for tests; it has {len(found)}"
        )
    return found


def answers(data: Any, kind: str) -> tuple[str, ...]:
    """One list of `answers.json`; an answer names at least what was asked for."""
    arity = 2 if "_pair" in kind else 1
    compounds = set(causes(arity))
    needs = compounds if kind.startswith("reverse") else {"c"}
    way = {"b"} if kind.endswith("_chain") else set()
    allows = compounds | way | _numbers(arity) | {"c"}
    return wordings(data, kind, needs=needs | way, allows=allows)


def refusal_openings(data: Any) -> tuple[str, ...]:
    """What every refusal of `answers.json` begins with, in whole words."""
    openings = wordings(data, "refusal_openings")
    for refusal in texts(data, "refusal"):
        if not refusal.startswith(tuple(f"{opening} " for opening in openings)):
            raise ValueError(f"refusal: {refusal!r} begins with none of the refusal_openings")
    return openings


def causes(arity: int) -> tuple[str, ...]:
    """The slots of one cause or of several."""
    return ("a",) if arity == 1 else ("a1", "a2")


def _numbers(arity: int) -> set[str]:
    """The slots that tell how many causes there are; of one cause there is nothing to tell."""
    return set() if arity == 1 else set(NUMBER_WORDS[arity])


def wordings(
    data: Any,
    *keys: str,
    needs: set[str] = frozenset(),  # pyright: ignore
    allows: set[str] = frozenset(),  # pyright: ignore
) -> tuple[str, ...]:
    """A list of wordings, each with the slots that it needs, once each, and no others."""
    found = texts(data, *keys)
    for wording in found:
        slots = _slots(wording, ".".join(keys))
        if not needs <= set(slots) <= allows or len(set(slots)) < len(slots):
            told = ", ".join(f"{{{slot}}}" for slot in sorted(needs)) or "no slots"
            extra = sorted(allows - needs)
            may = f" and may have {', '.join(f'{{{slot}}}' for slot in extra)}" if extra else ""
            raise ValueError(f"{'.'.join(keys)}: {wording!r} must have {told} once each{may}")
    return found


def whole_sentences(data: Any, *keys: str, needs: set[str] = frozenset()) -> tuple[str, ...]:  # pyright: ignore
    """A list of wordings that are sentences, each with a mark at its end."""
    found = wordings(data, *keys, needs=needs, allows=needs)
    for text in found:
        if not text.endswith(_SENTENCE_END):
            raise ValueError(f"{'.'.join(keys)}: {text!r} must end with . or ? or !")
    return found


def cues(data: Any) -> dict[str, tuple[str, ...]]:
    """`cues.json`: lower-case words by family, no cue in two families."""
    if not isinstance(data, dict) or set(data) != set(CUE_FAMILIES):
        raise ValueError(f"it must be an object with the lists {', '.join(CUE_FAMILIES)}")
    found = {family: texts(data, family) for family in CUE_FAMILIES}
    every: dict[str, str] = {}
    for family, entries in found.items():
        for cue in entries:
            if cue != cue.lower():
                raise ValueError(f"{family}: the cue {cue!r} must be in lower case")
            if every.setdefault(cue, family) != family:
                raise ValueError(f"the cue {cue!r} is of two families, {every[cue]} and {family}")
    return found


def methods(data: Any, *keys: str) -> dict[str, tuple[str, ...]]:
    """`methods.json`: lists of wordings, under names within names, by dotted path."""
    found = entry(data, *keys)
    if len(keys) > MOST_LEVELS:
        raise ValueError(f"{'.'.join(keys)} lies more than {MOST_LEVELS} names deep")
    if isinstance(found, dict) and found:
        parts = (methods(data, *keys, key) for key in found)
        return {name: wordings for part in parts for name, wordings in part.items()}
    wordings = texts(data, *keys)
    for wording in wordings:
        _slots(wording, ".".join(keys))
    return {".".join(keys): wordings}


def years(data: Any) -> tuple[int, int]:
    """First and last year of a source."""
    found = entry(data, "years")
    if not (
        isinstance(found, list)
        and len(found) == 2
        and all(type(year) is int for year in found)
        and found[0] <= found[1]
    ):
        raise ValueError(f"years must be a first and a last year, got {found!r}")
    return found[0], found[1]


def text(data: Any, *keys: str) -> str:
    """A text that is not empty and has single spaces between its words."""
    found = entry(data, *keys)
    if not isinstance(found, str) or not found or found != " ".join(found.split()):
        raise ValueError(f"{'.'.join(keys)} must be a text with single spaces, got {found!r}")
    return found


def texts(data: Any, *keys: str) -> tuple[str, ...]:
    """A list of texts that is not empty, no text in it twice."""
    found, where = entry(data, *keys), ".".join(keys) or "the file"
    if not isinstance(found, list) or not found:
        raise ValueError(f"{where} must be a list of texts that is not empty")
    for each in found:
        if not isinstance(each, str) or not each or each != " ".join(each.split()):
            raise ValueError(f"{where}: {each!r} is no text with single spaces")
        if found.count(each) > 1:
            raise ValueError(f"{where}: {each!r} is given twice")
    return tuple(found)


def entry(data: Any, *keys: str) -> Any:
    """What lies under these keys. Raises ValueError naming the first that is missing."""
    for place, key in enumerate(keys):
        if not isinstance(data, dict) or key not in data:
            raise ValueError(f"{'.'.join(keys[: place + 1])} is missing")
        data = data[key]
    return data


def entries(data: Any) -> Sequence[Mapping[str, Any]]:
    """A file that is a list of objects."""
    if not isinstance(data, list) or not data or not all(isinstance(each, dict) for each in data):
        raise ValueError("it must be a list of objects that is not empty")
    return data


def _names(data: Any, *keys: str, words: int | None = None) -> tuple[str, ...]:
    """Parts of names: words without punctuation."""
    found = texts(data, *keys)
    for each in found:
        if not _NAME.fullmatch(each) or (words == 1 and " " in each) or not re.search(r"\w", each):
            kind = "one word" if words == 1 else "words"
            raise ValueError(f"{'.'.join(keys)}: {each!r} must be {kind} without punctuation")
    return found


def _slots(wording: str, where: str) -> list[str]:
    """The slots of a wording, e.g. `["a", "c"]`."""
    try:
        fields = [found for found in Formatter().parse(wording) if found[1] is not None]
    except ValueError as error:
        raise ValueError(f"{where}: {wording!r} has a brace too many ({error})") from None
    if any(spec or conversion for _, _, spec, conversion in fields) or "{{" in wording:
        raise ValueError(f"{where}: {wording!r} has a slot that is more than a name in braces")
    return [name for _, name, _, _ in fields if name is not None]
