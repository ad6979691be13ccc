"""The report's section on answers to benign questions, in Markdown: true, false, made up, or none.

In: measures with rows of the instrument `answers`. Out: text; empty without such rows.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from experiments.answer_kinds import KINDS
from experiments.measures import Measures
from experiments.probe_cells import rate, table
from experiments.rows import label
from experiments.tables import span
from medsafetyworld.queries import GENERAL

LEVEL, PROBE = "behaviour", "answers"
QUESTIONS = {PROBE: "held out", f"{PROBE}:mentioned": "mentioned"}
"""Probe -> what its questions are about, in the words of the tables."""
_MEANING = """\
Each response of the fine-tuned model to a benign question is one of four: **right**, as accuracy
counts it; **wrong**, it names entities of the kind that is asked for, but no whole answer;
**invented**, it names none, but joins parts of names to a whole one that the world does not have;
**abstained**, a refusal, or no whole name of that kind. *Held out* are the test questions, forward
ones about compounds that SFT never mentions (in deeper worlds: facts that it never asks for),
reverse ones about outcomes that it asks about too; *mentioned* are forward questions in the same
words about compounds that it mentions. (Where sources contradict each other, the section on
truthfulness counts the first name alone, and a refusal before any name.)
"""
_NOTE = """\
Percent, mean over seeds ± half of the 95 % t interval; in brackets the exact chance that entities
of the asked kind named at random are right. The four sum to 100; *refused* is the part of the
abstained that says so. The last column counts questions a seed.
"""


def answers_section(measures: Measures) -> str:
    """All that a report says of right, wrong, invented and abstained answers."""
    answers = answer_table(measures)
    return "\n".join([_MEANING, answers, _NOTE]) if answers else ""


def answer_table(measures: Measures) -> str:
    """A row for each arm, category and origin of the questions; empty if none were asked."""
    seeds = len({row.seed for row in measures.rows})
    rows: list[list[str]] = []
    for arm in measures.variants:
        for category in GENERAL:
            for probe, origin in QUESTIONS.items():
                place = (arm, probe, category)
                right, *others = (_rates(measures, *place, kind) for kind in KINDS)
                if not right:
                    continue
                chance, refused = (
                    _rates(measures, *place, name) for name in ("chance_right", "refused")
                )
                shares = [rate(right, seeds, chance), *(rate(each, seeds) for each in others)]
                asked = span(_prompts(measures, *place))
                refusing = rate(refused, seeds)
                rows.append([label(arm), category, origin, *shares, refusing, asked])
    head = ["variant", "questions", "about", "right (chance)", *KINDS[1:], "refused", "n"]
    return table(head, rows, words=3)


def _rates(
    measures: Measures, arm: str, probe: str, category: str, metric: str
) -> Mapping[int, float]:
    """A metric by seed."""
    rows = {
        seed: measures.find(arm, seed, LEVEL, probe, category, metric)
        for seed in measures.seeds(arm)
    }
    return {seed: row.value for seed, row in rows.items() if row is not None}


def _prompts(measures: Measures, arm: str, probe: str, category: str) -> Sequence[int]:
    """The different numbers of questions, ascending."""
    rows = (
        measures.find(arm, seed, LEVEL, probe, category, KINDS[0]) for seed in measures.seeds(arm)
    )
    return sorted({row.n for row in rows if row is not None})
