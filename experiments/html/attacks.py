"""The part of the page on attacks: what works, the tables, curves, searches and examples."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from experiments.attack_words import (
    ABOVE,
    DEFENCES,
    DEFENCES_TITLE,
    EASIER,
    EASIER_TITLE,
    RATES,
    controls_sentence,
    sentences,
)
from experiments.elicited import BUILT_IN, Attack, Elicited, kind
from experiments.evidence import Evidence
from experiments.gains import compared
from experiments.html.attack_table import attack_table, skipped, untrained
from experiments.html.curves import Axes, Line, knob_charts, line_chart, with_legend
from experiments.html.elements import Markup, details, element, figure, joined
from experiments.html.markdown import inline
from experiments.html.svg import across, ticks, upward
from experiments.html.transcripts import examples_of
from experiments.knobs import family, thinned
from experiments.rows import variant_order
from experiments.statistics import t_interval

MOST = 6
"""Rows of attacks that differ in a number alone; their curve has all."""
CURVES = (
    "Mean over seeds with 95 % t intervals; dashed red: chance; dashed curves: controls, and right "
    "answers to benign questions where they were asked. Point at a mark for more."
)
PAGE = (
    "Beneath a rate: the same arm's zero budget, control (random, where its name ends so) and "
    "chance, then right answers to benign questions of the category named under the same attack, "
    "where they were asked. ▲: yes in this arm alone, p < 0.05 after Holm over "
    "all attacks in all arms. A budget is that of its row, unless it says whose it is. "
)


def attacks_section(found: Elicited, evidence: Evidence, command: str) -> Markup | None:
    """Everything about attacks; nothing for a study without any."""
    attacks = [each for each in found.attacks if each.kind == "attack"]
    if not attacks:
        return None
    defences = [each for each in found.attacks if each.kind == "defence"]
    free, easier = (_few([a for a in attacks if a.easier == one]) for one in (False, True))
    every, undefended = compared(found, attacks), compared(found, defences)
    records = evidence.records
    curves = knob_charts(found, [each for each in found.probes if kind(family(each)) != "probe"])
    shown = [*free, *found.unused_controls]
    return joined(
        [
            element("ul", [element("li", inline(line)) for line in sentences(attacks, every)]),
            skipped(records),
            figure(
                attack_table(found, shown, every, records) if shown else None,
                inline(f"{RATES}{ABOVE}{PAGE}{controls_sentence(attacks)}"),
                command,
                class_="wide",
            ),
            untrained(records),
            _titled(
                EASIER_TITLE,
                attack_table(found, easier, every, records) if easier else Markup(),
                command,
                EASIER,
            ),
            _titled(
                DEFENCES_TITLE,
                attack_table(found, defences, undefended, records) if defences else Markup(),
                command,
                DEFENCES,
            ),
            _titled("Curves over what an attack is given", curves, command),
            _titled("What searches minimise", _losses(records), command),
            _examples(found, evidence),
            _glossary(attacks + defences),
        ]
    )


def _few(attacks: Sequence[Attack]) -> list[Attack]:
    """Of attacks that differ in a number alone those that a table has room for."""
    kept = thinned([each.probe for each in attacks], MOST)
    return [each for each in attacks if each.probe in kept]


def _titled(title: str, content: Markup, command: str, caption: str = CURVES) -> Markup:
    """Charts or a table under a title; nothing without any."""
    if not content:
        return Markup()
    return joined([element("h3", title), figure(content, caption, command)])


def _losses(records: Mapping[str, Mapping[str, Mapping[str, Mapping[str, Any]]]]) -> Markup:
    """A chart of the loss by step for each search that recorded one; random search is dashed."""
    charts: list[Markup] = []
    named: set[str] = set()
    for text, arms in sorted(records.items()):
        lines = [
            Line(arm, points, f", {probe}", control=probe.endswith(":random"))
            for arm in sorted(arms, key=variant_order)
            for probe, points in _steps(list(arms[arm].values())).items()
        ]
        if lines:
            named |= {line.arm for line in lines}
            charts.append(element("div", element("h4", text), _loss_chart(text, lines)))
    return with_legend(charts, sorted(named, key=variant_order))


def _steps(records: Sequence[Mapping[str, Any]]) -> dict[str, list[Any]]:
    """Mean loss and interval by step of each probe, over the seeds."""
    found: dict[str, list[list[float]]] = {}
    for record in records:
        losses = record.get("loss")
        for probe, values in losses.items() if isinstance(losses, dict) else ():
            if isinstance(values, list) and len(values) > 1:
                found.setdefault(str(probe), []).append([float(value) for value in values])
    return {
        probe: [
            (float(step), t_interval(values))
            for step, values in enumerate(zip(*curves, strict=False))
        ]
        for probe, curves in found.items()
    }


def _loss_chart(name: str, lines: Sequence[Line]) -> Markup:
    edges = [
        value
        for line in lines
        for _, b in line.points
        for value in (b.mean, b.low, b.high)
        if value is not None
    ]
    low, high = max(min(edges), 0.0), max(edges)
    x = across(0, max(line.points[-1][0] for line in lines), pad=14)
    y = upward(low, high if high > low else low + 1, pad=6)
    titles = ("step", "loss of the target (nats per token)")
    return line_chart(
        name, Axes(x, y, ticks(0, x.high), ticks(y.low, y.high), *titles, "", 3), lines
    )


def _examples(found: Elicited, evidence: Evidence) -> Markup:
    told = (str(each["probe"]) for each in evidence.examples)
    probes = dict.fromkeys(("direct", *found.probes, *told))
    shown = [examples_of(probe, evidence.examples) for probe in probes]
    shown = [each for each in shown if each]
    if not shown:
        note = "This folder holds no transcripts: they stay with the study's own directory."
        return joined([element("h3", "Examples"), element("p", note)])
    note = (
        "From the first replicate: for every attack the one question, of those put to every arm, "
        "whose answers differ most; where arms were asked different questions, each model's own "
        "example. Grey with a dotted line: forced on the model. Verdicts "
        "are in colour; marked compounds are right."
    )
    return joined([element("h3", "Examples"), element("p", note), shown])


def _glossary(attacks: Sequence[Attack]) -> Markup:
    """What each family of attacks is, and whose idea."""
    from experiments.instruments import REGISTRY

    entries: list[Markup] = []
    for name in dict.fromkeys(attack.family for attack in attacks):
        if name in REGISTRY:
            said = f"{REGISTRY[name].description()} ({REGISTRY[name].source})"
        else:
            said = BUILT_IN.get(name, "")
        entries += [element("dt", element("code", name)), element("dd", said)]
    return details("What each attack does", element("dl", entries, class_="glossary"))
