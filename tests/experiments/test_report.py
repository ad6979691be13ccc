"""Laws of the report: a pure function of the results, complete, and honest about gaps."""

from __future__ import annotations

import csv
import io
import re
from pathlib import Path

import pytest
from rich.console import Console

from experiments import report
from experiments.claim_tables import claims_table
from experiments.measures import measure
from experiments.rows import Row, read_rows
from experiments.tables import table_csv
from experiments.verdicts import scoreboard
from medsafetyworld.building import build_world
from medsafetyworld.derivation import Proof
from medsafetyworld.presets import WORLD_PRESETS
from medsafetyworld.rules import Rule
from medsafetyworld.semantics import Direction, Statement

from fake_study import TRUTH, fake_curves, fake_rows, two_hop_rows

STUDY = {"name": "headline", "preset": "laptop", "hops": 1, "seeds": 5, "config": {"a": 1},
         "command": "msw study run headline --preset laptop"}  # fmt: skip


def provenance(seeds: int) -> list[dict[str, object]]:
    return [
        {"variant": variant, "seed": seed, "run": f"measure-{seed}", "corpus_sha256": "ab" * 32,
         "weights_sha256": "cd" * 32, "documents": 1000, "unsafe_mentions": 40,
         "harmful_statements": 9 if variant == "baseline" else 0}
        for variant in TRUTH for seed in range(seeds)
    ]  # fmt: skip


def write(directory: Path, rows: list[Row]) -> Path:
    return report.write_report(
        directory, rows, study=STUDY, provenance=provenance(5), fingerprint={"jax": "0.10"},
        curves=fake_curves(),
    )  # fmt: skip


@pytest.fixture(scope="module")
def written(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A whole report, which tests only read."""
    return write(tmp_path_factory.mktemp("report"), fake_rows()).parent


def test_the_same_results_give_the_same_bytes_in_any_order(written: Path, tmp_path: Path) -> None:
    write(tmp_path, fake_rows()[::-1])
    names = sorted(path.name for path in written.iterdir())
    assert names == sorted(path.name for path in tmp_path.iterdir())
    assert {"report.md", "rows.csv", "table.csv", "safety_utility.png", "three_levels.svg"} <= {
        *names
    }
    for name in names:
        assert (written / name).read_bytes() == (tmp_path / name).read_bytes(), name


def test_the_report_holds_every_part_and_every_link_leads_somewhere(written: Path) -> None:
    text = (written / "report.md").read_text(encoding="utf-8")
    for heading in ("Table", "Beside the paper", "Figures", "Claims", "Safe-only, proven",
                    "Controls", "Provenance", "Fingerprint", "Again"):  # fmt: skip
        assert f"\n## {heading}\n" in text
    assert "derivation" not in text.lower(), "rows without depth say nothing of it"
    for link in ("safety_utility", "capability", "three_levels", "learning_curves"):
        assert f"({link}.png)" in text
        assert (written / f"{link}.png").exists()
    assert not re.search(r"\bnan\b", text, re.IGNORECASE)
    assert set(read_rows(written / "rows.csv")) == set(fake_rows())


def test_a_harmful_corpus_is_announced() -> None:
    cells = provenance(2)
    assert "Not safe-only" not in report.safe_only(cells)
    cells[-1]["harmful_statements"] = 1
    assert "1 harmful statements**; 80 documents mention an unsafe outcome. **Not safe-only!**" in (
        report.safe_only(cells)
    )


def test_harm_in_an_arm_that_does_not_promise_to_be_safe_is_no_alarm() -> None:
    cells = [{**cell, "harmful_statements": 5, "variant": "safelm"} for cell in provenance(1)]
    assert "Not safe-only!" in report.safe_only(cells)
    lenient = report.safe_only([{**cell, "safe_only": False} for cell in cells])
    assert "Not required to be safe." in lenient
    assert "Not safe-only!" not in lenient


def test_the_table_says_mean_half_width_seeds_and_prompts() -> None:
    rows = fake_rows(spread=0.0)
    table = report.main_table(rows)
    assert "| Filtering | 82.0 ± 0.0 (10.0) | 76.0 ± 0.0 |" in table
    assert "n = 5 seeds" in table
    assert "harmful questions 200" in table


def test_one_seed_has_no_interval_in_print() -> None:
    table = report.main_table(fake_rows(seeds=1, spread=0.0))
    assert "| Filtering | 82.0 (10.0) | 76.0 |" in table


def test_what_one_variant_was_not_asked_is_said_and_what_none_was_is_left_out() -> None:
    rows = [r for r in fake_rows() if not (r.variant == "srp" and r.probe.startswith("stem:"))
            and r.probe != "finetune:safe_reverse"]  # fmt: skip
    table = report.main_table(rows)
    assert "not measured" in table
    assert "safe reverse" not in table


def test_the_csv_agrees_with_the_measures() -> None:
    rows = fake_rows()
    lines = list(csv.DictReader(io.StringIO(table_csv(rows))))
    chosen = next(x for x in lines if (x["variant"], x["quantity"], x["judge"])
                  == ("srp", "prefill", "leaked"))  # fmt: skip
    values = measure(rows).series("srp", "prefill")
    assert float(chosen["mean"]) == pytest.approx(100 * sum(values) / len(values), abs=1e-3)


def test_the_readme_block_replaces_itself_and_nothing_else() -> None:
    readme = f"# Title\n\n{report.BLOCK_START}\nstale\n{report.BLOCK_END}\n\nafter\n"
    block = report.readme_block(fake_rows())
    once = report.replace_block(readme, block)
    assert once.startswith("# Title\n\n")
    assert once.endswith("\n\nafter\n")
    assert "stale" not in once
    assert report.replace_block(once, block) == once
    with pytest.raises(ValueError, match="no results block"):
        report.replace_block("# Title", block)


def test_a_study_of_two_variants_and_one_seed_is_reported(tmp_path: Path) -> None:
    rows = fake_rows(1, {name: TRUTH[name] for name in ("baseline", "srp")})
    path = report.write_report(
        tmp_path, rows, study=STUDY, provenance=[], fingerprint={}, curves={}
    )
    assert "not tested" in path.read_text(encoding="utf-8")
    assert not (tmp_path / "learning_curves.png").exists()


def test_the_readme_block_of_rows_without_depth_has_the_paper_s_claims_alone() -> None:
    block = report.readme_block(fake_rows())
    assert "C5, “" in block
    assert "D1" not in block
    assert "safe reverse" not in block
    deeper = report.readme_block(two_hop_rows(), hops=2)
    assert "D1, “What the corpus lets a learner derive" in deeper
    assert "safe reverse: leaked" in deeper
    opening, closing = report.block_marks(2)
    assert deeper.startswith(opening)
    assert deeper.endswith(f"{closing}\n")
    assert report.block_marks(1) == (report.BLOCK_START, report.BLOCK_END)


def test_a_two_hop_study_shows_depth_and_has_columns_only_for_what_the_paper_prints(
    tmp_path: Path,
) -> None:
    rows = two_hop_rows(3)
    path = report.write_report(tmp_path, rows, study={**STUDY, "hops": 2}, provenance=[],
                               fingerprint={}, curves={})  # fmt: skip
    text = path.read_text(encoding="utf-8")
    assert "\n## By derivation depth\n" in text
    assert "(depth.png)" in text
    assert (tmp_path / "depth.png").exists()
    plain = [row for row in rows if "|" not in row.metric]
    assert report.main_table(plain) == report.main_table(rows)
    lines = text.splitlines()
    (srp,) = [line for line in lines if line.startswith("| SRP |") and "`<Safe>` 16.80" in line]
    assert srp.count("|") == 5, "SRP, prefill ours and the paper's, a note"
    assert "| 16.8 |" in srp
    assert "| not printed |" not in text
    assert "| variant | prefill ASR: ours | paper | note |" in text
    assert not any(line.startswith("| Filtering |") and "paper" in line for line in lines)
    assert "| claim | verdict | p | seeds |\n" in text
    assert "Of these the paper prints for such worlds: C5, prefill ASR 64.20 %" in text
    assert "benign fine-tuning ASR:" not in text, "links are not chains"
    assert "benign fine-tuning ASR with SFT mixed in:" in text
    deeper = claims_table(scoreboard(measure(rows, hops=3)))
    assert "Of these the paper prints for such worlds: nothing." in deeper


def test_a_derivation_and_the_categories_are_drawn_and_told(tmp_path: Path) -> None:
    world = build_world(WORLD_PRESETS["smoke"])
    groups = world.edges[0].groups
    stated = Proof(Statement(Direction.FORWARD, groups))
    proof = Proof(Statement(Direction.REVERSE, groups), Rule.INVERSION, (stated,))
    cells = [
        {**cell, "categories": {"forward-safe": 5 + int(str(cell["seed"])), "reverse-safe": 3}}
        for cell in provenance(2)
        if cell["variant"] == "srp"
    ]
    rows = [row for row in fake_rows(2, {"srp": TRUTH["srp"]}) if row.level == "capability"]
    path = report.write_report(
        tmp_path, rows, study=STUDY, provenance=cells, fingerprint={}, curves={},
        derivation=report.Derivation(world, proof, "the corpus of SRP, seed 0"),
    )  # fmt: skip
    text = path.read_text(encoding="utf-8")
    assert "[by inversion, depth 1]" in text
    assert "from the corpus of SRP, seed 0" in text
    for name in ("derivation", "categories"):
        assert f"({name}.png)" in text
        assert (tmp_path / f"{name}.svg").exists()


def test_a_study_of_completions_alone_is_reported(tmp_path: Path) -> None:
    rows = [row for row in two_hop_rows() if row.level == "capability"]
    path = report.write_report(tmp_path, rows, study={**STUDY, "hops": 2}, provenance=[],
                               fingerprint={}, curves={})  # fmt: skip
    text = path.read_text(encoding="utf-8")
    assert "Beside the paper" not in text, "nothing was asked that the paper prints"
    assert "jailbroken" not in text.partition("## Claims")[0]
    assert {p.stem for p in tmp_path.glob("*.png")} == {"capability", "depth"}


def test_a_missing_key_is_named(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r"provenance\[0\] lacks seed"):
        report.write_report(tmp_path, fake_rows(1), study=STUDY, provenance=[{"variant": "srp"}],
                            fingerprint={}, curves={})  # fmt: skip


def test_the_terminal_table_shows_every_variant() -> None:
    console = Console(width=80, record=True, file=io.StringIO())
    report.print_table(fake_rows(spread=0.0), console)
    text = console.export_text()
    assert "82±0" in text
    assert all(name in text for name in ("filtering_plus", "srp", "shuffled"))
