"""Laws of the store: done means whole, and only one process does the work."""

from __future__ import annotations

import json
import os
import random
import signal
import subprocess
import sys
import textwrap
import time
from pathlib import Path

import pytest

from experiments.json_files import (
    StoreError,
    append_jsonl,
    read_json,
    read_sealed,
    write_json,
    write_sealed,
)
from experiments.store import MANIFEST, Stage, open_stage, verify_stage


def finished(root: Path, **inputs: object) -> Stage:
    stage = open_stage(root, "sft", {"seed": 1, **inputs})
    (stage.path / "sub").mkdir()
    (stage.path / "weights.bin").write_bytes(random.Random(0).randbytes(500))
    (stage.path / "sub" / "metrics.jsonl").write_text('{"loss": 1}\n')
    stage.finish({"loss": 1.0}, {"jax": "0.10"})
    return stage


def test_a_stage_is_done_after_finish_and_stays_so_when_reopened(tmp_path: Path) -> None:
    assert not open_stage(tmp_path, "sft", {"seed": 1}).done
    stage = finished(tmp_path)
    again = open_stage(tmp_path, "sft", {"seed": 1}, verify=True)
    assert (again.path, again.done) == (stage.path, True)
    manifest = verify_stage(stage.path)
    assert (manifest["summary"], manifest["fingerprint"]) == ({"loss": 1.0}, {"jax": "0.10"})


def test_the_address_depends_on_the_values_of_the_inputs_only(tmp_path: Path) -> None:
    one = open_stage(tmp_path, "sft", {"a": 1, "b": (2, 3)})
    assert open_stage(tmp_path, "sft", {"b": [2, 3], "a": 1}).path == one.path
    assert open_stage(tmp_path, "sft", {"a": 1, "b": [3, 2]}).path != one.path
    assert one.path.name == f"sft-{one.key[:16]}"


@pytest.mark.parametrize("inputs", [{"lr": float("nan")}, {"path": Path("x")}, {"s": {1}}])
def test_inputs_that_are_no_json_are_refused(tmp_path: Path, inputs: dict[str, object]) -> None:
    with pytest.raises(StoreError, match="plain JSON"):
        open_stage(tmp_path, "sft", inputs)


def test_any_changed_byte_or_lost_file_is_refused_by_name(tmp_path: Path) -> None:
    stage = finished(tmp_path)
    rng = random.Random(1)
    for name in ("weights.bin", "sub/metrics.jsonl"):
        path = stage.path / name
        good = path.read_bytes()
        for _ in range(30):
            bad = bytearray(good)
            bad[rng.randrange(len(bad))] ^= 1 << rng.randrange(8)
            path.write_bytes(bad)
            with pytest.raises(StoreError, match=path.name):
                verify_stage(stage.path)
        for changed in (good[:-1], good + b"x", b""):
            path.write_bytes(changed)
            with pytest.raises(StoreError, match=path.name):
                verify_stage(stage.path)
        path.unlink()
        with pytest.raises(StoreError, match=f"{path.name} is missing"):
            _ = open_stage(tmp_path, "sft", {"seed": 1}, verify=True).done
        path.write_bytes(good)
    verify_stage(stage.path)


def test_a_manifest_for_other_inputs_is_refused(tmp_path: Path) -> None:
    stage, other = finished(tmp_path), open_stage(tmp_path, "sft", {"seed": 2})
    (other.path / MANIFEST).write_bytes((stage.path / MANIFEST).read_bytes())
    with pytest.raises(StoreError, match="other inputs"):
        _ = other.done
    with pytest.raises(StoreError, match="other inputs"):
        verify_stage(other.path)


def test_a_manifest_cannot_name_files_outside(tmp_path: Path) -> None:
    stage = finished(tmp_path)
    (tmp_path / "secret").write_text("x")
    for name in ("../secret", "/etc/hostname"):
        manifest = read_sealed(stage.path / MANIFEST)
        manifest["files"] = {name: "0" * 64}
        write_sealed(stage.path / MANIFEST, manifest)
        with pytest.raises(StoreError, match="leaves the directory"):
            verify_stage(stage.path)


def test_status_and_log_may_change_after_the_stage_is_done(tmp_path: Path) -> None:
    stage = finished(tmp_path)
    (stage.path / "status.json").write_text("{}")
    (stage.path / "log.txt").write_text("line")
    verify_stage(stage.path)


@pytest.mark.parametrize("content", [b"", b"{", b"\xff\xfe", b'{"a": NaN}', b'{"a": 1, "a": 2}',
                                     b"[" * 100_000])  # fmt: skip
def test_bad_json_is_one_sentence_naming_the_file(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "config.json"
    path.write_bytes(content)
    with pytest.raises(StoreError, match=r"config\.json is not readable JSON"):
        read_json(path)
    with pytest.raises(StoreError, match=r"absent\.json is missing"):
        read_json(tmp_path / "absent.json")


def test_a_failed_write_keeps_the_old_file_and_leaves_nothing_behind(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "a.json"
    write_json(path, {"old": 1})

    def full_disk(descriptor: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full_disk)
    with pytest.raises(OSError, match="No space"):
        write_json(path, {"new": 1})
    assert read_json(path) == {"old": 1}
    assert [p.name for p in tmp_path.iterdir()] == ["a.json"]


def test_a_torn_last_line_is_replaced_by_the_next(tmp_path: Path) -> None:
    path = tmp_path / "m.jsonl"
    append_jsonl(path, {"step": 1})
    with open(path, "a") as handle:
        handle.write('{"step": 2, "lo')
    append_jsonl(path, {"step": 2})
    assert [json.loads(line)["step"] for line in path.read_text().splitlines()] == [1, 2]


WORKER = """
import sys, time
from pathlib import Path
from experiments.store import open_stage
root = Path(sys.argv[1])
stage = open_stage(root, "sft", {"seed": 1})
with stage.lock():
    if not stage.done:
        (stage.path / "weights.bin").write_text("whole")
        (root / "working").touch()
        time.sleep(float(sys.argv[2]))
        with open(root / "worked", "a") as handle:
            handle.write("x")
        stage.finish({})
"""


def worker(root: Path, seconds: float) -> subprocess.Popen[str]:
    command = [sys.executable, "-c", textwrap.dedent(WORKER), str(root), str(seconds)]
    return subprocess.Popen(command, stdout=subprocess.PIPE, text=True)


def test_of_eight_processes_exactly_one_does_the_work(tmp_path: Path) -> None:
    processes = [worker(tmp_path, 0.5) for _ in range(8)]
    outputs = [process.communicate(timeout=30)[0] for process in processes]
    assert [process.returncode for process in processes] == [0] * 8
    assert (tmp_path / "worked").read_text() == "x"
    assert any("waiting for another process" in output for output in outputs)


def test_a_process_killed_at_work_leaves_a_stage_not_done_and_a_free_lock(tmp_path: Path) -> None:
    process = worker(tmp_path, 60)
    deadline = time.monotonic() + 20
    while not (tmp_path / "working").exists() and time.monotonic() < deadline:
        time.sleep(0.02)
    process.send_signal(signal.SIGKILL)
    process.communicate(timeout=10)
    stage = open_stage(tmp_path, "sft", {"seed": 1})
    assert not stage.done
    began = time.monotonic()
    with stage.lock():
        stage.finish({})
    assert stage.done
    assert time.monotonic() - began < 5
