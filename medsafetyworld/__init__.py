"""MedSafetyWorld: a rule-based medical world with an exact definition of harm, and its language."""

from medsafetyworld.corpus import Corpus, intervene, token_stream
from medsafetyworld.dialogues import Dialogue, benign_dialogues, sft_dialogues, split_edges
from medsafetyworld.documents import Document
from medsafetyworld.errors import SpecError
from medsafetyworld.graph import Edge, World, build_world, load_world, shuffle_causes
from medsafetyworld.interventions import VARIANTS, Variant
from medsafetyworld.judge import judge, read_corpus
from medsafetyworld.language import Template, read, write
from medsafetyworld.semantics import PAPER_POLICY, Direction, SafetyPolicy, Statement, category
from medsafetyworld.spec import CorpusSpec, DialogueSpec, ReflectionSpec, WorldSpec
from medsafetyworld.tokenizer import Tokenizer, build_tokenizer

__all__ = [
    "PAPER_POLICY",
    "VARIANTS",
    "Corpus",
    "CorpusSpec",
    "Dialogue",
    "DialogueSpec",
    "Direction",
    "Document",
    "Edge",
    "ReflectionSpec",
    "SafetyPolicy",
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
    "intervene",
    "judge",
    "load_world",
    "read",
    "read_corpus",
    "sft_dialogues",
    "shuffle_causes",
    "split_edges",
    "token_stream",
    "write",
]
