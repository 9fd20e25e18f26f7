"""The real client, as this package uses it."""

from __future__ import annotations

from importlib.metadata import version

import huggingface_hub
from huggingface_hub import HfApi

from palrs_hub.card import LIBRARY_NAME


def client(token: str | bool | None) -> HfApi:
    """The real client, naming us in its user agent."""
    return HfApi(token=token, library_name=LIBRARY_NAME, library_version=version("palrs-hub"))


def endpoint() -> str:
    """The Hub that is asked: ``HF_ENDPOINT``, read when huggingface_hub was imported."""
    return str(huggingface_hub.constants.ENDPOINT)
