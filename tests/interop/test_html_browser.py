"""The page in a real browser: no error, no request, tables sort, and it fits a phone.

Screenshots at the widths of a desktop and of a phone lie in pytest's temporary folders.
Skipped where no chromium or chrome is found on PATH; `apt-get install chromium` brings one.
"""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import sys
from dataclasses import replace
from functools import cache
from html import escape, unescape
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from matplotlib.image import imread

sys.path.append(str(Path(__file__).resolve().parents[1] / "experiments"))

from experiments.figure_style import mark
from experiments.html.page import Material, page

from fake_study import TRUTH, fake_curves, fake_rows
from fake_suite import evidence, suite_rows

ROOT = Path(__file__).resolve().parents[2]
BROWSERS = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable", "chrome")
BROWSER = next(filter(None, map(shutil.which, BROWSERS)), None)

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(BROWSER is None, reason=f"no browser on PATH: {', '.join(BROWSERS)}"),
]

RESULTS = ROOT / "experiments" / "results" / "headline-laptop-two-hop"
STUDY = {"name": "headline", "preset": "laptop-two-hop", "hops": 2, "command": "msw study run x"}

ASK = """
const column = (table, place) => [...table.tBodies[0].rows].map(row => row.cells[place].innerText);
const found = {
  title: document.title,
  width: window.innerWidth,
  scrolls: document.documentElement.scrollWidth > window.innerWidth,
};
const table = document.querySelector("#three-levels table");
const press = place => table.tHead.rows[0].cells[place].querySelector("button").click();
const sort = place => table.tHead.rows[0].cells[place].ariaSort;
found.before = column(table, 0);
press(1); found.largest = column(table, 1); found.first = sort(1);
press(1); found.smallest = column(table, 1); found.second = sort(1);
press(0); found.names = column(table, 0); found.left = sort(1);

const tabs = document.querySelector(".tabs");
const shown = () => [...tabs.querySelectorAll(":scope > .view")].map(view => !view.hidden);
found.at_first = shown();
tabs.querySelectorAll(".choice button")[2].click();
found.third = shown();
tabs.querySelectorAll(".choice button")[0].click();

document.querySelector('.legend button[data-arm="srp"]').click();
const lit = arm => getComputedStyle(document.querySelector(`svg g[data-arm="${arm}"]`)).opacity;
found.alone = [lit("srp"), lit("rewrite")];
document.querySelector('.legend button[data-arm="srp"]').click();
found.together = [lit("srp"), lit("rewrite")];
const one = document.querySelector('.legend button[data-arm="srp_sft_only"]');
one.click();
found.shared = [lit("filtering;srp_sft_only"), lit("srp_sft_only"), lit("filtering")];
one.click();

const mark = document.querySelector("svg .mark[data-arm=srp]");
const at = mark.getBoundingClientRect();
mark.dispatchEvent(new PointerEvent("pointermove",
  { bubbles: true, clientX: at.x + at.width / 2, clientY: at.y + at.height / 2 }));
const tip = document.getElementById("tip");
found.tip = tip.hidden ? null : tip.textContent;

const paper = () => getComputedStyle(document.body).backgroundColor;
found.papers = [paper()];
document.getElementById("theme").click();
found.papers.push(paper());

document.querySelectorAll("details").forEach(each => { each.open = true; });
const clipped = [];
for (const svg of document.querySelectorAll("svg[viewBox]")) {
  const box = svg.getBoundingClientRect();
  if (!box.width) continue;
  for (const text of svg.querySelectorAll("text")) {
    const own = text.getBoundingClientRect();
    const inside = own.left >= box.left - 1 && own.right <= box.right + 1
      && own.top >= box.top - 1 && own.bottom <= box.bottom + 1;
    if (!inside) clipped.push(text.textContent);
  }
}
found.clipped = clipped;
found.scrolls_open = document.documentElement.scrollWidth > window.innerWidth;
const said = document.createElement("pre");
said.id = "found";
said.textContent = JSON.stringify(found);
window.parent.document.body.append(said);
"""


@cache
def html() -> str:
    """A page with everything, hostile answers too, on the report of a published study."""
    report = (RESULTS / "report.md").read_text(encoding="utf-8")
    pictures = {path.stem: path.read_text(encoding="utf-8") for path in RESULTS.glob("*.svg")}
    material = Material(suite_rows(fake_rows(3)), STUDY, report, evidence(list(TRUTH)), pictures)
    curves = fake_curves(3)
    shared = curves | {"srp_sft_only": curves["filtering"]}
    return page(replace(material, evidence=evidence(list(TRUTH), shared)))


def run_browser(directory: Path, text: str, size: tuple[int, int], *wanted: str) -> tuple[str, str]:
    """Opens a page in a window of this width and height; what the browser prints, and what it
    complains of."""
    path = directory / "report.html"
    path.write_text(text, encoding="utf-8")
    command = [
        str(BROWSER), "--headless", "--no-sandbox", "--disable-gpu", "--no-first-run",
        "--disable-background-networking", "--disable-component-update", "--disable-sync",
        "--disable-extensions", "--disable-dev-shm-usage", "--hide-scrollbars",
        f"--user-data-dir={directory / 'profile'}", f"--window-size={size[0]},{size[1]}",
        # The browser's own errands are none of ours, and get nowhere.
        "--host-resolver-rules=MAP * ~NOTFOUND",
        "--enable-logging=stderr", "--log-level=0", *wanted, path.as_uri(),
    ]  # fmt: skip
    done = subprocess.run(command, capture_output=True, text=True, timeout=180, check=False)
    assert done.returncode == 0, done.stderr[-2000:]
    return done.stdout, done.stderr


def browse(directory: Path, text: str, width: int) -> tuple[str, list[str]]:
    """The page's elements after its scripts ran, and what the browser complained of."""
    elements, said = run_browser(directory, text, (width, 900), "--dump-dom")
    return elements, [line for line in said.splitlines() if "CONSOLE" in line]


def framed(text: str, width: int, height: int) -> str:
    """A page that shows another at a width: windows have a least one, which phones are below;
    frames have none."""
    frame = f'<iframe width="{width}" height="{height}" srcdoc="{escape(text)}"></iframe>'
    style = "<style>body{margin:0}iframe{border:0;display:block}</style>"
    return f"<!doctype html><meta charset='utf-8'>{style}{frame}"


def photographed(directory: Path, text: str, width: int, height: int) -> np.ndarray:
    """The picture that a reader sees, uint8 `(height, width, 3)`; it stays in the directory."""
    picture = directory / f"{width}x{height}.png"
    run_browser(directory, framed(text, width, height), (width, height), f"--screenshot={picture}")
    return (255 * imread(picture)[..., :3]).round().astype(np.uint8)


def asked(directory: Path, width: int) -> dict[str, Any]:
    """What a script finds that uses the page as a reader would. The page's policy forbids foreign
    scripts, so it is taken out of this copy."""
    copy, policies = re.subn(r"<meta http-equiv=[^>]*>", "", html())
    assert policies == 1
    copy = copy.replace("</body>", f"<script>{ASK}</script></body>")
    elements, complaints = browse(directory, framed(copy, width, 900), width + 40)
    assert complaints == []
    found = re.search(r'<pre id="found">(.*?)</pre>', elements, re.DOTALL)
    assert found is not None, elements[-2000:]
    return json.loads(unescape(found.group(1)))


@pytest.fixture(scope="module")
def desktop(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    return asked(tmp_path_factory.mktemp("desktop"), 1280)


@pytest.fixture(scope="module")
def phone(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    return asked(tmp_path_factory.mktemp("phone"), 390)


def test_nothing_is_complained_of_or_loaded_and_no_answer_runs(tmp_path: Path) -> None:
    elements, complaints = browse(tmp_path, html(), 1280)
    assert complaints == [], "what is loaded from anywhere fails here, and is complained of"
    assert "<title>headline, laptop-two-hop</title>" in elements
    assert 'data-tip="' in elements, "the page's own script ran"


def test_a_foreign_script_does_not_run(tmp_path: Path) -> None:
    planted = html().replace("</main>", "<script>document.title='taken'</script></main>")
    elements, complaints = browse(tmp_path, planted, 1280)
    assert "<title>headline, laptop-two-hop</title>" in elements
    assert len(complaints) == 1
    assert "Content Security Policy" in complaints[0]


def test_a_click_on_a_title_sorts_and_another_turns_the_order_round(
    desktop: dict[str, Any],
) -> None:
    def numbers(cells: list[str]) -> list[float]:
        return [float(cell.split(" ")[0]) for cell in cells]

    assert numbers(desktop["largest"]) == sorted(numbers(desktop["largest"]), reverse=True)
    assert desktop["smallest"] == desktop["largest"][::-1]
    assert (desktop["first"], desktop["second"], desktop["left"]) == (
        "descending", "ascending", "none")  # fmt: skip
    assert sorted(desktop["before"]) == sorted(desktop["names"])
    assert [name.lower() for name in desktop["names"]] == sorted(
        name.lower() for name in desktop["before"]
    )
    assert desktop["before"] != desktop["names"]


def test_a_judge_an_arm_and_the_theme_can_be_chosen(desktop: dict[str, Any]) -> None:
    assert desktop["at_first"] == [True, False, False]
    assert desktop["third"] == [False, False, True]
    assert desktop["alone"] == ["1", "0.1"]
    assert desktop["together"] == ["1", "1"]
    assert desktop["shared"] == ["1", "1", "0.1"], "a curve of two arms belongs to both"
    assert desktop["papers"][0] != desktop["papers"][1]
    assert re.match(r"SRP\nThe strongest .*leaked: \d+\.\d ± ", desktop["tip"], re.DOTALL)
    assert desktop["title"] == "headline, laptop-two-hop"


@pytest.mark.parametrize("device", ["desktop", "phone"])
def test_the_page_never_scrolls_sideways_and_no_label_is_clipped(
    device: str, request: pytest.FixtureRequest
) -> None:
    found = request.getfixturevalue(device)
    assert found["width"] == {"desktop": 1280, "phone": 390}[device]
    assert not found["scrolls"]
    assert not found["scrolls_open"]
    assert found["clipped"] == []


@pytest.mark.parametrize(("width", "height"), [(1280, 3000), (390, 4200)], ids=["desktop", "phone"])
def test_a_screenshot_shows_words_and_every_arm_in_its_colour(
    tmp_path: Path, width: int, height: int
) -> None:
    picture = photographed(tmp_path, html(), width, height)
    assert picture.shape == (height, width, 3)
    assert len(np.unique(picture.reshape(-1, 3), axis=0)) > 500, "words and curves have soft edges"
    empty = (picture == picture[0, 0]).all(axis=(1, 2))
    assert empty.mean() < 0.5, "text or pictures reach all the way down"
    for arm in set(TRUTH) - {"shuffled"}:  # of which there is but a dotted line
        colour = [int(mark(arm)[0][place : place + 2], 16) for place in (1, 3, 5)]
        assert (picture == colour).all(axis=2).sum() > 100, arm


def test_a_blank_page_would_not_pass_for_a_screenshot(tmp_path: Path) -> None:
    picture = photographed(tmp_path, "<!doctype html><title>nothing</title>", 390, 844)
    assert picture.shape == (844, 390, 3)
    assert len(np.unique(picture.reshape(-1, 3), axis=0)) == 1
