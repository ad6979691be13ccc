"""`msw study plan|run`: ask a question.

    msw study plan headline --preset smoke
    msw study run headline --preset smoke

Whatever needs jax is imported by the commands that use it, so that help stays fast.
"""

from __future__ import annotations

from dataclasses import dataclass
from difflib import get_close_matches
from pathlib import Path
from typing import TYPE_CHECKING

import tyro
from rich.console import Console

from experiments.commands.flags import (
    MaybeNumber,
    MaybePath,
    MaybeText,
    Number,
    StudyArgument,
    whole_number,
)
from experiments.commands.plan_table import print_plan
from experiments.commands.results import print_report
from experiments.commands.study_changes import in_domain, with_arms, with_recipe, with_training
from medsafetyworld.errors import SpecError

if TYPE_CHECKING:
    from experiments.run import Execution
    from experiments.study import Plan

WORLDS = {"single-hop": "", "two-hop": "-two-hop"}
"""World -> how the names of its presets end."""


@dataclass(frozen=True, kw_only=True)
class PlanStudy:
    """Prints the cells of a study, their tokens and the expected time; runs nothing."""

    study: StudyArgument
    """Name of the study, e.g. headline."""
    preset: str = "laptop"
    """smoke, laptop or paper."""
    world: MaybeText = None
    """single-hop, or two-hop with mediators between compounds and outcomes (default: that of the
    preset; single-hop where its name says nothing)."""
    domain: MaybeText = None
    """Names and wordings of the world: a domain by name, or its directory (default: medical)."""
    seeds: MaybeNumber = None
    """Replicates of every arm (default: the preset's)."""
    arms: MaybeText = None
    """Only these arms, separated by commas (default: all)."""
    add_arm: tyro.conf.UseAppendAction[tuple[str, ...]] = ()
    """A further arm as NAME=VARIANT, e.g. "mild=filter(5) | reflect"; may be repeated."""
    matched: str = "tokens"
    """What arms are compared at: equal tokens, or equal original documents."""
    dtype: MaybeText = None
    """Number format of what trainings multiply: float32 or bfloat16 (default: the preset's)."""
    attention: MaybeText = None
    """How trainings compute attention: plain, xla, or cudnn, which needs an NVIDIA GPU and bfloat16
    (default: the preset's)."""
    seed: Number = "2026"
    """Master seed, from which every other seed is derived."""
    out: MaybePath = None
    """The study's directory (default: runs/STUDY-PRESET, with -two-hop in a two-hop world,
    the name of another domain, -by-documents, and what --dtype and --attention say)."""
    workers: MaybeNumber = None
    """Cells to run side by side, never more (default: one a core; the last few, half as many as
    cores, do not wait for one but share)."""

    @property
    def directory(self) -> Path:
        """Where the study lives."""
        from tiny_models.config import TrainConfig

        usual = (None, TrainConfig.dtype, TrainConfig.attention)
        domain = f"-{Path(self.domain).name}" if self.domain else ""
        matched = "-by-documents" if self.matched == "documents" else ""
        unusual = [value for value in (self.dtype, self.attention) if value not in usual]
        name = "-".join((f"{self.study}-{self.sized_preset()}{domain}{matched}", *unusual))
        return self.out or Path("runs") / name

    def sized_preset(self) -> str:
        """Name of the preset of this size on this world.

        Raises `SpecError` if there is no such world, or if the preset's name says another.
        """
        if self.world is None:
            return self.preset
        if self.world not in WORLDS:
            raise SpecError(
                f"world: no study has a world {self.world!r}; allowed: {', '.join(WORLDS)}"
            )
        for other, ending in WORLDS.items():
            if other != self.world and ending and self.preset.endswith(ending):
                size = self.preset.removesuffix(ending)
                raise SpecError(
                    f"world: preset {self.preset!r} is of the world {other}, not {self.world}; "
                    f"allowed: --preset {size + WORLDS[self.world]}, or --world {other}"
                )
        return self.preset.removesuffix(WORLDS[self.world]) + WORLDS[self.world]

    def plan(self) -> Plan:
        """The plan asked for; raises `SpecError` naming the flag at fault."""
        from experiments.studies import STUDIES
        from experiments.study import make_plan

        if self.study not in STUDIES:
            near = get_close_matches(self.study, STUDIES, n=1)
            hint = f" (did you mean {near[0]!r}?)" if near else ""
            raise SpecError(
                f"study: no study named {self.study!r}{hint}; allowed: {', '.join(STUDIES)}"
            )
        arms = None if self.arms is None else [name.strip() for name in self.arms.split(",")]
        added = [text.partition("=")[0].strip() for text in self.add_arm]
        study, preset = STUDIES[self.study], self.sized_preset()
        if self.domain is not None:
            study = in_domain(study, preset, self.domain)
        study = with_training(study, preset, dtype=self.dtype, attention=self.attention)
        return make_plan(
            with_arms(with_recipe(study, preset, matched=self.matched), preset, self.add_arm),
            preset,
            replicates=None if self.seeds is None else whole_number("seeds", self.seeds, 1),
            arms=arms and [*arms, *(name for name in added if name not in arms)],
            master=whole_number("seed", self.seed, 0),
        )

    def side_by_side(self) -> int:
        """How many cells run at once."""
        from experiments.scheduler import default_workers

        if self.workers is None:
            return default_workers()
        return whole_number("workers", self.workers, 1)

    def run(self) -> int:
        """Prints the plan."""
        self.show(self.plan(), Console(highlight=False))
        return 0

    def show(self, plan: Plan, console: Console) -> None:
        """Prints the plan and the time that it takes on this machine."""
        share = self.workers is None
        print_plan(plan, self.directory, self.side_by_side(), console, share_last=share)


@dataclass(frozen=True, kw_only=True)
class RunStudy(PlanStudy):
    """Plans a study, runs what is not finished yet, and writes the report."""

    track: MaybeText = None
    """Also send learning curves to trackio or wandb, offline, cell by cell (default: neither)."""

    engine: str = "cells"
    """cells: each cell trains alone. ensemble: all models at once in one program, for a GPU."""
    members: MaybeNumber = None
    """Models of an ensemble at most (default: all that have one shape)."""
    strict: bool = False
    """Refuse to resume a training that was begun with another machine, version or engine."""
    cluster: MaybeText = None
    """Submit the cells with submitit to slurm, or for a try to local, which starts all of them at
    once on this machine (default: run them here, one a core)."""
    cluster_option: tyro.conf.UseAppendAction[tuple[str, ...]] = ()
    """KEY=VALUE for submitit, e.g. timeout_min=60 or slurm_partition=gpu; may be repeated."""

    def execution(self) -> Execution:
        """How to run the plan; raises `SpecError` naming the flag at fault."""
        from experiments.run import Execution

        return Execution(
            workers=None if self.workers is None else self.side_by_side(),
            engine=self.engine,
            members=None if self.members is None else whole_number("members", self.members, 1),
            strict=self.strict,
            cluster=self.cluster,
            cluster_options=self.cluster_option,
        )

    def run(self) -> int:
        """Runs the plan; 1 if a cell failed. Ctrl-C keeps whatever is finished."""
        from experiments.run import CellsFailed, run_plan
        from experiments.study import write_plan
        from experiments.trackers import check_tracker, track_or_note

        if self.track is not None:
            check_tracker(self.track)
        untracked: list[str] = []
        track = track_or_note(self.directory, self.track, untracked)
        plan, execution = self.plan(), self.execution()
        write_plan(plan, self.directory)
        console = Console(highlight=False)
        self.show(plan, console)
        try:
            track()  # what earlier runs have finished
            run_plan(plan, self.directory, execution, console, after_cell=track)
        except CellsFailed as failed:
            for line in (str(failed), *untracked):
                console.print(line, markup=False, soft_wrap=True)
            return 1
        print_report(self.directory, console)
        for line in untracked:
            console.print(line, markup=False, soft_wrap=True)
        return 1 if untracked else 0
