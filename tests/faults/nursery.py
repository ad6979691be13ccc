"""Processes to kill, made cheaply: imports are paid once, then every job is a fork.

A nursery is a process that has imported jax and never used it, so a fork of it can start jax's
backend for itself. It reads one request a line and answers one line:

    {"job": "cell", "args": [...], "when": "step 4", "delay": 0.1, "signal": 9, "copies": 1}

`when` is text to wait for in the job's output; `delay` seconds later the signal is sent. A job
asked to end inside a save (`save`: stage kind and number of a file operation) signals itself there.
"""

from __future__ import annotations

import json
import os
import resource
import selectors
import signal
import subprocess
import sys
import time
import traceback
from collections.abc import Callable
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[2]
WRITES = ("open", "os.rename", "os.mkdir", "os.remove", "os.rmdir")
TEMPORARY = {"instrument": ".tmp"}
"""What the path of an unfinished file holds, where it is no checkpoint's."""


class Nursery:
    """The client's side; use as a context manager."""

    def __init__(self, compiled: Path) -> None:
        """`compiled` holds the children's compiled programs."""
        self.compiled = compiled

    def __enter__(self) -> Nursery:
        self._process = subprocess.Popen(
            [sys.executable, __file__],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            env={
                **os.environ,
                "PYTHONPATH": os.pathsep.join([str(ROOT), str(ROOT / "tests" / "faults")]),
                "JAX_COMPILATION_CACHE_DIR": str(self.compiled),
            },
        )
        return self

    def __exit__(self, *_: object) -> None:
        self._process.stdin.close()
        self._process.wait(timeout=60)

    def run(self, job: str, *args: object, **how: object) -> list[dict[str, Any]]:
        """Runs `copies` of a job at once; per copy its `code` (negative: signal) and `output`."""
        print(json.dumps({"job": job, "args": [str(a) for a in args], **how}), flush=True,
              file=self._process.stdin)  # fmt: skip
        return json.loads(self._process.stdout.readline())

    def one(self, job: str, *args: object, **how: object) -> dict[str, Any]:
        """Runs one copy."""
        return self.run(job, *args, **how)[0]


def serve(jobs: dict[str, Callable[..., None]]) -> None:
    """Answers requests until standard input ends."""
    # A job of a background shell has SIGINT ignored, and so would every child.
    signal.signal(signal.SIGINT, signal.default_int_handler)
    answers = os.fdopen(os.dup(1), "w")
    # Whatever a job or a library prints must not look like an answer.
    os.dup2(2, 1)
    for line in sys.stdin:
        request = json.loads(line)
        children = [_fork(jobs, request) for _ in range(request.get("copies", 1))]
        print(json.dumps(_watch(children, request)), file=answers, flush=True)


def _fork(jobs: dict[str, Callable[..., None]], request: dict[str, Any]) -> tuple[int, int]:
    reading, writing = os.pipe()
    child = os.fork()
    if child:
        os.close(writing)
        return child, reading
    code = 1
    try:
        os.dup2(writing, 1)
        os.dup2(writing, 2)
        if "file_size" in request:
            signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
            resource.setrlimit(resource.RLIMIT_FSIZE, (request["file_size"],) * 2)
        if "save" in request:
            _stop_inside_a_save(*request["save"], request.get("signal", signal.SIGKILL))
        jobs[request["job"]](*request["args"])
        code = 0
    except KeyboardInterrupt:
        code = 130
    except BaseException:
        traceback.print_exc()
    finally:
        sys.stdout.flush()
        os._exit(code)


def _stop_inside_a_save(kind: str, operation: int, number: int) -> None:
    """Sends itself a signal at the n-th file operation on what a stage of this kind is saving."""
    seen, temporary = 0, TEMPORARY.get(kind, "/.unfinished-")

    def watch(event: str, args: tuple[Any, ...]) -> None:
        nonlocal seen
        if event in WRITES and f"/{kind}-" in str(args[0]) and temporary in str(args[0]):
            seen += 1
            if seen == operation:
                os.kill(os.getpid(), number)

    sys.addaudithook(watch)


def _watch(children: list[tuple[int, int]], request: dict[str, Any]) -> list[dict[str, Any]]:
    selector = selectors.DefaultSelector()
    outputs = {child: b"" for child, _ in children}
    for child, pipe in children:
        selector.register(pipe, selectors.EVENT_READ, child)
    # The signal is due at `fire`; None: not yet known, or sent.
    fire = time.monotonic() + request["delay"] if "delay" in request else None
    text = request.get("when", "").encode()
    if text:
        fire = None
    while selector.get_map():
        for key, _ in selector.select(None if fire is None else max(0, fire - time.monotonic())):
            part = os.read(key.fd, 65536)
            outputs[key.data] += part
            if not part:
                selector.unregister(key.fd)
                os.close(key.fd)
            elif text and text in outputs[key.data]:
                fire, text = time.monotonic() + request["delay"], b""
        if fire is not None and time.monotonic() >= fire:
            for child, _ in children:
                os.kill(child, request.get("signal", signal.SIGKILL))
            fire = None
    return [
        {
            "code": os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]),
            "output": outputs[child].decode(errors="replace"),
        }
        for child, _ in children
    ]


def _tell_of_pickles(event: str, args: tuple[Any, ...]) -> None:
    if event == "pickle.find_class":
        os.write(1, f"UNPICKLED {args[0]}.{args[1]}\n".encode())


if __name__ == "__main__":
    # From the first import on; what the imports themselves unpickle goes to the first answer.
    sys.addaudithook(_tell_of_pickles)
    sys.path.insert(0, str(Path(__file__).parent))
    from nursery_jobs import JOBS

    serve(JOBS)
