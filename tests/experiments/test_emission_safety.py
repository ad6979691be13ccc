"""Emission is safe from any end: interrupted, killed, spoiled, or asked for by several at once."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from experiments import cli
from experiments.commands import emission_shard
from experiments.commands.emission import emit, verify_emission
from experiments.json_files import StoreError, read_sealed
from medsafetyworld.building import build_world
from medsafetyworld.corpus import Corpus
from medsafetyworld.interventions import variant
from medsafetyworld.spec import WorldSpec

from emission_cases import (
    CORPUS,
    ROOT,
    SMALL,
    SPEC,
    command,
    contents,
    emitted,
)


class Interruption:
    """Raises KeyboardInterrupt at the n-th call of any of the functions it stands before."""

    def __init__(self, at: int) -> None:
        self.calls, self.at = 0, at

    def before(self, function: Callable) -> Callable:
        def called(*given, **named):
            self.calls += 1
            if self.calls == self.at:
                raise KeyboardInterrupt
            return function(*given, **named)

        return called


@pytest.mark.parametrize("form", ["jsonl", "npy"])
def test_whatever_moment_ends_it_the_same_request_comes_to_the_same_bytes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, form: str
) -> None:
    """Before each file is moved into place, before each sync, and in the middle of each shard."""
    world = build_world(WorldSpec(compounds=6, outcomes=3, single_edges=8, pair_edges=1))
    small = Corpus(world, SPEC, 5)
    # What a power cut would leave is not at stake here, and the disk is slow.
    monkeypatch.setattr(os, "fsync", lambda descriptor: None)
    emitted(tmp_path / "whole", form, corpus=small, shard=10)
    wanted = contents(tmp_path / "whole")
    resumed = kept = at = 0
    while True:
        at += 1
        out = tmp_path / str(at)
        interruption = Interruption(at)
        with monkeypatch.context() as patched:
            patched.setattr(os, "replace", interruption.before(os.replace))
            patched.setattr(os, "fsync", interruption.before(os.fsync))
            patched.setattr(emission_shard, "STEP", 4)
            advance = interruption.before(lambda count: count)
            try:
                emit(small, variant("filtering"), form, out, advance, 10)
            except KeyboardInterrupt:
                resumed += 1
        if interruption.calls < at:
            break
        for path in out.rglob("*"):
            assert not path.name.endswith(".partial"), path
        kept += emitted(out, form, corpus=small, shard=10).kept
        assert contents(out) == wanted
        shutil.rmtree(out)
    assert resumed == at - 1 > 20
    assert kept > resumed


def test_a_killed_command_goes_on_behind_its_shards(tmp_path: Path) -> None:
    arguments = [*SMALL, "--templates", "16", "--shard-documents", "300"]
    whole, killed = tmp_path / "whole", tmp_path / "killed"
    assert cli.main(["corpus", "emit", *arguments, "--out", str(whole)]) == 0
    process = subprocess.Popen(
        [sys.executable, "-m", "experiments.cli", "corpus", "emit", *arguments, f"--out={killed}"],
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    while len(list(killed.glob("shards/*.json"))) < 2 and process.poll() is None:
        time.sleep(0.005)
    process.send_signal(signal.SIGKILL)
    process.wait()
    assert not (killed / "manifest.json").exists(), "it was done before the signal came"
    assert cli.main(["corpus", "check", str(killed)]) == 2
    (killed / "data" / ".documents-00000-of-00001.jsonl.partial").write_text("half a l")
    assert cli.main(["corpus", "emit", *arguments, "--out", str(killed)]) == 0
    assert contents(killed) == contents(whole)


def test_processes_that_want_the_same_corpus_take_turns(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with ThreadPoolExecutor(4) as pool:
        made = list(pool.map(emitted, [tmp_path / "made"] * 4))
    assert sorted(each.kept for each in made) == [0, *[made[0].shards] * 3]
    assert capsys.readouterr().out.count("waiting for another process") >= 1
    emitted(tmp_path / "alone")
    assert contents(tmp_path / "made") == contents(tmp_path / "alone")


def test_a_finished_corpus_is_verified_and_left_alone(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert command(tmp_path / "made") == 0
    before = {path: path.stat().st_mtime_ns for path in tmp_path.rglob("*")}
    assert command(tmp_path / "made") == 0
    assert "1 of 1 shards were there already" in " ".join(capsys.readouterr().out.split())
    assert {path: path.stat().st_mtime_ns for path in tmp_path.rglob("*")} == before


def test_other_directories_are_refused_and_left_alone(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    held = tmp_path / "held"
    held.mkdir()
    (held / "thesis.txt").write_text("years of work")
    assert command(held) == 2
    assert "exists and holds other files" in capsys.readouterr().err
    assert contents(held) == {"thesis.txt": b"years of work"}
    assert command(held / "thesis.txt") == 2
    assert "is no directory" in capsys.readouterr().err
    assert command(tmp_path / "made") == 0
    before = contents(tmp_path / "made")
    for more, differing in (
        (["--corpus-seed", "6"], "corpus_seed"),
        (["--variant", "srp"], "variant"),
        (["--format", "npy"], "files_format"),
        (["--shard-documents", "9"], "shards"),
    ):
        assert command(tmp_path / "made", *more) == 2
        said = capsys.readouterr().err
        assert "request.json exists and is for another corpus" in said
        assert f"differ: {differing}\n" in said
    assert contents(tmp_path / "made") == before


def half_done(out: Path, form: str) -> None:
    """An emission that ended before its manifest, with all but the last shard."""
    emitted(out, form)
    (out / "manifest.json").unlink()
    last = max((out / "shards").iterdir())
    for name in read_sealed(last)["files"]:
        (out / name).unlink()
    last.unlink()


@pytest.mark.parametrize("form", ["jsonl", "npy"])
def test_shards_of_another_corpus_are_refused_by_name(tmp_path: Path, form: str) -> None:
    other = Corpus(CORPUS.world, CORPUS.spec, 6)
    emitted(tmp_path / "other", form, corpus=other)
    record = min((tmp_path / "other" / "shards").iterdir())
    data = [Path(name) for name in read_sealed(record)["files"]]

    half_done(tmp_path / "recorded", form)
    for name in (*data, record.relative_to(tmp_path / "other")):
        shutil.copy(tmp_path / "other" / name, tmp_path / "recorded" / name)
    with pytest.raises(StoreError, match=f"{record.name} is the record of a shard of another"):
        emitted(tmp_path / "recorded", form)

    half_done(tmp_path / "bare", form)
    (tmp_path / "bare" / "shards" / record.name).unlink()
    shutil.copy(tmp_path / "other" / data[0], tmp_path / "bare" / data[0])
    with pytest.raises(StoreError, match=f"{data[0].name} is a shard of another corpus"):
        emitted(tmp_path / "bare", form)

    half_done(tmp_path / "changed", form)
    path = tmp_path / "changed" / data[-1]
    path.write_bytes(path.read_bytes()[:-1] + b"?")
    with pytest.raises(StoreError, match=path.name):
        emitted(tmp_path / "changed", form)

    half_done(tmp_path / "foreign", form)
    (tmp_path / "foreign" / "data" / "more.txt").write_text("")
    with pytest.raises(StoreError, match=r"more\.txt is not a file of this corpus"):
        emitted(tmp_path / "foreign", form)


def test_a_file_is_no_corpus_to_verify(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "made").write_text("{}")
    assert cli.main(["corpus", "check", str(tmp_path / "made")]) == 2
    assert capsys.readouterr().err == f"msw: {tmp_path / 'made'} is not a directory\n"


def test_verifying_names_what_was_changed_lost_or_added(tmp_path: Path) -> None:
    emitted(tmp_path / "made", "npy")
    index = tmp_path / "made" / "index.json"
    good = index.read_bytes()
    for spoil in (lambda: index.write_bytes(good + b" "), index.unlink):
        spoil()
        with pytest.raises(StoreError, match=r"index\.json"):
            verify_emission(tmp_path / "made")
        index.write_bytes(good)
    (tmp_path / "made" / "shards" / "more.json").write_text("{}")
    with pytest.raises(StoreError, match=r"more\.json is not a file of this corpus"):
        verify_emission(tmp_path / "made")
