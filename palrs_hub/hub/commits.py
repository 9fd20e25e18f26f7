"""One commit, made once: a request that may have been carried out is not blindly made again.

The commit names its parent, so the Hub refuses it if the branch has moved, be it by our own first
attempt whose answer was lost. After a failure that leaves that open, the branch is looked at.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from huggingface_hub import CommitOperationAdd
from huggingface_hub.errors import HfHubHTTPError

from palrs_hub.card import CARD_FILE
from palrs_hub.errors import HubError, PackageError
from palrs_hub.hub.client import endpoint
from palrs_hub.hub.failures import CLIENT_ERRORS
from palrs_hub.hub.remote import PULL_REQUESTS, files_at, is_same, look
from palrs_hub.hub.retries import WAITS, is_doubtful, is_passing, pause

if TYPE_CHECKING:
    from collections.abc import Mapping

    from huggingface_hub import HfApi

    from palrs_hub.hub.remote import Remote

_PRECONDITION_FAILED: Final = 412


@dataclass(frozen=True)
class CommitRequest:
    """A commit to make.

    Attributes:
        repo_id: The repository.
        revision: The branch or pull request; None for the default branch.
        before: The repository as it was when the commit was prepared.
        contents: Files to add or replace; all others stay.
        title: First line of the message.
        description: The rest of it; of a pull request, its text.
        create_pr: Open a pull request with it.
    """

    repo_id: str
    revision: str | None
    before: Remote
    contents: Mapping[str, bytes]
    title: str
    description: str
    create_pr: bool


@dataclass(frozen=True)
class Committed:
    """A commit that was made, and the pull request that it opened."""

    oid: str
    url: str
    pull_request: int | None = None
    pull_request_url: str | None = None


def commit_once(api: HfApi, request: CommitRequest) -> Committed:
    """Make a commit, patiently, and never twice."""
    doubtful = False
    for wait in (*WAITS, None):
        try:
            return _commit(api, request)
        except CLIENT_ERRORS as error:
            doubtful = doubtful or is_doubtful(error) or _has_moved(error, request)
            passing = is_passing(error)
            if passing and wait is not None:
                pause(error, wait)
            if doubtful and (done := _made_after_all(api, request)):
                return done
            if wait is None or not passing:
                raise
    raise AssertionError("the last attempt returns or raises")


def _has_moved(error: Exception, request: CommitRequest) -> bool:
    """Whether the branch has a newer commit: the same push may have arrived from elsewhere."""
    status = isinstance(error, HfHubHTTPError) and error.response.status_code
    return status == _PRECONDITION_FAILED and not request.create_pr


def _commit(api: HfApi, request: CommitRequest) -> Committed:
    try:
        done = api.create_commit(
            request.repo_id,
            [CommitOperationAdd(path, data) for path, data in request.contents.items()],
            commit_message=request.title,
            commit_description=request.description,
            revision=request.revision,
            create_pr=request.create_pr,
            parent_commit=request.before.head,
        )
    except CLIENT_ERRORS:
        raise
    except (ValueError, RuntimeError) as error:
        raise _cause(error) from error
    return Committed(done.oid, str(done.commit_url), done.pr_num, done.pr_url)


def _cause(error: ValueError | RuntimeError) -> Exception:
    """What the client means by an exception of no kind of its own; all arguments are checked."""
    if isinstance(error, ValueError) and CARD_FILE in str(error):
        return PackageError(
            f"{endpoint()} refuses {CARD_FILE}: {error} Correct its front matter, or delete the "
            "file to have one made."
        )
    if isinstance(error.__cause__, CLIENT_ERRORS):
        return error.__cause__  # what stopped the upload of a large file
    return HubError(
        f"The upload failed: {error} Nothing was committed. Try again; with HF_HUB_DISABLE_XET=1 "
        "large files go another way."
    )


def _made_after_all(api: HfApi, request: CommitRequest) -> Committed | None:
    """The commit, if the branch or a new pull request holds what it was to bring."""
    try:
        now = look(api, request.repo_id, request.revision)
        if request.create_pr:
            return _new_pull_request(api, request, now)
    except CLIENT_ERRORS:
        return None  # the Hub is still away: the first error tells more
    moved = now.head != request.before.head
    if moved and now.head and all(now.holds(*item) for item in request.contents.items()):
        return Committed(now.head, f"{endpoint()}/{request.repo_id}/commit/{now.head}")
    return None


def _new_pull_request(api: HfApi, request: CommitRequest, now: Remote) -> Committed | None:
    for revision, oid in now.pull_requests.items():
        if revision in request.before.pull_requests:
            continue
        files = files_at(api, request.repo_id, oid)
        if all(is_same(files, *item) for item in request.contents.items()):
            number = int(revision.removeprefix(PULL_REQUESTS))
            page = f"{endpoint()}/{request.repo_id}"
            return Committed(oid, f"{page}/commit/{oid}", number, f"{page}/discussions/{number}")
    return None
