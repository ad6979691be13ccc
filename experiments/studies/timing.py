"""Timing: must an intervention be there from the start? (Sam et al. 2026, 0/20/60 %)

The filter, and the filter with reflections, from 0, 20 and 60 % of the token budget on (Sam et al.
2026, arXiv 2601.07087). Starting late also means a smaller dose, so each late arm has a control
with the same share of the budget under the intervention, but at the start: from 20 % on against
until 80 %, from 60 % on against until 40 %. SFT is the same in all arms of a method. In Sam et al.
what comes before the start is data with nothing unsafe in it: `only_safe_until_20` and `_60` read
nothing that mentions an unsafe outcome until then, and all documents afterwards.

The controls match tokens, not updates: the learning rate falls along a cosine, so that equal tokens
move the weights less the later they come. Of the summed learning rate of `laptop` 16 % lies from
60 % on and 63 % until 40 %, 67 % from 20 % on and 95 % until 80 %. What is read last is also
forgotten least, which works against this. Nothing here tells the two apart.

Expected, and to be held against the rows: the later the start, the higher the leakage; if it is the
dose in tokens that counts, an arm and its control agree; if the dose in updates, the late arms leak
more than their controls; if what is read last weighs more, less. Sam et al. find that 20 to 60 % of
safe data first is often the most robust after a benign fine-tuning. Theirs come before other
interventions, ours before all documents, so `only_safe_until_60` against `only_safe_until_20` is
also a matter of dose.

At `laptop` 70 cells, about 65 minutes on two cores.
"""

from __future__ import annotations

from collections.abc import Iterable

from experiments.recipe import Arm
from experiments.studies.headline import BOTH_WORLDS
from experiments.study import Study
from experiments.sweep import Sweep, curve

WINDOWS = {
    "from_00": (0.0, 1.0),
    "from_20": (0.2, 1.0),
    "from_60": (0.6, 1.0),
    "until_80": (0.0, 0.8),
    "until_40": (0.0, 0.4),
}
_METHODS = {
    "filter": "filter(when={when})",
    "srp": "filter(when={when}) | reflect(when={when}); sft: reflect",
}

ARMS = (
    Arm("baseline", "baseline"),
    Arm("baseline_srp_sft", "baseline; sft: reflect"),
    *(
        Arm(f"{name}_{window}", text.format(when=when))
        for name, text in _METHODS.items()
        for window, when in WINDOWS.items()
    ),
    Arm("only_safe_until_20", "filter(unsafe, when=(0.0, 0.2))"),
    Arm("only_safe_until_60", "filter(unsafe, when=(0.0, 0.6))"),
)

TIMING = Study(
    name="timing",
    question="Does it matter when in pretraining filtering and reflection begin, or only for how "
    "much of it they last?",
    arms=ARMS,
    presets=BOTH_WORLDS,
)


def _dose(method: str, windows: Iterable[str]) -> Iterable[tuple[float, str]]:
    """Arms of a method by how much of the budget is under it."""
    for window in windows:
        start, stop = WINDOWS[window]
        yield round(100 * (stop - start)), f"{method}_{window}"


_LATE, _EARLY = ("from_60", "from_20", "from_00"), ("until_40", "until_80", "from_00")

SWEEP = Sweep(
    "tokens under the intervention (%)",
    (
        curve("filter, to the end", ((0, "baseline"), *_dose("filter", _LATE))),
        curve("filter, from the start", ((0, "baseline"), *_dose("filter", _EARLY))),
        curve("SRP, to the end", ((0, "baseline_srp_sft"), *_dose("srp", _LATE))),
        curve("SRP, from the start", ((0, "baseline_srp_sft"), *_dose("srp", _EARLY))),
        curve(
            "only what is safe, then all",
            ((0, "baseline"), (20, "only_safe_until_20"), (60, "only_safe_until_60")),
        ),
    ),
)
