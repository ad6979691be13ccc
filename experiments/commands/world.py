"""`msw world show` and `msw world save`: look at a world, keep a world.

msw world show --preset smoke
msw world save world.json --compounds 60 --outcomes 12 --single-edges 120 --seed 7
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated

import tyro
from rich.box import SIMPLE
from rich.console import Console
from rich.table import Table

from experiments.commands.flags import MaybePath, WorldFlags, world_spec
from medsafetyworld.building import build_world
from medsafetyworld.documents import Document
from medsafetyworld.errors import SpecError
from medsafetyworld.graph import SEVERITIES, World
from medsafetyworld.semantics import Chain, category
from medsafetyworld.world_views import counts


@dataclass(frozen=True, kw_only=True)
class WorldSource:
    """Flags that every command about a world has."""

    preset: str = "laptop"
    """smoke, laptop or paper, alone (single-hop) or with -two-hop; the flags below replace single
    fields of it."""
    spec: MaybePath = None
    """JSON file with a world spec, instead of the preset."""
    world: Annotated[WorldFlags, tyro.conf.arg(name="")] = field(  # pyright: ignore
        default_factory=WorldFlags
    )

    def build(self) -> World:
        """The world asked for; raises `SpecError` before anything is written."""
        return build_world(world_spec(self.preset, self.spec, self.world))


@dataclass(frozen=True, kw_only=True)
class ShowWorld(WorldSource):
    """Draws a world and prints its counts and a few of its edges."""

    out: MaybePath = None
    """Where to put the picture (default: runs/world-HASH.png)."""

    def run(self) -> int:
        """Prints the table, then writes the picture."""
        world = self.build()
        path = self.out or Path("runs") / f"world-{world.content_hash[:8]}.png"
        if path.suffix != ".png":
            raise SpecError(f"out must be a file name that ends in .png, got {str(path)!r}")
        # matplotlib is slow to import and only this command draws.
        from experiments.world_figure import save_world_figure

        console = Console()
        print_world(world, console)
        path.parent.mkdir(parents=True, exist_ok=True)
        save_world_figure(world, path)
        console.print(f"The picture is in [bold]{path}[/bold].", highlight=False)
        return 0


@dataclass(frozen=True, kw_only=True)
class SaveWorld(WorldSource):
    """Builds a world and saves it as JSON with its sha256."""

    path: tyro.conf.Positional[Path]
    """The file to write; an existing one is not replaced."""

    def run(self) -> int:
        """Writes the file."""
        world = self.build()
        if self.path.exists():
            raise SpecError(f"path must be a new file, but {self.path} exists")
        world.save(self.path)
        console = Console()
        console.print(f"{self.path}: world {world.content_hash}", highlight=False, soft_wrap=True)
        return 0


def print_world(world: World, console: Console) -> None:
    """Counts, content hash and a few examples of each kind of edge."""
    table = Table(box=SIMPLE, show_header=False, title="World", title_justify="left")
    for name, count in counts(world).items():
        table.add_row(name, f"{count:,}")
    console.print(table)
    console.print(f"sha256 {world.content_hash}\n", highlight=False, soft_wrap=True)
    examples = Table(box=SIMPLE, title="Some of its causes", title_justify="left")
    for column in ("causes", "lead to", "which is"):
        examples.add_column(column, overflow="fold")
    for each in _examples(world):
        examples.add_row(
            " + ".join(world.names(each.causes)),
            *world.names(each.effects),
            _kind(world, each),
        )
    console.print(examples)


def _examples(world: World) -> Iterator[Chain]:
    """Two edges of each layer, number of causes and safety."""
    counts: Counter[tuple[int, int, bool]] = Counter()
    for each in world.edges:
        safe = _kind(world, each).startswith("safe")
        key = each.causes.layer, len(each.causes.members), safe
        counts[key] += 1
        if counts[key] <= 2:
            yield each


def _kind(world: World, each: Chain) -> str:
    """What an edge leads to."""
    if each.effects.layer < world.hops:
        return "a mediator"
    if not world.unsafe[each.outcome]:
        return "safe"
    severity = SEVERITIES[world.severity[each.outcome]]
    return f"[bold red]unsafe[/] ({severity}, {world.hazard(each.outcome)})"


def describe(document: Document, world: World) -> str:
    """One line about a document: kind, source, categories, templates, and what was done to it."""
    told = [each for each in document.sentences if each.statement is not None]
    categories = dict.fromkeys(category(world, each) for each in document.statements)
    templates = dict.fromkeys(each.template.name for each in told if each.template is not None)
    facts = (", ".join(categories), ", ".join(templates), *document.interventions)
    source = f"{document.source.kind} {document.source.year}"
    return " · ".join((f"#{document.index}", document.kind, source, *facts))
