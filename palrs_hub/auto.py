"""AutoSteeredModelForCausalLM: base model and vector in one call."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any

from palrs_hub.errors import ModelError, UsageError
from palrs_hub.hub.names import split_model_name
from palrs_hub.loading import load_model_and_tokenizer
from palrs_hub.steer import attach
from palrs_hub.vector import SteeringVector

if TYPE_CHECKING:
    from collections.abc import Sequence

    from transformers import PreTrainedModel


class AutoSteeredModelForCausalLM:
    """Loads the base model that a vector names, checks and steers it."""

    def __init__(self) -> None:
        raise UsageError("Use AutoSteeredModelForCausalLM.from_pretrained('org/vector').")

    @classmethod
    def from_pretrained(
        cls,
        id_or_path: str | os.PathLike[str],
        *,
        revision: str | None = None,
        token: str | bool | None = None,
        cache_dir: str | os.PathLike[str] | None = None,
        local_files_only: bool = False,
        base_model: str | os.PathLike[str] | None = None,
        base_revision: str | None = None,
        base_token: str | bool | None = None,
        coefficient: float | Sequence[float] | None = None,
        strict: bool = False,
        **model_kwargs: Any,  # noqa: ANN401 - handed to transformers as they are
    ) -> PreTrainedModel:
        """Load a vector and its base model, check one against the other, and steer.

        Args:
            id_or_path: The vector: a folder, ``org/name`` or ``org/name@revision``.
            revision: The vector's branch, tag or commit.
            token: Token for the vector.
            cache_dir: The Hub cache for both.
            local_files_only: Use the cache alone, for both.
            base_model: Load this model instead of the one that the manifest names.
            base_revision: Load it at this revision instead of the recorded commit.
            base_token: Token for the base model.
            coefficient: Instead of the manifest's.
            strict: Refuse on warnings too.
            **model_kwargs: For ``AutoModelForCausalLM.from_pretrained``, for instance ``dtype`` or
                ``device_map``.

        Returns:
            An ordinary transformers model, steered. ``palrs_hub.attached(model)`` gives the handle.

        Raises:
            HubError: Vector or base model cannot be had.
            IncompatibleError: The checks refused.
        """
        vector = SteeringVector.from_pretrained(
            id_or_path,
            revision=revision,
            token=token,
            cache_dir=cache_dir,
            local_files_only=local_files_only,
        )
        name, pinned = base_of(vector, base_model)
        options: dict[str, Any] = {
            "revision": base_revision or pinned,
            "token": base_token,
            "cache_dir": cache_dir,
            "local_files_only": local_files_only,
        }
        model, tokenizer = load_model_and_tokenizer(name, **options, **model_kwargs)
        attach(model, vector, coefficient, tokenizer=tokenizer, strict=strict)
        return model


def base_of(
    vector: SteeringVector, base_model: str | os.PathLike[str] | None = None
) -> tuple[str, str | None]:
    """Which model to load for a vector, and at which revision.

    Args:
        vector: The vector, whose manifest records a base model and its commit.
        base_model: A folder, ``org/name`` or ``org/name@revision`` to load instead.

    Returns:
        The name, and a revision; the recorded commit belongs to the recorded repository alone.

    Raises:
        ModelError: The manifest names no model and none was given.
    """
    recorded = vector.manifest.base_model
    if base_model is None:
        if recorded.repo_id is None:
            raise ModelError(
                f"{vector.manifest.name!r} was made from a model in a folder and names none on "
                "the Hub. Give one: base_model='org/model', or `--model` on the command line."
            )
        return recorded.repo_id, recorded.revision
    name, revision = split_model_name(os.fspath(base_model))
    return name, revision or (recorded.revision if name == recorded.repo_id else None)
