"""Turns preference pairs into token ids and the positions to read: every reading of a pair's text.

The chat template, the BOS token and the place where a response begins are decided here and nowhere
else, so that extraction, selection and generation always see the same tokens.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal, get_args

from palrs_hub.errors import ExtractionError, UsageError
from palrs_hub.pairs.pair import Message, PreferencePair, Text, response_text

if TYPE_CHECKING:
    from collections.abc import Sequence

    from transformers import PreTrainedTokenizerBase

InputFormat = Literal["response_as_user", "conversation", "raw"]
Positions = Literal["template_suffix", "last", "response_mean"]
INPUT_FORMATS: tuple[InputFormat, ...] = get_args(InputFormat)
POSITIONS: tuple[Positions, ...] = get_args(Positions)

_SENTINEL = "palrs0sentinel"


@dataclass(frozen=True)
class Sample:
    """One text as token ids, and the token spans whose mean activation is read.

    Attributes:
        token_ids: The whole text, special tokens included.
        spans: Half-open token ranges, one for each read position.
    """

    token_ids: tuple[int, ...]
    spans: tuple[tuple[int, int], ...]


@dataclass(frozen=True)
class PreparedPairs:
    """Samples of both classes, pair by pair, and the names of the read positions."""

    chosen: tuple[Sample, ...]
    rejected: tuple[Sample, ...]
    positions: tuple[str, ...]


@dataclass(frozen=True)
class _Encoded:
    token_ids: tuple[int, ...]
    response: tuple[int, int]


def has_chat_template(tokenizer: PreTrainedTokenizerBase) -> bool:
    """Whether a tokenizer has a chat template."""
    return bool(getattr(tokenizer, "chat_template", None))


def natural_format(tokenizer: PreTrainedTokenizerBase) -> InputFormat:
    """The format in which the model answers: a conversation if it has a template, else raw text."""
    return "conversation" if has_chat_template(tokenizer) else "raw"


def prepare_pairs(
    tokenizer: PreTrainedTokenizerBase,
    pairs: Sequence[PreferencePair],
    *,
    input_format: InputFormat,
    positions: Positions,
) -> PreparedPairs:
    """Tokenise pairs and say which tokens to read.

    Args:
        tokenizer: The model's tokenizer.
        pairs: Preference pairs.
        input_format: ``response_as_user``: the response alone in the user's slot of the chat
            template (PaLRS); ``conversation``: prompt and response as turns (CAA); ``raw``: prompt
            and response as plain text.
        positions: ``template_suffix``: each token of the template after the user's slot (PaLRS);
            ``last``: the last token; ``response_mean``: the mean over the response's tokens.

    Raises:
        ExtractionError: The tokenizer or the pairs do not allow this reading; the message says
            which one does.
    """
    if positions == "template_suffix" and input_format == "raw":
        raise UsageError(
            "Read positions 'template_suffix' need a chat template; with input format 'raw' use "
            "'last' or 'response_mean'."
        )
    encoded = [
        _encode(tokenizer, pair.prompt, side, input_format, positions)
        for pair in pairs
        for side in (pair.chosen, pair.rejected)
    ]
    if positions == "template_suffix":
        width = _suffix_width(tokenizer, encoded, input_format)
        names = tuple(str(index) for index in range(-width, 0))
        samples = [_suffix_sample(text, width) for text in encoded]
    elif positions == "last":
        names, samples = ("last",), [_suffix_sample(text, 1) for text in encoded]
    else:
        names, samples = ("response_mean",), [Sample(t.token_ids, (t.response,)) for t in encoded]
    return PreparedPairs(tuple(samples[0::2]), tuple(samples[1::2]), names)


def encode_prompt(tokenizer: PreTrainedTokenizerBase, prompt: Text) -> tuple[int, ...]:
    """Token ids of a prompt, ready to generate the response from."""
    if has_chat_template(tokenizer):
        return _ids(tokenizer, _render(tokenizer, _as_messages(prompt), generate=True), raw=False)
    ids = _ids(tokenizer, _raw(prompt), raw=True)
    return ids[:-1] if ids[-1:] == (tokenizer.eos_token_id,) else ids


def encode_response(tokenizer: PreTrainedTokenizerBase, prompt: Text, response: Text) -> Sample:
    """A prompt with a given response as if the model had generated it; its span is the response."""
    text = _encode(tokenizer, prompt, response, natural_format(tokenizer), "response_mean")
    return Sample(text.token_ids, (text.response,))


def _encode(
    tokenizer: PreTrainedTokenizerBase,
    prompt: Text,
    response: Text,
    input_format: InputFormat,
    positions: Positions,
) -> _Encoded:
    if input_format == "raw":
        before, content = _raw(prompt), _raw(response)
        return _locate(tokenizer, before, before + content, "", raw=True)
    if not has_chat_template(tokenizer):
        raise ExtractionError(
            f"Input format {input_format!r} needs a chat template; this tokenizer has none. Use "
            "input format 'raw' with read positions 'last' or 'response_mean'."
        )
    if input_format == "response_as_user":
        turns: tuple[Message, ...] = (Message("user", response_text(response)),)
    else:
        turns = (*_as_messages(prompt), *_as_messages(response, role="assistant"))
    # The suffix after an answer would be that of a finished turn: there the next turn's is read.
    generate = input_format == "response_as_user" or positions == "template_suffix"
    before, whole, after = _render_around(tokenizer, turns, generate=generate)
    return _locate(tokenizer, before, whole, after, raw=False)


def _render_around(
    tokenizer: PreTrainedTokenizerBase, turns: tuple[Message, ...], *, generate: bool
) -> tuple[str, str, str]:
    """A rendered conversation, and what stands before and after the last turn's content."""
    whole = _render(tokenizer, turns, generate=generate)
    marked = (*turns[:-1], Message(turns[-1].role, _SENTINEL))
    before, found, after = _render(tokenizer, marked, generate=generate).partition(_SENTINEL)
    if not (found and whole.startswith(before) and whole.endswith(after)):
        raise ExtractionError(
            "The chat template writes a turn differently depending on its text: the response's "
            "tokens cannot be found. Use input format 'raw', or another chat template."
        )
    return before, whole, after


def _locate(
    tokenizer: PreTrainedTokenizerBase, before: str, whole: str, after: str, *, raw: bool
) -> _Encoded:
    """Tokenise ``whole`` and find the tokens between ``before`` and ``after``.

    Compares tokenised prefixes and suffixes instead of character offsets, which slow tokenizers do
    not have; a token that straddles a border belongs to the response.
    """
    ids = _ids(tokenizer, whole, raw=raw)
    start = _common(ids, _ids(tokenizer, before, raw=raw)) if before or raw else 0
    tail = _common(ids[::-1], _ids(tokenizer, after, raw=False)[::-1]) if after else 0
    # A tokenizer may append EOS to raw text: not a token of the response.
    if raw and ids and ids[-1] == tokenizer.eos_token_id:
        tail = 1
    stop = len(ids) - tail
    if stop <= start:
        raise ExtractionError(f"A response has no token of its own: {whole!r:.120}")
    return _Encoded(ids, (start, stop))


def _suffix_width(
    tokenizer: PreTrainedTokenizerBase, encoded: Sequence[_Encoded], input_format: InputFormat
) -> int:
    """Number of trailing template tokens that all texts share after their content."""
    shared = min(len(text.token_ids) - text.response[1] for text in encoded)
    reference = encoded[0].token_ids
    for text in encoded[1:]:
        shared = min(shared, _common(reference[::-1], text.token_ids[::-1]))
    if not shared:
        raise ExtractionError(
            f"The chat template of {type(tokenizer).__name__} leaves no token after the text "
            f"(input format {input_format!r}). Use read positions 'last' or 'response_mean'."
        )
    return shared


def _suffix_sample(text: _Encoded, width: int) -> Sample:
    length = len(text.token_ids)
    return Sample(text.token_ids, tuple((i, i + 1) for i in range(length - width, length)))


def _common(left: Sequence[int], right: Sequence[int]) -> int:
    pairs = zip(left, right, strict=False)
    return next((i for i, (a, b) in enumerate(pairs) if a != b), min(len(left), len(right)))


def _as_messages(text: Text, role: str = "user") -> tuple[Message, ...]:
    return (Message(role, text),) if isinstance(text, str) else text


def _raw(text: Text) -> str:
    if isinstance(text, str):
        return text
    raise ExtractionError(
        "Input format 'raw' needs pairs of plain strings; these are conversations. Use input "
        "format 'conversation' with a tokenizer that has a chat template."
    )


def _render(
    tokenizer: PreTrainedTokenizerBase, messages: Sequence[Message], *, generate: bool
) -> str:
    import jinja2

    turns = [{"role": message.role, "content": message.content} for message in messages]
    try:
        text = tokenizer.apply_chat_template(turns, tokenize=False, add_generation_prompt=generate)
    except jinja2.TemplateError as error:
        raise ExtractionError(f"The chat template refuses these messages: {error}") from error
    return str(text)


def _ids(tokenizer: PreTrainedTokenizerBase, text: str, *, raw: bool) -> tuple[int, ...]:
    # A rendered template already holds its special tokens.
    return tuple(tokenizer(text, add_special_tokens=raw)["input_ids"])
