"""What the user sees while tasks run: a live table in a terminal, plain lines elsewhere.

with live_progress(console) as on_event:
    results = run_all(tasks, workers=2, on_event=on_event)
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator

from rich.console import Console
from rich.live import Live
from rich.table import Table

from experiments.scheduler import Event


@contextlib.contextmanager
def live_progress(console: Console | None = None) -> Iterator[Callable[[Event], None]]:
    """Yields the `on_event` for `run_all`."""
    screen = console or Console()
    if not screen.is_terminal:
        yield lambda event: _print_line(screen, event)
        return
    with Live(console=screen, refresh_per_second=4, transient=True) as live:

        def show(event: Event) -> None:
            if event.kind in ("finished", "failed"):
                _print_line(live.console, event)
            live.update(_table(event))

        yield show


def headline(event: Event) -> str:
    """ "3 of 10 done, 1 failed, about 12 min left"."""
    failed = f", {event.failed} failed" if event.failed else ""
    left = "" if event.eta_seconds is None else f", about {duration(event.eta_seconds)} left"
    return f"{event.done} of {event.total} done{failed}{left}"


def duration(seconds: float) -> str:
    """Seconds for people: "42 s", "12 min", "3 h 05 min", "40 days"."""
    if seconds < 90:
        return f"{seconds:.0f} s"
    minutes = round(seconds / 60)
    if minutes < 90:
        return f"{minutes} min"
    hours = minutes // 60
    return f"{hours} h {minutes % 60:02d} min" if hours < 72 else f"{hours // 24:,} days"


def _print_line(console: Console, event: Event) -> None:
    if event.task is not None:
        line = f"{event.kind} {event.task.name} ({headline(event)})"
        console.print(line, markup=False, highlight=False)


def _table(event: Event) -> Table:
    table = Table.grid(padding=(0, 2))
    table.add_row(headline(event))
    for name, seconds, line in event.running:
        table.add_row(f"  {name}", duration(seconds), line)
    return table
