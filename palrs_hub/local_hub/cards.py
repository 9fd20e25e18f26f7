"""The YAML front matter of README.md: read it, judge it, and derive a repository's tags from it."""

from __future__ import annotations

import math
import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import yaml

from palrs_hub.local_hub import limits

if TYPE_CHECKING:
    from collections.abc import Iterable

README = "README.md"

_FRONT_MATTER = re.compile(
    r"\A\ufeff?---[ \t]*\r?\n(.*?)(?:\r?\n)?^---[ \t]*$", re.DOTALL | re.MULTILINE
)
# The loader in C takes a twentieth of the time; both build plain values only.
_LOADER = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
_OPENING = (
    *(yaml.FlowSequenceStartToken, yaml.FlowMappingStartToken),
    *(yaml.BlockSequenceStartToken, yaml.BlockMappingStartToken),
)
_CLOSING = (yaml.FlowSequenceEndToken, yaml.FlowMappingEndToken, yaml.BlockEndToken)

_TEXT_FIELDS = ("library_name", "pipeline_tag", "base_model_relation", "model_name", "pretty_name")
_TEXTS_FIELDS = ("tags", "datasets", "base_model", "language", "license", "metrics")
_DATASET_TAGS = (
    "task_categories",
    "task_ids",
    "language",
    "size_categories",
    "language_creators",
    "multilinguality",
)
_RELATIONS = ("adapter", "merge", "quantized", "finetune")
_MOST_SAFE_INTEGER = 2**63


@dataclass(frozen=True)
class Verdict:
    """What was found in a README's front matter.

    Attributes:
        card: The mapping in plain JSON values; None if there is none or it cannot be used.
    """

    card: dict[str, object] | None = None
    errors: list[str] = field(default_factory=list)
    warnings: list[str] = field(default_factory=list)


def judge(readme: str) -> Verdict:
    """Parses the front matter of a README and checks the fields that the Hub itself reads."""
    found = _FRONT_MATTER.match(readme)
    if found is None:
        return Verdict(warnings=["empty or missing yaml metadata in repo card"])
    text = found.group(1)
    if len(text.encode("utf-8", "replace")) > limits.FRONT_MATTER_BYTES:
        return Verdict(errors=[f"The metadata is over {limits.FRONT_MATTER_BYTES} bytes."])
    try:
        if (objection := _objection(text)) is not None:
            return Verdict(errors=[objection])
        loaded = _plain(yaml.load(text, Loader=_LOADER))
    except (yaml.YAMLError, ValueError, TypeError, RecursionError) as error:
        return Verdict(errors=[f"The metadata is not valid YAML: {error}"])
    if loaded is None:
        return Verdict(warnings=["empty or missing yaml metadata in repo card"])
    if not isinstance(loaded, dict):
        return Verdict(errors=[f"The metadata must be a mapping; got {type(loaded).__name__}."])
    errors = [*_field_errors(loaded)]
    return Verdict(card=None if errors else loaded, errors=errors, warnings=[*_advice(loaded)])


def _objection(text: str) -> str | None:
    """What makes the text too costly to load, if anything does."""
    depth = 0
    for token in yaml.scan(text, Loader=_LOADER):
        # A few lines of nested aliases can stand for gigabytes of JSON, and no card needs any.
        if isinstance(token, yaml.AliasToken):
            return "YAML aliases are not allowed in the metadata."
        depth += isinstance(token, _OPENING) - isinstance(token, _CLOSING)
        if depth > limits.FRONT_MATTER_DEPTH:
            return f"The metadata is nested more than {limits.FRONT_MATTER_DEPTH} levels deep."
    return None


def _field_errors(card: dict[str, object]) -> Iterable[str]:
    for name in _TEXT_FIELDS:
        if card.get(name) is not None and not isinstance(card[name], str):
            yield f'"{name}" must be a string; got {card[name]!r}'
    for name in _TEXTS_FIELDS:
        value = card.get(name)
        if value is None or (isinstance(value, str) and name != "tags"):
            continue
        if not isinstance(value, list) or not all(isinstance(item, str) for item in value):
            allowed = "a list of strings" if name == "tags" else "a string or a list of strings"
            yield f'"{name}" must be {allowed}; got {value!r}'
    relation = card.get("base_model_relation")
    if isinstance(relation, str) and relation not in _RELATIONS:
        yield f'"base_model_relation" must be one of {", ".join(_RELATIONS)}; got {relation!r}'
    index = card.get("model-index")
    if index is not None and not isinstance(index, list):
        yield f'"model-index" must be a list; got {type(index).__name__}'


def _advice(card: dict[str, object]) -> Iterable[str]:
    if card.get("base_model_relation") is not None and card.get("base_model") is None:
        yield '"base_model_relation" has no effect without "base_model"'


def _plain(value: object) -> object:
    """Turns what YAML can load into what JSON can hold and the database can store."""
    if isinstance(value, dict):
        return {str(_plain(key)): _plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple | set):
        return [_plain(item) for item in value]
    if value is None or isinstance(value, bool):
        return value
    if isinstance(value, int):
        return value if abs(value) < _MOST_SAFE_INTEGER else hex(value)
    if isinstance(value, float):
        return value if math.isfinite(value) else str(value)
    return str(value).encode("utf-8", "replace").decode("utf-8")


def derive_tags(kind: str, card: dict[str, object] | None, paths: Iterable[str]) -> tuple[str, ...]:
    """The tags by which a repository is found, in the order in which the Hub shows them."""
    tags: list[str] = []
    if any(path.endswith(".safetensors") for path in paths):
        tags.append("safetensors")
    if card is not None:
        tags += _model_tags(card) if kind == "model" else _dataset_tags(card)
        tags += _texts(card, "tags")
        tags += [f"license:{name}" for name in _texts(card, "license")]
    tags.append("region:local")
    return tuple(dict.fromkeys(tags))


def _model_tags(card: dict[str, object]) -> list[str]:
    relation = card.get("base_model_relation") or "finetune"
    tags = [*_texts(card, "library_name"), *_texts(card, "pipeline_tag"), *_texts(card, "language")]
    tags += [f"dataset:{name}" for name in _texts(card, "datasets")]
    for name in _texts(card, "base_model"):
        tags += [f"base_model:{name}", f"base_model:{relation}:{name}"]
    return tags


def _dataset_tags(card: dict[str, object]) -> list[str]:
    return [f"{name}:{value}" for name in _DATASET_TAGS for value in _texts(card, name)]


def _texts(card: dict[str, object], name: str) -> list[str]:
    value = card.get(name)
    if isinstance(value, str):
        return [value]
    return [item for item in value if isinstance(item, str)] if isinstance(value, list) else []
