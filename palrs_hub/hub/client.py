"""The client's settings and its errors, turned into ours."""

from __future__ import annotations

import contextlib
import errno
from importlib.metadata import version
from typing import TYPE_CHECKING

import huggingface_hub
from huggingface_hub import HfApi
from huggingface_hub import errors as hf
from huggingface_hub.errors import HTTPError  # type: ignore[attr-defined]

from palrs_hub.card import LIBRARY_NAME
from palrs_hub.errors import HubAccessError, HubError, HubUnreachableError, NotOnHubError
from palrs_hub.manifest import MANIFEST_FILE, TENSORS_FILE

if TYPE_CHECKING:
    from collections.abc import Iterator

_CLIENT_ERRORS = (
    HTTPError,
    OSError,
    hf.EntryNotFoundError,
    hf.HFValidationError,
    hf.RevisionResolutionError,
)


def client(token: str | bool | None) -> HfApi:
    """The real client, naming us in its user agent."""
    return HfApi(token=token, library_name=LIBRARY_NAME, library_version=version("palrs-hub"))


@contextlib.contextmanager
def translated(repo_id: str, revision: str | None) -> Iterator[None]:
    """Within, errors of the client become ours, each with its next step."""
    try:
        yield
    except _CLIENT_ERRORS as error:
        raise _translate(error, repo_id, revision) from error


def _translate(error: Exception, repo_id: str, revision: str | None) -> HubError:
    endpoint = huggingface_hub.constants.ENDPOINT
    at = f"{repo_id}@{revision}" if revision else repo_id
    match error:
        # GatedRepoError is a RepositoryNotFoundError: the order of the cases matters.
        case hf.GatedRepoError():
            return HubAccessError(
                f"{repo_id} is gated: ask for access at {endpoint}/{repo_id}, then use a token of "
                "that account (`hf auth login`)."
            )
        case hf.RepositoryNotFoundError():
            return NotOnHubError(
                f"There is no repository {repo_id} at {endpoint}, or this token may not see it. "
                "Check the name; for a private one log in with `hf auth login`."
            )
        case hf.RevisionNotFoundError():
            return NotOnHubError(f"{repo_id} has no branch, tag or commit {revision!r}.")
        case (
            hf.LocalEntryNotFoundError() | hf.OfflineModeIsEnabled() | hf.RevisionResolutionError()
        ):
            return HubUnreachableError(
                f"{at} is not in the cache, and {endpoint} was not or could not be asked. Connect "
                "(or unset HF_HUB_OFFLINE), or pull it once while online."
            )
        case hf.EntryNotFoundError():
            return NotOnHubError(
                f"{at} lacks a file that a palrs-hub package has ({MANIFEST_FILE}, "
                f"{TENSORS_FILE}): it holds something else. ({_first_line(error)})"
            )
        case hf.HfHubHTTPError() if error.response.status_code in (401, 403):
            return HubAccessError(
                f"{endpoint} refused access to {repo_id}: {_first_line(error)} Use a token that "
                "may (`hf auth login`, or HF_TOKEN); a push needs the role write."
            )
        case hf.HfHubHTTPError():
            return HubError(f"{endpoint} answered for {at}: {_first_line(error)}")
        case OSError() if error.errno == errno.ENOSPC:
            return HubError(f"The disk is full: {error}. Free some space and try again.")
        case hf.HFValidationError():
            return HubError(f"The Hub's client refused {at}: {_first_line(error)}")
        case HTTPError() | ConnectionError() | TimeoutError():
            return HubUnreachableError(
                f"{endpoint} does not answer ({type(error).__name__}: {_first_line(error)}). Check "
                "the network and HF_ENDPOINT."
            )
    return HubError(f"Transfer of {at} failed: {type(error).__name__}: {_first_line(error)}")


def _first_line(error: Exception) -> str:
    return next((line.strip() for line in str(error).splitlines() if line.strip()), "no reason")
