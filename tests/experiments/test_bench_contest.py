"""Laws of a contest: turns, paired ratios, and what happens to a competitor that cannot run."""

from __future__ import annotations

import time
from pathlib import Path

import pytest

from experiments.bench.contest import Arena, Contest, Contestant, Measured, _Prepared, ratio
from experiments.bench.worker import Lap, one_round


def test_a_ratio_is_taken_within_each_round() -> None:
    # Both are ten times slower in the second round; the machine's mood cancels.
    ours, theirs = Measured((20.0, 2.0, 30.0)), Measured((10.0, 1.0, 10.0))
    found = ratio(ours, theirs)
    assert found is not None
    assert (found.median, found.low, found.high) == (2.0, 2.0, 3.0)
    assert ratio(ours, Measured(missing="no")) is None


def test_a_round_lasts_as_long_as_it_must_and_adds_everything_up() -> None:
    assert one_round(lambda: Lap(5.0, 0.3, 0.1), 1.0) == pytest.approx((20.0, 1.2, 0.4))
    assert one_round(lambda: Lap(5.0, 7.0, 0.1), 1.0) == (5.0, 7.0, 0.1)


def test_competitors_that_cannot_run_say_why_and_the_others_are_measured(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "tokenizers.py").write_text("raise ModuleNotFoundError(name='tokenizers')\n")
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    good = Contestant("good", "plain", "world", {"compounds": 60})
    both = Contestant("both", "plain", "world", {"compounds": 60}, copies=2)
    absent = Contestant("absent", "plain", "encode_hf")
    broken = Contestant("broken", "plain", "world", {"compound": 60})
    order: list[str] = []
    with Arena() as arena:
        arena.cores = [arena.cores[0]] * 2  # a machine with one core will do
        contest = Contest("x", (good, both, absent, broken), rounds=2, seconds=0.01)
        arena.prepare([contest])
        found = arena.run(contest, lambda each: order.append(each.name))
    assert order == ["good", "both", "absent", "broken", "broken", "absent", "both", "good"]
    assert len(found["good"].rates) == len(found["both"].rates) == 2
    assert min(found["good"].rates + found["both"].rates) > 0
    assert found["good"].facts["entities"] == 75
    assert found["absent"].missing == "tokenizers is not installed (`make test` installs it)"
    assert "unexpected keyword argument 'compound'" in found["broken"].missing


def test_a_worker_that_dies_costs_its_own_figures_only() -> None:
    doomed = Contestant("doomed", "one", "world", {"compounds": 60})
    other = Contestant("other", "two", "world", {"compounds": 60})
    with Arena() as arena:
        contest = Contest("x", (doomed, other), rounds=2, seconds=0.01)
        arena.prepare([contest])
        arena._hosts["one", 1, 0].kill()
        found = arena.run(contest)
    assert found["doomed"].missing.startswith("failed: ")
    assert len(found["other"].rates) == 2


def test_busy_seconds_do_not_count_waiting() -> None:
    from experiments.bench.worker import timed

    found = timed(lambda: time.sleep(0.05), 1.0)()
    assert found.seconds >= 0.05 > 0.03 > found.busy


def test_a_thread_counts_by_its_own_seconds_and_several_by_the_wall() -> None:
    class Answers:
        def ask(self, _: object) -> dict[str, float]:
            return {"units": 12.0, "seconds": 4.0, "busy": 2.0}

    single, several = Contestant("one", "x", "w"), Contestant("two", "x", "w", threads=2)
    contest = Contest("x", (single, several), rounds=1, seconds=0.0)
    with Arena() as arena:
        arena._host = lambda contestant, copy: Answers()  # pyright: ignore
        arena._prepared = {each.key: _Prepared({0: 0}) for each in contest.contestants}
        found = arena.run(contest)
    assert found["one"].rates == (6.0,)
    assert found["one"].share == 0.5
    assert found["two"].rates == (3.0,)


def test_what_has_several_threads_is_prepared_last_and_alone() -> None:
    names = {"a": 2, "b": 1, "c": 1, "d": 2}
    contestants = tuple(
        Contestant(name, name, "w", threads=threads) for name, threads in names.items()
    )
    running: set[str] = set()
    together: dict[str, int] = {}

    def prepare(contestant: Contestant, _: object) -> None:
        running.add(contestant.name)
        time.sleep(0.05)
        together[contestant.name] = len(running)
        running.discard(contestant.name)

    with Arena() as arena:
        arena.cores = [arena.cores[0]] * 2
        arena._prepare = prepare  # pyright: ignore
        arena.prepare([Contest("x", contestants, rounds=1, seconds=0.0)])
    assert list(together)[2:] == ["a", "d"]
    assert together["a"] == together["d"] == 1


def test_an_interruption_ends_the_workers_and_prepares_nothing_more() -> None:
    ready: list[str] = []

    def interrupt(each: Contestant) -> None:
        ready.append(each.name)
        raise KeyboardInterrupt

    names = ("a", "b", "c", "d", "e", "f")
    contestants = tuple(Contestant(name, name, "world", {"compounds": 60}) for name in names)
    with Arena() as arena:
        arena.cores = [arena.cores[0]]  # as many prepare at once as there are cores
        with pytest.raises(KeyboardInterrupt):
            arena.prepare([Contest("x", contestants, rounds=1, seconds=0.0)], interrupt)
        hosts = list(arena._hosts.values())
        assert all(host._process.poll() is not None for host in hosts)
    assert len(hosts) < len(names)
