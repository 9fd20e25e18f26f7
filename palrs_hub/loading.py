"""Loads models and tokenizers through transformers, pinned, with errors that say what to do."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any

from transformers import AutoModelForCausalLM, AutoTokenizer

from palrs_hub.errors import ModelError
from palrs_hub.hub.revisions import commit_of

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

    From the Hub it is loaded at one commit, which ``model.config._commit_hash`` keeps: transformers
    has not recorded it since 5.0, and a vector must name the weights that it was made from.

    Raises:
        HubError: The repository or revision cannot be had.
        ModelError: It cannot be loaded; the message holds transformers' reason.
    """
    options = _options(name, revision, token, cache_dir, local_files_only)
    try:
        model = AutoModelForCausalLM.from_pretrained(
            name, use_safetensors=True, trust_remote_code=False, **options, **model_kwargs
        )
    except (OSError, ValueError, ImportError, RuntimeError) as error:
        raise ModelError(f"Cannot load the model {name}: {error}") from error
    model.config._commit_hash = options.get("revision")
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
        HubError: The repository or revision cannot be had.
        ModelError: It cannot be loaded; the message holds transformers' reason.
    """
    options = _options(name, revision, token, cache_dir, local_files_only)
    try:
        return AutoTokenizer.from_pretrained(name, trust_remote_code=False, **options)
    except (OSError, ValueError, ImportError) as error:
        raise ModelError(f"Cannot load the tokenizer of {name}: {error}") from error


def load_model_and_tokenizer(
    name: str | os.PathLike[str],
    *,
    revision: str | None = None,
    token: str | bool | None = None,
    cache_dir: str | os.PathLike[str] | None = None,
    local_files_only: bool = False,
    **model_kwargs: Any,  # noqa: ANN401 - handed to transformers as they are
) -> tuple[PreTrainedModel, PreTrainedTokenizerBase]:
    """Load a model and its tokenizer from one commit, which is asked for once.

    Raises:
        HubError: The repository or revision cannot be had.
        ModelError: One of them cannot be loaded; the message holds transformers' reason.
    """
    pinned = _options(name, revision, token, cache_dir, local_files_only).get("revision")
    where: dict[str, Any] = {
        "revision": pinned,
        "token": token,
        "cache_dir": cache_dir,
        "local_files_only": local_files_only,
    }
    tokenizer = load_tokenizer(name, **where)
    return load_model(name, **where, **model_kwargs), tokenizer


def _options(
    name: str | os.PathLike[str],
    revision: str | None,
    token: str | bool | None,
    cache_dir: str | os.PathLike[str] | None,
    local_files_only: bool,
) -> dict[str, Any]:
    if os.path.isdir(name):
        return {"local_files_only": True}
    commit = commit_of(
        os.fspath(name),
        revision=revision,
        token=token,
        cache_dir=cache_dir,
        local_files_only=local_files_only,
    )
    return {
        "revision": commit,
        "token": token,
        "cache_dir": cache_dir,
        "local_files_only": local_files_only,
    }
