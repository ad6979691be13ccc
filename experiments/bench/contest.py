"""Competitors in turns: A B C, C B A, A B C ..., a short round each, several times over.

A machine that others use too slows down for seconds at a time. In turns, competitors meet the same
disturbances; a ratio is taken within each round and shown as median and range over rounds. Rates
of processes with one thread are by processor seconds: a core shared with strangers then costs
turns, not time. Threads that wait for each other spin or sleep as their library likes, so processor
seconds say nothing about several of them: those are prepared alone and measured by the clock on
the wall, on which strangers do cost time. Such figures are to be quoted from a quiet machine only.
"""

from __future__ import annotations

import contextlib
import json
import os
import statistics
import subprocess
import sys
import threading
from collections.abc import Callable, Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from tempfile import TemporaryFile
from typing import Any

from experiments.cores import visible_cores
from experiments.scheduler import XLA_SINGLE_THREAD

MOST_CORES = 8
"""Cores that competitors on all cores use at most: one process each must fit into memory."""


@dataclass(frozen=True)
class Contestant:
    """A work with its options, done by `copies` processes side by side, `threads` threads each.

    Contestants of one `host` and thread count share processes, so libraries load once.
    """

    name: str
    host: str
    work: str
    options: Mapping[str, Any] = field(default_factory=dict)
    threads: int = 1
    copies: int = 1

    @property
    def key(self) -> str:
        """What its processes prepare: contestants alike in it share that."""
        return json.dumps([self.host, self.threads, self.work, dict(self.options)])


@dataclass(frozen=True)
class Contest:
    """Contestants whose rates are to be compared, and how."""

    name: str
    contestants: tuple[Contestant, ...]
    rounds: int
    seconds: float
    """Least length of a round."""


@dataclass(frozen=True)
class Measured:
    """Units a second of one contestant, a value a round; or why there is none.

    `share` is how much of the wall's time it was at work, mean over rounds: with one thread, the
    rest was taken by others.
    """

    rates: tuple[float, ...] = ()
    share: float = 1.0
    facts: Mapping[str, Any] = field(default_factory=dict)
    missing: str = ""


@dataclass(frozen=True)
class Spread:
    """Median and range over rounds."""

    median: float
    low: float
    high: float


def spread(values: Sequence[float]) -> Spread:
    """Median, least and greatest of at least one value."""
    return Spread(statistics.median(values), min(values), max(values))


def ratio(ours: Measured, theirs: Measured) -> Spread | None:
    """`ours` over `theirs`, round by round; None if either was not measured."""
    if ours.missing or theirs.missing:
        return None
    return spread([a / b for a, b in zip(ours.rates, theirs.rates, strict=True)])


def contest_cores() -> list[int]:
    """The cores that a contest uses: those this process may run on, at most `MOST_CORES`."""
    return visible_cores()[:MOST_CORES]


class WorkerDied(RuntimeError):
    """A worker process ended; the message is the last line that it wrote."""


class _Host:
    """One worker process, started when first asked."""

    def __init__(self, threads: int) -> None:
        self._errors = TemporaryFile()  # noqa: SIM115 (closed with the process)
        limit = str(threads)
        flags = XLA_SINGLE_THREAD if threads == 1 else ""
        self._process = subprocess.Popen(
            (sys.executable, "-m", "experiments.bench.worker"),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self._errors,
            text=True,
            cwd=Path(__file__).resolve().parents[2],
            env={
                **os.environ,
                **dict.fromkeys(("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS"), limit),
                **dict.fromkeys(("MKL_NUM_THREADS", "RAYON_NUM_THREADS"), limit),
                "XLA_FLAGS": f"{os.environ.get('XLA_FLAGS', '')} {flags}".strip(),
                # These are contests of cores; what a GPU does is measured where one is.
                "JAX_PLATFORMS": "cpu",
                "HF_HUB_OFFLINE": "1",
                "TOKENIZERS_PARALLELISM": "false",
            },
        )
        self._lock = threading.Lock()

    def ask(self, request: Mapping[str, Any]) -> dict[str, Any]:
        with self._lock:
            try:
                print(json.dumps(request), file=self._process.stdin, flush=True)
                answer = self._process.stdout.readline()  # pyright: ignore
            except BrokenPipeError:
                answer = ""
        if not answer:
            self._process.wait()
            self._errors.seek(0)
            lines = self._errors.read().decode(errors="replace").strip().splitlines()
            raise WorkerDied(lines[-1] if lines else f"exit status {self._process.returncode}")
        return json.loads(answer)

    def kill(self) -> None:
        self._process.kill()
        self._process.wait()

    def close(self) -> None:
        self.kill()
        for stream in (self._process.stdin, self._process.stdout, self._errors):
            # What a dead process was still to be told is of no use to anybody.
            with contextlib.suppress(BrokenPipeError):
                stream.close()  # pyright: ignore


@dataclass
class _Prepared:
    """What the processes of one `Contestant.key` answered."""

    ids: dict[int, int] = field(default_factory=dict)
    facts: dict[str, Any] = field(default_factory=dict)
    fixed: dict[str, Any] = field(default_factory=dict)
    missing: str = ""


class Arena:
    """The worker processes of a run of contests; a context manager that ends them all."""

    def __init__(self) -> None:
        self.cores = contest_cores()
        self._hosts: dict[tuple[str, int, int], _Host] = {}
        self._prepared: dict[str, _Prepared] = {}
        self._starting, self._ended = threading.Lock(), False

    def __enter__(self) -> Arena:
        return self

    def __exit__(self, *_: object) -> None:
        for host in self._hosts.values():
            host.close()

    def prepare(
        self, contests: Iterable[Contest], on_ready: Callable[[Contestant], None] = lambda _: None
    ) -> None:
        """Loads, compiles and warms up everything, on as many cores as there are.

        What has several threads comes last and has the machine for itself: it tries what suits it
        best, and neighbours would decide that.
        """
        chains: dict[tuple[str, int], list[Contestant]] = {}
        for contest in contests:
            for contestant in contest.contestants:
                chains.setdefault((contestant.host, contestant.threads), []).append(contestant)
                self._prepared.setdefault(contestant.key, _Prepared())

        def prepare_chain(chain: list[Contestant]) -> None:
            for contestant in chain:
                self._prepare(contestant, self._prepared[contestant.key])
                on_ready(contestant)

        with ThreadPoolExecutor(len(self.cores)) as pool:
            try:
                single = [chain for (_, threads), chain in chains.items() if threads == 1]
                for finished in [pool.submit(prepare_chain, chain) for chain in single]:
                    finished.result()
                for (_, threads), chain in chains.items():
                    if threads > 1:
                        prepare_chain(chain)
            except BaseException:
                # Interrupted: nobody waits for a minute of compiling.
                pool.shutdown(wait=False, cancel_futures=True)
                with self._starting:
                    self._ended = True
                for host in self._hosts.values():
                    host.kill()
                raise

    def run(
        self, contest: Contest, on_round: Callable[[Contestant], None] = lambda _: None
    ) -> dict[str, Measured]:
        """The rates of every contestant, by name."""
        laps: dict[str, list[tuple[float, float]]] = {each.name: [] for each in contest.contestants}
        for number in range(contest.rounds):
            # Back and forth, so that nobody is always measured right after the same neighbour.
            for contestant in contest.contestants[:: 1 if number % 2 == 0 else -1]:
                done = self._prepared[contestant.key]
                if not done.missing:
                    try:
                        laps[contestant.name].append(self._round(contestant, contest))
                    except WorkerDied as died:
                        done.missing = f"failed: {died}"
                on_round(contestant)
        measured: dict[str, Measured] = {}
        for contestant in contest.contestants:
            done = self._prepared[contestant.key]
            if done.missing:
                measured[contestant.name] = Measured(missing=done.missing)
            else:
                rates, shares = zip(*laps[contestant.name], strict=True)
                measured[contestant.name] = Measured(rates, statistics.mean(shares), done.facts)
        return measured

    def _host(self, contestant: Contestant, copy: int) -> _Host:
        key = (contestant.host, contestant.threads, copy)
        with self._starting:
            if self._ended:
                raise WorkerDied("interrupted")
            if key not in self._hosts:
                self._hosts[key] = _Host(contestant.threads)
            return self._hosts[key]

    def _prepare(self, contestant: Contestant, done: _Prepared) -> None:
        for copy in range(contestant.copies):
            if done.missing or copy in done.ids:
                continue
            # What the first copy settled by trying, the others take over.
            options = {**contestant.options, **done.fixed}
            request = {"prepare": contestant.work, "options": options}
            try:
                answer = self._host(contestant, copy).ask(request)
            except WorkerDied as died:
                done.missing = f"failed: {died}"
                continue
            done.missing = answer.get("missing", "")
            if not done.missing:
                done.ids[copy] = answer["id"]
                done.facts, done.fixed = answer["facts"], answer["fixed"]

    def _round(self, contestant: Contestant, contest: Contest) -> tuple[float, float]:
        """Units a second, summed over the copies, and the share of time at work."""
        ids, alone = self._prepared[contestant.key].ids, contestant.copies == 1

        def do(copy: int) -> tuple[float, float]:
            # Several threads get as many cores; copies get one each.
            cores = self.cores[: contestant.threads] if alone else [self.cores[copy]]
            answer = self._host(contestant, copy).ask(
                {"round": ids[copy], "cores": cores, "seconds": contest.seconds}
            )
            share = answer["busy"] / contestant.threads / answer["seconds"]
            counted = answer["busy"] if contestant.threads == 1 else answer["seconds"]
            return answer["units"] / counted, share

        if alone:
            return do(0)
        with ThreadPoolExecutor(contestant.copies) as pool:
            rates, shares = zip(*pool.map(do, range(contestant.copies)), strict=True)
            return sum(rates), statistics.mean(shares)
