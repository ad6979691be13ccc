"""What a report says of one measured thing after another, and the pictures that go with it.

In: measures, the study's configuration, records. Out: Markdown by title in the order of a report,
and figures by file name; nothing of what a study did not measure.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from matplotlib.figure import Figure

from experiments.answer_tables import answers_section
from experiments.attack_curves import PICTURE, attack_panels
from experiments.attack_curves_figure import attack_curves_figure
from experiments.breakdown_tables import breakdown_section
from experiments.decoding_tables import decoding_section
from experiments.depth_figure import depth_figure
from experiments.depth_tables import depth_section
from experiments.elicited import Elicited
from experiments.elicited_tables import attacks_section, levels_section
from experiments.evidence import Records
from experiments.frequency_figure import frequency_figure
from experiments.frequency_tables import frequency_section
from experiments.measures import Measures
from experiments.probe_tables import probes_section
from experiments.scaling import scaling_section
from experiments.scaling_figure import CAPTION, scaling_figure
from experiments.truth_figure import truthfulness_bars
from experiments.truth_tables import truth_section

DEPTH, TRUTH, RARE = "By derivation depth", "Truthfulness", "What is told rarely"
SIZE = "Size and data"
_BESIDE: dict[str, tuple[str, Callable[[Measures], Figure]]] = {
    DEPTH: ("depth", depth_figure),
    TRUTH: ("truth", truthfulness_bars),
    RARE: ("frequency", frequency_figure),
}
"""Title -> the picture of that section: its file name, and what draws it."""


def measured_sections(
    measures: Measures, config: Mapping[str, Any], records: Records, captions: Mapping[str, str]
) -> dict[str, str]:
    """Title -> text of each section that the study has something for. `captions` are those of the
    probes' pictures by file name."""
    scaling = scaling_section(measures, config)
    texts = {
        "Three levels": levels_section(measures),
        "Attacks": attacks_section(measures, records),
        "Probes": probes_section(measures, records, captions),
        TRUTH: truth_section(measures),
        "Right, wrong, invented and abstained": answers_section(measures),
        "What decoding costs": decoding_section(measures),
        DEPTH: depth_section(measures),
        "By severity and category": breakdown_section(measures),
        RARE: frequency_section(measures),
        SIZE: scaling
        and f"![{CAPTION}](scaling.png)\n\n{CAPTION} ([SVG](scaling.svg)).\n\n{scaling}",
    }
    return {title: text for title, text in texts.items() if text}


def section_pictures(
    measures: Measures, config: Mapping[str, Any], records: Records, told: Mapping[str, str]
) -> dict[str, Figure]:
    """File name -> the picture that a section among `told` shows."""
    drawn = {name: draw(measures) for title, (name, draw) in _BESIDE.items() if title in told}
    if panels := attack_panels(Elicited(measures), records):
        drawn[PICTURE] = attack_curves_figure(panels)
    if SIZE in told:
        drawn["scaling"] = scaling_figure(measures, config)
    return drawn
