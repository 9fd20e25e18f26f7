"""The real client, as this package uses it."""

from __future__ import annotations

import contextlib
import warnings
from importlib.metadata import version
from typing import TYPE_CHECKING, Any, Final

import huggingface_hub
from huggingface_hub import HfApi, get_session

from palrs_hub.card import LIBRARY_NAME

if TYPE_CHECKING:
    from collections.abc import Iterator

    import httpx2

LONGEST_SILENCE: Final = 60.0
"""Seconds without a byte after which a connection counts as broken."""


class RenamedWarning(UserWarning):
    """A repository was found under another name than the one that was asked for."""


class _Client(HfApi):
    def repo_info(self, repo_id: str, **options: Any) -> Any:  # noqa: ANN401 - the client's own
        """As the client's, and tells when the Hub answers for a repository that was renamed."""
        found = super().repo_info(repo_id, **options)
        if found.id.lower() != repo_id.lower():
            warnings.warn(
                f"{repo_id} was renamed to {found.id}, which was loaded. Use that name: the old "
                "one may be given to somebody else.",
                RenamedWarning,
                stacklevel=2,
            )
        return found


def client(token: str | bool | None) -> HfApi:
    """The real client, naming us in its user agent."""
    return _Client(token=token, library_name=LIBRARY_NAME, library_version=version("palrs-hub"))


def endpoint() -> str:
    """The Hub that is asked: ``HF_ENDPOINT``, read when huggingface_hub was imported."""
    return str(huggingface_hub.constants.ENDPOINT)


@contextlib.contextmanager
def silence_ends() -> Iterator[None]:
    """Within, a server that accepts a request and never answers is given up on.

    The client waits for ever by default, and asks its session to where it says nothing of it. The
    session is the whole process's: limits that are set stay, and ours goes when the call is over.
    """
    hooks = get_session().event_hooks["request"]
    hooks.append(_limit_silence)
    try:
        yield
    finally:
        hooks.remove(_limit_silence)


def _limit_silence(request: httpx2.Request) -> None:
    limits = request.extensions.get("timeout") or {}
    stages = ("connect", "read", "write", "pool")
    request.extensions["timeout"] = {
        stage: LONGEST_SILENCE if limits.get(stage) is None else limits[stage] for stage in stages
    }
