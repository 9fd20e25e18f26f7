"""The prompt baseline: a preference asked for in words, instead of steered towards."""

from __future__ import annotations

from typing import TYPE_CHECKING

from palrs_hub.errors import ExtractionError, UsageError
from palrs_hub.inputs import encode_prompt, has_chat_template
from palrs_hub.pairs.pair import Message

if TYPE_CHECKING:
    from collections.abc import Sequence

    from transformers import PreTrainedTokenizerBase

    from palrs_hub.pairs.pair import Text


def instructed(
    tokenizer: PreTrainedTokenizerBase, prompts: Sequence[Text], instruction: str
) -> tuple[Text, ...]:
    """Prompts that begin with an instruction.

    It becomes the system message where the chat template takes one, else the beginning of the
    first message, or of the text where there is no template.

    Raises:
        UsageError: The instruction is empty.
    """
    if not instruction.strip():
        raise UsageError("Expected an instruction that states the preference; found an empty one.")
    as_system = has_chat_template(tokenizer) and takes_system_message(tokenizer)
    return tuple(_instructed(prompt, instruction, as_system) for prompt in prompts)


def takes_system_message(tokenizer: PreTrainedTokenizerBase) -> bool:
    """Whether a chat template renders a system message: some refuse it, some leave it out."""
    user = Message("user", "1")
    try:
        with_system = encode_prompt(tokenizer, (Message("system", "2"), user))
    except ExtractionError:
        return False
    return with_system != encode_prompt(tokenizer, (user,))


def _instructed(prompt: Text, instruction: str, as_system: bool) -> Text:
    if isinstance(prompt, str):
        if as_system:
            return (Message("system", instruction), Message("user", prompt))
        return f"{instruction}\n\n{prompt}"
    first, *others = prompt
    if as_system and first.role != "system":
        return (Message("system", instruction), *prompt)
    return (Message(first.role, f"{instruction}\n\n{first.content}"), *others)
