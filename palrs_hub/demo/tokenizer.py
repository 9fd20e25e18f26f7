"""The demonstration model's tokenizer: one token per character, with a chat template."""

from collections.abc import Sequence

from tokenizers import Regex, Tokenizer
from tokenizers.decoders import Fuse
from tokenizers.models import WordLevel
from tokenizers.pre_tokenizers import Split
from transformers import PreTrainedTokenizerFast

from palrs_hub.demo.problems import Problem

BEGINNING, END, PADDING, UNKNOWN = "<s>", "</s>", "<pad>", "<unk>"
CHARACTERS = "0123456789+=,#Q:?A"
LONGEST_TEXT = 256

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
    tokens = [PADDING, BEGINNING, END, UNKNOWN, *CHARACTERS]
    vocabulary = {token: identifier for identifier, token in enumerate(tokens)}
    tokenizer = Tokenizer(WordLevel(vocabulary, unk_token=UNKNOWN))
    tokenizer.pre_tokenizer = Split(Regex("."), behavior="isolated")
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


def document(problems: Sequence[Problem], answers: Sequence[str]) -> str:
    """Write a training text: one author's answers to some problems, one after the other.

    It equals the chat template's rendering of the same turns.
    """
    turns = (
        f"Q:{problem.prompt}?A:{answer}{END}"
        for problem, answer in zip(problems, answers, strict=True)
    )
    return BEGINNING + "".join(turns)
