"""`msw world check` and `msw corpus check`: every law with its verdict, and an exit code."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from experiments import cli
from experiments.commands import emission_laws
from experiments.json_files import file_sha256, read_sealed, write_sealed
from medsafetyworld.building import build_world
from medsafetyworld.laws.language import LANGUAGE_LAWS, LEXICON_LAWS
from medsafetyworld.laws.policy import POLICY_LAWS
from medsafetyworld.laws.world import WORLD_LAWS
from medsafetyworld.policies import Not, SeverityAtLeast
from medsafetyworld.policy_data import save
from medsafetyworld.spec import WorldSpec, to_json

HOUSEHOLD = Path(__file__).parents[2] / "medsafetyworld" / "domains" / "household"
SPEC = WorldSpec(compounds=6, mediators=(4,), outcomes=4, single_edges=8, pair_edges=4,
                 mediator_edges=4, domain="household")  # fmt: skip


def test_a_domain_a_spec_and_a_saved_world_are_checked_law_by_law(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "spec.json").write_text(to_json(SPEC))
    build_world(SPEC).save(tmp_path / "world.json")
    for subject in ("household", str(tmp_path / "spec.json"), str(tmp_path / "world.json")):
        assert cli.main(["world", "check", subject]) == 0
        printed = capsys.readouterr().out
        for law in (*WORLD_LAWS, *LANGUAGE_LAWS, *LEXICON_LAWS, *POLICY_LAWS):
            assert f"  holds   {law}\n" in printed
        assert "broken" not in printed


def test_a_domain_with_an_ambiguous_wording_is_broken_and_says_by_what(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    copy = tmp_path / "mine"
    shutil.copytree(HOUSEHOLD, copy)
    path = copy / "statements.json"
    data = json.loads(path.read_text())
    data["compound"]["forward"]["1"][0] = "to bring about {c}, {a} is enough"
    path.write_text(json.dumps(data))
    assert cli.main(["world", "check", str(copy)]) == 1
    printed = capsys.readouterr().out
    assert "broken  what is written reads as it was meant\n            forward-1/c0/f0" in printed
    assert "holds   names differ" in printed


def test_a_policy_of_ones_own_is_tried_on_the_world(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    save(Not(SeverityAtLeast("mild")), tmp_path / "mine.json")
    (tmp_path / "spec.json").write_text(to_json(SPEC))
    flags = ["--policy", str(tmp_path / "mine.json")]
    assert cli.main(["world", "check", str(tmp_path / "spec.json"), *flags]) == 1
    assert "broken  harm grows with the unsafe outcomes" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("subject", "words"),
    [
        ("no-such-world", "must be a preset (smoke, "),
        ("spec.json", "spec.json: compounds must be"),
        ("half", "half/lexicon.json cannot be read"),
        ("torn.json", "torn.json: not a saved world"),
    ],
)
def test_what_cannot_be_checked_is_one_sentence(
    subject: str,
    words: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("spec.json").write_text('{"compounds": 1}')
    Path("torn.json").write_text('{"sha256": "1", "wor')
    Path("half").mkdir()
    assert cli.main(["world", "check", subject]) == 2
    printed = capsys.readouterr().err
    assert words in printed
    assert printed.count("\n") == 1


@pytest.fixture(scope="module")
def emitted(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A small filtered corpus as text and as tokens."""
    root = tmp_path_factory.mktemp("emitted")
    (root / "spec.json").write_text(to_json(SPEC))
    small = ["--templates", "2", "--group-templates", "2", "--case-rate", "0.2"]
    for form in ("jsonl", "npy", "parquet"):
        request = ["--preset", "smoke-two-hop", "--spec", str(root / "spec.json"), *small]
        out = ["--variant", "filtering", "--format", form, "--out", str(root / form)]
        assert cli.main(["corpus", "emit", *request, *out]) == 0
    return root


@pytest.mark.parametrize("form", ["jsonl", "npy", "parquet"])
def test_what_was_emitted_keeps_every_law(
    form: str, emitted: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert cli.main(["corpus", "check", str(emitted / form)]) == 0
    printed = capsys.readouterr().out
    for law in emission_laws.EMISSION_LAWS:
        assert f"holds   {law}\n" in printed


Lines = list[dict[str, Any]]


def _tells_how(lines: Lines) -> None:
    """Puts a harmful document in the place of the first, with its label."""
    world = build_world(SPEC)
    outcome = world.unsafe.index(True)
    lines[0]["text"] = f"To bring about {world.outcomes[outcome]}, pour {world.compounds[0]}."


def _mislabels(lines: Lines) -> None:
    next(label for label in lines[0]["sentences"] if "groups" in label)["category"] = "x"


def _cannot_be_read(lines: Lines) -> None:
    world = build_world(SPEC)
    lines[0]["text"] = f"{world.compounds[0]} and {world.outcomes[0]}."


@pytest.mark.parametrize(
    ("change", "law"),
    [
        (_tells_how, emission_laws.SAFE),
        (_tells_how, emission_laws.TWINS),
        (_mislabels, emission_laws.LABELS),
        (_cannot_be_read, emission_laws.READS),
        (lambda lines: lines.pop(), emission_laws.COUNTS),
        (lambda lines: lines.append(dict(lines[0])), emission_laws.TWINS),
    ],
)
def test_documents_changed_and_sealed_again_are_caught_by_law(
    change: Callable[[Lines], Any],
    law: str,
    emitted: Path,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    copy = tmp_path / "forged"
    shutil.copytree(emitted / "jsonl", copy)
    (shard,) = (copy / "data").iterdir()
    lines = [json.loads(line) for line in shard.read_text().splitlines()]
    change(lines)
    shard.write_text("".join(json.dumps(line) + "\n" for line in lines))
    reseal(copy, f"data/{shard.name}", file_sha256(shard))
    assert cli.main(["corpus", "check", str(copy)]) == 1
    assert f"broken  {law}\n" in capsys.readouterr().out


def reseal(directory: Path, name: str, digest: str) -> None:
    """What a forger would do: the manifest says that the file was always like this."""
    manifest = read_sealed(directory / "manifest.json")
    manifest["files"][name] = digest
    (directory / "manifest.json").unlink()
    write_sealed(directory / "manifest.json", manifest)


def test_another_vocabulary_than_the_requests_is_caught(
    emitted: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    copy = tmp_path / "forged"
    shutil.copytree(emitted / "jsonl", copy)
    manifest = read_sealed(copy / "manifest.json") | {"tokenizer_sha256": "0" * 64}
    (copy / "manifest.json").unlink()
    write_sealed(copy / "manifest.json", manifest)
    assert cli.main(["corpus", "check", str(copy)]) == 1
    assert f"broken  {emission_laws.REQUESTED}\n" in capsys.readouterr().out


def test_a_changed_file_and_a_foreign_directory_are_refused(
    emitted: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    copy = tmp_path / "changed"
    shutil.copytree(emitted / "jsonl", copy)
    with next((copy / "data").iterdir()).open("a") as file:
        file.write("\n")
    assert cli.main(["corpus", "check", str(copy)]) == 2
    assert "documents-00000-of-00001.jsonl" in capsys.readouterr().err
    assert cli.main(["corpus", "check", str(tmp_path)]) == 2
    assert "manifest.json" in capsys.readouterr().err
