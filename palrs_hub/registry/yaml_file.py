"""YAML as far as a registry needs it: mappings, lists and texts, and nothing that can surprise.

Every scalar stays the text that stands there, so that no commit becomes a number and no ``no`` a
boolean. Anchors, aliases, tags, merges, several documents and keys that stand twice are refused: a
few lines of nested aliases can stand for gigabytes.
"""

from __future__ import annotations

from typing import Any, Final

import yaml

from palrs_hub.errors import RegistryError

MAX_BYTES: Final = 64 * 1024
MAX_DEPTH: Final = 8

# The loaders in C take a twentieth of the time; both build texts, lists and mappings only.
_LOADER: Any = getattr(yaml, "CBaseLoader", yaml.BaseLoader)


def read_yaml(data: bytes) -> dict[str, Any]:
    """Read one YAML mapping from bytes.

    Raises:
        RegistryError: It is too large, no UTF-8, no YAML, holds what is refused, or is no mapping.
    """
    if len(data) > MAX_BYTES:
        raise RegistryError(f"it has {len(data):,} bytes; an entry may have {MAX_BYTES:,}")
    try:
        text = data.decode("utf-8")
        _refuse(text)
        node = yaml.compose(text, Loader=_LOADER)
        value = _value(node) if node is not None else None
    except UnicodeDecodeError as error:
        raise RegistryError("it is not UTF-8 text") from error
    except yaml.YAMLError as error:
        raise RegistryError(f"it is not YAML: {' '.join(str(error).split()):.300}") from error
    if not isinstance(value, dict):
        raise RegistryError("it should hold one mapping of fields to values")
    return value


def _refuse(text: str) -> None:
    depth = 0
    for event in yaml.parse(text, Loader=_LOADER):
        if isinstance(event, yaml.AliasEvent) or getattr(event, "anchor", None):
            raise RegistryError("YAML anchors and aliases are refused: write each value out")
        if getattr(event, "tag", None):
            raise RegistryError("YAML tags (!...) are refused: every value is a text")
        depth += isinstance(event, yaml.CollectionStartEvent)
        depth -= isinstance(event, yaml.CollectionEndEvent)
        if depth > MAX_DEPTH:
            raise RegistryError(f"it is nested more than {MAX_DEPTH} levels deep")


def _value(node: yaml.Node) -> Any:  # noqa: ANN401 - texts, lists and mappings of such
    if isinstance(node, yaml.SequenceNode):
        return [_value(item) for item in node.value]
    if not isinstance(node, yaml.MappingNode):
        return node.value
    found: dict[str, Any] = {}
    for key, item in node.value:
        if not isinstance(key, yaml.ScalarNode):
            raise RegistryError("a key should be a word")
        if key.value in found:
            raise RegistryError(f"the key {key.value!r:.80} stands twice")
        found[key.value] = _value(item)
    return found
