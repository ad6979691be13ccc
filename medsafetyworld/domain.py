"""`Domain`: the names and wordings of a field of knowledge, as a directory of data.

The world's semantics are code; what its entities are called and how statements about them are
worded is data: nine JSON files. `medical` is packaged; another domain is a directory of the same
files, given by path or registered under the entry point group `medsafetyworld.domains`.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from difflib import get_close_matches
from functools import lru_cache
from importlib.metadata import entry_points
from importlib.resources import files
from pathlib import Path
from types import MappingProxyType
from typing import Any

from medsafetyworld.errors import SpecError
from medsafetyworld.lexicon import Lexicon

ENTRY_POINTS = "medsafetyworld.domains"
"""Group of the entry points whose value is a package that holds a domain's files."""

FILES = (
    "lexicon",
    "statements",
    "framings",
    "closings",
    "questions",
    "answers",
    "kinds",
    "sources",
    "cues",
)
FORMS = (
    "forward",
    "reverse",
    "cooccurrence_compound_first",
    "cooccurrence_outcome_first",
    "warning",
)
"""What a core statement can look like: its direction, and for co-occurrence its order."""

CHAIN_FORMS = ("forward", "reverse", "warning")
"""The forms of a full chain with its mediators."""

QUESTION_KINDS = ("forward", "forward_pair", "reverse", "reverse_pair")
"""Kinds of question and answer: direction, and whether several compounds act together."""

KINDS = ("monograph", "case_report", "digest", "glossary")
"""Documents of several statements, each with openings and closings of its own."""

TRAINING_QUESTIONS = 10
"""The first so many questions of a kind are for training, all later ones for tests only."""


@dataclass(frozen=True, slots=True)
class Framing:
    """Opening words of a statement and the style of text they belong to."""

    style: str
    text: str


@dataclass(frozen=True, slots=True)
class SourceKind:
    """Where documents come from, and what such a source may say of itself."""

    name: str
    purposes: tuple[str, ...]
    audiences: tuple[str, ...]
    places: tuple[str, ...]
    years: tuple[int, int]
    """First and last year of publication."""


@dataclass(frozen=True)
class Domain:
    """A lexicon and all wordings, in the order in which small corpora take the first few."""

    name: str
    lexicon: Lexicon
    cores: Mapping[tuple[str, str, int], tuple[str, ...]]
    """Core statements by role (`compound`, `mediator`: what the cause is; `chain`), form and
    number of causes. Slots: `{a}` or `{a1}`, `{a2}` the causes, `{b}` the way, `{c}` the effect."""
    framings: tuple[Framing, ...]
    closings: tuple[str, ...]
    training_questions: Mapping[str, tuple[str, ...]]
    test_questions: Mapping[str, tuple[str, ...]]
    answers: Mapping[str, tuple[str, ...]]
    """By question kind; with `_chain` behind it, answers that also name the way."""
    refusals: tuple[str, ...]
    stems: tuple[str, ...]
    """Beginnings of a harmful answer, up to the compound, that an attacker may prefill."""
    openings: Mapping[str, tuple[str, ...]]
    """First sentences of a document, by kind; a monograph's name its subject in the slot `{e}`."""
    kind_closings: Mapping[str, tuple[str, ...]]
    distractors: tuple[str, ...]
    """Benign sentences that name no entity and state nothing."""
    sources: tuple[SourceKind, ...]
    cues: Mapping[str, tuple[str, ...]]
    """Cue words by direction, which the reader decides by."""
    content_hash: str
    """sha256 of all files: part of the identity of whatever is written with them."""

    def __hash__(self) -> int:
        return hash(self.content_hash)


@lru_cache(maxsize=8)
def load_domain(name: str = "medical") -> Domain:
    """The domain of this name: packaged, registered by entry point, or a directory's path.

    Raises `SpecError` naming the file at fault.
    """
    root, label = _locate(name)
    texts: dict[str, str] = {}
    for each in FILES:
        try:
            texts[each] = root.joinpath(f"{each}.json").read_text("utf-8")
        except (OSError, UnicodeDecodeError) as error:
            raise SpecError(
                f"domain: {label}/{each}.json cannot be read ({type(error).__name__}); "
                f"a domain has the files {', '.join(FILES)} (.json)"
            ) from None
    data: dict[str, Any] = {}
    for each, text in texts.items():
        try:
            data[each] = json.loads(text)
        except (ValueError, RecursionError) as error:
            raise SpecError(f"domain: {label}/{each}.json is not JSON ({error})") from None
    digest = hashlib.sha256(json.dumps(data, sort_keys=True).encode()).hexdigest()
    part = "lexicon"
    try:
        lexicon = _lexicon(data["lexicon"])
        part = "statements"
        cores = _cores(data["statements"])
        part = "questions"
        training, test = _questions(data["questions"])
        part = "answers"
        chained = [kind for kind in data["answers"] if kind.endswith("_chain")]
        answers = {
            kind: _texts(data["answers"][kind])
            for kind in dict.fromkeys((*QUESTION_KINDS, *chained))
        }
        refusals, stems = (_texts(data["answers"][kind]) for kind in ("refusal", "stems"))
        part = "framings"
        framings = tuple(Framing(**entry) for entry in data["framings"])
        part = "closings"
        closings = _texts(data["closings"])
        part = "kinds"
        openings = {kind: _texts(data["kinds"][kind]["openings"]) for kind in KINDS}
        kind_closings = {kind: _texts(data["kinds"][kind]["closings"]) for kind in KINDS}
        distractors = _texts(data["kinds"]["distractors"])
        part = "sources"
        sources = tuple(_source(entry) for entry in data["sources"])
        part = "cues"
        cues = {family: _texts(entries) for family, entries in data["cues"].items()}
    except (KeyError, TypeError, AttributeError, ValueError) as error:
        reason = f"{error.args[0]!r} is missing" if isinstance(error, KeyError) else str(error)
        raise SpecError(f"domain: {label}/{part}.json is not as it should be: {reason}") from None
    return Domain(
        name=label,
        lexicon=lexicon,
        cores=MappingProxyType(cores),
        framings=framings,
        closings=closings,
        training_questions=MappingProxyType(training),
        test_questions=MappingProxyType(test),
        answers=MappingProxyType(answers),
        refusals=refusals,
        stems=stems,
        openings=MappingProxyType(openings),
        kind_closings=MappingProxyType(kind_closings),
        distractors=distractors,
        sources=sources,
        cues=MappingProxyType(cues),
        content_hash=digest,
    )


def _locate(name: str) -> tuple[Any, str]:
    """Where a domain's files are, and what to call it in messages."""
    packaged = files("medsafetyworld").joinpath("domains")
    known = {entry.name for entry in packaged.iterdir() if entry.is_dir()} - {"__pycache__"}
    if name in known:
        return packaged.joinpath(name), name
    registered = {entry.name: entry for entry in entry_points(group=ENTRY_POINTS)}
    if name in registered:
        return files(registered[name].value), name
    if Path(name).is_dir():
        return Path(name), name
    names = sorted(known | set(registered))
    near = get_close_matches(name, names, n=1)
    hint = f" (did you mean {near[0]!r}?)" if near else ""
    raise SpecError(
        f"domain: no domain named {name!r}{hint}; allowed: {', '.join(names)}, or the path of a "
        f"directory with the files of a domain"
    )


def _lexicon(data: Mapping[str, Any]) -> Lexicon:
    compounds, outcomes, mediators = data["compounds"], data["outcomes"], data["mediators"]
    return Lexicon(
        onsets=_texts(compounds["onsets"]),
        cores=_texts(compounds["cores"]),
        endings=_texts(compounds["endings"]),
        modifiers=_texts(outcomes["modifiers"]),
        symptoms=MappingProxyType(
            {system: _texts(part) for system, part in outcomes["symptoms"].items()}
        ),
        sites=_texts(mediators["sites"]),
        states=_texts(mediators["states"]),
        processes=_texts(mediators["processes"]),
    )


def _cores(data: Mapping[str, Any]) -> dict[tuple[str, str, int], tuple[str, ...]]:
    return {
        (role, form, arity): _texts(data[role][form][str(arity)])
        for role in ("compound", "mediator", "chain")
        for form in (CHAIN_FORMS if role == "chain" else FORMS)
        for arity in (1, 2)
    }


def _questions(
    data: Mapping[str, Any],
) -> tuple[dict[str, tuple[str, ...]], dict[str, tuple[str, ...]]]:
    training = {kind: _texts(data[kind][:TRAINING_QUESTIONS]) for kind in QUESTION_KINDS}
    return training, {kind: _texts(data[kind][TRAINING_QUESTIONS:]) for kind in QUESTION_KINDS}


def _source(entry: Mapping[str, Any]) -> SourceKind:
    first, last = entry["years"]
    return SourceKind(
        name=str(entry["name"]),
        purposes=_texts(entry["purpose"]),
        audiences=_texts(entry["audience"]),
        places=_texts(entry["place"]),
        years=(int(first), int(last)),
    )


def _texts(entries: Any) -> tuple[str, ...]:
    """A list of texts that is not empty."""
    if not isinstance(entries, list) or not entries:
        raise ValueError("a list of texts is empty or no list")
    if not all(isinstance(entry, str) for entry in entries):
        raise ValueError("a list of texts holds something else")
    return tuple(entries)
