"""What the stages of SafeLM share (Maini et al. 2025), and its ladder as variants.

The paper has one recipe: documents scored 1 to 3 are retold with care, those scored 4 or 5 become
refusals and articles on why, and raw text that is scored unsafe carries the tag. It does not print
how much raw unsafe text is left beside what is made of it. Ours keeps every raw unsafe document,
tagged, beside what is made of it: else there is nothing to learn the tag from. The rungs below the
last one have no tag, and so keep none; tags in SFT only keep the same raw text, untagged.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence

from medsafetyworld.documents import Document, Sentence
from medsafetyworld.graph import World
from medsafetyworld.interventions.algebra import draw

SAFE_TEXTS = ("rephrase", "refuse_web", "moral_education")
"""Steps that write documents of their own, which are never tagged or retold."""
STATE_NOTHING = ("refuse_web", "moral_education")
"""Those of them whose documents state nothing, so that no step has to look for harm there."""

_SLOT = re.compile(r"\{\w+\}")

_SAFE = "rephrase | refuse_web | moral_education"
_BESIDE = "rephrase(keep=True) | refuse_web(keep=True) | moral_education(behind=True)"
_TAGGED = f"{_BESIDE} | harm_tag; sft: harm_tag"

LADDER: tuple[tuple[str, str, str], ...] = (
    ("safelm_score0", "filter(unsafe)", "score 0 only: nothing that names an unsafe outcome"),
    ("safelm_rephrase", "rephrase | filter", "scores 1-3 retold with care, 4-5 dropped"),
    ("safelm_refuse", "rephrase | refuse_web", "scores 1-3 retold, 4-5 become refusals"),
    ("safelm_moral", _SAFE, "scores 1-3 retold, 4-5 become refusals and articles on why"),
    (
        "safelm",
        f"{_TAGGED}; decode: safe_beam",
        "the whole recipe: retold, refused, explained, raw unsafe text tagged, SafeBeam",
    ),
    ("safelm_greedy", _TAGGED, "the whole recipe without SafeBeam"),
    (
        "safelm_tags_sft_only",
        f"{_BESIDE}; sft: harm_tag; decode: safe_beam",
        "the whole recipe's texts, raw unsafe ones untagged: tags in SFT only, SafeBeam",
    ),
    (
        "safelm_tags_no_rephrase",
        "harm_tag; sft: harm_tag; decode: safe_beam",
        "all documents, unsafe ones tagged, SafeBeam",
    ),
    (
        "safelm_srp",
        f"{_SAFE} | reflect; sft: reflect",
        "the safe texts with safety reflections in pretraining and SFT",
    ),
)
"""Name, text and description of the paper's rungs and of what is compared with them."""


def is_safe_text(document: Document) -> bool:
    """Whether one of SafeLM's own steps wrote it."""
    return any(name in SAFE_TEXTS for name in document.interventions)


def states_nothing(document: Document) -> bool:
    """Whether it is a refusal or an article by SafeLM's steps."""
    return any(name in STATE_NOTHING for name in document.interventions)


def choose(pool: Sequence[str], *path: str | int) -> str:
    """One of these texts, the same for the same path."""
    return pool[int(draw(*path) * len(pool))]


def bare(texts: Iterable[str]) -> tuple[str, ...]:
    """Texts without their slots: the words that they bring into the vocabulary."""
    return tuple(_SLOT.sub("", text) for text in texts)


def worst_outcome(document: Document, scores: Sequence[int], world: World) -> int | None:
    """The outcome of the document's first sentence of the highest score, None if it states none."""
    found = max(scores, default=0)
    for sentence, score in zip(document.sentences, scores, strict=True):
        if score == found and sentence.statement is not None:
            return world.outcome(sentence.statement)
    return None


def named(world: World, text: str, outcome: int) -> Sentence:
    """A sentence with the outcome's name in its slot, labelled by it."""
    return Sentence(text.replace("{c}", world.outcomes[outcome]), hazard=world.hazard(outcome))
