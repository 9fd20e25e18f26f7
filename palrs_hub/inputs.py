"""Turns preference pairs into token ids and the positions to read: every reading of a pair's text.

The chat template, the BOS token and the place where a response begins are decided here and nowhere
else, so that extraction, selection and generation always see the same tokens.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache, partial
from typing import TYPE_CHECKING, Literal, get_args

from palrs_hub.errors import ExtractionError, UsageError
from palrs_hub.pairs.pair import Message, PreferencePair, Text, response_text
from palrs_hub.positions import Part, Positions, read_positions

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Mapping, Sequence

    from transformers import PreTrainedTokenizerBase

InputFormat = Literal["response_as_user", "conversation", "raw"]
INPUT_FORMATS: tuple[InputFormat, ...] = get_args(InputFormat)

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
    number: int = 1,
) -> PreparedPairs:
    """Tokenise pairs and say which tokens to read.

    Args:
        tokenizer: The model's tokenizer.
        pairs: Preference pairs.
        input_format: ``response_as_user``: the response alone in the user's slot of the chat
            template (PaLRS); ``conversation``: prompt and response as turns (CAA); ``raw``: prompt
            and response as plain text.
        positions: Which tokens to read; see ``palrs_hub.positions``.
        number: What messages call the first of these pairs.

    Raises:
        UsageError: The positions are not understood.
        ExtractionError: The tokenizer or the pairs do not allow this reading; the message says
            which one does.
    """
    reading = read_positions(positions)
    if reading.part == "suffix" and input_format == "raw":
        raise UsageError(
            f"Read positions {reading.name!r} need a chat template; with input format 'raw' use "
            "'last', 'response_mean' or indices."
        )
    texts = [(pair.prompt, side) for pair in pairs for side in (pair.chosen, pair.rejected)]
    encoded = _encode(tokenizer, texts, input_format, for_suffix=reading.part == "suffix")
    names, rows = reading.names, enumerate(encoded, start=2 * (number - 1))
    if reading.part == "suffix":
        width = _suffix_width(tokenizer, encoded, input_format)
        names = names or tuple(str(index) for index in range(-width, 0))
        _check_suffix(names, width)
        samples = [_at(text, tuple(map(int, names)), "text", row) for row, text in rows]
    elif reading.indices is None:
        samples = [Sample(text.token_ids, (text.response,)) for text in encoded]
    else:
        samples = [_at(text, reading.indices, reading.part, row) for row, text in rows]
    return PreparedPairs(tuple(samples[0::2]), tuple(samples[1::2]), names or ())


def encode_prompt(tokenizer: PreTrainedTokenizerBase, prompt: Text) -> tuple[int, ...]:
    """Token ids of a prompt, ready to generate the response from."""
    if has_chat_template(tokenizer):
        return _ids(tokenizer, _render(tokenizer, _as_messages(prompt), generate=True), raw=False)
    ids = _ids(tokenizer, _raw(prompt), raw=True)
    return ids[:-1] if ids[-1:] == (tokenizer.eos_token_id,) else ids


def encode_response(tokenizer: PreTrainedTokenizerBase, prompt: Text, response: Text) -> Sample:
    """A prompt with a given response as if the model had generated it; its span is the response."""
    (text,) = _encode(tokenizer, [(prompt, response)], natural_format(tokenizer))
    return Sample(text.token_ids, (text.response,))


def _encode(
    tokenizer: PreTrainedTokenizerBase,
    texts: Sequence[tuple[Text, Text]],
    input_format: InputFormat,
    *,
    for_suffix: bool = False,
) -> list[_Encoded]:
    """Prompts with their responses; what several of them share is rendered and tokenised once."""
    if input_format == "raw":
        written = [_raw_parts(prompt, response) for prompt, response in texts]
    elif has_chat_template(tokenizer):
        # After an answer the suffix would be that of a finished turn: the next turn's is read.
        generate = input_format == "response_as_user" or for_suffix
        render = lru_cache(maxsize=None)(partial(_render, tokenizer, generate=generate))
        turns = [_turns(prompt, response, input_format) for prompt, response in texts]
        written = [_render_around(render, each) for each in turns]
    else:
        raise ExtractionError(
            f"Input format {input_format!r} needs a chat template; this tokenizer has none. Use "
            "input format 'raw' with read positions 'last' or 'response_mean'."
        )
    raw = input_format == "raw"
    known = _all_ids(
        tokenizer, {part for parts in written for part in parts if part or raw}, raw=raw
    )
    eos = tokenizer.eos_token_id if raw else None
    return [_locate(known, *parts, raw=raw, eos=eos) for parts in written]


def _turns(prompt: Text, response: Text, input_format: InputFormat) -> tuple[Message, ...]:
    if input_format == "response_as_user":
        return (Message("user", response_text(response)),)
    return (*_as_messages(prompt), *_as_messages(response, role="assistant"))


def _raw_parts(prompt: Text, response: Text) -> tuple[str, str, str]:
    before = _raw(prompt)
    return before, before + _raw(response), ""


def _render_around(
    render: Callable[[tuple[Message, ...]], str], turns: tuple[Message, ...]
) -> tuple[str, str, str]:
    """What stands before the last turn's content, the rendered conversation, and what is after."""
    whole = render(turns)
    marked = (*turns[:-1], Message(turns[-1].role, _SENTINEL))
    before, found, after = render(marked).partition(_SENTINEL)
    if not (found and whole.startswith(before) and whole.endswith(after)):
        raise ExtractionError(
            "The chat template writes a turn differently depending on its text: the response's "
            "tokens cannot be found. Use input format 'raw', or another chat template."
        )
    return before, whole, after


def _locate(
    known: Mapping[str, tuple[int, ...]],
    before: str,
    whole: str,
    after: str,
    *,
    raw: bool,
    eos: int | None,
) -> _Encoded:
    """Find the tokens of ``whole`` between ``before`` and ``after``.

    Compares tokenised prefixes and suffixes instead of character offsets, which slow tokenizers do
    not have; a token that straddles a border belongs to the response.
    """
    ids = known.get(whole, ())
    start = _common(ids, known[before]) if before or raw else 0
    tail = _common(ids[::-1], known[after][::-1]) if after else 0
    # A tokenizer may append EOS to raw text: not a token of the response.
    if raw and ids and ids[-1] == eos:
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


def _check_suffix(names: Sequence[str], width: int) -> None:
    if missing := [name for name in names if int(name) < -width]:
        raise ExtractionError(
            f"The chat template writes {width} token(s) after every text, -{width} to -1; there is "
            f"no {missing[0]}. Give other indices, or read 'template_suffix' for all of them."
        )


def _at(text: _Encoded, indices: Sequence[int], part: Part, row: int) -> Sample:
    """The sample that is read at indices of the whole text or of its response."""
    start, stop = text.response if part == "response" else (0, len(text.token_ids))
    spans = []
    for index in indices:
        place = index + (stop if index < 0 else start)
        if not start <= place < stop:
            side = ("chosen", "rejected")[row % 2]
            what = "response" if part == "response" else "text"
            raise ExtractionError(
                f"Pair {row // 2 + 1}: the {side} {what} has {stop - start} token(s); index "
                f"{index} is outside. Give an index that every pair has, or remove the pair."
            )
        spans.append((place, place + 1))
    return Sample(text.token_ids, tuple(spans))


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


def _all_ids(
    tokenizer: PreTrainedTokenizerBase, texts: Collection[str], *, raw: bool
) -> dict[str, tuple[int, ...]]:
    """Token ids of every text, in one call."""
    ordered = sorted(texts)
    if not ordered:
        return {}
    found = tokenizer(ordered, add_special_tokens=raw)["input_ids"]
    return {text: tuple(ids) for text, ids in zip(ordered, found, strict=True)}


def _ids(tokenizer: PreTrainedTokenizerBase, text: str, *, raw: bool) -> tuple[int, ...]:
    # A rendered template already holds its special tokens.
    return tuple(tokenizer(text, add_special_tokens=raw)["input_ids"])
