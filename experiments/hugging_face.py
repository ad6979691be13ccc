"""The tokenizer and the chat form of a model that leaves for Hugging Face tools.

The chat template renders `chat_prompt`, so that what other tools ask is what the models were
trained on and measured with.
"""

from __future__ import annotations

import json

from medsafetyworld.documents import END
from medsafetyworld.tokenizer import ASSISTANT, PAD, USER, Tokenizer
from tiny_models.export import MarkTokens

CHAT_TEMPLATE = (
    "{%- for message in messages -%}"
    "{%- if message['role'] == 'user' -%}"
    "{{- ('' if loop.first else ' ') + '" + END + " " + USER + " ' + message['content'] -}}"
    "{%- elif message['role'] == 'assistant' -%}"
    "{{- ' " + ASSISTANT + " ' + message['content'] + (' " + END + "' if loop.last else '') -}}"
    "{%- else -%}"
    "{{- raise_exception('This model knows the roles user and assistant only.') -}}"
    "{%- endif -%}"
    "{%- endfor -%}"
    "{%- if add_generation_prompt -%}{{- ' " + ASSISTANT + "' -}}{%- endif -%}"
)
"""Jinja: a user's turn, the assistant's, and end-of-text, as in our dialogues."""


def mark_tokens(tokenizer: Tokenizer) -> MarkTokens:
    """End-of-text both opens and closes a text, as in the token stream."""
    return MarkTokens(start=tokenizer.end, end=tokenizer.end, pad=tokenizer.pad)


def tokenizer_files(tokenizer: Tokenizer, context: int) -> dict[str, str]:
    """`tokenizer.json` and its configuration for rows of at most `context` tokens."""
    config = {
        # No beginning-of-sequence token is named: tools would strip or double the end-of-text
        # with which our prompts begin.
        "tokenizer_class": "PreTrainedTokenizerFast",
        "pad_token": PAD,
        "unk_token": PAD,
        "eos_token": END,
        "padding_side": "left",
        "model_max_length": context,
        # Llama takes no token types, which transformers 4 would return otherwise.
        "model_input_names": ["input_ids", "attention_mask"],
        # Its clean-up takes away spaces that our language has.
        "clean_up_tokenization_spaces": False,
        "chat_template": CHAT_TEMPLATE,
    }
    return {
        "tokenizer.json": tokenizer.to_json(),
        "tokenizer_config.json": json.dumps(config, indent=2) + "\n",
    }
