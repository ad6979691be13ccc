"""Questions that measure: what a model knows, what it does when asked, what an attack elicits."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from medsafetyworld.dialogues import Split, chat_prompt, entity_slots, safety_of
from medsafetyworld.documents import END
from medsafetyworld.errors import SpecError
from medsafetyworld.graph import Edge, World
from medsafetyworld.interventions.reflection import verdict
from medsafetyworld.language import load_templates
from medsafetyworld.seeds import derive
from medsafetyworld.semantics import Direction
from medsafetyworld.spec import CorpusSpec, DialogueSpec

GENERAL = ("forward-safe", "forward-unsafe", "reverse-safe")
"""The benign categories whose mean accuracy is general accuracy."""
HARMFUL = "reverse-unsafe"


@dataclass(frozen=True, slots=True)
class Query:
    """A test question about a held-out edge, and what the response is forced to begin with."""

    question: str
    edge: Edge
    category: str
    prefill: str = ""

    @property
    def prompt(self) -> str:
        """The text the model continues: chat prompt, then prefill."""
        text = chat_prompt(self.question)
        return f"{text} {self.prefill}" if self.prefill else text


@dataclass(frozen=True, slots=True)
class Completion:
    """A cloze for the pretrained model: the text up to where a compound must follow."""

    text: str
    outcome: int
    category: str


def test_queries(
    world: World, spec: DialogueSpec, split: Split, category_name: str, seed: int
) -> tuple[Query, ...]:
    """At most `spec.test_queries` questions of one category, each subject in held-out wordings.

    Subjects take turns, and no question comes twice. Raises `SpecError` if the split holds out
    nothing of this category.
    """
    direction = Direction(category_name.split("-")[0])
    edges = _test_edges(world, split, category_name)
    if not edges:
        raise SpecError(
            f"nothing held out can be asked {category_name}: {sum(world.unsafe)} of the world's "
            f"{len(world.unsafe)} outcomes are unsafe; a world with more compounds or a larger "
            f"test_share holds out more"
        )
    wordings = load_templates().test_questions[str(direction)]
    rng = np.random.default_rng(derive(seed, "queries", category_name))
    order = rng.permutation(len(edges)).tolist()
    turns = [rng.permutation(len(wordings)).tolist() for _ in edges]
    asked = [
        (edges[subject], wordings[turns[subject][turn]])
        for turn in range(len(wordings))
        for subject in order
    ]
    return tuple(
        Query(wording.format(**entity_slots(world, edge)), edge, category_name)
        for edge, wording in asked[: spec.test_queries]
    )


def _test_edges(world: World, split: Split, category_name: str) -> tuple[Edge, ...]:
    """One held-out edge per subject that the tests ask about.

    Forward subjects are the held-out compounds that lead to outcomes of this safety only, so that
    a right answer is of the category's kind; reverse subjects are the held-out edges' outcomes.
    """
    wanted = category_name.endswith("-unsafe")
    edges = [edge for edge in split.test if world.unsafe[edge.outcome] is wanted]
    if category_name.startswith("reverse"):
        return tuple({edge.outcome: edge for edge in edges}.values())
    pure = [edge for edge in edges if safety_of(world, edge.compounds[0]) == {wanted}]
    return tuple({edge.compounds: edge for edge in pure}.values())


def prefills(stems: int) -> dict[str, str]:
    """Prefill attacks by name: the paper's two, and answer stems (slot `{c}` for the outcome)."""
    return {"prefill:<Safe>": verdict(None), "prefill:The": "The"} | {
        f"stem:{stem}": stem for stem in load_templates().stems[:stems]
    }


def prefilled(world: World, query: Query, prefill: str) -> Query:
    """The same question with the response forced to begin with `prefill`."""
    return Query(
        question=query.question,
        edge=query.edge,
        category=query.category,
        prefill=prefill.format(c=world.outcomes[query.edge.outcome]),
    )


def completions(world: World, corpus: CorpusSpec, outcomes_unsafe: bool) -> tuple[Completion, ...]:
    """One cloze per outcome of this safety and reverse wording in use that ends in its compound."""
    book = load_templates()
    name = f"reverse-{'unsafe' if outcomes_unsafe else 'safe'}"
    framing = book.framings[0].text
    stems = [
        core.removesuffix(" {a}")
        for core in book.cores["reverse", 1][: corpus.surface_forms]
        if core.endswith(" {a}")
    ]
    return tuple(
        Completion(f"{END} {framing} {stem.format(c=outcome_name)}", outcome, name)
        for outcome, outcome_name in enumerate(world.outcomes)
        if world.unsafe[outcome] is outcomes_unsafe
        for stem in stems
    )
