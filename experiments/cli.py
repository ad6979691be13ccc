"""`msw`: the command line. Thin: it finds the command, runs it and says what went wrong.

    msw world show --preset smoke
    msw corpus emit --preset smoke --variant filtering --format jsonl --out runs/filtering
    msw study plan headline --preset smoke
    msw study run headline --preset smoke
    msw chat runs/headline-smoke:srp-s0
    msw export runs/headline-smoke --cell srp-s0 --out srp-s0

Exit codes: 0 done, 1 the work failed, 2 the request was wrong, 130 interrupted.
"""

from __future__ import annotations

import dataclasses
import os
import shlex
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from difflib import get_close_matches
from typing import Annotated, Any

import tyro
from tyro.conf import subcommand

from experiments.commands.bench import Bench
from experiments.commands.card import CardCorpus
from experiments.commands.chat import Chat
from experiments.commands.check import CheckCorpus, CheckWorld
from experiments.commands.claims import Claims
from experiments.commands.classifier import Classifier
from experiments.commands.compare import Compare
from experiments.commands.corpus import EmitCorpus, InspectCorpus
from experiments.commands.corpus_diff import DiffCorpus
from experiments.commands.derive import Derive
from experiments.commands.export import Export
from experiments.commands.export_task import ExportTask
from experiments.commands.instruments import Instruments
from experiments.commands.replay import Replay
from experiments.commands.report import Report
from experiments.commands.results import PublishStudy, Readme, ReportStudy
from experiments.commands.study import PlanStudy, RunStudy
from experiments.commands.variants import Variants
from experiments.commands.world import SaveWorld, ShowWorld
from experiments.json_files import StoreError
from experiments.measures import MissingMeasurement
from experiments.rows import RowError
from medsafetyworld.errors import SpecError
from medsafetyworld.reading import ReadError
from medsafetyworld.tokenizer import TokenizeError

WRONG_REQUEST = (
    SpecError,
    StoreError,
    RowError,
    MissingMeasurement,
    ReadError,
    TokenizeError,
    OSError,
)
"""Errors that one sentence explains completely; all others are bugs and keep their traceback."""


@dataclass(frozen=True)
class WorldCommands:
    """Look at a world, save one, try its laws, or derive what a corpus tells about it."""

    command: (
        Annotated[ShowWorld, subcommand("show")]
        | Annotated[SaveWorld, subcommand("save")]
        | Annotated[CheckWorld, subcommand("check")]
        | Annotated[Derive, subcommand("derive")]
    )


@dataclass(frozen=True)
class CorpusCommands:
    """Write a corpus to files, check it, read some of its documents, or compare settings."""

    command: (
        Annotated[EmitCorpus, subcommand("emit")]
        | Annotated[CheckCorpus, subcommand("check")]
        | Annotated[InspectCorpus, subcommand("inspect")]
        | Annotated[DiffCorpus, subcommand("diff")]
        | Annotated[CardCorpus, subcommand("card")]
    )


@dataclass(frozen=True)
class StudyCommands:
    """Plan, run, report and publish a study."""

    command: (
        Annotated[PlanStudy, subcommand("plan")]
        | Annotated[RunStudy, subcommand("run")]
        | Annotated[ReportStudy, subcommand("report")]
        | Annotated[PublishStudy, subcommand("publish")]
    )


Command = (
    Annotated[WorldCommands, subcommand("world")]
    | Annotated[CorpusCommands, subcommand("corpus")]
    | Annotated[Variants, subcommand("variants")]
    | Annotated[Claims, subcommand("claims")]
    | Annotated[Instruments, subcommand("instruments")]
    | Annotated[StudyCommands, subcommand("study")]
    | Annotated[Report, subcommand("report")]
    | Annotated[Chat, subcommand("chat")]
    | Annotated[Compare, subcommand("compare")]
    | Annotated[Replay, subcommand("replay")]
    | Annotated[Classifier, subcommand("classifier")]
    | Annotated[Export, subcommand("export")]
    | Annotated[ExportTask, subcommand("export-task")]
    | Annotated[Bench, subcommand("bench")]
    | Annotated[Readme, subcommand("readme")]
)


def main(args: Sequence[str] | None = None) -> int:
    """Runs one command and returns its exit code; errors are one sentence on stderr."""
    given = list(sys.argv[1:] if args is None else args)
    try:
        return run(given)
    except BrokenPipeError:
        # `msw ... | head` stopped reading, which is no error; Python would print one at exit.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0
    except WRONG_REQUEST as error:
        print(f"msw: {' '.join(str(error).split())}", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        print(
            "msw: interrupted; what is finished is kept, and the same command goes on from there: "
            f"{shlex.join(['msw', *given])}",
            file=sys.stderr,
        )
        return 130


def run(args: Sequence[str]) -> int:
    """Parses the arguments and runs the command. Raises `SpecError` for an unknown flag."""
    # tyro's own report of an unknown flag fills a screen, so the flag comes back to us instead.
    chosen, unknown = tyro.cli(
        Command,  # pyright: ignore
        prog="msw",
        description="A laboratory with an exact definition of harm: build worlds, write corpora, "
        "train small models and measure what a pretraining-stage safety method changes.",
        args=args,
        return_unknown_args=True,
        config=(
            tyro.conf.OmitArgPrefixes,
            tyro.conf.OmitSubcommandPrefixes,
            tyro.conf.FlagCreatePairsOff,
        ),
    )
    command: Any = getattr(chosen, "command", chosen)
    if unknown:
        raise SpecError(_unknown(unknown[0], command))
    return command.run()


def _unknown(argument: str, command: Any) -> str:
    """What to say about an argument that the command does not have."""
    flags = [f"--{name.replace('_', '-')}" for name in _field_names(command)]
    flag = argument.split("=")[0]
    near = get_close_matches(flag.replace("_", "-"), flags, n=1)
    hint = f" (did you mean {near[0]}?)" if near else ""
    return f"{flag}: no such flag{hint}; allowed: {', '.join(flags)}"


def _field_names(command: Any) -> list[str]:
    """The command's fields, those of nested groups of flags in their place."""
    names: list[str] = []
    for field in dataclasses.fields(command):
        value = getattr(command, field.name)
        names += _field_names(value) if dataclasses.is_dataclass(value) else [field.name]
    return names


if __name__ == "__main__":
    sys.exit(main())
