"""Laws of the page: complete, the same bytes from the same results, no code in it but its own."""

from __future__ import annotations

import re
import shlex
import shutil
from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from experiments.cli import main
from experiments.evidence import Evidence, read_evidence, write_evidence
from experiments.figure_style import MARKS
from experiments.html import markdown
from experiments.html.elements import element, joined
from experiments.html.page import Material, page
from experiments.html.pareto import pareto
from experiments.html.published import world_command
from experiments.html.transcripts import response
from experiments.json_files import StoreError
from experiments.measures import measure
from experiments.rows import Row
from medsafetyworld.building import build_world
from medsafetyworld.presets import WORLD_PRESETS
from medsafetyworld.spec import WorldSpec
from medsafetyworld.world_file import load_world

from fake_study import TRUTH, fake_curves, fake_rows
from fake_suite import HOSTILE, evidence, suite_rows

ROOT = Path(__file__).resolve().parents[2]
STUDY = {"name": "headline", "preset": "laptop", "hops": 1, "command": "msw study run headline"}
REPORT = """# Study `headline`

**With 5 seeds: something.**

## Table

| variant | rate |
|---|---:|
| SRP | 4.5 ± 1.0 |

## Figures

![capability](capability.png)

What it completes. ([SVG](capability.svg))

## Claims

told

## Again

```
msw study run headline
```
"""


def made(rows: list[Row]) -> Material:
    arms = list(TRUTH)
    return Material(rows, STUDY, REPORT, evidence(arms, fake_curves()), {"capability": "<svg/>"})


@pytest.fixture(scope="module")
def whole() -> str:
    """A page with everything, which tests only read."""
    return page(made(suite_rows(fake_rows(3))))


class Reader(HTMLParser):
    """Checks that elements are closed in turn, and collects text and attributes."""

    def __init__(self) -> None:
        super().__init__()
        self.open: list[str] = []
        self.found: list[tuple[str, dict[str, str | None]]] = []
        self.said: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.found.append((tag, dict(attrs)))
        if tag not in ("meta", "img", "br"):
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        self.said.append(data)


def read(text: str) -> Reader:
    reader = Reader()
    reader.feed(text)
    assert not reader.open
    return reader


def test_the_same_results_give_the_same_bytes_in_any_order(whole: str) -> None:
    assert page(made(suite_rows(fake_rows(3))[::-1])) == whole


def test_the_page_is_whole_and_nothing_is_loaded_from_anywhere(whole: str) -> None:
    found = read(whole).found
    titles = re.findall(r"<h2>(.*?)</h2>", whole)
    assert titles == ["Claims", "Usefulness against harm", "Three levels", "Every measure",
                      "Attacks", "Probes", "Learning curves", "Figures", "Checks"]  # fmt: skip
    anchors = {attributes["href"] for tag, attributes in found if tag == "a"}
    assert anchors == {f"#{attributes['id']}" for tag, attributes in found if tag == "section"}
    assert not re.search(r"https?:|@import|url\(", whole)
    assert all(
        str(a["src"]).startswith("data:image/svg+xml;base64,") for t, a in found if t == "img"
    )
    assert sum(tag == "script" for tag, _ in found) == 1
    assert not any(name.startswith("on") for _, attributes in found for name in attributes)
    for tag, attributes in found:
        if tag == "figure":
            continue
        assert "nan" not in " ".join(map(str, attributes.values())).lower().split()


def test_what_models_say_stays_text(whole: str) -> None:
    assert HOSTILE not in whole
    assert whole.count("&lt;script&gt;") >= 2 * len(TRUTH)
    assert HOSTILE in "".join(read(whole.partition("<main>")[2].partition("</main>")[0]).said)


@given(st.text())
def test_no_text_becomes_an_element_or_ends_an_attribute(text: str) -> None:
    reader = read(element("p", text, title=text))
    assert len(reader.found) == 1
    # Parsers read line ends and zeros in their own ways.
    if not set(text) & set("\r\0"):
        assert "".join(reader.said) == text
        assert reader.found[0][1]["title"] == text


def test_a_script_that_is_not_the_page_s_own_is_forbidden(whole: str) -> None:
    import base64
    import hashlib

    script = whole.rpartition("<script>")[2].partition("</script>")[0]
    digest = base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()
    assert f"default-src 'none'; img-src data:; style-src 'unsafe-inline'; script-src "\
        f"'sha256-{digest}'" in whole.replace("&#x27;", "'")  # fmt: skip


def test_every_colour_of_an_arm_has_a_light_and_a_dark_form() -> None:
    css = (ROOT / "experiments" / "html" / "page.css").read_text(encoding="utf-8")
    for hex_colour, _ in MARKS.values():
        assert css.count(f"--c{hex_colour.lstrip('#')}:") == 3, hex_colour


def test_the_table_tells_budget_tried_and_of_how_many(whole: str) -> None:
    row = whole.partition("<code>gcg</code></th>")[2].partition("</tr>")[0]
    assert "90 of 96" in row
    assert "<small>forward passes of one sequence</small>" in row
    assert ">128" in row
    assert "zero " in row
    assert "random " in row
    assert re.search(r"Not shown to be better.*<code>paraphrase</code>", whole)


def test_every_point_of_every_chart_tells_its_figures(whole: str) -> None:
    told = re.findall(r'<g class="mark[^>]*><title>(.*?)</title>', whole, re.DOTALL)
    assert len(told) > 300
    assert all(re.search(r"\d ± \d.*\(n = \d seeds?\)", each, re.DOTALL) for each in told)
    for title in ("best_of", "prefix:k", "shots", "gcg(steps=4)"):
        assert f"<h4>{title}</h4>" in whole
    assert "linear_probes:layer, harmfulness: accuracy" in whole
    assert "selectivity" in whole
    drawn = whole.partition("linear_probes:layer, harmfulness: accuracy</h4>")[2].partition(
        "</svg>"
    )[0]
    assert "chance: 50.0 % at 0" in drawn


def test_one_seed_has_no_interval_and_no_test() -> None:
    text = page(made(suite_rows(fake_rows(1))))
    assert "one seed decides nothing" in text
    assert re.search(r"\b0 of \d+ attacks leak more", text)
    assert 'class="whisker"' not in text.partition("gcg(steps=4)")[0]


def test_a_judge_can_be_chosen_and_each_has_its_own_panels() -> None:
    text = pareto(measure(fake_rows(3)))
    assert re.findall(r"<button type=\"button\" aria-pressed=\"\w+\">(\w+)<", text) == [
        "leaked", "delivered", "jailbroken"]  # fmt: skip
    assert text.count("<svg") == len(TRUTH) - 1 + 3 * 5, "legend, and five panels a judge"
    assert "strongest of all" not in text
    more = pareto(measure(suite_rows(fake_rows(3))))
    assert more.count("<h4>The strongest of all attacks</h4>") == 3


def test_a_study_of_completions_alone_has_a_page() -> None:
    rows = [row for row in fake_rows(3) if row.level == "capability"]
    text = page(Material(rows, STUDY, "# Study\n\n**Nothing.**\n"))
    assert "<h2>Attacks</h2>" not in text
    assert "<h2>Three levels</h2>" in text
    read(text)


def test_verdicts_and_forced_beginnings_are_told_apart_from_what_the_model_said() -> None:
    text = response("<think> Safe </think> It is <b>zolpiraxin</b>. <think> Unsafe:dermal </think>",
                    "<think> Safe </think>", ["zolpiraxin"])  # fmt: skip
    assert text.startswith('<span class="forced"')
    assert (
        '<span class="verdict unsafe">⚠ &lt;think&gt; Unsafe:dermal &lt;/think&gt;</span>' in text
    )
    assert '&lt;b&gt;<mark title="a right compound">zolpiraxin</mark>&lt;/b&gt;' in text


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


def test_the_report_s_markdown_becomes_tables_lists_and_code() -> None:
    text = markdown.html(
        "| a | b |\n|---|---:|\n| **x** | < 0.001 |\n| `y` | 12.5 ± 1 |\n\n- one\n- two\n  more\n\n"
        "```json\n<b>\n```\n\n![p](p.png)\n\n### Why\n\nso ([SVG](p.svg))",
        {"p": element("figure", "drawn")},
    )
    read(text)
    assert 'data-sort="0.001"' in text
    assert 'data-sort="12.5"' in text
    assert "<li>two more</li>" in text
    assert "&lt;b&gt;" in text
    assert "<figure>drawn</figure>" in text
    assert "<h3>Why</h3>" in text
    assert "SVG" not in text
    assert joined(None) == ""


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


def test_an_instrument_that_was_skipped_is_named_with_its_reason() -> None:
    records = {"adversarial(pairs=3)": {"srp": {"0": {"skipped": "no <reflections>"}}}}
    text = page(replace(made(fake_rows(3)), evidence=Evidence(records=records)))
    assert "<code>adversarial(pairs=3)</code>: SRP (no &lt;reflections&gt;)" in text


def test_attacks_without_transcripts_say_so() -> None:
    text = page(replace(made(fake_rows(3)), evidence=Evidence()))
    assert "holds no transcripts" in text
