"""Loads models and tokenizers through transformers, with errors that say what to do."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any

from transformers import AutoModelForCausalLM, AutoTokenizer

from palrs_hub.errors import ModelError

if TYPE_CHECKING:
    from transformers import PreTrainedModel, PreTrainedTokenizerBase


def load_model(
    name: str | os.PathLike[str],
    *,
    revision: str | None = None,
    token: str | bool | None = None,
    cache_dir: str | os.PathLike[str] | None = None,
    local_files_only: bool = False,
    **model_kwargs: Any,  # noqa: ANN401 - handed to transformers as they are
) -> PreTrainedModel:
    """Load a causal language model, weights from safetensors only, no code from its repository.

    Raises:
        ModelError: It cannot be loaded; the message holds transformers' reason.
    """
    options = _options(name, revision, token, cache_dir, local_files_only)
    try:
        model = AutoModelForCausalLM.from_pretrained(
            name, use_safetensors=True, trust_remote_code=False, **options, **model_kwargs
        )
    except (OSError, ValueError, ImportError, RuntimeError) as error:
        raise ModelError(f"Cannot load the model {name}: {error}") from error
    return model.eval()  # type: ignore[no-any-return]


def load_tokenizer(
    name: str | os.PathLike[str],
    *,
    revision: str | None = None,
    token: str | bool | None = None,
    cache_dir: str | os.PathLike[str] | None = None,
    local_files_only: bool = False,
) -> PreTrainedTokenizerBase:
    """Load a tokenizer.

    Raises:
        ModelError: It cannot be loaded; the message holds transformers' reason.
    """
    options = _options(name, revision, token, cache_dir, local_files_only)
    try:
        tokenizer = AutoTokenizer.from_pretrained(name, trust_remote_code=False, **options)
    except (OSError, ValueError, ImportError) as error:
        raise ModelError(f"Cannot load the tokenizer of {name}: {error}") from error
    return tokenizer  # type: ignore[no-any-return]


def _options(
    name: str | os.PathLike[str],
    revision: str | None,
    token: str | bool | None,
    cache_dir: str | os.PathLike[str] | None,
    local_files_only: bool,
) -> dict[str, Any]:
    if os.path.isdir(name):
        return {"local_files_only": True}
    return {
        "revision": revision or "main",
        "token": token,
        "cache_dir": cache_dir,
        "local_files_only": local_files_only,
    }
