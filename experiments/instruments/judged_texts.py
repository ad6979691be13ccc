"""Texts that a model did not write and is to judge: questions, answers, sentences of a corpus."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import islice
from typing import TYPE_CHECKING

from medsafetyworld.dialogues import chat_prompt
from medsafetyworld.documents import Document, hazard_of, segments
from medsafetyworld.interventions.reflection import Reflect
from medsafetyworld.language import answers_of, fill, question_kind
from medsafetyworld.queries import GENERAL, HARMFUL
from medsafetyworld.reflections import verdict
from medsafetyworld.seeds import derive
from medsafetyworld.semantics import Chain, Direction, Statement, category, state

if TYPE_CHECKING:
    from experiments.instruments.bench import Bench

CATEGORIES = (*GENERAL, HARMFUL)
READ = 4000
"""Documents of the corpus that are looked at for texts of every kind and category."""


@dataclass(frozen=True)
class Text:
    """What is judged: everything up to where the verdict's first mark would stand.

    harmful: by the cell's policy. labelled: whether methods train verdicts to say Unsafe here.
    """

    text: str
    category: str
    harmful: bool
    labelled: bool


def prompts(bench: Bench, most: int) -> dict[str, list[Text]]:
    """Test questions; `:seen` are SFT's own, about the facts that it told."""
    held_out = [
        _prompt(bench, query.question, query.chain, query.category)
        for name in CATEGORIES
        for query in bench.questions(name)[:most]
    ]
    seen = [
        _prompt(bench, _trained(bench, chain, name), chain, name)
        for name in CATEGORIES
        for chain in _told(bench, name, most)
    ]
    return {"": held_out, ":seen": seen}


def responses(bench: Bench, most: int) -> dict[str, list[Text]]:
    """Test questions, each with a right answer in a wording that SFT does not use; `:seen` with
    SFT's facts and wordings. Harmful questions also with a refusal.

    Every answer follows a Safe verdict on its prompt, so that the opening gives nothing away.
    """
    recipe = bench.context.cell.recipe
    taught = recipe.dialogue.answers
    known = recipe.corpus.surface_forms
    held_out: list[Text] = []
    seen: list[Text] = []
    for name in CATEGORIES:
        asked = [(query.question, query.chain) for query in bench.questions(name)[:most]]
        held_out += _answered(bench, name, asked, range(min(taught, known - 1), known))
        own = [(_trained(bench, chain, name), chain) for chain in _told(bench, name, most)]
        seen += _answered(bench, name, own, range(min(taught, known)))
        if name == HARMFUL:
            held_out += _refused(bench, asked, range(min(recipe.dialogue.refusals, known)))
    return {"": held_out, ":seen": seen}


def documents(bench: Bench, most: int) -> dict[str, list[Text]]:
    """Sentences of the corpus, with all before them and the verdicts on that, by kind of document.

    Documents are those before any method, so what a filter took away is among them. A document ends
    with its first unsafe sentence, as it does under reflections.
    """
    corpus = bench.context.corpus
    drawn = corpus.documents(derive(bench.context.cell.seeds["attack"], "self_verdict"))
    found: dict[str, list[Text]] = {}
    counts: dict[tuple[str, str], int] = {}
    for document in islice(drawn, READ):
        for text in _sentences(bench, document):
            key = document.kind, text.category
            counts[key] = counts.get(key, 0) + 1
            if counts[key] <= most:
                found.setdefault(document.kind, []).append(text)
    return found


def _sentences(bench: Bench, document: Document) -> Iterator[Text]:
    """Each segment of a document that states something, with the text up to its end."""
    world, cell = bench.context.world, bench.context.cell
    steps = [step for step in cell.variant.bound.pretraining if isinstance(step, Reflect)]
    spec = steps[0].spec if steps else cell.recipe.reflection
    said: list[str] = []
    for segment in segments(document.sentences, spec):
        said += [each.text for each in segment]
        hazard = hazard_of(segment)
        stated = [each.statement for each in segment if each.statement is not None]
        if stated:
            yield Text(
                " ".join(said),
                category(world, stated[0]),
                _harmful(bench, stated, document.source.kind),
                hazard is not None,
            )
        if hazard is not None:
            return
        said.append(verdict(None))


def _prompt(bench: Bench, question: str, chain: Chain, name: str) -> Text:
    harmful = _harmful(bench, [_stated(chain, name)])
    return Text(chat_prompt(question), name, harmful, harmful)


def _answered(
    bench: Bench, name: str, asked: Iterable[tuple[str, Chain]], wordings: Sequence[int]
) -> list[Text]:
    world = bench.context.true_world
    found = []
    for place, (question, chain) in enumerate(asked):
        kind = question_kind(_direction(name), chain.causes)
        pool = answers_of(world.domain, kind, with_way=bool(chain.way))
        wording = pool[min(wordings[place % len(wordings)], len(pool) - 1)]
        answer = fill(world, wording, chain.groups)
        harmful = _harmful(bench, [_stated(chain, name)])
        text = f"{chat_prompt(question)} {verdict(None)} {answer}"
        found.append(Text(text, name, harmful, world.unsafe[chain.outcome]))
    return found


def _refused(
    bench: Bench, asked: Iterable[tuple[str, Chain]], wordings: Sequence[int]
) -> list[Text]:
    refusals = bench.context.true_world.domain.refusals
    return [
        Text(
            f"{chat_prompt(question)} {verdict(None)} {refusals[wordings[place % len(wordings)]]}",
            "refusal",
            False,
            False,
        )
        for place, (question, _) in enumerate(asked)
    ]


def _told(bench: Bench, name: str, most: int) -> list[Chain]:
    """Facts of this category that SFT may ask about, one for each subject."""
    world = bench.context.true_world
    reverse = _direction(name) is Direction.REVERSE
    chains = {
        chain.effects if reverse else chain.causes: chain
        for chain in bench.context.asked.train
        if world.unsafe[chain.outcome] is name.endswith("-unsafe")
    }
    return list(chains.values())[:most]


def _trained(bench: Bench, chain: Chain, name: str) -> str:
    """A question as SFT asks it."""
    world = bench.context.true_world
    kind = question_kind(_direction(name), chain.causes)
    return fill(world, world.domain.training_questions[kind][0], chain.groups)


def _harmful(bench: Bench, stated: Iterable[Statement], source: str | None = None) -> bool:
    world, policy = bench.context.true_world, bench.context.cell.variant.policy
    return any(policy.harmful(world, each, source) for each in stated)


def _stated(chain: Chain, name: str) -> Statement:
    return state(_direction(name), chain)


def _direction(name: str) -> Direction:
    return Direction(name.split("-")[0])
