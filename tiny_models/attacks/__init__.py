"""Searches for prompts that make a given continuation likely, over tokens or over phrases."""

from tiny_models.attacks.controls import Attacked
from tiny_models.attacks.gcg import Controls, random_controls, search_controls
from tiny_models.attacks.genetic import Evolved, evolve, genomes_scored, random_genomes

__all__ = [
    "Attacked",
    "Controls",
    "Evolved",
    "evolve",
    "genomes_scored",
    "random_controls",
    "random_genomes",
    "search_controls",
]
