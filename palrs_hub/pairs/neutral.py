"""Reads neutral texts: prompts with responses that steering should leave alone."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Final

from palrs_hub.errors import PairsError
from palrs_hub.pairs.pair import text_field
from palrs_hub.pairs.read import file_records

if TYPE_CHECKING:
    import os

    from palrs_hub.pairs.pair import Text

_RESPONSES: Final = ("response", "completion")


def read_neutral(file: str | os.PathLike[str]) -> tuple[tuple[Text, Text], ...]:
    """Read objects with ``prompt`` and ``response`` (or ``completion``), as pairs' files hold them.

    Args:
        file: A ``.jsonl``, ``.jsonl.gz``, ``.json`` or ``.parquet`` file.

    Returns:
        Prompts and responses, in the file's order.

    Raises:
        PairsError: The file cannot be read, holds nothing, or a line is no neutral text.
    """
    path = Path(file)
    found: list[tuple[Text, Text]] = []
    for place, record in file_records(path):
        try:
            found.append(_parse(record))
        except PairsError as error:
            raise PairsError(
                f"{path.name}, {place}: {error}. Each neutral text needs a prompt and a response."
            ) from error
    if not found:
        raise PairsError(f"{path.name} holds no neutral texts: expected one JSON object a line.")
    return tuple(found)


def _parse(record: object) -> tuple[Text, Text]:
    if isinstance(record, PairsError):
        raise record
    if not isinstance(record, Mapping):
        raise PairsError(f"expected an object; found {type(record).__name__}")
    key = next((key for key in _RESPONSES if record.get(key) is not None), None)
    if key is None or record.get("prompt") is None:
        found = ", ".join(sorted(map(str, record)))
        raise PairsError(f"'prompt' or 'response' is missing (found: {found:.200})")
    response = text_field(record, key)
    if not response:
        raise PairsError(f"{key!r} is empty")
    return text_field(record, "prompt"), response
