"""Sends a small base model to a Hub, so that a vector can name where its model is."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from huggingface_hub import CommitOperationAdd

from palrs_hub.errors import UsageError
from palrs_hub.hub.client import client, translated
from palrs_hub.hub.transfer import PushResult
from palrs_hub.model_config import CONFIG_FILES

if TYPE_CHECKING:
    import os

MODEL_FILES = (*CONFIG_FILES, "generation_config.json", "model.safetensors")


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
        api.create_repo(repo_id, exist_ok=True)
        done = api.create_commit(
            repo_id,
            [CommitOperationAdd(name, Path(folder) / name) for name in present],
            commit_message="Upload model",
        )
    return PushResult(repo_id, done.oid, str(done.commit_url), None)
