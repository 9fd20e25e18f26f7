"""One preference pair, in both shapes that TRL defines: strings, and conversations."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import overload

from palrs_hub.errors import PairsError

_ASSISTANT_TURN = "\n\nAssistant:"


@dataclass(frozen=True)
class Message:
    """One turn of a conversation."""

    role: str
    content: str


Text = str | tuple[Message, ...]


@dataclass(frozen=True)
class PreferencePair:
    """A prompt with a preferred and a dispreferred response.

    All three are strings, or all three are conversations (tuples of messages), where ``chosen``
    and ``rejected`` hold only what comes after the prompt.
    """

    prompt: Text
    chosen: Text
    rejected: Text

    def __post_init__(self) -> None:
        if len({isinstance(side, str) for side in (self.prompt, self.chosen, self.rejected)}) != 1:
            raise PairsError(
                "prompt, chosen and rejected should be all strings or all lists of messages"
            )
        for side in ("chosen", "rejected"):
            if not response_text(getattr(self, side)).strip():
                raise PairsError(f"{side!r} has an empty response")
        if self.chosen == self.rejected:
            raise PairsError("'chosen' and 'rejected' are the same: there is nothing to prefer")

    @property
    def conversational(self) -> bool:
        """Whether the pair is made of messages rather than of strings."""
        return not isinstance(self.prompt, str)


def response_text(side: Text) -> str:
    """The text of a response: the string, or the content of its last message."""
    if isinstance(side, str):
        return side
    return side[-1].content if side else ""


@dataclass(frozen=True)
class PairSet(Sequence[PreferencePair]):
    """Preference pairs and where they came from.

    Attributes:
        pairs: The pairs, in the order of the source.
        name: File name or data set id.
        revision: Commit of the data set, where it has one.
    """

    pairs: tuple[PreferencePair, ...]
    name: str = "pairs in memory"
    revision: str | None = None

    @overload
    def __getitem__(self, index: int) -> PreferencePair: ...

    @overload
    def __getitem__(self, index: slice) -> tuple[PreferencePair, ...]: ...

    def __getitem__(self, index: int | slice) -> PreferencePair | tuple[PreferencePair, ...]:
        return self.pairs[index]

    def __len__(self) -> int:
        return len(self.pairs)

    def __iter__(self) -> Iterator[PreferencePair]:
        return iter(self.pairs)


def content_sha256(pairs: Sequence[PreferencePair]) -> str:
    """Hash of the pairs' content and order, independent of the file format they came in."""
    digest = hashlib.sha256()
    for pair in pairs:
        sides = [_plain(side) for side in (pair.prompt, pair.chosen, pair.rejected)]
        digest.update(json.dumps(sides, ensure_ascii=False).encode() + b"\n")
    return digest.hexdigest()


def parse_pair(record: object) -> PreferencePair:
    """Read one pair from a record with ``chosen``, ``rejected`` and perhaps ``prompt``.

    Other keys are ignored. Without ``prompt`` it is what both responses begin with (TRL's implicit
    prompt).

    Raises:
        PairsError: The record is not a preference pair; the message gives the reason.
    """
    if not isinstance(record, Mapping):
        raise PairsError(f"expected an object with prompt, chosen, rejected; found {_kind(record)}")
    for key in ("chosen", "rejected"):
        if record.get(key) is None:
            found = ", ".join(sorted(map(str, record)))
            raise PairsError(f"{key!r} is missing (found: {found:.200})")
    chosen, rejected = text_field(record, "chosen"), text_field(record, "rejected")
    if record.get("prompt") is None:
        return _with_implicit_prompt(chosen, rejected)
    prompt = text_field(record, "prompt")
    if isinstance(prompt, str) and not isinstance(chosen, str) and not isinstance(rejected, str):
        return _string_prompt_with_messages(prompt, chosen, rejected)
    return PreferencePair(prompt, chosen, rejected)


def _string_prompt_with_messages(
    prompt: str, chosen: tuple[Message, ...], rejected: tuple[Message, ...]
) -> PreferencePair:
    asked = (Message("user", prompt),)
    # Data sets such as UltraFeedback repeat the prompt as the first message of both sides.
    if chosen[:1] == rejected[:1] == asked:
        chosen, rejected = chosen[1:], rejected[1:]
    return PreferencePair(asked, chosen, rejected)


def _with_implicit_prompt(chosen: Text, rejected: Text) -> PreferencePair:
    if isinstance(chosen, str) and isinstance(rejected, str):
        shared = _shared_prompt_length(chosen, rejected)
        return PreferencePair(chosen[:shared], chosen[shared:], rejected[shared:])
    if isinstance(chosen, str) or isinstance(rejected, str):
        raise PairsError("'chosen' and 'rejected' should be both strings or both lists of messages")
    shared = 0
    while shared < min(len(chosen), len(rejected)) - 1 and chosen[shared] == rejected[shared]:
        shared += 1
    if not shared:
        raise PairsError("'prompt' is missing and the two conversations do not begin alike")
    return PreferencePair(chosen[:shared], chosen[shared:], rejected[shared:])


def _shared_prompt_length(chosen: str, rejected: str) -> int:
    both = zip(chosen, rejected, strict=False)
    shared = next((i for i, (a, b) in enumerate(both) if a != b), min(len(chosen), len(rejected)))
    # Dialogues written as one string (HH-RLHF) say where the response starts.
    if (turn := chosen.rfind(_ASSISTANT_TURN, 0, shared)) >= 0:
        return turn + len(_ASSISTANT_TURN)
    # A space belongs to the word after it for most tokenizers.
    return shared - 1 if shared and chosen[shared - 1] == " " else shared


def text_field(record: Mapping[object, object], key: str) -> Text:
    """A string or a conversation that a record must have under a key.

    Raises:
        PairsError: It is something else.
    """
    value = record[key]
    if isinstance(value, str):
        return _whole(value, key)
    if isinstance(value, Sequence) and value and not isinstance(value, bytes):
        return tuple(_message(item, key) for item in value)
    raise PairsError(f"{key!r} should be a string or a list of messages; found {_kind(value)}")


def _message(item: object, key: str) -> Message:
    if isinstance(item, Mapping):
        role, content = item.get("role"), item.get("content")
        if isinstance(role, str) and isinstance(content, str):
            return Message(_whole(role, key), _whole(content, key))
    raise PairsError(f"{key!r}: each message needs a 'role' and a 'content', both strings")


def _whole(text: str, key: str) -> str:
    # JSON can spell half of a surrogate pair; no tokenizer and no hash could take it.
    try:
        text.encode()
    except UnicodeEncodeError:
        raise PairsError(f"{key!r} holds half a character (a lone surrogate)") from None
    return text


def _plain(side: Text) -> object:
    return side if isinstance(side, str) else [[m.role, m.content] for m in side]


def _kind(value: object) -> str:
    if value is None:
        return "null"
    if isinstance(value, Sequence) and not isinstance(value, str) and not value:
        return "an empty list"
    return type(value).__name__
