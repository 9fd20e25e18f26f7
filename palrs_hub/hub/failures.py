"""Errors of the client, turned into ours: what happened and what to do next."""

from __future__ import annotations

import contextlib
import errno
import json
from typing import TYPE_CHECKING, Final

from huggingface_hub import errors as hf
from huggingface_hub.errors import HTTPError  # type: ignore[attr-defined]
from huggingface_hub.utils import parse_ratelimit_headers  # type: ignore[attr-defined]

from palrs_hub.errors import HubAccessError, HubError, HubUnreachableError, NotOnHubError
from palrs_hub.hub.client import endpoint, silence_ends
from palrs_hub.manifest import MANIFEST_FILE, TENSORS_FILE

if TYPE_CHECKING:
    from collections.abc import Iterator

CLIENT_ERRORS: Final = (
    HTTPError,
    OSError,
    hf.EntryNotFoundError,
    hf.HFValidationError,
    hf.RevisionResolutionError,
    json.JSONDecodeError,
)


_ELSEWHERE: Final = "let HF_HOME name a folder on another disk"
_DISK: Final = {
    errno.ENOSPC: f"The disk is full: free some space, or {_ELSEWHERE}",
    errno.EDQUOT: f"The disk quota is used up: free some space, or {_ELSEWHERE}",
    errno.EROFS: f"The cache cannot be written: {_ELSEWHERE}",
    errno.EACCES: "The cache cannot be written: let HF_HOME name a folder that you may write to",
    errno.EPERM: "The cache cannot be written: let HF_HOME name a folder that you may write to",
}


@contextlib.contextmanager
def translated(repo_id: str, revision: str | None = None) -> Iterator[None]:
    """Within, errors of the client become ours, each with its next step, and silence is one.

    Args:
        repo_id: What the messages name.
        revision: The revision that was asked for.
    """
    try:
        with silence_ends():
            yield
    except CLIENT_ERRORS as error:
        raise _translate(error, repo_id, revision) from error


def answer_behind(error: BaseException) -> BaseException:
    """What went wrong on the way to the Hub, where the client says only that its cache lacks it."""
    wraps = (hf.RevisionResolutionError, hf.LocalEntryNotFoundError)
    return error.__cause__ if isinstance(error, wraps) and error.__cause__ else error


def asked_to_wait(error: hf.HfHubHTTPError) -> float:
    """For how many seconds the Hub asked not to be asked; 0 if it did not say."""
    headers = error.response.headers
    limit = parse_ratelimit_headers(headers) if error.response.status_code == 429 else None
    if limit is not None and limit.remaining == 0:
        return limit.reset_in_seconds + 1.0  # they are rounded down
    after = headers.get("retry-after", "")
    return float(after) if after.isascii() and after.isdigit() else 0.0


def _translate(error: Exception, repo_id: str, revision: str | None) -> HubError:
    at = f"{repo_id}@{revision}" if revision else repo_id
    match answer_behind(error):
        case hf.HfHubHTTPError() as answer:
            return _answered(answer, repo_id, revision)
        case hf.OfflineModeIsEnabled():
            return HubUnreachableError(
                f"HF_HUB_OFFLINE forbids to ask {endpoint()}, and the cache alone does not do for "
                f"{at}. Unset it, or pull once while online."
            )
        case hf.RevisionResolutionError() | hf.LocalEntryNotFoundError():
            return HubUnreachableError(
                f"{at} is not in the cache, and the cache alone may be used. Pull it once without "
                "local_files_only."
            )
        case OSError() as problem if problem.errno in _DISK:
            return HubError(f"{_DISK[problem.errno]}: {problem}. Nothing half-written is used.")
        case json.JSONDecodeError():
            return HubUnreachableError(
                f"{endpoint()} answered with something that is not JSON. Is HF_ENDPOINT a Hub, or "
                "is a proxy in between? Try again later."
            )
        case hf.HFValidationError():
            return HubError(f"The Hub's client refused {at}: {_first_line(error)}")
        case HTTPError() | ConnectionError() | TimeoutError() as cut:
            return HubUnreachableError(
                f"{endpoint()} does not answer ({type(cut).__name__}: {_first_line(cut)}). Check "
                "the network and HF_ENDPOINT; what was pulled before can be loaded with "
                "local_files_only."
            )
    return HubError(
        f"The transfer of {at} failed ({type(error).__name__}: {_first_line(error)}). Try again."
    )


def _answered(error: hf.HfHubHTTPError, repo_id: str, revision: str | None) -> HubError:
    at = f"{repo_id}@{revision}" if revision else repo_id
    match error:
        # GatedRepoError is a RepositoryNotFoundError: the order of the cases matters.
        case hf.GatedRepoError():
            return HubAccessError(
                f"{repo_id} is gated: ask for access at {endpoint()}/{repo_id}, then use a token "
                "of that account (`hf auth login`)."
            )
        case hf.RepositoryNotFoundError():
            return NotOnHubError(
                f"There is no repository {repo_id} at {endpoint()}, or this token may not see it: "
                "it may have been deleted, renamed or made private. Check the name; for a private "
                "one log in with `hf auth login`. A copy that was pulled before can be loaded "
                "with local_files_only."
            )
        case hf.RevisionNotFoundError():
            return NotOnHubError(
                f"{repo_id} has no branch, tag or commit {revision!r}. `palrs-hub versions "
                f"{repo_id}` lists what it has."
            )
        case hf.RemoteEntryNotFoundError():
            return NotOnHubError(
                f"{at} lacks a file that a palrs-hub package has ({MANIFEST_FILE}, "
                f"{TENSORS_FILE}): it holds something else. ({_first_line(error)})"
            )
        case hf.DisabledRepoError():
            return HubAccessError(f"{endpoint()} has disabled {repo_id}: nobody can load it.")
    return _by_status(error, at)


def _by_status(error: hf.HfHubHTTPError, at: str) -> HubError:
    status, reason = error.response.status_code, _reason(error)
    if status == 401:
        return HubAccessError(
            f"{endpoint()} does not accept the token ({reason}). Make a new one there and log in "
            "with `hf auth login`, or set HF_TOKEN."
        )
    if status in (402, 403):
        return HubAccessError(
            f"{endpoint()} refused access to {at} ({reason}). Use a token that may (`hf auth "
            "login`, or HF_TOKEN); a push needs the role write in that namespace."
        )
    if status == 412:
        return HubError(
            f"{at} got a newer commit while this one was prepared, so nothing was sent. Pull it "
            "again, or run the same push again to see what is new."
        )
    if status == 429:
        seconds = asked_to_wait(error)
        wait = f"Wait {seconds:.0f} seconds" if seconds else "Wait a while"
        return HubUnreachableError(
            f"{endpoint()} allows no more requests for now ({reason}) {wait}, then try again; with "
            "a token (`hf auth login`) the limits are higher."
        )
    if status >= 500:
        return HubUnreachableError(
            f"{endpoint()} fails ({status}: {reason}). That is not in your hands: try again later."
        )
    return HubError(f"{endpoint()} answered {status} for {at}: {reason}")


def _reason(error: hf.HfHubHTTPError) -> str:
    return error.server_message or _first_line(error)


def _first_line(error: BaseException) -> str:
    return next((line.strip() for line in str(error).splitlines() if line.strip()), "no reason")
