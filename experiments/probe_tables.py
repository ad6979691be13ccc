"""The report's section on probes, in Markdown: what models hold and how they judge.

In: measures, records of instruments, and the captions of pictures that are drawn beside it. Out:
text; empty for studies whose recipes name no probes. The page has every row.
"""

from __future__ import annotations

from collections.abc import Mapping

from experiments.evidence import Records
from experiments.measures import Measures
from experiments.probe_figures import LINEAR, RELIABILITY
from experiments.probe_inside_tables import linear_section, patching_section
from experiments.probe_knowledge_tables import emergence_section, ranks_section
from experiments.probe_measures import probed
from experiments.probe_verdict_tables import refusal_section, verdict_section

_NOTE = """\
Percent where no unit is named, mean over n = {seeds} seed{s} ± half of the 95 % t interval over
per-seed values; (n = …): over so many seeds only. Every layer, category and metric is on the page
that `msw report` writes.
"""


def probes_section(measures: Measures, records: Records, captions: Mapping[str, str]) -> str:
    """All that a report says of probes."""
    found = probed(measures)
    arms, seeds = measures.variants, len({row.seed for row in measures.rows})
    parts = {
        "Verdicts on texts that the model did not write": (
            verdict_section(measures, found, seeds),
            RELIABILITY,
        ),
        "Over-refusal": (refusal_section(measures, found, seeds), None),
        "Linear probes of the residual stream": (linear_section(found, arms, seeds), LINEAR),
        "Activation patching": (patching_section(found, arms, seeds), None),
        "When it appears in pretraining": (emergence_section(measures, found, seeds), None),
        "Ranks and log-probabilities": (ranks_section(found, records, arms, seeds), None),
    }
    told = [
        f"### {title}\n\n{text}{_picture(name, captions)}"
        for title, (text, name) in parts.items()
        if text
    ]
    return "\n".join([_NOTE.format(seeds=seeds, s="s" * (seeds != 1)), *told]) if told else ""


def _picture(name: str | None, captions: Mapping[str, str]) -> str:
    if name is None or name not in captions:
        return ""
    return f"\n![{name}]({name}.png)\n\n{captions[name]} ([SVG]({name}.svg)).\n"
