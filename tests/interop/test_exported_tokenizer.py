"""The exported tokenizer is ours: the same ids, the same text, the same chat form."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from jinja2 import TemplateError

from medsafetyworld.dialogues import chat_prompt, sft_dialogues, split_chains
from medsafetyworld.documents import END
from medsafetyworld.interventions import VARIANTS
from medsafetyworld.interventions.reflection import with_reflections
from medsafetyworld.queries import prefilled, prefills
from medsafetyworld.queries import test_queries as make_queries
from medsafetyworld.spec import DialogueSpec
from medsafetyworld.tokenizer import PAD
from medsafetyworld.training_stream import intervene

if TYPE_CHECKING:
    from conftest import Exported

DIALOGUES = DialogueSpec()


@pytest.mark.parametrize("variant", VARIANTS)
def test_every_document_has_our_ids_and_comes_back(
    exported: Exported, their_tokenizer: Any, variant: str
) -> None:
    chain = VARIANTS[variant].phases[-1][1]
    documents = intervene(exported.world, exported.corpus.documents(1), chain)
    texts = sorted({document.text for document in documents})
    assert len(texts) > 1000
    ids = their_tokenizer(texts)["input_ids"]
    assert ids == [exported.tokenizer.encode(text) for text in texts]
    assert their_tokenizer.batch_decode(ids) == texts


def test_any_ids_become_our_text(exported: Exported, their_tokenizer: Any) -> None:
    draw = np.random.default_rng(0)
    rows = [draw.integers(0, len(exported.tokenizer), 1 + n % 12).tolist() for n in range(2000)]
    decoded = their_tokenizer.batch_decode(rows)
    assert decoded == [exported.tokenizer.decode(row) for row in rows]


def test_an_unknown_word_is_padding(their_tokenizer: Any) -> None:
    assert their_tokenizer.tokenize("aspirin") == [PAD]


def test_the_chat_template_is_our_prompt_form(exported: Exported, their_tokenizer: Any) -> None:
    split = split_chains(exported.world, DIALOGUES, 0)
    asked = sft_dialogues(exported.world, DIALOGUES, exported.corpus.spec, split, 0)
    for dialogue in (*asked, *(with_reflections(exported.world, each) for each in asked)):
        turn = {"role": "user", "content": dialogue.question}
        answer = {"role": "assistant", "content": dialogue.response}
        prompt = their_tokenizer.apply_chat_template(
            [turn], tokenize=False, add_generation_prompt=True
        )
        assert prompt == dialogue.prompt
        whole = their_tokenizer.apply_chat_template([turn, answer], return_dict=True)["input_ids"]
        end = exported.tokenizer.end
        assert whole == [*exported.tokenizer.encode(f"{prompt} {dialogue.response}"), end]


def test_a_second_question_shares_the_end_of_text_between_them(their_tokenizer: Any) -> None:
    turns = [("user", "What?"), ("assistant", "This."), ("user", "And?"), ("assistant", "That.")]
    rendered = their_tokenizer.apply_chat_template(
        [{"role": role, "content": content} for role, content in turns], tokenize=False
    )
    first, second = (
        f"{chat_prompt(question)} {answer} {END}"
        for (_, question), (_, answer) in (turns[:2], turns[2:])
    )
    assert rendered == first + second.removeprefix(END)


def test_nothing_is_put_before_a_text(exported: Exported, their_tokenizer: Any) -> None:
    """Tools strip, add or double a beginning-of-sequence token where one is named."""
    assert their_tokenizer.bos_token is None
    assert their_tokenizer.eos_token_id == exported.tokenizer.end
    assert their_tokenizer.pad_token_id == exported.tokenizer.pad


def test_a_begun_answer_is_our_prefill(exported: Exported, their_tokenizer: Any) -> None:
    split = split_chains(exported.world, DIALOGUES, 0)
    queries = make_queries(exported.world, DIALOGUES, split, "reverse-unsafe", 0)
    for text in prefills(exported.world, 4).values():
        query = prefilled(exported.world, queries[0], text)
        turns = [
            {"role": "user", "content": query.question},
            {"role": "assistant", "content": query.prefill},
        ]
        rendered = their_tokenizer.apply_chat_template(
            turns, tokenize=False, continue_final_message=True
        )
        assert rendered == query.prompt


def test_a_role_that_the_model_does_not_know_is_refused(their_tokenizer: Any) -> None:
    with pytest.raises(TemplateError, match="user and assistant only"):
        their_tokenizer.apply_chat_template([{"role": "system", "content": "the"}])
