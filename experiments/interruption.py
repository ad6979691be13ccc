"""Ctrl-C and SIGTERM: taken note of where that is safe, and passed on to child processes."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import threading
import time
from collections.abc import Iterator, Sequence

GRACE_SECONDS = 20.0
"""How long a process may take to end before it is killed."""
_LOOK_SECONDS = 0.1


@contextlib.contextmanager
def interruption() -> Iterator[threading.Event]:
    """An event that SIGINT and SIGTERM set instead of raising in the middle of a start.

    Handlers can be set in the main thread only; elsewhere signals stay with the caller. Having
    a handler also undoes an inherited "ignore", which the children would inherit in turn.
    """
    interrupted = threading.Event()
    if threading.current_thread() is not threading.main_thread():
        yield interrupted
        return
    signals = (signal.SIGINT, signal.SIGTERM)
    before = {number: signal.signal(number, lambda *_: interrupted.set()) for number in signals}
    try:
        yield interrupted
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def stop(processes: Sequence[subprocess.Popen[bytes]], interrupted: threading.Event) -> None:
    """SIGINT, then SIGKILL after the grace period or at a second Ctrl-C."""
    interrupted.clear()
    _signal_groups(processes, signal.SIGINT)
    deadline = time.monotonic() + GRACE_SECONDS
    while any(process.poll() is None for process in processes):
        if time.monotonic() > deadline or interrupted.wait(_LOOK_SECONDS):
            _signal_groups(processes, signal.SIGKILL)
            for process in processes:
                process.wait()


def _signal_groups(processes: Sequence[subprocess.Popen[bytes]], number: int) -> None:
    for process in processes:
        if process.poll() is None:
            # It may end between the look and the signal.
            with contextlib.suppress(ProcessLookupError):
                os.killpg(process.pid, number)
