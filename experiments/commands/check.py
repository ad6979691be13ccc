"""`msw world check` and `msw corpus check`: the laws, tried on anything that you made.

msw world check laptop-two-hop
msw world check world.json
msw world check my_domain/ --policy my_policy.json
msw corpus check runs/filtering
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import tyro
from rich.console import Console
from rich.progress import Progress
from rich.text import Text

from experiments.commands.emission_laws import EMISSION_LAWS, check_emission
from experiments.commands.flags import DirectoryArgument
from medsafetyworld.building import build_world
from medsafetyworld.domain import Domain, load_domain
from medsafetyworld.errors import SpecError
from medsafetyworld.graph import World
from medsafetyworld.laws import Violation, check_language, check_policy, check_world
from medsafetyworld.laws.language import LANGUAGE_LAWS, LEXICON_LAWS, small_world
from medsafetyworld.laws.policy import POLICY_LAWS
from medsafetyworld.laws.world import WORLD_LAWS
from medsafetyworld.policy_data import policy
from medsafetyworld.presets import WORLD_PRESETS
from medsafetyworld.spec import WorldSpec, from_json
from medsafetyworld.world_file import load_world

SubjectArgument = tyro.conf.Positional[Annotated[str, tyro.conf.arg(metavar="WORLD")]]


@dataclass(frozen=True)
class CheckWorld:
    """Tries every law on a world, or on a domain of your own, and says which are broken."""

    world: SubjectArgument
    """A preset, a JSON file with a saved world or a world spec, or a domain: its name, or the
    directory of its files."""
    policy: str = "paper"
    """The definition of harm to try on it: a name, or a JSON file."""

    def run(self) -> int:
        """Prints each law with its verdict; 1 if any is broken."""
        harm = policy(self.policy)
        subject = find_subject(self.world)
        worlds = (
            (small_world(subject, 2), small_world(subject, 0))
            if isinstance(subject, Domain)
            else (subject,)
        )
        console = Console(highlight=False)
        console.print(f"[bold]{_title(subject)}[/bold]")
        graph = [each for world in worlds for each in check_world(world)]
        harms = [each for world in worlds for each in check_policy(harm, world)]
        return max(
            print_verdicts(console, "The world", WORLD_LAWS, graph),
            print_verdicts(
                console, "Its language", (*LEXICON_LAWS, *LANGUAGE_LAWS), check_language(subject)
            ),
            print_verdicts(console, f"The policy {self.policy}", POLICY_LAWS, harms),
        )


@dataclass(frozen=True)
class CheckCorpus:
    """Tries every law on an emitted corpus: hashes, texts, labels, and harm where none may be."""

    directory: DirectoryArgument
    """A directory written by `msw corpus emit`."""

    def run(self) -> int:
        """Prints each law with its verdict; 1 if any is broken."""
        console = Console(highlight=False)
        screen = Console(stderr=True)
        with Progress(console=screen, transient=True, disable=not screen.is_terminal) as progress:
            task = progress.add_task("reading", total=None)
            found = check_emission(self.directory, lambda count: progress.advance(task, count))
        return print_verdicts(console, str(self.directory), EMISSION_LAWS, found)


def find_subject(name: str) -> World | Domain:
    """What is to be checked. Raises `SpecError` naming what is wrong with it."""
    path = Path(name)
    if name in WORLD_PRESETS:
        return build_world(WORLD_PRESETS[name])
    if not path.is_file():
        try:
            return load_domain(name)
        except SpecError as error:
            if path.is_dir():
                raise
            raise SpecError(
                f"world must be a preset ({', '.join(WORLD_PRESETS)}), a JSON file with a saved "
                f"world or a spec, or a domain, got {name!r}; {error}"
            ) from None
    text = path.read_bytes()
    # A saved world is sealed with a hash; a spec is not.
    if b'"sha256"' in text:
        return load_world(path)
    return build_world(from_json(WorldSpec, text, str(path)))


def print_verdicts(
    console: Console, title: str, laws: Iterable[str], found: Iterable[Violation]
) -> int:
    """Each law, whether it holds, and if not what shows it. Returns 1 if any is broken, else 0."""
    broken: dict[str, str] = {}
    for each in found:
        broken.setdefault(each.law, each.counterexample)
    console.print(f"\n{title}")
    for law in laws:
        verdict = Text("broken", style="bold red") if law in broken else Text("holds ", "green")
        console.print(Text.assemble("  ", verdict, f"  {law}"))
        if law in broken:
            console.print(Text(f"            {broken[law]}", style="red"), soft_wrap=True)
    return 1 if broken else 0


def _title(subject: World | Domain) -> str:
    if isinstance(subject, Domain):
        return f"Domain {subject.name} ({subject.content_hash[:12]})"
    names = len(subject.layers[0]), len(subject.outcomes)
    return (
        f"World {subject.content_hash[:12]} of the domain {subject.domain.name}: {names[0]} "
        f"compounds, {names[1]} outcomes, {subject.hops} hop{'s' * (subject.hops > 1)}"
    )
