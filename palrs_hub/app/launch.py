"""Loads what the playground needs, and serves it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from palrs_hub.app.session import Session
from palrs_hub.auto import base_of
from palrs_hub.loading import load_model_and_tokenizer
from palrs_hub.vector import SteeringVector

if TYPE_CHECKING:
    from collections.abc import Sequence


def launch(ids: Sequence[str], *, model: str | None = None, port: int | None = None) -> None:
    """Serve the playground until interrupted.

    Args:
        ids: Vectors: folders, ``org/name`` or ``org/name@revision``.
        model: Instead of the model that the first vector names.
        port: Of this machine; Gradio's choice if not given.

    Raises:
        MissingExtraError: Gradio is not installed.
        IncompatibleError: A vector was not made for the model.
    """
    from palrs_hub.app.page import gradio, page

    gradio()  # before anything is loaded
    page(open_session(ids, model)).launch(server_port=port, quiet=True)


def open_session(ids: Sequence[str], model: str | None) -> Session:
    """Load vectors and their model, and check one against the other."""
    vectors = [SteeringVector.from_pretrained(name) for name in ids]
    name, revision = base_of(vectors[0], model)
    return Session(*load_model_and_tokenizer(name, revision=revision), vectors)
