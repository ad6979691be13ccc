"""The page: which parts it has and in which order. Everything in it comes from `Material`."""

from __future__ import annotations

import hashlib
import re
from base64 import b64encode
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from importlib import resources
from pathlib import Path
from typing import Any

from experiments.elicited import Elicited
from experiments.evidence import Evidence
from experiments.html import markdown
from experiments.html.attacks import attacks_section
from experiments.html.claims import claims_section
from experiments.html.curves import learning_curves
from experiments.html.elements import Markup, anchor, details, element, figure, joined, section
from experiments.html.levels import gap_figure, levels_table
from experiments.html.pareto import pareto
from experiments.html.probes import probes_section
from experiments.html.reliability import reliability_charts
from experiments.levels import levels
from experiments.measures import Measures, measure
from experiments.rows import Row

REPLACED = ("safety_utility", "three_levels", "learning_curves")
"""Pictures of the report that the page draws in its own way."""
OWN = ("Claims", "Three levels", "Attacks")
"""Parts of the report of which the page has more, or the same from the rows."""
_CAPTIONED = re.compile(r"^!\[[^\]]*\]\((\w+)\.png\)\n\n(.+)$", re.MULTILINE)
FOLDED = (
    "Safe-only, proven",
    "Data safety report card",
    "Controls",
    "Provenance",
    "Fingerprint",
    "Configuration",
    "Again",
)
"""Parts that are there to be checked, and open with a click."""


@dataclass(frozen=True)
class Material:
    """All that a page is made of.

    study: `name`, `preset`, `hops` and `command`, as the report states them; `question` where it is
    known. report: report.md. pictures: SVG by file name without ending; `world` is one of them.
    world_command: what draws the world again.
    """

    rows: Sequence[Row]
    study: Mapping[str, Any]
    report: str
    evidence: Evidence = field(default_factory=Evidence)
    pictures: Mapping[str, str] = field(default_factory=dict)
    world_command: str | None = None

    @property
    def command(self) -> str:
        """What writes the report again."""
        return "msw report DIR"


def write_page(material: Material, path: Path) -> None:
    """Writes the page; the same material gives the same bytes."""
    path.write_text(page(material), encoding="utf-8")


def page(material: Material) -> str:
    """The whole page as text."""
    script, style = _asset("page.js"), _asset("page.css")
    name, preset = str(material.study["name"]), str(material.study["preset"])
    body = _body(material)
    titles = [part for part in body if part]
    head = element(
        "head",
        element("meta", charset="utf-8"),
        element("meta", name="viewport", content="width=device-width, initial-scale=1"),
        element("meta", http_equiv="Content-Security-Policy", content=_policy(script)),
        element("title", f"{name}, {preset}"),
        element("style", Markup(style)),
    )
    main = element("main", _header(material), [part for _, part in titles])
    contents = element(
        "nav",
        [element("a", title, href=f"#{anchor(title)}") for title, _ in titles],
        aria_label="contents",
    )
    script_element = element("script", Markup(script))
    rest = element("body", contents, main, _tip(), script_element)
    return f"<!doctype html>\n{element('html', head, rest, lang='en')}\n"


def _policy(script: str) -> str:
    """Nothing is loaded from anywhere, and no other script runs than the page's own."""
    digest = b64encode(hashlib.sha256(script.encode()).digest()).decode()
    own = f"style-src 'unsafe-inline'; script-src 'sha256-{digest}'"
    return f"default-src 'none'; img-src data:; {own}"


def _asset(name: str) -> str:
    return resources.files("experiments.html").joinpath(name).read_text(encoding="utf-8").strip()


def _tip() -> Markup:
    """What is shown at the pointer, and the button for light and dark."""
    return joined(
        [
            element("div", id="tip", role="status", hidden=True),
            element("button", "◐", id="theme", type="button", title="light or dark"),
        ]
    )


def _header(material: Material) -> Markup:
    first = material.report.partition("\n## ")[0].partition("\n")[2]
    study = material.study
    question, preset = study.get("question"), element("small", str(study["preset"]))
    return element(
        "header",
        element("h1", f"{study['name']} ", preset),
        element("p", question, class_="question") if question else None,
        markdown.html(first),
        element("p", element("code", str(study["command"])), class_="again"),
        element(
            "p",
            "Below, DIR is the directory of the study, or the folder with its published results.",
            class_="again",
        ),
        class_="top",
    )


def _body(material: Material) -> list[tuple[str, Markup]]:
    """The parts with their titles, in order; parts without content are left out."""
    measures = measure(material.rows, int(material.study["hops"]), str(material.study["name"]))
    parts = markdown.sections(material.report)
    for name in OWN:
        parts.pop(name, None)
    pictures = {name: _picture(name, material) for name in material.pictures}
    own = {
        "Claims": claims_section(measures),
        "Usefulness against harm": _pareto(measures, material),
        "Three levels": _levels(measures, material),
        "Every measure": markdown.html(parts.pop("Table", "")),
        "Attacks": attacks_section(Elicited(measures), material.evidence, material.command),
        "Probes": joined(
            [markdown.html(parts.pop("Probes", ""), pictures), _probes(measures, material)]
        ),
        "Learning curves": _learning(material, pictures),
        "The world": _world(material, pictures),
    }
    own["Figures"] = _figures(parts.pop("Figures", ""), material)
    order = [*own, *(name for name in parts if name and name not in FOLDED)]
    found = own | {
        name: markdown.html(text, pictures) for name, text in parts.items() if name not in FOLDED
    }
    folded = [
        details(name, markdown.html(parts[name], pictures)) for name in FOLDED if name in parts
    ]
    shown = [(name, section(name, found[name])) for name in order if name in found]
    return [*((name, part) for name, part in shown if part), ("Checks", section("Checks", folded))]


def _picture(name: str, material: Material, caption: Markup | None = None) -> Markup:
    """A drawn figure, which no reader has to load from anywhere."""
    data = b64encode(material.pictures[name].encode()).decode()
    image = element("img", src=f"data:image/svg+xml;base64,{data}", alt=name.replace("_", " "))
    command = material.world_command if name == "world" else material.command
    return figure(element("div", image, class_="paper"), caption, command, class_="wide")


def _pareto(measures: Measures, material: Material) -> Markup | None:
    charts = pareto(measures)
    if not charts:
        return None
    caption = (
        "General accuracy against attack success, a panel an attack: means over seeds with 95 % t "
        "intervals both ways, faint dots single seeds. The grey line joins the arms whose means no "
        "other arm beats in both; dotted grey is the shuffled control, dashed red the chance of "
        "one who names a compound in every answer, a dash an arm where arms differ in it. The "
        "larger of several rates is higher by luck alone: of the strongest attack, taken over "
        "those tried on every model, the shuffled control is the null. Point at a mark for its "
        "figures, click an arm to see it alone."
    )
    return figure(charts, caption, material.command)


def _levels(measures: Measures, material: Material) -> Markup | None:
    found = [each for each in levels(measures) if each.capability]
    if not found:
        return None
    caption = (
        "What each model can do, does when asked, and does under the strongest attack: how far a "
        "method closes the gap from capability to elicitation. The gap is capability minus "
        "elicited, paired by seed; negative where attacks bring out more than the cloze. The "
        f"strongest attack is the largest rate over the {len(Elicited(measures).shared)} attacks "
        "that make no guess easier and were tried on every model, within each seed, as the paper "
        "takes it: the more attacks, the larger by luck alone. Completions name one answer, "
        "responses may name several. (n = …): over so many seeds only."
    )
    picture = figure(gap_figure(found), caption, material.command, class_="beside")
    return joined([picture, levels_table(found)])


def _probes(measures: Measures, material: Material) -> Markup | None:
    content = probes_section(measures)
    if not content:
        return None
    content = joined([content, reliability_charts(material.evidence.records)])
    caption = (
        "Percent, mean over seeds ± half of the 95 % t interval; differences in points with their "
        "interval. Below a value: the same probe on labels that mean nothing (control), chance, "
        "and what the commoner answer to everything would get (same answer to all). What is called "
        "unsafe means nothing where hardly any verdict is given (verdict mass). The control of "
        "accuracy has shuffled labels and tests entities held out; that of taught_accuracy has "
        "labels to be learned by heart, and the distance from it is selectivity. Of patches only "
        "the distance from a donor of the receiver's own class is shown (flipped − control). "
        "Dashed curves are controls. (n = …): over so many seeds only. Reliability: of the texts "
        "called unsafe with some probability (ten equal bins, drawn at their texts' mean) the "
        "share that is, mean over seeds; the dashed diagonal is perfect."
    )
    return figure(content, caption, material.command)


def _learning(material: Material, pictures: Mapping[str, Markup]) -> Markup | None:
    charts = learning_curves(material.evidence.curves)
    if not charts:
        return pictures.get("learning_curves")
    caption = (
        "Pretraining loss, mean over seeds with 95 % t intervals; both axes logarithmic. Arms with "
        "the same pretraining have one curve."
    )
    return figure(charts, caption, material.command)


def _world(material: Material, pictures: Mapping[str, Markup]) -> Markup | None:
    if "world" not in pictures:
        return None
    note = element("p", "The true world of the first replicate.")
    return joined([note, pictures["world"]])


def _figures(text: str, material: Material) -> Markup | None:
    """The report's other figures with their captions."""
    found = [
        _picture(name, material, markdown.inline(caption))
        for name, caption in _CAPTIONED.findall(text)
        if name in material.pictures and name not in REPLACED
    ]
    return joined(found) if found else None
