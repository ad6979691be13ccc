"""Studies as they were asked for on the command line: another domain, more arms, another recipe."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, replace
from typing import TYPE_CHECKING, Any

from pydantic import ValidationError

from medsafetyworld.building import build_world
from medsafetyworld.corpus import Corpus
from medsafetyworld.errors import SpecError, one_sentence
from medsafetyworld.interventions import variant
from medsafetyworld.spec import WorldSpec, make

if TYPE_CHECKING:
    from experiments.study import Study

TRAININGS = ("pretrain", "sft", "finetune")
"""Fields of a recipe that say how a model is trained."""


def in_domain(study: Study, preset: str, domain: str) -> Study:
    """The study with this preset's world in another domain.

    Raises `SpecError` if the domain has too few names or wordings for it.
    """
    if preset not in study.presets:
        return study
    sized = study.presets[preset]
    world = make(WorldSpec, **(asdict(sized.recipe.world) | {"domain": domain}))
    # Made once here, because a cell would find too few wordings only when it begins.
    _ = Corpus(build_world(world), sized.recipe.corpus, 0).planner
    return with_recipe(study, preset, world=world)


def with_recipe(study: Study, preset: str, **changes: Any) -> Study:
    """The study with another recipe at this preset.

    Raises `SpecError` naming the field at fault.
    """
    if preset not in study.presets:
        return study
    sized = study.presets[preset]
    try:
        changed = replace(sized, recipe=replace(sized.recipe, **changes))
    except ValidationError as error:
        raise SpecError(one_sentence(error)) from None
    return replace(study, presets={**study.presets, preset: changed})


def with_training(study: Study, preset: str, **changes: str | None) -> Study:
    """The study whose trainings at this preset have other values: pretraining, SFT and benign
    fine-tuning, and so the attacks that fine-tune. None leaves a field as it is.

    Raises `SpecError` naming the field at fault.
    """
    asked = {name: value for name, value in changes.items() if value is not None}
    if preset not in study.presets or not asked:
        return study
    recipe = study.presets[preset].recipe
    try:
        trainings = {name: replace(getattr(recipe, name), **asked) for name in TRAININGS}
    except ValidationError as error:
        raise SpecError(one_sentence(error)) from None
    return with_recipe(study, preset, **trainings)


def with_arms(study: Study, preset: str, texts: Sequence[str]) -> Study:
    """The study with further arms at this preset, each as NAME=VARIANT.

    Raises `SpecError` for a name that is taken or no name, and for a mistake in the variant.
    """
    from experiments.recipe import Arm

    for text in texts:
        name, equals, written = text.partition("=")
        name = name.strip()
        if not equals:
            raise SpecError(f'add-arm must be NAME=VARIANT, e.g. "mild=filter(5)", got {text!r}')
        if name in {arm.name for arm in study.arms}:
            raise SpecError(f"add-arm: the study has an arm {name!r} already")
        try:
            variant(written)  # says what is wrong with it in its own words
            arm = make(Arm, name=name, variant=written)
        except SpecError as error:
            raise SpecError(f"add-arm {name}: {error}") from None
        sized = study.presets.get(preset)
        if sized is not None and sized.arms is not None:
            sized = replace(sized, arms=(*sized.arms, name))
            study = replace(study, presets={**study.presets, preset: sized})
        study = replace(study, arms=(*study.arms, arm))
    return study
