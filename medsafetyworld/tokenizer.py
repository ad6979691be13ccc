"""Closed-vocabulary tokenizer: compounds as morphemes, everything else as words.

The vocabulary is a function of the world's names and the wordings that the corpus spec has in
use, never of a variant or a split. Text to tokens and back is exact for every text that the
language writes.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Iterable, Sequence
from pathlib import Path

from medsafetyworld.documents import END
from medsafetyworld.domain import KINDS
from medsafetyworld.files import write_whole
from medsafetyworld.graph import World
from medsafetyworld.language import in_numbers
from medsafetyworld.spec import CorpusSpec

PAD, USER, ASSISTANT = "<|pad|>", "<|user|>", "<|assistant|>"
THINK, END_THINK, SAFE = "<think>", "</think>", "Safe"
SPECIAL = (PAD, END, USER, ASSISTANT, THINK, END_THINK)
HARM, GOOD, BAD = "<|harm|>", "<|good|>", "<|bad|>"
CONTEXT, END_CONTEXT = "<|context|>", "<|end-context|>"
MARKS = (HARM, GOOD, BAD)
"""Marks that interventions put into texts; in the vocabulary only where one of them is used. What
stands between the two marks of a context tells where a document is from."""
UNSAFE = "Unsafe:"
"""Begins an unsafe verdict; the hazard category follows."""
OPENING, CLOSING = "(", ",.:;?)"
SLOTS = ("{a}", "{a1}", "{a2}", "{b}", "{c}", "{e}")
CONTINUES = "##"
"""Prefix of morphemes that continue a compound name."""

ROUND_SIZE = 64
"""Vocabularies have a multiple of this many tokens."""

_CHUNK = re.compile(r"(\(?)(.*?)([,.:;?)]*)", re.DOTALL)


class TokenizeError(ValueError):
    """A text holds a word that is not in the world's vocabulary."""


class Tokenizer:
    """Exact, closed and immutable; equal vocabularies make equal tokenizers."""

    def __init__(self, vocabulary: Sequence[str], compounds: dict[str, tuple[str, ...]]) -> None:
        """`vocabulary` lists the tokens by id; `compounds` maps each name to its tokens."""
        self.vocabulary = tuple(vocabulary)
        self._ids = {token: index for index, token in enumerate(self.vocabulary)}
        self._compounds = {
            name: tuple(self._ids[token] for token in tokens) for name, tokens in compounds.items()
        }
        # A name that breaks off can be written too: what a model was cut off at, or is forced to
        # go on from.
        self._begun = {self.decode(ids[:2]): ids[:2] for ids in self._compounds.values()}
        self._chunks: dict[str, tuple[int, ...]] = {}
        self.pad, self.end = self._ids[PAD], self._ids[END]

    def __len__(self) -> int:
        return len(self.vocabulary)

    def encode(self, text: str) -> list[int]:
        """Token ids of a text. Raises `TokenizeError` naming the first unknown word."""
        ids: list[int] = []
        chunks = self._chunks
        for chunk in text.split(" "):
            # The language has few distinct chunks, so each is taken apart only once.
            known = chunks.get(chunk)
            if known is None:
                known = chunks[chunk] = self._pieces(chunk)
            ids.extend(known)
        return ids

    def encode_document(self, text: str) -> list[int]:
        """Token ids of a document, closed by end-of-text."""
        ids = self.encode(text)
        ids.append(self.end)
        return ids

    def decode(self, ids: Iterable[int]) -> str:
        """Text of any id sequence; inverse of `encode` on everything the language writes."""
        text = ""
        glue = True
        for index in ids:
            token = self.vocabulary[int(index)]
            continues = token.startswith(CONTINUES)
            if not (glue or continues or token in CLOSING):
                text += " "
            text += token.removeprefix(CONTINUES) if continues else token
            glue = token == OPENING
        return text

    def compound_tokens(self, name: str) -> tuple[int, ...]:
        """The ids of a compound's morphemes."""
        return self._compounds[name]

    @property
    def content_hash(self) -> str:
        """sha256 of the vocabulary."""
        return hashlib.sha256("\n".join(self.vocabulary).encode()).hexdigest()

    def _pieces(self, chunk: str) -> tuple[int, ...]:
        if chunk in self._ids:
            return (self._ids[chunk],)
        match = _CHUNK.fullmatch(chunk)
        opening, word, closing = match.groups() if match else ("", chunk, "")
        middle = self._compounds.get(word)
        if middle is None:
            if word in self._ids and not word.startswith(CONTINUES):
                middle = (self._ids[word],)
            elif word in self._begun:
                middle = self._begun[word]
            else:
                raise TokenizeError(f"the word {word!r} is not in the vocabulary of this world")
        return (
            *(self._ids[mark] for mark in opening),
            *middle,
            *(self._ids[mark] for mark in closing),
        )

    def save(self, path: str | Path) -> None:
        """Writes `tokenizer.json`: the text of `to_json`."""
        write_whole(path, self.to_json())

    def to_json(self) -> str:
        """The tokenizer in the format of the Hugging Face tokenizers library.

        A WordPiece model finds the same morphemes, because onsets are prefix-free and so are
        cores and endings taken together. A word of another world, which `encode` refuses, becomes
        padding there.
        """
        return json.dumps(self._hugging_face(), indent=1)

    def _hugging_face(self) -> dict[str, object]:
        added = [
            {
                "id": self._ids[token],
                "content": token,
                "single_word": False,
                "lstrip": False,
                "rstrip": False,
                "normalized": False,
                "special": token in SPECIAL,
            }
            for token in (*SPECIAL, *(t for t in self.vocabulary if t.startswith(UNSAFE)))
        ]
        marks = f"[{re.escape(OPENING + CLOSING)}]"
        # The library's own clean-up leaves a space before some of the marks.
        pieces = (
            {"type": "WordPiece", "prefix": CONTINUES, "cleanup": False},
            {"type": "Fuse"},
            # It also leaves the prefix on a text's very first token.
            {"type": "Replace", "pattern": {"Regex": f"^{CONTINUES}"}, "content": ""},
        )
        glue = (
            {"type": "Replace", "pattern": {"String": spaced}, "content": spaced.strip()}
            for spaced in (f"{OPENING} ", *(f" {mark}" for mark in CLOSING))
        )
        return {
            "version": "1.0",
            "truncation": None,
            "padding": None,
            "added_tokens": sorted(added, key=lambda token: token["id"]),
            "normalizer": None,
            "pre_tokenizer": {
                "type": "Sequence",
                "pretokenizers": [
                    {"type": "WhitespaceSplit"},
                    {
                        "type": "Split",
                        "pattern": {"Regex": marks},
                        "behavior": "Isolated",
                        "invert": False,
                    },
                ],
            },
            "post_processor": None,
            "decoder": {"type": "Sequence", "decoders": [*pieces, *glue]},
            "model": {
                "type": "WordPiece",
                "unk_token": PAD,
                "continuing_subword_prefix": CONTINUES,
                "max_input_chars_per_word": 100,
                "vocab": self._ids,
            },
        }


def _wordings(world: World, spec: CorpusSpec) -> list[str]:
    """Every text around the names that world and spec have in use, dialogues included."""
    book = world.domain
    roles = ("compound",) if world.hops == 1 else ("compound", "mediator", "chain")
    dialogue = (*book.training_questions.values(), *book.test_questions.values())
    answers = [
        entries
        for kind, entries in book.answers.items()
        if world.hops > 1 or not kind.endswith("_chain")
    ]
    return [
        *(
            core
            for (role, _, _), cores in book.cores.items()
            if role in roles
            for core in cores[: spec.surface_forms]
        ),
        *(framing.text for framing in book.framings[: spec.framings]),
        *book.closings[: spec.closings],
        *(question for questions in dialogue for question in questions),
        *(answer for part in (*answers, book.refusals) for answer in part[: spec.surface_forms]),
        *book.stems,
        *_further_wordings(world, spec),
    ]


def _further_wordings(world: World, spec: CorpusSpec) -> list[str]:
    """What groups of entities are joined by, and sentences of other kinds of document."""
    book = world.domain
    rates = (spec.monograph_rate, spec.case_rate, spec.digest_rate, spec.glossary_rate)
    kinds = [kind for kind, rate in zip(KINDS, rates, strict=True) if rate > 0]
    return [
        *(["with and then"] if world.hops > 1 else []),
        *(["and"] if world.spec.triple_edges else []),
        *(text for kind in kinds for text in (*book.openings[kind], *book.kind_closings[kind])),
        *(book.distractors if spec.distractor_rate > 0 else ()),
    ]


def build_tokenizer(world: World, spec: CorpusSpec, further: Iterable[str] = ()) -> Tokenizer:
    """The tokenizer of a world's names and of the wordings that `spec` has in use.

    `further` are texts whose words join them: what interventions may insert.
    """
    compounds = {
        name: (onset, CONTINUES + core, CONTINUES + ending)
        for name, (onset, core, ending) in zip(world.compounds, world.morphemes, strict=True)
    }
    morphemes = {token for tokens in compounds.values() for token in tokens}
    words: set[str] = set()
    named = (name for layer in world.layers[1:] for name in layer)
    numbers = (2, 3) if world.spec.triple_edges else (2,)
    worded = (in_numbers(text, number) for text in _wordings(world, spec) for number in numbers)
    for text in (*worded, *named, *further):
        for chunk in text.split(" "):
            match = _CHUNK.fullmatch(chunk)
            words.add(match.group(2) if match else chunk)
    words -= {"", SAFE, *SPECIAL, *SLOTS}
    verdicts = (SAFE, *(f"{UNSAFE}{system}" for system in world.domain.lexicon.systems))
    words -= set(verdicts)
    vocabulary = (*SPECIAL, *verdicts, OPENING, *CLOSING, *sorted(words | morphemes))
    return Tokenizer((*vocabulary, *_unused(len(vocabulary))), compounds)


def _unused(size: int) -> list[str]:
    """Tokens no text has, up to a round size: worlds alike then share their models' shapes."""
    return [f"<|unused-{index}|>" for index in range(-size % ROUND_SIZE)]
