"""The page of a published folder, and the command that draws its world again."""

from __future__ import annotations

import shlex
import shutil
from dataclasses import replace
from pathlib import Path

import pytest

from experiments.cli import main
from experiments.html.published import world_command
from medsafetyworld.building import build_world
from medsafetyworld.presets import WORLD_PRESETS
from medsafetyworld.spec import WorldSpec
from medsafetyworld.world_file import load_world

from fake_page import read

ROOT = Path(__file__).resolve().parents[2]


def test_a_published_folder_without_transcripts_has_a_page_and_says_what_it_lacks(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    source = ROOT / "experiments" / "results" / "carriers-laptop"
    folder = tmp_path / "carriers"
    shutil.copytree(source, folder, ignore=shutil.ignore_patterns("evidence.json"))
    assert main(["report", str(folder)]) == 0
    assert capsys.readouterr().out.count("report.html") == 1
    text = (folder / "report.html").read_text(encoding="utf-8")
    read(text)
    assert "<h2>The world</h2>" in text
    assert "msw world show --" in text
    assert "<h2>By derivation depth</h2>" in text
    assert (folder / "table.tex").exists()
    assert main(["report", str(tmp_path)]) == 2


@pytest.mark.parametrize(
    "spec",
    [
        replace(WORLD_PRESETS["smoke-two-hop"], seed=7),
        WorldSpec(compounds=20, outcomes=8, single_edges=40, pair_edges=4, most_causes=9,
                  severity_shares=(0.2, 0.3, 0.5), held_out_share=0.25),
    ],
)  # fmt: skip
def test_the_command_beside_the_world_makes_that_world(spec: WorldSpec, tmp_path: Path) -> None:
    words = shlex.split(world_command(spec))
    assert words[:3] == ["msw", "world", "show"]
    assert main(["world", "save", str(tmp_path / "world.json"), *words[3:]]) == 0
    assert load_world(tmp_path / "world.json").content_hash == build_world(spec).content_hash
