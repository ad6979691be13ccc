"""Statements to text: `write` renders a template; `medsafetyworld.reading` is its inverse.

A sentence is a framing and a core statement; a note adds a closing sentence (Li et al. 2026,
template pools). All wordings are data of the world's domain. A core has one slot for each entity,
so that the same text serves the string renderer and the token renderer.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

from medsafetyworld.domain import CHAIN_FORMS, FORMS, Domain
from medsafetyworld.domain_files import NUMBER_WORDS
from medsafetyworld.errors import SpecError
from medsafetyworld.graph import World
from medsafetyworld.semantics import Direction, Group, Statement


@dataclass(frozen=True, slots=True)
class Template:
    """One way to word a statement, as positions in the lists of a `Domain`."""

    form: str
    arity: int
    """1 for one cause, 2 for several."""
    core: int
    framing: int
    closing: int
    role: str = "compound"

    @property
    def name(self) -> str:
        """A short name for provenance, e.g. `reverse-1/c3/f5/e7`."""
        role = "" if self.role == "compound" else f"{self.role}-"
        return f"{role}{self.form}-{self.arity}/c{self.core}/f{self.framing}/e{self.closing}"


def role_of(groups: tuple[Group, ...]) -> str:
    """The role of the cores that can word a statement of these groups."""
    if len(groups) > 2:
        return "chain"
    return "compound" if min(group.layer for group in groups) == 0 else "mediator"


def form_of(statement: Statement) -> str:
    """The form of the cores that can word a statement."""
    if statement.direction is not Direction.COOCCURRENCE:
        return str(statement.direction)
    return f"cooccurrence_{'outcome' if statement.effect_first else 'compound'}_first"


def plainest(statement: Statement, core: int = 0, framing: int = 0, closing: int = 0) -> Template:
    """A template that fits a statement: the plainest, unless positions are given."""
    return Template(
        form=form_of(statement),
        arity=min(2, len(statement.causes.members)),
        core=core,
        framing=framing,
        closing=closing,
        role=role_of(statement.groups),
    )


def write(world: World, statement: Statement, template: Template) -> str:
    """Renders a statement as framing, core and closing; `read` gives the statement back.

    Raises `SpecError` if the template is for other statements or is not in the domain.
    """
    sentence = write_sentence(world, statement, template)
    return f"{sentence} {_at(world.domain.closings, template.closing, 'closing')}"


def write_sentence(world: World, statement: Statement, template: Template) -> str:
    """Renders a statement as one sentence: framing and core. Raises as `write` does."""
    return framed(world, write_core(world, statement, template), template.framing)


def framed(world: World, core: str, framing: int) -> str:
    """The sentence of a core statement behind one of the domain's framings."""
    return f"{_at(world.domain.framings, framing, 'framing').text} {core}."


def write_core(world: World, statement: Statement, template: Template) -> str:
    """Renders a statement as its core alone, without a full stop. Raises as `write` does."""
    fitting = plainest(statement)
    wanted = fitting.role, fitting.form, fitting.arity
    if (template.role, template.form, template.arity) != wanted:
        raise SpecError(
            f"template: {template.name} cannot word a {statement.direction} statement of "
            f"{len(statement.groups)} groups; allowed: {fitting.role}, {fitting.form}, "
            f"arity {fitting.arity}"
        )
    pool = world.domain.cores.get(wanted)
    if pool is None:
        raise SpecError(
            f"template: there are no {statement.direction} wordings of a {fitting.role}; "
            f"a chain has the forms {', '.join(CHAIN_FORMS)}, other statements {', '.join(FORMS)}"
        )
    chain = statement.chain
    core = slotted(_at(pool, template.core, "core"), chain.shape)
    names = [name for group in chain.groups for name in world.names(group)]
    return core.format(*names)


def _at(pool, position: int, field: str):
    if not 0 <= position < len(pool):
        raise SpecError(f"template: {field} must be between 0 and {len(pool) - 1}, got {position}")
    return pool[position]


@lru_cache(maxsize=1 << 14)
def slotted(wording: str, shape: tuple[int, ...]) -> str:
    """A wording with one numbered slot per entity, counted from causes to effects.

    `shape` is the number of entities of each group. Entities of a group are joined by "with", a
    third cause by "and", groups on the way by "and then". Words that tell the number of causes are
    put in.
    """
    slots: list[list[str]] = []
    count = 0
    for size in shape:
        slots.append([f"{{{count + place}}}" for place in range(size)])
        count += size
    causes, way, effects = slots[0], slots[1:-1], slots[-1]
    return wording.format(
        **NUMBER_WORDS.get(len(causes), {}),
        a=causes[0],
        a1=causes[0],
        a2=" and ".join(causes[1:]),
        b=" and then ".join(" with ".join(group) for group in way),
        c=" with ".join(effects),
    )


def in_numbers(wording: str, causes: int) -> str:
    """A wording with its slots for names left, and what tells the number of causes put in."""
    for slot, word in NUMBER_WORDS.get(causes, {}).items():
        wording = wording.replace(f"{{{slot}}}", word)
    return wording


def fill(world: World, wording: str, groups: tuple[Group, ...]) -> str:
    """Puts names into the slots of a question, answer or stem; names without a slot are left out.

    `groups` go from causes to effects.
    """
    names = [name for group in groups for name in world.names(group)]
    return slotted(wording, tuple(len(group.members) for group in groups)).format(*names)


def question_kind(direction: Direction, causes: Group) -> str:
    """The kind of question or answer about so many causes, e.g. `reverse_pair`."""
    return f"{direction}{'_pair' if len(causes.members) > 1 else ''}"


def answers_of(domain: Domain, kind: str, *, with_way: bool) -> tuple[str, ...]:
    """The wordings of an answer, which in worlds with mediators names the way too."""
    return domain.answers[f"{kind}_chain" if with_way else kind]
