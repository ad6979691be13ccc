"""Laws, to be checked on worlds, policies, domains, corpora and interventions of your own.

Each `check_...` returns the laws that its subject breaks, each with the smallest counterexample
it found, in words; an empty list means that all hold.
"""

from medsafetyworld.laws.corpus import check_corpus
from medsafetyworld.laws.derivation import check_closure
from medsafetyworld.laws.dialogue import check_dialogue_step
from medsafetyworld.laws.intervention import check_intervention
from medsafetyworld.laws.language import check_language
from medsafetyworld.laws.policy import check_policy
from medsafetyworld.laws.violation import Violation, assert_lawful
from medsafetyworld.laws.world import check_split, check_world

__all__ = [
    "Violation",
    "assert_lawful",
    "check_closure",
    "check_corpus",
    "check_dialogue_step",
    "check_intervention",
    "check_language",
    "check_policy",
    "check_split",
    "check_world",
]
