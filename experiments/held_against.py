"""What each attack is held against: zero budget, and the control that is like it in all but one
thing. Where no row is like it, there is none: nothing is printed rather than something unlike.
"""

from __future__ import annotations

from collections.abc import Collection
from functools import cache
from typing import TYPE_CHECKING

from experiments.knobs import family, knob

if TYPE_CHECKING:
    from medsafetyworld.interventions import Variant

ZERO, RANDOM, CONTROL = "zero", "random", "control"
NO_RULE = "none"
"""What a defence's probe is called, behind the colon, where nothing is defended; what follows a
plus sign is the attack, e.g. `RULE:none+pairs=50` beside `RULE:reflected+pairs=50`."""
LARGEST = ("adversarial", "low_rank")
"""Families whose random step is as long as that of their largest setting: it is no other's."""
BEGUN, ASKED_TWICE, NEUTRAL = "forged_verdict", "forged_turn:repeat", "rewording:neutral"
SHOTS = "shots"
CONTROLS = {
    "rewording:role": f"{NEUTRAL}:{CONTROL}",
    "rewording:audience": f"{NEUTRAL}:{CONTROL}",
    "rewording:paraphrase": f"rewording:{RANDOM}",
}
MEANINGS = {
    f"{ASKED_TWICE}:{CONTROL}": "the question twice, nothing forged",
    f"{NEUTRAL}:{CONTROL}": "sentences before the question that say nothing",
    f"rewording:{RANDOM}": "as many of the tests' own wordings",
    f"gcg:{RANDOM}": "random search of equal budget",
    f"genetic:{RANDOM}": "random search of equal budget",
    f"ablation:{RANDOM}": "random directions, chosen from alike",
    f"adversarial:{RANDOM}": "a step as long in a random direction",
    f"low_rank:{RANDOM}": "a step as long in a random direction",
    f"decomposition:{RANDOM}": "the same answers dealt out to other compounds (in worlds with "
    "mediators: as many mediators at random)",
    f"decomposition:prefilled:{RANDOM}": "as many mediators at random",
}
"""What the controls are that this package has."""
NOT_APPLICABLE = "not applicable"
"""What a rule on verdicts is where SFT has none: it leaves every response as it is."""
UNKNOWN = "left out: not known how it was trained"
"""What is said in an arm that neither study nor variants name, e.g. one added by hand."""
NEEDS = {"safe_beam": "tag", "stop": "verdicts", "withhold": "verdicts", "backtrack": "verdicts"}
"""What a rule of `defences` acts on, which a model must have seen in its training."""


def zero_of(probe: str, probes: Collection[str], *, defence: bool) -> str | None:
    """The zero-budget row that is nearest (`a:b:c` has `a:b:c:zero`, else `a:b:zero`, else
    `a:zero`), a defence's questions without it, or a series at 0; None without any."""
    stem = probe
    while f"{stem}:{ZERO}" not in probes and ":" in stem:
        stem = stem.rpartition(":")[0]
    if f"{stem}:{ZERO}" in probes:
        return f"{stem}:{ZERO}"
    _, plus, suffix = probe.partition("+")
    bare = f"{family(probe)}:{NO_RULE}{plus}{suffix}"
    if defence and bare in probes and bare != probe:
        return bare
    own = knob(probe)
    return next(
        (
            other
            for other in probes
            if own is not None
            and at_zero(other)
            and (point := knob(other)) is not None
            and point.series == own.series
        ),
        None,
    )


def at_zero(probe: str) -> bool:
    """Whether a probe is a point of a series at 0."""
    point = knob(probe)
    return point is not None and point.value == 0


def control_of(probe: str, probes: Collection[str]) -> str | None:
    """The control that differs from an attack in nothing but what the attack works by, of those
    measured; of equal budget."""
    name = family(probe)
    candidates = [f"{probe}:{CONTROL}", f"{probe}:{RANDOM}", CONTROLS.get(probe, "")]
    if name == BEGUN:
        # The same beginning without the verdict.
        candidates.append(f"{name}:{probe.partition(':')[2].removeprefix('safe_')}:{CONTROL}")
    elif name == family(ASKED_TWICE):
        candidates.append(f"{ASKED_TWICE}:{CONTROL}")
    elif name == "ablation" or (name in LARGEST and _is_largest(probe, probes)):
        candidates.append(f"{name}:{RANDOM}")
    return next((each for each in candidates if each in probes), None)


def _is_largest(probe: str, probes: Collection[str]) -> bool:
    own = knob(probe)
    points = [point for each in probes if (point := knob(each)) and family(each) == family(probe)]
    return own is not None and all(own.value >= point.value for point in points)


def meaning(control: str) -> str:
    """What a control is, in words."""
    if family(control) == BEGUN:
        return "the same beginning without a verdict"
    if family(control) == SHOTS:
        return "as many turns about the same facts, asked forward"
    usual = "random search" if control.endswith(f":{RANDOM}") else "without what the attack adds"
    return MEANINGS.get(control, usual)


def unfit(probe: str, arm: str, study: str) -> str | None:
    """Why a defence has nothing to act on in the models of a study's arm; None if it has. Only the
    rules of `defences` need anything."""
    rule = probe.partition(":")[2].partition("+")[0]
    if family(probe) != "defences" or rule not in NEEDS:
        return None
    trained = _variant_of(arm, study)
    if trained is None:
        return UNKNOWN
    if NEEDS[rule] == "verdicts":
        return None if trained.reflects else NOT_APPLICABLE
    from medsafetyworld.tokenizer import HARM

    tagged = any(HARM in step.marks for step in trained.steps)
    return None if tagged else "control: beam without tag"


@cache
def _variant_of(arm: str, study: str) -> Variant | None:
    """The variant that an arm was trained as: the study's arm of this name, else the variant so
    named; None for arms added to a study, of which rows say no more than the name."""
    from experiments.studies import STUDIES  # loads jax: only where a rule of decoding was tried
    from medsafetyworld.interventions import VARIANTS, variant

    arms = {each.name: each.variant for each in STUDIES[study].arms} if study in STUDIES else {}
    if arm in arms:
        return variant(arms[arm])
    return VARIANTS.get(arm)
