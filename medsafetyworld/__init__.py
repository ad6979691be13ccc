"""MedSafetyWorld: a rule-based medical world with an exact definition of harm, and its language."""

from medsafetyworld.building import build_world, shuffle_causes
from medsafetyworld.corpus import Corpus
from medsafetyworld.dialogues import Dialogue, benign_dialogues, sft_dialogues, split_chains
from medsafetyworld.documents import Document, Sentence, Source
from medsafetyworld.domain import Domain, load_domain
from medsafetyworld.errors import SpecError
from medsafetyworld.graph import World
from medsafetyworld.interventions import VARIANTS, Variant
from medsafetyworld.judge import judge, read_corpus
from medsafetyworld.language import Template, write
from medsafetyworld.policies import PAPER_POLICY, SafetyPolicy
from medsafetyworld.reading import read
from medsafetyworld.semantics import Chain, Direction, Group, Statement, category, edge, state
from medsafetyworld.spec import CorpusSpec, DialogueSpec, ReflectionSpec, WorldSpec
from medsafetyworld.tokenizer import Tokenizer, build_tokenizer
from medsafetyworld.training_stream import intervene, token_stream
from medsafetyworld.world_file import load_world

__all__ = [
    "PAPER_POLICY",
    "VARIANTS",
    "Chain",
    "Corpus",
    "CorpusSpec",
    "Dialogue",
    "DialogueSpec",
    "Direction",
    "Document",
    "Domain",
    "Group",
    "ReflectionSpec",
    "SafetyPolicy",
    "Sentence",
    "Source",
    "SpecError",
    "Statement",
    "Template",
    "Tokenizer",
    "Variant",
    "World",
    "WorldSpec",
    "benign_dialogues",
    "build_tokenizer",
    "build_world",
    "category",
    "edge",
    "intervene",
    "judge",
    "load_domain",
    "load_world",
    "read",
    "read_corpus",
    "sft_dialogues",
    "shuffle_causes",
    "split_chains",
    "state",
    "token_stream",
    "write",
]
