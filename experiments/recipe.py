"""`Recipe`, `Arm` and `Cell`: everything that decides a run, as frozen, serialisable data.

A recipe is what all arms share, an arm is what is done differently, a cell is one arm at one
replicate. The master seed of a replicate fixes its world, corpus, initialisation and orders, so
arms at the same replicate are paired.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, fields, replace
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, Field
from pydantic.dataclasses import dataclass as strict_dataclass

from experiments.changes import Changes, changed, in_words, known_changes
from medsafetyworld.building import build_world, shuffle_causes
from medsafetyworld.dialogues import benign_kinds
from medsafetyworld.graph import World
from medsafetyworld.interventions import Variant, variant
from medsafetyworld.policy_data import policy
from medsafetyworld.seeds import derive, named_seeds
from medsafetyworld.spec import (
    STRICT,
    CorpusSpec,
    DialogueSpec,
    ReflectionSpec,
    Seed,
    WorldSpec,
    from_json,
    make,
)
from tiny_models.config import TrainConfig, preset


def finetunes(hops: int) -> tuple[str, ...]:
    """Benign fine-tuning attacks in worlds of so many hops: both data sets, the first one also with
    SFT data mixed in (+mixSFT)."""
    forward, reverse = benign_kinds(hops)
    return forward, reverse, f"{forward}+mixsft"


def _known_model(name: str) -> str:
    preset(name, vocab_size=2, context=16)
    return name


def _known_variant(name: str) -> str:
    # SpecError is a ValueError, so pydantic says which field holds the unknown name.
    variant(name)
    return name


def _known_variants(texts: tuple[str, ...]) -> tuple[str, ...]:
    return tuple(map(_known_variant, texts))


def _known_instruments(texts: tuple[str, ...]) -> tuple[str, ...]:
    if not texts:
        return texts
    # Not above: instruments measure cells, and cells are made here.
    from experiments.instruments import parse_instrument, write_instrument

    made = [parse_instrument(text) for text in texts]
    names = [each.name for each in made]
    if repeated := [name for name in names if names.count(name) > 1]:
        raise ValueError(
            f"{repeated[0]!r} is given twice: whatever its parameters, its rows have one name"
        )
    return tuple(map(write_instrument, made))


def _known_policy(name: str) -> str:
    policy(name)
    return name


def _known_changes(changes: tuple[tuple[str, float], ...]) -> tuple[tuple[str, float], ...]:
    rates = [field.name for field in fields(CorpusSpec) if field.type in ("Rate", "Share")]
    names = [name for name, _ in changes]
    for name in names:
        if names.count(name) > 1:
            raise ValueError(f"{name!r} is given twice")
        if name not in rates:
            raise ValueError(
                f"{name!r} is no rate or share of a corpus; allowed: {', '.join(rates)}"
            )
    make(CorpusSpec, **dict(changes))
    return changes


@strict_dataclass(frozen=True, kw_only=True, config=STRICT)
class Recipe:
    """What every arm of a study shares."""

    world: WorldSpec
    corpus: CorpusSpec
    dialogue: DialogueSpec
    reflection: ReflectionSpec = ReflectionSpec()
    model: Annotated[str, AfterValidator(_known_model)]
    """Name of a model preset of `tiny_models.config`."""
    context: Annotated[int, Field(ge=16, lt=2**31)]
    """Tokens per training row and the longest sequence at evaluation."""
    pretrain: TrainConfig
    sft: TrainConfig
    finetune: TrainConfig
    stems: Annotated[int, Field(ge=0, le=8)] = 3
    """Answer-stem prefills to try."""
    new_tokens: Annotated[int, Field(ge=1, lt=2**31)] = 36
    """Longest response in tokens."""
    vocabulary: Annotated[tuple[str, ...], AfterValidator(_known_variants)] = ()
    """Variants as text whose words are in the vocabulary, used by an arm or not: so that all arms
    of a replicate have the same tokens."""
    matched: Literal["tokens", "documents"] = "tokens"
    """What arms are compared at: equal tokens, or what becomes of equally many original documents,
    namely of those that fill the tokens of `pretrain` if nothing is done to them."""
    behaviour: bool = True
    """False asks only what the pretrained model can complete: no fine-tuning, no attacks."""
    instruments: Annotated[tuple[str, ...], AfterValidator(_known_instruments)] = ()
    """Further attacks and probes of each cell's models, as text: see `msw instruments`."""

    @property
    def budget(self) -> int:
        """Tokens of the pretraining stream: the last is only a target."""
        return self.pretrain.steps * self.pretrain.batch_rows * self.context + 1

    def wordings(self, world: World) -> tuple[str, ...]:
        """Texts beside the corpus's own whose words are in the vocabulary."""
        texts = [text for each in self.vocabulary for text in variant(each).wordings(world)]
        if self.instruments:
            from experiments.instruments import parse_instrument

            asked = map(parse_instrument, self.instruments)
            texts += [text for each in asked for text in each.wordings(world)]
        return tuple(dict.fromkeys(texts))


@strict_dataclass(frozen=True, slots=True, config=STRICT)
class Arm:
    """A column of the study: a variant, or a control made from one."""

    name: Annotated[str, Field(pattern=r"^\w[\w .+-]*$", max_length=100)]
    """Also part of file names, so without slashes."""
    variant: Annotated[str, AfterValidator(_known_variant)]
    corpus: Annotated[tuple[tuple[str, float], ...], AfterValidator(_known_changes)] = ()
    """Rates and shares of the corpus that differ from the recipe's: what is taken away to see
    whether it teaches the harm."""
    policy: Annotated[str, AfterValidator(_known_policy)] = "paper"
    """The definition of harm that filters, rewriting, refusals and the oracle's proof follow."""
    shuffled: bool = False
    """True trains on a world with permuted compounds and asks about the true one."""
    recipe: Annotated[Changes, AfterValidator(known_changes)] = ()
    """Fields of the recipe that differ, by dotted name: size, amount of data, shape of the world.
    What is asked differs with them, and the vocabulary may."""

    @property
    def differences(self) -> tuple[str, ...]:
        """In what the arm differs from its variant, in words."""
        found = [f"{name} {value:g}" for name, value in self.corpus]
        found += in_words(self.recipe)
        if self.policy != "paper":
            found.append(f"policy {self.policy}")
        if self.shuffled:
            found.append("trained on a shuffled graph (control)")
        return tuple(found)

    def to_dict(self) -> dict[str, Any]:
        """The arm as plain JSON values; without changes of the recipe as it always was."""
        values = asdict(self)
        return values if self.recipe else {k: v for k, v in values.items() if k != "recipe"}


@strict_dataclass(frozen=True, slots=True, config=STRICT)
class Cell:
    """One arm at one replicate. Raises `SpecError` where the arm's recipe cannot be."""

    recipe: Recipe
    """With the arm's changes, which are made here if they are not."""
    arm: Arm
    replicate: Annotated[int, Field(ge=0, lt=2**31)]
    master: Seed
    """Master seed of the study."""

    def __post_init__(self) -> None:
        object.__setattr__(self, "recipe", changed(self.recipe, self.arm.recipe))

    @property
    def name(self) -> str:
        """Arm and replicate, e.g. `srp-s3`."""
        return f"{self.arm.name}-s{self.replicate}"

    @property
    def seeds(self) -> dict[str, int]:
        """The replicate's named seeds; the same in every arm."""
        return named_seeds(derive(self.master, "replicate", self.replicate))

    @property
    def variant(self) -> Variant:
        """The arm's interventions, with the recipe's reflections and the arm's policy."""
        return replace(
            variant(self.arm.variant),
            reflection=self.recipe.reflection,
            policy=policy(self.arm.policy),
        )

    @property
    def corpus_spec(self) -> CorpusSpec:
        """The recipe's corpus with the arm's changes."""
        return replace(self.recipe.corpus, **dict(self.arm.corpus))

    def worlds(self) -> tuple[World, World]:
        """The true world, which questions are about, and the one the corpus describes."""
        true = build_world(replace(self.recipe.world, seed=self.seeds["world"]))
        return true, shuffle_causes(true, self.seeds["world"]) if self.arm.shuffled else true

    def to_dict(self) -> dict[str, Any]:
        """The cell as plain JSON values."""
        return {
            "recipe": asdict(self.recipe),
            "arm": self.arm.to_dict(),
            "replicate": self.replicate,
            "master": self.master,
        }


def cell_from_dict(values: Mapping[str, Any], where: str = "cell") -> Cell:
    """Inverse of `Cell.to_dict`. Raises `SpecError` naming `where` and each field at fault."""
    return from_json(Cell, json.dumps(values), where)
