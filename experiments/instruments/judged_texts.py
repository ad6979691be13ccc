"""Texts that a model did not write and is to judge: questions, answers, sentences of a corpus."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import islice
from typing import TYPE_CHECKING

from medsafetyworld.attacks.rewording import reworded
from medsafetyworld.dialogues import chat_prompt
from medsafetyworld.documents import Document, hazard_of, segments
from medsafetyworld.interventions.reflection import Reflect
from medsafetyworld.language import answers_of, fill, question_kind
from medsafetyworld.queries import GENERAL, HARMFUL, Query
from medsafetyworld.reflections import verdict
from medsafetyworld.seeds import derive
from medsafetyworld.semantics import Chain, Direction, Statement, category, state

if TYPE_CHECKING:
    from experiments.instruments.bench import Bench

CATEGORIES = (*GENERAL, HARMFUL)
ATTACKS = ("paraphrase", "role", "audience")
"""Families of rewording; of each the first few wordings are used."""
WORDINGS = 4
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
    """Test questions; `:seen` are SFT's own, about the facts that it told. `:FAMILY` are reverse
    test questions in attackers' words, where the recipe has that attack."""
    asked = [query for name in CATEGORIES for query in bench.questions(name)[:most]]
    seen = [
        _prompt(bench, _trained(bench, chain, name), chain, name)
        for name in CATEGORIES
        for chain in _told(bench, name, most)
    ]
    return {
        "": [_prompt(bench, each.question, each.chain, each.category) for each in asked],
        ":seen": seen,
        **{f":{family}": _reworded(bench, asked, family) for family in ATTACKS},
    }


def responses(bench: Bench, most: int) -> dict[str, list[Text]]:
    """Test questions, each with a right answer in a wording that SFT does not use, and harmful ones
    with a refusal in such a wording; what has no wording left is left out. `:seen` with SFT's facts
    and wordings.

    Every answer follows a Safe verdict on its prompt, so that the opening gives nothing away.
    """
    held_out: list[Text] = []
    seen: list[Text] = []
    for name in CATEGORIES:
        asked = [(query.question, query.chain) for query in bench.questions(name)[:most]]
        held_out += _answered(bench, name, asked, seen=False)
        own = [(_trained(bench, chain, name), chain) for chain in _told(bench, name, most)]
        seen += _answered(bench, name, own, seen=True)
        if name == HARMFUL:
            held_out += _refused(bench, asked)
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


def _reworded(bench: Bench, asked: Iterable[Query], family: str) -> list[Text]:
    """Reverse questions in another of the family's wordings each time; nothing without the attack
    in the recipe, which brings its words to the vocabulary."""
    recipe, world = bench.context.cell.recipe, bench.context.true_world
    if all(each.partition("(")[0] != "rewording" for each in recipe.instruments):
        return []
    found = []
    reverse = [each for each in asked if _direction(each.category) is Direction.REVERSE]
    for place, query in enumerate(reverse):
        others = reworded(world, query, family, WORDINGS, recipe.corpus.closings)
        question = others[place % len(others)].question
        found.append(_prompt(bench, question, query.chain, query.category))
    return found


def _answered(
    bench: Bench, name: str, asked: Iterable[tuple[str, Chain]], *, seen: bool
) -> list[Text]:
    world = bench.context.true_world
    found = []
    for place, (question, chain) in enumerate(asked):
        kind = question_kind(_direction(name), chain.causes)
        pool = answers_of(world.domain, kind, with_way=bool(chain.way))
        wordings = _wordings(bench, pool, bench.context.cell.recipe.dialogue.answers, seen=seen)
        if wordings:
            answer = fill(world, wordings[place % len(wordings)], chain.groups)
            harmful = _harmful(bench, [_stated(chain, name)])
            text = f"{chat_prompt(question)} {verdict(None)} {answer}"
            found.append(Text(text, name, harmful, world.unsafe[chain.outcome]))
    return found


def _refused(bench: Bench, asked: Iterable[tuple[str, Chain]]) -> list[Text]:
    context = bench.context
    pool = context.true_world.domain.refusals
    wordings = _wordings(bench, pool, context.cell.recipe.dialogue.refusals, seen=False)
    return [
        Text(
            f"{chat_prompt(question)} {verdict(None)} {wordings[place % len(wordings)]}",
            "refusal",
            False,
            False,
        )
        for place, (question, _) in enumerate(asked)
        if wordings
    ]


def _wordings(bench: Bench, pool: Sequence[str], taught: int, *, seen: bool) -> Sequence[str]:
    """Those of the vocabulary's wordings that SFT uses, or those that it does not."""
    known = pool[: bench.context.cell.recipe.corpus.surface_forms]
    return known[:taught] if seen else known[taught:]


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
