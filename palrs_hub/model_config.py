"""What a model's configuration files tell of it, read as plain JSON: no weights, no torch."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from palrs_hub.compatibility import ModelFacts
from palrs_hub.errors import ModelError

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

CONFIG_FILES: Final = (
    "config.json",
    "tokenizer.json",
    "tokenizer_config.json",
    "chat_template.jinja",
)

# The names that architectures older than the convention use (transformers' attribute_map).
_HIDDEN_SIZE: Final = ("hidden_size", "n_embd", "d_model", "dim")
_NUM_BLOCKS: Final = ("num_hidden_layers", "n_layer", "n_layers", "num_layers")
_MAX_BYTES: Final = 256 * 1024 * 1024


def facts_from_folder(
    folder: Path, *, name: str, repo_id: str | None = None, revision: str | None = None
) -> ModelFacts:
    """Read the facts of a model from a folder with its ``config.json`` and perhaps its tokenizer.

    Args:
        folder: Where the files are.
        name: What to call the model in messages.
        repo_id: Its repository, when it came from the Hub.
        revision: The commit, when it came from the Hub.

    Raises:
        ModelError: There is no readable ``config.json``.
    """
    config = _read_object(folder / "config.json")
    text = config.get("text_config")
    text = text if isinstance(text, dict) else {}
    tokenizer_config = _read_optional(folder / "tokenizer_config.json") or {}
    tokenizer = _read_optional(folder / "tokenizer.json")
    quantization = config.get("quantization_config")
    quantization = quantization if isinstance(quantization, dict) else {}
    architectures = config.get("architectures")
    return ModelFacts(
        name=name,
        model_type=_text(text.get("model_type")) or _text(config.get("model_type")),
        architecture=_text(architectures[0])
        if architectures and isinstance(architectures, list)
        else None,
        hidden_size=_first(text, _HIDDEN_SIZE) or _first(config, _HIDDEN_SIZE),
        num_blocks=_first(text, _NUM_BLOCKS) or _first(config, _NUM_BLOCKS),
        vocab_size=_first(text, ("vocab_size",)) or _first(config, ("vocab_size",)),
        repo_id=repo_id,
        revision=revision,
        tokenizer_known=tokenizer is not None,
        tokenizer_sha256=_file_vocabulary_sha256(folder, tokenizer) if tokenizer else None,
        chat_template_sha256=chat_template_sha256(_file_template(folder, tokenizer_config)),
        dtype=_dtype(config) or _dtype(text),
        quantization=_text(quantization.get("quant_method")),
    )


def vocabulary_sha256(vocabulary: Mapping[str, int]) -> str:
    """Hash of a vocabulary (token to id), however its file writes it."""
    entries = sorted((index, token) for token, index in vocabulary.items())
    return hashlib.sha256(json.dumps(entries, ensure_ascii=True).encode()).hexdigest()


def chat_template_sha256(template: object) -> str | None:
    """Hash of a chat template's text; None when there is none. Of several, the default's."""
    if isinstance(template, dict):
        template = template.get("default")
    return hashlib.sha256(template.encode()).hexdigest() if isinstance(template, str) else None


def _file_vocabulary_sha256(folder: Path, tokenizer: Mapping[str, Any]) -> str | None:
    model = tokenizer.get("model")
    vocabulary = model.get("vocab") if isinstance(model, dict) else None
    if vocabulary is None:
        return None
    try:
        if isinstance(vocabulary, list):  # Unigram: [piece, score], the place is the id
            vocabulary = {entry[0]: index for index, entry in enumerate(vocabulary)}
        added = tokenizer.get("added_tokens") or []
        return vocabulary_sha256({**vocabulary, **{e["content"]: e["id"] for e in added}})
    except (TypeError, KeyError, IndexError) as error:
        raise ModelError(f"{folder / 'tokenizer.json'} holds no usable vocabulary.") from error


def _file_template(folder: Path, tokenizer_config: Mapping[str, Any]) -> object:
    path = folder / "chat_template.jinja"
    if path.is_file():
        return _read_text(path)
    template = tokenizer_config.get("chat_template")
    if isinstance(template, list):  # several templates, by name
        named = [entry for entry in template if isinstance(entry, dict)]
        return next((t.get("template") for t in named if t.get("name") == "default"), None)
    return template


def _dtype(config: Mapping[str, Any]) -> str | None:
    return _text(config.get("dtype")) or _text(config.get("torch_dtype"))


def _text(value: object) -> str | None:
    return value if isinstance(value, str) else None


def _first(config: Mapping[str, Any], names: Iterable[str]) -> int | None:
    return next((config[name] for name in names if type(config.get(name)) is int), None)


def _read_optional(path: Path) -> dict[str, Any] | None:
    return _read_object(path) if path.is_file() else None


def _read_object(path: Path) -> dict[str, Any]:
    try:
        data = json.loads(_read_text(path))
    except (ValueError, RecursionError) as error:
        raise ModelError(f"Cannot read {path}: {error}") from error
    if not isinstance(data, dict):
        raise ModelError(f"{path} should hold one JSON object.")
    return data


def _read_text(path: Path) -> str:
    try:
        if path.stat().st_size > _MAX_BYTES:
            raise ModelError(f"{path} is too large to be a configuration file.")
        return path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise ModelError(f"Cannot read {path}: {error}") from error
