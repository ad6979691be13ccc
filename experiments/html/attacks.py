"""The part of the page on attacks: what works, the tables, curves, searches and examples."""

from __future__ import annotations

from collections.abc import Sequence

from experiments.attack_budget import BUDGETS
from experiments.attack_curves import TITLE, knob_panels, loss_panels
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
from experiments.html.curves import panel_charts
from experiments.html.elements import Markup, details, element, figure, joined
from experiments.html.markdown import inline
from experiments.html.transcripts import examples_of
from experiments.knobs import family, thinned

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
    "all attacks in all arms. "
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
    knobs = [each for each in found.probes if kind(family(each)) != "probe"]
    curves = panel_charts(knob_panels(found, knobs, right=True))
    shown = [*free, *found.unused_controls]
    return joined(
        [
            element("ul", [element("li", inline(line)) for line in sentences(attacks, every)]),
            skipped(records),
            figure(
                attack_table(found, shown, every, records) if shown else None,
                inline(f"{RATES}{ABOVE}{PAGE}{BUDGETS}{controls_sentence(attacks)}"),
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
            _titled(TITLE, curves, command),
            _titled("What searches minimise", panel_charts(loss_panels(records)), command),
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
