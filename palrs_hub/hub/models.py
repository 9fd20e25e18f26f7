"""Base models: what their configuration tells, and how a small one gets to a Hub."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Final

from huggingface_hub import CommitOperationAdd

from palrs_hub.errors import UsageError
from palrs_hub.hub.client import client
from palrs_hub.hub.download import fetch_config
from palrs_hub.hub.failures import translated
from palrs_hub.hub.retries import patiently
from palrs_hub.hub.upload import PushResult
from palrs_hub.model_config import CONFIG_FILES, facts_from_folder

if TYPE_CHECKING:
    import os

    from palrs_hub.compatibility import ModelFacts

MODEL_FILES: Final = (*CONFIG_FILES, "generation_config.json", "model.safetensors")


def push_model(
    folder: str | os.PathLike[str], repo_id: str, *, token: str | bool | None = None
) -> PushResult:
    """Send a model in one safetensors file, with its configuration and tokenizer, in one commit.

    Args:
        folder: What ``save_pretrained`` of transformers wrote.
        repo_id: ``org/name``; created if need be.
        token: As huggingface_hub takes it.

    Raises:
        UsageError: The folder holds no such model.
        HubError: The Hub refused; subclasses tell why.
    """
    present = [name for name in MODEL_FILES if (Path(folder) / name).is_file()]
    if not {"config.json", "model.safetensors"} <= set(present):
        raise UsageError(f"{folder} should hold config.json and model.safetensors.")
    api = client(token)
    with translated(repo_id, None):
        patiently(lambda: api.create_repo(repo_id, exist_ok=True))
        done = api.create_commit(
            repo_id,
            [CommitOperationAdd(name, Path(folder) / name) for name in present],
            commit_message="Upload model",
        )
    return PushResult(repo_id, done.oid, str(done.commit_url))


def config_facts(
    model: str | os.PathLike[str],
    *,
    token: str | bool | None = None,
    local_files_only: bool = False,
) -> ModelFacts:
    """What a model's configuration tells of it, without its weights.

    Args:
        model: A folder that exists, else ``org/name`` or ``org/name@revision``.
        token: As huggingface_hub takes it.
        local_files_only: Use the cache alone.

    Raises:
        ModelError: The configuration cannot be read.
        HubError: It cannot be had; subclasses tell why.
    """
    if Path(model).is_dir():
        return facts_from_folder(Path(model), name=str(model))
    fetched = fetch_config(str(model), token=token, local_files_only=local_files_only)
    return facts_from_folder(
        fetched.folder, name=fetched.repo_id, repo_id=fetched.repo_id, revision=fetched.commit
    )
