"""Laws of languages: what is written reads as what was meant, whatever the wording.

Every core is tried with every framing, so a wording that reads in two ways is found, not sampled.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from functools import cached_property
from itertools import combinations, pairwise, product
from math import comb

import numpy as np

from medsafetyworld.building import build_world
from medsafetyworld.derivation import say
from medsafetyworld.domain import KINDS, QUESTION_KINDS, Domain, load_domain
from medsafetyworld.errors import SpecError
from medsafetyworld.graph import World
from medsafetyworld.judge import is_refusal
from medsafetyworld.language import (
    answers_of,
    fill,
    in_numbers,
    plainest,
    question_kind,
    write_sentence,
)
from medsafetyworld.laws.violation import Law, Violation, violations
from medsafetyworld.lexicon import sample_names
from medsafetyworld.queries import completions
from medsafetyworld.reading import ReadError, mentions, read
from medsafetyworld.semantics import MOST_MEMBERS, Chain, Direction, Group, Statement, state
from medsafetyworld.spec import CorpusSpec, WorldSpec
from medsafetyworld.tokenizer import Tokenizer, build_tokenizer


def check_language(subject: Domain | World) -> list[Violation]:
    """The laws that a domain's language breaks; empty if it keeps them all.

    A domain, from files or made in code, is tried on a small world with two layers of mediators
    and on a single-hop one, a world on itself.
    """
    if isinstance(subject, World):
        domain, worlds = subject.domain, (subject,)
    else:
        domain, worlds = subject, (small_world(subject, 2), small_world(subject, 0))
    found = violations(LEXICON_LAWS, domain)
    for world in worlds:
        found += violations(LANGUAGE_LAWS, _Language(world))
    return list({each.law: each for each in reversed(found)}.values())[::-1]


def small_world(domain: Domain, mediators: int) -> World:
    """A small world of the domain with so many layers of mediators, as large as names allow."""
    lexicon = domain.lexicon
    compounds, outcomes = min(6, lexicon.compound_capacity), min(4, lexicon.outcome_capacity)
    layers = (min(4, lexicon.mediator_capacity // mediators),) * mediators if mediators else ()
    last = layers[-1] if layers else compounds
    from_files = _is_from_files(domain)
    world = build_world(
        WorldSpec(
            compounds=compounds,
            mediators=layers,
            outcomes=outcomes,
            single_edges=compounds if layers else compounds + outcomes - 1,
            mediator_edges=outcomes if layers else 0,
            pair_edges=0,
            triple_edges=min(1, comb(last, 3)),
            domain=domain.name if from_files else "medical",
        )
    )
    return world if from_files else _told_in(world, domain)


def _is_from_files(domain: Domain) -> bool:
    """Whether its name loads this very domain; one that was changed in code has no files."""
    try:
        return load_domain(domain.name) == domain
    except SpecError:
        return False


def _told_in(world: World, domain: Domain) -> World:
    """The same graph with the names and the wordings of a domain that has no files."""
    sizes = world.spec.compounds, world.spec.mediators, world.spec.outcomes
    names = sample_names(domain.lexicon, np.random.default_rng(0), *sizes)
    told = replace(
        world,
        morphemes=names.compounds,
        mediators=names.mediators,
        outcomes=tuple(name for name, _ in names.outcomes),
        systems=tuple(system for _, system in names.outcomes),
    )
    # A world looks its domain up by name and keeps it; what it finds kept it does not look up.
    vars(told)["domain"] = domain
    return told


@dataclass(frozen=True)
class _Language:
    """A world's language: its statements of every shape, and its tokenizer."""

    world: World

    @property
    def domain(self) -> Domain:
        return self.world.domain

    @cached_property
    def statements(self) -> tuple[Statement, ...]:
        """A statement of every direction, layers and numbers of entities, smallest first."""
        layers = range(self.world.hops + 1)
        chains = [
            Chain(groups)
            for size in layers[1:]
            for named in combinations(layers, size + 1)
            for groups in product(*(self._groups(layer) for layer in named))
        ]
        chains.sort(key=lambda chain: (len(chain.groups), sum(chain.shape)))
        return tuple(
            state(direction, chain, effect_first=turned)
            for chain in chains
            for direction, turned in (
                *((direction, False) for direction in Direction),
                (Direction.COOCCURRENCE, True),
            )
            if direction is not Direction.COOCCURRENCE or len(chain.groups) == 2
        )

    def _groups(self, layer: int) -> list[Group]:
        most = 1 if layer == self.world.hops else min(MOST_MEMBERS, len(self.world.layers[layer]))
        return [Group(layer, tuple(range(size))) for size in range(1, most + 1)]

    @cached_property
    def spec(self) -> CorpusSpec:
        """A corpus spec that has every wording in use."""
        domain = self.domain
        return CorpusSpec(
            templates=1,
            cooccurrence_templates=1,
            surface_forms=min(40, max(map(len, domain.cores.values()))),
            framings=min(24, len(domain.framings)),
            closings=min(24, len(domain.closings)),
            distractor_rate=1.0,
            monograph_rate=1.0,
            case_rate=1.0,
            digest_rate=1.0,
            glossary_rate=1.0,
        )

    @cached_property
    def tokenizer(self) -> Tokenizer:
        return build_tokenizer(self.world, self.spec)


def _names_can_be_told_apart(domain: Domain) -> Iterator[str]:
    lexicon = domain.lexicon
    for parts in (lexicon.onsets, (*lexicon.cores, *lexicon.endings)):
        for one, other in _overlaps(parts):
            yield f"the part {one!r} of compound names begins the part {other!r}"
    for names in (
        [lexicon.outcome(number)[0] for number in range(lexicon.outcome_capacity)],
        [lexicon.mediator(number) for number in range(lexicon.mediator_capacity)],
    ):
        seen: set[str] = set()
        for name in names:
            if name in seen:
                yield f"two entities can be called {name!r}"
            seen.add(name)


def _overlaps(parts: tuple[str, ...]) -> Iterator[tuple[str, str]]:
    ordered = sorted(parts)
    for one, other in pairwise(ordered):
        if other.startswith(one):
            yield one, other


def _reads_as_written(language: _Language) -> Iterator[str]:
    """Every core with every framing, on the smallest statement it can word, then every shape."""
    tried: set[tuple[str, str, int]] = set()
    world, domain = language.world, language.domain
    for statement in language.statements:
        plain = plainest(statement)
        pool = plain.role, plain.form, plain.arity
        framings = range(len(domain.framings)) if pool not in tried else (0,)
        tried.add(pool)
        for core, framing in product(range(len(domain.cores[pool])), framings):
            template = plainest(statement, core, framing)
            text = write_sentence(world, statement, template)
            try:
                found = read(world, text)
            except ReadError as error:
                yield f"{template.name}: {error}"
                continue
            if found != (statement,):
                yield (
                    f"{template.name}: {text!r} means ({_said(world, statement)}) and reads as "
                    f"({'; '.join(_said(world, each) for each in found) or 'nothing'})"
                )


def _states_nothing_else(language: _Language) -> Iterator[str]:
    domain, world = language.domain, language.world
    chain = Chain((Group(0, (0, 1)), Group(world.hops, (0,))))
    asked = (*domain.training_questions.values(), *domain.test_questions.values(), domain.stems)
    texts = [
        *domain.closings,
        *domain.distractors,
        *domain.refusals,
        *(text for kind in KINDS for text in domain.kind_closings[kind]),
        *(text.replace("{e}", world.outcomes[0]) for k in KINDS for text in domain.openings[k]),
        *(fill(world, wording, chain.groups) for wordings in asked for wording in wordings),
    ]
    for text in texts:
        if read(world, text):
            yield f"{text!r} reads as a statement"


def _names_nothing_by_chance(language: _Language) -> Iterator[str]:
    domain, world = language.domain, language.world
    texts = [
        *(framing.text for framing in domain.framings),
        *domain.closings,
        *domain.distractors,
        *domain.refusals,
        *(text for kind in KINDS for text in domain.kind_closings[kind]),
        *(text.replace("{e}", "") for kind in KINDS for text in domain.openings[kind]),
        *(in_numbers(c, 2 + more) for cs in domain.cores.values() for c in cs for more in (0, 1)),
    ]
    for text in texts:
        if any(mentions(world, text)):
            yield f"{text!r} names an entity"


def _answers_tell_what_was_asked(language: _Language) -> Iterator[str]:
    world = language.world
    for kind in QUESTION_KINDS:
        direction = Direction(kind.removesuffix("_pair"))
        causes = (0, 1) if kind.endswith("_pair") else (0,)
        way = tuple(Group(layer, causes) for layer in range(1, world.hops))
        chain = Chain((Group(0, causes), *way, Group(world.hops, (0,))))
        assert question_kind(direction, chain.causes) == kind
        for answer in answers_of(language.domain, kind, with_way=bool(way)):
            text = fill(world, answer, chain.groups)
            for said in read(world, text):
                if said.direction is not direction or not set(said.groups) <= set(chain.groups):
                    yield f"the answer {text!r} reads as ({_said(world, said)})"
            if is_refusal(world, text):
                yield f"the answer {text!r} opens like a refusal"


def _tokens_are_exact(language: _Language) -> Iterator[str]:
    world, tokenizer = language.world, language.tokenizer
    domain = language.domain
    # Words for three are in the vocabulary of worlds where three act together.
    most = 3 if world.spec.triple_edges else 2
    spoken = [each for each in language.statements if max(each.chain.shape) <= most]
    texts = [write_sentence(world, each, plainest(each)) for each in spoken]
    texts += [*domain.closings, *domain.distractors, *domain.refusals]
    for statement in spoken[:12]:
        plain = plainest(statement)
        texts += [
            write_sentence(world, statement, plainest(statement, core))
            for core in range(len(domain.cores[plain.role, plain.form, plain.arity]))
        ]
    for text in texts:
        again = tokenizer.decode(tokenizer.encode(text))
        if again != text:
            yield f"{text!r} comes back from tokens as {again!r}"


def _can_be_completed(language: _Language) -> Iterator[str]:
    unsafe = any(language.world.unsafe)
    if not completions(language.world, language.spec, outcomes_unsafe=unsafe):
        yield "no reverse wording ends in the causes, so no model can be asked to complete one"


def _said(world: World, statement: Statement) -> str:
    return f"{statement.direction}: {say(world, statement)}"


LEXICON_LAWS: dict[str, Law] = {"names can be told apart": _names_can_be_told_apart}
"""What a domain's names must keep."""

LANGUAGE_LAWS: dict[str, Law] = {
    "what is written reads as it was meant": _reads_as_written,
    "only statements state": _states_nothing_else,
    "wordings name no entity": _names_nothing_by_chance,
    "answers tell what was asked": _answers_tell_what_was_asked,
    "tokens give the text back": _tokens_are_exact,
    "a reverse wording ends in the causes": _can_be_completed,
}
"""What a domain's wordings must keep."""
