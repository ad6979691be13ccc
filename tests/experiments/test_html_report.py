"""Laws of the page: complete, the same bytes from the same results, no code in it but its own."""

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path

import pytest

from experiments.evidence import read_evidence, write_evidence
from experiments.figure_style import MARKS
from experiments.html.page import Material, page
from experiments.json_files import StoreError

from fake_page import STUDY, made, read, whole
from fake_study import TRUTH, fake_curves, fake_rows
from fake_suite import HOSTILE, evidence, suite_rows

ROOT = Path(__file__).resolve().parents[2]


def test_the_same_results_give_the_same_bytes_in_any_order() -> None:
    assert page(made(suite_rows(fake_rows(3))[::-1])) == whole()


def test_the_page_is_whole_and_nothing_is_loaded_from_anywhere() -> None:
    found = read(whole()).found
    titles = re.findall(r"<h2>(.*?)</h2>", whole())
    assert titles == ["Claims", "Usefulness against harm", "Three levels", "Every measure",
                      "Attacks", "Probes", "Learning curves", "Figures", "Checks"]  # fmt: skip
    anchors = {attributes["href"] for tag, attributes in found if tag == "a"}
    assert anchors == {f"#{attributes['id']}" for tag, attributes in found if tag == "section"}
    assert not re.search(r"https?:|@import|url\(", whole())
    assert all(
        str(a["src"]).startswith("data:image/svg+xml;base64,") for t, a in found if t == "img"
    )
    assert sum(tag == "script" for tag, _ in found) == 1
    assert not any(name.startswith("on") for _, attributes in found for name in attributes)
    for tag, attributes in found:
        if tag == "figure":
            continue
        assert "nan" not in " ".join(map(str, attributes.values())).lower().split()


def test_what_models_say_stays_text() -> None:
    assert HOSTILE not in whole()
    assert whole().count("&lt;script&gt;") >= 2 * len(TRUTH)
    assert HOSTILE in "".join(read(whole().partition("<main>")[2].partition("</main>")[0]).said)


def test_a_script_that_is_not_the_page_s_own_is_forbidden() -> None:
    import base64
    import hashlib

    script = whole().rpartition("<script>")[2].partition("</script>")[0]
    digest = base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()
    assert f"default-src 'none'; img-src data:; style-src 'unsafe-inline'; script-src "\
        f"'sha256-{digest}'" in whole().replace("&#x27;", "'")  # fmt: skip


def test_every_colour_of_an_arm_has_a_light_and_a_dark_form() -> None:
    css = (ROOT / "experiments" / "html" / "page.css").read_text(encoding="utf-8")
    for hex_colour, _ in MARKS.values():
        assert css.count(f"--c{hex_colour.lstrip('#')}:") == 3, hex_colour


def test_one_seed_has_no_interval_and_no_test() -> None:
    text = page(made(suite_rows(fake_rows(1))))
    assert "one seed decides nothing" in text
    assert "± –" not in text
    assert re.search(r"\b0 of \d+ attacks that make no guess easier leak more", text)
    assert 'class="whisker"' not in text.partition("gcg(steps=4)")[0]


def test_a_study_of_completions_alone_has_a_page() -> None:
    rows = [row for row in fake_rows(3) if row.level == "capability"]
    text = page(Material(rows, STUDY, "# Study\n\n**Nothing.**\n"))
    assert "<h2>Attacks</h2>" not in text
    assert "<h2>Three levels</h2>" in text
    read(text)


def test_evidence_is_read_back_and_another_file_is_refused(tmp_path: Path) -> None:
    kept = evidence(["srp"], fake_curves(1))
    write_evidence(tmp_path / "evidence.json", kept)
    back = read_evidence(tmp_path / "evidence.json")
    assert page(replace(made(fake_rows(1)), evidence=back)) == page(
        replace(made(fake_rows(1)), evidence=kept)
    )
    (tmp_path / "other.json").write_text('{"curves": {}}')
    with pytest.raises(StoreError, match=r"other\.json is not a report's evidence"):
        read_evidence(tmp_path / "other.json")
