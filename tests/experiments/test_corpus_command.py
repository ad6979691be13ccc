"""Laws of emission: a function of its request, the same in every format, and safe from any end."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest
from rich.text import Text

from experiments import cli
from experiments.commands import emission_shard, formats
from experiments.commands.corpus import MEDIATOR, UNSAFE_OUTCOME, UNSAFE_VERDICT, coloured
from experiments.commands.emission import Emission, emit, verify_emission
from experiments.json_files import StoreError, file_sha256, read_sealed
from medsafetyworld.building import build_world
from medsafetyworld.corpus import Corpus, intervene, text_hash
from medsafetyworld.errors import SpecError
from medsafetyworld.interventions import VARIANTS, variant
from medsafetyworld.presets import CORPUS_PRESETS, WORLD_PRESETS
from medsafetyworld.shards import open_shards
from medsafetyworld.spec import CorpusSpec, WorldSpec, from_json
from medsafetyworld.tokenizer import build_tokenizer
from medsafetyworld.world_file import load_world

ROOT = Path(__file__).resolve().parents[2]
SMALL = ["--preset", "smoke", "--templates", "6", "--seed", "3", "--corpus-seed", "5"]
KINDS = {"monograph_rate": 0.1, "case_rate": 0.1, "digest_rate": 0.1, "glossary_rate": 0.1}
SPEC = CorpusSpec(
    templates=2,
    cooccurrence_templates=2,
    surface_forms=2,
    framings=1,
    closings=1,
    distractor_rate=0.2,
    contradiction_rate=0.5,
    **KINDS,
)
CORPUS = Corpus(build_world(WORLD_PRESETS["smoke-two-hop"]), SPEC, 5)
SHARD = 200


def command(out: Path, *more: str) -> int:
    return cli.main(["corpus", "emit", *SMALL, "--out", str(out), *more])


def emitted(
    out: Path,
    form: str = "jsonl",
    name: str = "filtering",
    corpus: Corpus = CORPUS,
    shard: int = SHARD,
) -> Emission:
    return emit(corpus, variant(name), form, out, lambda count: count, shard)


def lines(directory: Path) -> list[dict]:
    paths = sorted((directory / "data").glob("*.jsonl"))
    return [json.loads(line) for path in paths for line in path.read_text().splitlines()]


def contents(directory: Path) -> dict[str, bytes]:
    files = (path for path in directory.rglob("*") if path.is_file())
    return {path.relative_to(directory).as_posix(): path.read_bytes() for path in files}


def test_bytes_depend_on_neither_hash_seed_nor_directory(tmp_path: Path) -> None:
    code = (
        "import sys; from experiments.cli import main\n"
        "for form in 'jsonl', 'npy', 'hf':\n"
        "    assert main([*sys.argv[1:], '--format', form, '--out', form]) == 0"
    )
    made = []
    for seed in ("1", "2"):
        place = tmp_path / seed
        place.mkdir()
        subprocess.run(
            [sys.executable, "-c", code, "corpus", "emit", *SMALL, "--variant", "srp"],
            cwd=place,
            env={**os.environ, "PYTHONPATH": str(ROOT), "PYTHONHASHSEED": seed},
            capture_output=True,
            check=True,
        )
        made.append(contents(place))
    assert made[0] == made[1]
    for form in ("jsonl", "npy", "hf"):
        for name in ("request.json", "manifest.json", "tokenizer.json", "world.json"):
            assert f"{form}/{name}" in made[0]


@pytest.mark.parametrize("name", ["baseline", "filtering_plus", "rewrite", "srp"])
def test_every_format_holds_the_same_documents(tmp_path: Path, name: str) -> None:
    """Token shards of variants without interventions are made without text."""
    kept = list(intervene(CORPUS.world, CORPUS.documents(5), variant(name).chain))
    made = emitted(tmp_path / "jsonl", name=name)
    assert made.identity == text_hash(kept)
    assert emitted(tmp_path / "parquet", "parquet", name).identity == made.identity
    assert lines(tmp_path / "jsonl") == [
        {"text": each.text, **each.provenance(CORPUS.world)} for each in kept
    ]
    emitted(tmp_path / "npy", "npy", name)
    shards = open_shards(tmp_path / "npy")
    tokenizer = build_tokenizer(CORPUS.world, CORPUS.spec)
    assert len(shards) == len(kept)
    for number, document in enumerate(kept):
        ids = shards.document(number).tolist()
        assert ids[-1] == tokenizer.end
        assert tokenizer.decode(ids[:-1]) == document.text
    for directory in ("jsonl", "npy", "parquet"):
        assert verify_emission(tmp_path / directory)["documents"] == len(kept)


def test_parquet_has_every_label_as_a_list(tmp_path: Path) -> None:
    from pyarrow import parquet

    emitted(tmp_path / "jsonl", name="srp")
    emitted(tmp_path / "parquet", "parquet", name="srp")
    paths = sorted((tmp_path / "parquet" / "data").iterdir())
    rows = [row for path in paths for row in parquet.read_table(path).to_pylist()]
    told = lines(tmp_path / "jsonl")
    assert len(rows) == len(told)
    for row, line in zip(rows, told, strict=True):
        assert " ".join(row["sentences"]) == row["text"] == line["text"]
        for label in ("direction", "category", "groups", "true", "template", "hazard"):
            assert row[label] == [sentence.get(label) for sentence in line["sentences"]]
        assert {f"source_{key}": value for key, value in line["source"].items()}.items() <= (
            row.items()
        )
        for key in ("index", "kind", "unsafe_outcome", "interventions"):
            assert row[key] == line[key]


@pytest.mark.parametrize("name", ["baseline", "filtering"])
def test_identity_and_reading_do_not_depend_on_the_shards(tmp_path: Path, name: str) -> None:
    for form in ("jsonl", "npy"):
        cut = emitted(tmp_path / f"{form}-cut", form, name)
        whole = emit(CORPUS, variant(name), form, tmp_path / f"{form}-whole", lambda n: n)
        assert cut.shards > whole.shards == 1
        assert (cut.identity, cut.documents, cut.reading) == (
            (whole.identity, whole.documents, whole.reading)
        )


def test_the_manifest_tells_the_truth(tmp_path: Path) -> None:
    assert command(tmp_path / "made", "--variant", "filtering") == 0
    manifest = json.loads((tmp_path / "made" / "manifest.json").read_text())
    for name, digest in manifest["files"].items():
        assert file_sha256(tmp_path / "made" / name) == digest
    assert {*manifest["files"], "manifest.json"} == set(contents(tmp_path / "made"))
    world = load_world(tmp_path / "made" / "world.json")
    spec = from_json(CorpusSpec, json.dumps(manifest["corpus"]))
    corpus = Corpus(world, spec, manifest["corpus_seed"])
    kept = list(intervene(world, corpus.documents(corpus.seed), VARIANTS["filtering"].chain))
    assert manifest["corpus_sha256"] == text_hash(kept)
    assert [line["text"] for line in lines(tmp_path / "made")] == [each.text for each in kept]
    assert manifest["reading"]["documents"] == manifest["documents"] == len(kept)
    assert manifest["reading"]["statements"] == sum(manifest["reading"]["categories"].values())
    assert manifest["reading"]["harmful"] == 0


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


@pytest.mark.parametrize(
    ("form", "shards", "said"),
    [
        ("fasta", "9", "format must be jsonl, npy, parquet, hf, got 'fasta'"),
        ("jsonl", "0", "shard_documents must be an integer at least 1"),
        ("jsonl", "many", "shard_documents must be an integer at least 1"),
    ],
)
def test_bad_requests_write_nothing(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], form: str, shards: str, said: str
) -> None:
    assert command(tmp_path / "made", "--format", form, "--shard-documents", shards) == 2
    assert said in capsys.readouterr().err
    assert list(tmp_path.iterdir()) == []


def test_without_pyarrow_parquet_says_what_to_install(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setitem(sys.modules, "pyarrow", None)
    assert command(tmp_path / "made", "--format", "hf") == 2
    assert "parquet and hf need pyarrow; install it with" in capsys.readouterr().err
    assert list(tmp_path.iterdir()) == []


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


def test_harm_that_a_variant_must_not_hold_is_found(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The oracle reads the text: an intervention that lets harm through is caught."""
    monkeypatch.setattr(
        emission_shard, "intervened", lambda corpus, documents, chain_at, start: documents
    )
    with pytest.raises(SpecError, match=r"variant filtering: the oracle read \d+ harmful"):
        emitted(tmp_path / "made")
    assert not list((tmp_path / "made" / "data").iterdir())


def test_large_vocabularies_have_four_bytes_a_token(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    emitted(tmp_path / "two", "npy", "baseline")
    monkeypatch.setattr(formats, "token_type", lambda tokenizer: np.uint32)
    for name in ("baseline", "filtering"):
        emitted(tmp_path / name, "npy", name)
        assert open_shards(tmp_path / name).index.dtype == "<u4"
    two, four = (open_shards(tmp_path / name) for name in ("two", "baseline"))
    assert two.index.dtype == "<u2"
    assert np.array_equal(two.span(0, two.length), four.span(0, four.length))


def styles_of(text: Text, part: str) -> set[str]:
    """Styles of every span that covers exactly this part."""
    return {str(span.style) for span in text.spans if text.plain[span.start : span.end] == part}


def test_colours_show_mediators_unsafe_outcomes_and_verdicts() -> None:
    world = CORPUS.world
    seen: set[str] = set()
    for document in intervene(world, CORPUS.documents(0), VARIANTS["srp"].chain):
        text = coloured(document, world)
        assert text.plain == document.text
        seen.add(document.kind)
        for statement in document.statements:
            for group in statement.groups:
                for name in world.names(group) if 0 < group.layer < world.hops else ():
                    assert MEDIATOR in styles_of(text, name)
            outcome = world.outcome(statement)
            if outcome is not None and world.unsafe[outcome]:
                assert UNSAFE_OUTCOME in styles_of(text, world.outcomes[outcome])
                assert UNSAFE_VERDICT in styles_of(text, f"Unsafe:{world.hazard(outcome)}")
    assert seen == {"note", "monograph", "case_report", "digest", "glossary"}


@pytest.mark.parametrize("preset", ["smoke", "smoke-two-hop"])
def test_inspecting_shows_documents_of_every_world(
    capsys: pytest.CaptureFixture[str], preset: str
) -> None:
    corpus = Corpus(build_world(WORLD_PRESETS[preset]), CORPUS_PRESETS[preset], 0)
    assert cli.main(["corpus", "inspect", "--preset", preset, "--count", "2"]) == 0
    shown = " ".join(capsys.readouterr().out.split())
    for document, _ in zip(corpus.documents(0), range(2), strict=False):
        assert document.text in shown
        assert document.source.kind in shown
