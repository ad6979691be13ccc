"""`Domain`: the names and wordings of a field of knowledge, as a directory of data.

The world's semantics are code; what its entities are called and how statements about them are
worded is data: nine JSON files, and two that a domain may lack: `methods`, what interventions say,
and `attacks`, what attackers say (`attacks.phrases`). `medical` is packaged; another domain is a
directory of these files, given by path or registered under `medsafetyworld.domains`.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from difflib import get_close_matches
from functools import lru_cache
from importlib.metadata import entry_points
from importlib.resources import files
from pathlib import Path
from types import MappingProxyType
from typing import Any

from medsafetyworld import domain_files
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
METHODS = "methods"
"""The file with texts that interventions write, which a domain may do without."""

FORMS = (
    "forward",
    "reverse",
    "cooccurrence_compound_first",
    "cooccurrence_outcome_first",
    "warning",
)
"""What a core statement can look like: its direction, and for co-occurrence its order."""

ROLES = ("compound", "mediator", "chain")
"""What a core is about: an effect of compounds, one of mediators, or a full chain."""

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
    number of causes. Slots: `{a}` or `{a1}`, `{a2}` the causes, `{b}` the way, `{c}` the effect;
    what tells the number of several causes are `{pair}` (or trio), `{two}` and `{both}`."""
    framings: tuple[Framing, ...]
    closings: tuple[str, ...]
    training_questions: Mapping[str, tuple[str, ...]]
    test_questions: Mapping[str, tuple[str, ...]]
    answers: Mapping[str, tuple[str, ...]]
    """By question kind; with `_chain` behind it, answers that also name the way."""
    refusals: tuple[str, ...]
    refusal_openings: tuple[str, ...]
    """What refusals begin with; a response that says one of these refuses."""
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
    methods: Mapping[str, tuple[str, ...]] = field(default_factory=lambda: MappingProxyType({}))
    """Texts that interventions write, by dotted path, e.g. `rephrase.lecture.openings`."""

    def __hash__(self) -> int:
        return hash(self.content_hash)


@lru_cache(maxsize=512)
def method_texts(
    domain: Domain, name: str, *, slots: tuple[str, ...] = (), sentences: bool = True
) -> tuple[str, ...]:
    """The domain's texts of this name for an intervention: whole sentences with these slots.

    Raises `SpecError` naming the domain, the file and what is missing.
    """
    where = f"domain: {domain.name}/{METHODS}.json"
    if name not in domain.methods:
        told = " with " + ", ".join(f"{{{slot}}}" for slot in slots) if slots else ""
        raise SpecError(
            f"{where} has no list {name}, which the intervention {name.split('.')[0]} needs: "
            f"{'sentences' if sentences else 'words'}{told}"
        )
    found, needs = {name: list(domain.methods[name])}, set(slots)
    try:
        if sentences:
            return domain_files.whole_sentences(found, name, needs=needs)
        return domain_files.wordings(found, name, needs=needs, allows=needs)
    except ValueError as error:
        raise SpecError(f"{where} is not as it should be: {error}") from None


@lru_cache(maxsize=8)
def load_domain(name: str = "medical") -> Domain:
    """The domain of this name: packaged, registered by entry point, or a directory's path.

    Raises `SpecError` naming the file at fault.
    """
    root, label = locate(name)
    texts: dict[str, str] = {}
    has_methods = root.joinpath(f"{METHODS}.json").is_file()
    for each in (*FILES, METHODS) if has_methods else FILES:
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
            data[each] = domain_files.parse(text)
        except (ValueError, RecursionError) as error:
            raise SpecError(f"domain: {label}/{each}.json is not JSON ({error})") from None
    digest = hashlib.sha256(json.dumps(data, sort_keys=True).encode()).hexdigest()
    parts: dict[str, Any] = {}
    for each in data:
        try:
            parts |= _PARTS[each](data[each])
        except ValueError as error:
            raise SpecError(
                f"domain: {label}/{each}.json is not as it should be: {error}"
            ) from None
    return Domain(name=label, content_hash=digest, **parts)


def locate(name: str) -> tuple[Any, str]:
    """Where a domain's files are, and what to call it. Raises `SpecError` for an unknown name."""
    packaged = files("medsafetyworld").joinpath("domains")
    known = {entry.name for entry in packaged.iterdir() if entry.is_dir()} - {"__pycache__"}
    if name in known:
        return packaged.joinpath(name), name
    registered = {entry.name: entry for entry in entry_points(group=ENTRY_POINTS)}
    if name in registered:
        try:
            return files(registered[name].value), name
        except (ImportError, TypeError, ValueError) as error:
            raise SpecError(
                f"domain: {name} is registered as {registered[name].value!r}, which is no package "
                f"that can be imported ({error})"
            ) from None
    if Path(name).is_dir():
        return Path(name), name
    names = sorted(known | set(registered))
    near = get_close_matches(name, names, n=1)
    hint = f" (did you mean {near[0]!r}?)" if near else ""
    raise SpecError(
        f"domain: no domain named {name!r}{hint}; allowed: {', '.join(names)}, or the path of a "
        f"directory with the files of a domain"
    )


def _statements(data: Any) -> dict[str, Any]:
    pools = {
        (role, form, arity): domain_files.cores(data, role, form, arity)
        for role in ROLES
        for form in (CHAIN_FORMS if role == "chain" else FORMS)
        for arity in (1, 2)
    }
    return {"cores": MappingProxyType(pools)}


def _framings(data: Any) -> dict[str, Any]:
    found = tuple(
        Framing(domain_files.text(each, "style"), domain_files.text(each, "text"))
        for each in domain_files.entries(data)
    )
    domain_files.wordings([framing.text for framing in found])
    return {"framings": found}


def _questions(data: Any) -> dict[str, Any]:
    every = {
        kind: domain_files.questions(data, kind, TRAINING_QUESTIONS) for kind in QUESTION_KINDS
    }
    return {
        "training_questions": MappingProxyType(
            {kind: found[:TRAINING_QUESTIONS] for kind, found in every.items()}
        ),
        "test_questions": MappingProxyType(
            {kind: found[TRAINING_QUESTIONS:] for kind, found in every.items()}
        ),
    }


def _answers(data: Any) -> dict[str, Any]:
    kinds = (*QUESTION_KINDS, *(f"{kind}_chain" for kind in QUESTION_KINDS))
    return {
        "answers": MappingProxyType({kind: domain_files.answers(data, kind) for kind in kinds}),
        "refusals": domain_files.whole_sentences(data, "refusal"),
        "refusal_openings": domain_files.refusal_openings(data),
        "stems": domain_files.wordings(data, "stems", allows={"c"}),
    }


def _kinds(data: Any) -> dict[str, Any]:
    named = {kind: {"e"} if kind == "monograph" else set() for kind in KINDS}
    return {
        "openings": MappingProxyType(
            {
                kind: domain_files.whole_sentences(data, kind, "openings", needs=slots)
                for kind, slots in named.items()
            }
        ),
        "kind_closings": MappingProxyType(
            {kind: domain_files.whole_sentences(data, kind, "closings") for kind in KINDS}
        ),
        "distractors": domain_files.whole_sentences(data, "distractors"),
    }


def _sources(data: Any) -> dict[str, Any]:
    found = tuple(
        SourceKind(
            name=domain_files.text(each, "name"),
            purposes=domain_files.texts(each, "purpose"),
            audiences=domain_files.texts(each, "audience"),
            places=domain_files.texts(each, "place"),
            years=domain_files.years(each),
        )
        for each in domain_files.entries(data)
    )
    domain_files.texts([source.name for source in found])
    return {"sources": found}


_PARTS: Mapping[str, Callable[[Any], dict[str, Any]]] = {
    "lexicon": lambda data: {"lexicon": domain_files.lexicon(data)},
    "statements": _statements,
    "framings": _framings,
    "closings": lambda data: {"closings": domain_files.whole_sentences(data)},
    "questions": _questions,
    "answers": _answers,
    "kinds": _kinds,
    "sources": _sources,
    "cues": lambda data: {"cues": MappingProxyType(domain_files.cues(data))},
    METHODS: lambda data: {"methods": MappingProxyType(domain_files.methods(data))},
}
"""The fields of a `Domain` that each file gives."""
