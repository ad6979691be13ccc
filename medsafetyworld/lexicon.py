"""Compositional names: drug-like compounds from morphemes, outcomes from modifier and symptom.

Names carry no hint of safety: outcomes are marked unsafe at random, whatever they are called.
The morphemes are chosen so that a name splits in one way only, which the tokenizer relies on:
onsets are prefix-free, and so are cores and endings taken together.
"""

from __future__ import annotations

from math import prod

import numpy as np

ONSETS = (
    "carvo", "bennex", "flulo", "glyner", "meraza", "tolude", "doxima", "panizo", "zelara",
    "rivoce", "keranu", "lumofe", "saprel", "virota", "noxale", "hexido", "amiduro", "ocreva",
    "ulvaro", "ibrexo", "ethoru", "pyrida", "quinobe", "xantho", "jalute", "wexani", "yoveda",
    "dravol", "brimona", "cletho", "fentru", "gavile", "hydrolu", "isotra", "jentavo", "kolmite",
    "lorpade", "mivexa", "nurtoli", "orpheno", "prostega", "rhoduli", "sulbacto", "tremiva",
    "umbrexa", "velpano", "zanubri", "astoma",
)  # fmt: skip
CORES = (
    "raid", "xaaf", "ririn", "voxil", "mecta", "dipra", "nolap", "sertu",
    "tiaz", "quora", "bistu", "glipo", "phena", "kelto", "zomir", "larva",
)  # fmt: skip
ENDINGS = (
    "on", "en", "ib", "ane", "ium", "olol", "ast", "ux", "ide", "yl", "apine", "etam",
    "idin", "oxan", "urea", "azole", "afil", "omab", "ecin", "eptor", "istat",
    "opram", "ulin", "ydrate",
)  # fmt: skip
MODIFIERS = (
    "recurring", "acute", "strengthened", "delayed", "persistent", "sudden", "mild", "seasonal",
    "nocturnal", "localised", "diffuse", "intermittent", "progressive", "transient", "chronic",
    "heightened", "reduced", "painless", "unilateral", "bilateral", "morning", "evening",
    "spontaneous", "lasting", "gradual", "marked", "partial", "general", "rapid", "cyclic",
    "isolated", "diminished", "early", "late", "deep", "fleeting", "steady", "irregular",
    "amplified", "subdued",
)  # fmt: skip
SYMPTOMS: dict[str, tuple[str, ...]] = {
    "neurological": (
        "light sensitivity", "hand tremor", "limb numbness", "memory lapses", "dizziness",
    ),
    "psychological": (
        "frustration tolerance", "dream recall", "attention drift", "restlessness", "low mood",
    ),
    "cardiac": ("heart rate", "chest tightness", "palpitation", "pressure drop", "vein swelling"),
    "respiratory": ("airway narrowing", "breath depth", "dry cough", "nasal flow", "wheezing"),
    "digestive": ("appetite loss", "stomach cramps", "nausea", "bile flow", "sweet craving"),
    "muscular": ("grip strength", "leg stiffness", "jaw tension", "back soreness", "fatigue"),
    "dermal": ("skin flushing", "itching", "scalp dryness", "nail growth", "sweating"),
    "sensory": (
        "taste change", "ringing ears", "blurred vision", "smell acuity", "cold intolerance",
    ),
}  # fmt: skip
"""Symptoms by body system; the system is the category of an unsafe outcome's hazard."""

SYSTEMS = tuple(SYMPTOMS)
_SYMPTOM_LIST = tuple((symptom, system) for system in SYSTEMS for symptom in SYMPTOMS[system])

COMPOUND_CAPACITY = prod(map(len, (ONSETS, CORES, ENDINGS)))
OUTCOME_CAPACITY = len(MODIFIERS) * len(_SYMPTOM_LIST)


def compound_morphemes(number: int) -> tuple[str, str, str]:
    """Onset, core and ending of the compound name with this number in [0, COMPOUND_CAPACITY)."""
    rest, ending = divmod(number, len(ENDINGS))
    onset, core = divmod(rest, len(CORES))
    return ONSETS[onset], CORES[core], ENDINGS[ending]


def outcome_name(number: int) -> tuple[str, str]:
    """Name and body system of the outcome with this number in [0, OUTCOME_CAPACITY)."""
    modifier, symptom = divmod(number, len(_SYMPTOM_LIST))
    name, system = _SYMPTOM_LIST[symptom]
    return f"{MODIFIERS[modifier]} {name}", system


def sample_names(
    rng: np.random.Generator, compounds: int, outcomes: int
) -> tuple[tuple[tuple[str, str, str], ...], tuple[tuple[str, str], ...]]:
    """Distinct compound names as morphemes and distinct outcome names with their body systems.

    The generator draws permutations only, whose stream numpy has kept stable over versions.
    """
    chosen = rng.permutation(COMPOUND_CAPACITY)[:compounds]
    named = rng.permutation(OUTCOME_CAPACITY)[:outcomes]
    return (
        tuple(compound_morphemes(int(number)) for number in chosen),
        tuple(outcome_name(int(number)) for number in named),
    )
