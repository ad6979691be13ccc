"""`msw instruments`: every attack, defence and probe that a study can name.

msw instruments
msw instruments gcg
msw instruments --json
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Annotated, Any, get_args

import tyro
from rich.console import Console
from rich.text import Text

from experiments.commands.variants import part_of, print_entry
from medsafetyworld.errors import SpecError
from medsafetyworld.interventions.algebra import nearest

Named = tyro.conf.Positional[Annotated[tuple[str, ...], tyro.conf.arg(metavar="NAME")]]

EXAMPLE = "A recipe names them with their parameters: gcg(steps=20)"


@dataclass(frozen=True)
class Instruments:
    """Lists attacks, defences and probes with their parameters and defaults."""

    names: Named = ()
    """Only these, e.g. gcg (default: all)."""
    json: bool = False
    """As JSON, for other programs."""

    def run(self) -> int:
        """Prints the list. Raises `SpecError` for a name that nothing has."""
        every = listed()
        known = sorted(each["name"] for entries in every.values() for each in entries)
        for name in self.names:
            if name not in known:
                raise SpecError(
                    f"instruments: nothing is named {name!r}{nearest(name, known)}; allowed: "
                    f"{', '.join(known)}"
                )
        found = {
            kind: [each for each in entries if not self.names or each["name"] in self.names]
            for kind, entries in every.items()
        }
        if self.json:
            print(json.dumps(found, indent=1))
            return 0
        console = Console(highlight=False)
        for kind, entries in found.items():
            if entries:
                console.print(Text(f"{kind.upper()}S", style="bold underline"))
                console.print()
            for entry in entries:
                print_entry(entry, console)
        console.print(EXAMPLE, style="dim", markup=False)
        return 0


def listed() -> dict[str, list[dict[str, Any]]]:
    """All instruments by kind, sorted by name, as plain JSON values."""
    # Each is a file of its own; only this command reads them all.
    from experiments.instruments import REGISTRY
    from experiments.instruments.instrument import Kind

    return {
        kind: [part_of(each) for _, each in sorted(REGISTRY.items()) if each.kind == kind]
        for kind in get_args(Kind)
    }
