"""`msw chat`: talk to a model of a finished study, with the graph's truth beside each answer.

msw chat runs/headline-smoke:srp-s0
msw chat runs/headline-smoke --cell srp-s0 --model finetune:pair_forward
printf '/safe\n1\n/derive\n' | msw chat runs/headline-smoke:srp-s0
"""

from __future__ import annotations

import atexit
import os
import sys
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from rich.console import Console

from experiments.commands.flags import MaybeText, RunArgument


@dataclass(frozen=True, kw_only=True)
class Chat:
    """Talks to a model: type a question, or /help. Reads lines from a pipe as well."""

    name: RunArgument
    """DIRECTORY or DIRECTORY:CELL of a study, e.g. runs/headline-smoke:srp-s0."""
    cell: MaybeText = None
    """Which cell, if the name does not tell (may be left out if the study has only one)."""
    model: MaybeText = None
    """base, sft or finetune:KIND (default: sft)."""

    def run(self) -> int:
        """Talks until the input ends; a line that cannot be followed is answered by a sentence."""
        from experiments.cell import share_compiled
        from experiments.cli import WRONG_REQUEST
        from experiments.conversation import HELP, Conversation
        from experiments.run_names import open_run

        share_compiled()
        run = open_run(self.name, self.cell, self.model)
        console = Console(highlight=False)
        talk = Conversation(run.bench, run.model, console)
        context = run.bench.context
        console.print(
            f"[bold]{run.title}[/bold], {len(context.true_world.compounds)} compounds and "
            f"{len(context.true_world.outcomes)} outcomes. Ask, or /help.",
            soft_wrap=True,
        )
        words = [*(f"/{name}" for name in HELP), *context.true_world.compounds]
        words += [each for each in context.tokenizer.vocabulary if each.isalpha()]
        for line in spoken(lambda: f"{run.cell} {talk.model}> ", words):
            try:
                if not talk.hear(line):
                    break
            except WRONG_REQUEST as error:
                console.print(" ".join(str(error).split()), markup=False, soft_wrap=True)
            except KeyboardInterrupt:
                console.print("\nInterrupted; /quit leaves.")
        return 0


def spoken(prompt: Callable[[], str], words: Sequence[str]) -> Iterator[str]:
    """Lines of standard input. A terminal gets a prompt, arrow keys, a memory of earlier talks, and
    words completed by the tab key."""
    if not sys.stdin.isatty():
        yield from sys.stdin
        return
    _edited(words)
    while True:
        try:
            yield input(prompt())
        except (EOFError, KeyboardInterrupt):
            print()
            return


def _edited(words: Sequence[str]) -> None:
    """Makes `input` an editor of lines, where this Python has one."""
    try:
        import readline
    except ImportError:  # as on Windows
        return

    state = Path(os.environ.get("XDG_STATE_HOME") or Path.home() / ".local" / "state")
    memory = state / "medsafetyworld" / "chat_history"
    memory.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    if memory.exists():
        readline.read_history_file(memory)
    readline.set_history_length(1000)
    atexit.register(readline.write_history_file, memory)

    def complete(begun: str, number: int) -> str | None:
        found = [word for word in words if word.startswith(begun)]
        return f"{found[number]} " if number < len(found) else None

    readline.set_completer_delims(" ")
    readline.set_completer(complete)
    readline.parse_and_bind("tab: complete")
