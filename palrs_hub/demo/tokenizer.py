"""The demonstration model's tokenizer: one token per digit, sign or word, with a chat template."""

from __future__ import annotations

import random
import re
from typing import TYPE_CHECKING, Final

from tokenizers import Regex, Tokenizer
from tokenizers.decoders import Fuse
from tokenizers.models import WordLevel
from tokenizers.pre_tokenizers import Split
from transformers import PreTrainedTokenizerFast

from palrs_hub.demo import functions, stories

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence


BEGINNING, END, PADDING, UNKNOWN = "<s>", "</s>", "<pad>", "<unk>"
CHARACTERS = "0123456789+=,#Q:?A"
LONGEST_TEXT = 256
SAMPLED: Final = 1000
# A word or number takes the space before it along; the end of a line takes its indentation.
TOKEN: Final = r"\n *| ?[A-Za-z]+| ?[0-9]| ?//| ?[^\sA-Za-z0-9]"

# Read by people who inspect the model: a question closes with "?", an answer opens with "A:".
CHAT_TEMPLATE = (
    "{{ bos_token }}"
    "{%- for message in messages -%}"
    "{%- if message['role'] == 'user' -%}"
    "{{ 'Q:' + message['content'] + '?' }}"
    "{%- elif message['role'] == 'assistant' -%}"
    "{{ 'A:' + message['content'] + eos_token }}"
    "{%- else -%}"
    "{{ raise_exception('This model knows the roles user and assistant only.') }}"
    "{%- endif -%}"
    "{%- endfor -%}"
    "{%- if add_generation_prompt -%}{{ 'A:' }}{%- endif -%}"
)


def build_tokenizer() -> PreTrainedTokenizerFast:
    """Build the tokenizer; it adds no token of its own, since texts carry `<s>` and `</s>`."""
    tokens = dict.fromkeys((PADDING, BEGINNING, END, UNKNOWN, *CHARACTERS, *_words()))
    vocabulary = {token: identifier for identifier, token in enumerate(tokens)}
    tokenizer = Tokenizer(WordLevel(vocabulary, unk_token=UNKNOWN))
    tokenizer.pre_tokenizer = Split(Regex(TOKEN), behavior="isolated")
    tokenizer.decoder = Fuse()
    return PreTrainedTokenizerFast(
        tokenizer_object=tokenizer,
        bos_token=BEGINNING,
        eos_token=END,
        pad_token=PADDING,
        unk_token=UNKNOWN,
        padding_side="left",
        model_max_length=LONGEST_TEXT,
        model_input_names=["input_ids", "attention_mask"],
        clean_up_tokenization_spaces=False,
        chat_template=CHAT_TEMPLATE,
    )


def document(turns: Sequence[tuple[str, str]]) -> str:
    """Write a training text of prompts and answers, one after the other.

    It equals the chat template's rendering of the same turns.
    """
    return BEGINNING + "".join(f"Q:{prompt}?A:{answer}{END}" for prompt, answer in turns)


def _words() -> Iterator[str]:
    """The tokens of functions and stories, in the order in which a sample of each brings them."""
    source = random.Random(0)
    for _ in range(SAMPLED):
        problem = functions.draw(source)
        for text in (problem.prompt, problem.careful, problem.sloppy):
            yield from re.findall(TOKEN, text)
    for _ in range(SAMPLED):
        story = stories.draw(source)
        yield from re.findall(TOKEN, story.prompt)
        yield from re.findall(TOKEN, story.text)
