"""Push: a package goes to the Hub in one commit, on top of what the local copy came from."""

from __future__ import annotations

import contextlib
import dataclasses
import os
from pathlib import Path
from typing import TYPE_CHECKING

from palrs_hub.card import plain
from palrs_hub.errors import HubError
from palrs_hub.hub.client import client, endpoint
from palrs_hub.hub.commits import CommitRequest, commit_once
from palrs_hub.hub.failures import CLIENT_ERRORS, translated
from palrs_hub.hub.names import split_revision
from palrs_hub.hub.origin import Origin, write_origin
from palrs_hub.hub.plan import Destination, PushPlan, make_plan
from palrs_hub.hub.remote import MAIN, PULL_REQUESTS, Remote, look
from palrs_hub.hub.retries import patiently
from palrs_hub.manifest import MANIFEST_FILE
from palrs_hub.vector import SteeringVector

if TYPE_CHECKING:
    from huggingface_hub import HfApi

    from palrs_hub.hub.commits import Committed


@dataclasses.dataclass(frozen=True)
class PushResult:
    """What a push did.

    Attributes:
        repo_id: Where it went.
        commit: The commit that holds the package now.
        url: The commit's page.
        pull_request: Page of the pull request, if one was asked for.
        revision: What to load it by: the branch, the tag or ``refs/pr/N``; None where the default
            branch has it.
        changed: Whether a commit was made; False if the Hub had it all already.
        replaced: What the commit replaced, in words.
    """

    repo_id: str
    commit: str
    url: str
    pull_request: str | None = None
    revision: str | None = None
    changed: bool = True
    replaced: str | None = None


def push(
    package: SteeringVector | str | os.PathLike[str],
    repo_id: str,
    *,
    private: bool | None = None,
    revision: str | None = None,
    create_pr: bool = False,
    tag: str | None = None,
    force: bool = False,
    commit_message: str | None = None,
    token: str | bool | None = None,
) -> PushResult:
    """Send a vector to the Hub in one commit, creating the repository if need be.

    Files of the repository that are not a package's stay as they are. Where nothing changed, no
    commit is made. What the vector was not made from is not replaced: neither another vector nor a
    newer commit than the one that the vector was pulled at.

    Args:
        package: A vector, or a folder that ``save_pretrained`` wrote; a card that was edited there
            is sent as it is.
        repo_id: ``org/name``.
        private: Visibility of a repository that is created; the account's default if not given.
        revision: Branch to commit to, created if need be, or a pull request's ``refs/pr/N``.
        create_pr: Open a pull request instead.
        tag: Tag to put on the commit.
        force: Replace what is there all the same; the result says what was.
        commit_message: First line of the commit.
        token: As huggingface_hub takes it.

    Raises:
        PackageError: The folder is not a package that could be loaded again.
        HubError: The Hub refused, or the push would replace what it must not; subclasses tell why.
    """
    repo_id, revision = split_revision(repo_id, revision)
    api = client(token)
    destination = Destination(repo_id, revision, private, create_pr, tag)
    with translated(repo_id, revision):
        plan = make_plan(api, package, destination)
        if plan.refusal and not force:
            raise HubError(plan.refusal)
        before = _prepare(api, plan)
        result = _send(api, plan, before, commit_message or f"Upload {plan.name} with palrs-hub")
    if tag:
        _put_tag(api, result, tag)
    if not create_pr and not isinstance(package, SteeringVector):
        # The push is done; a folder that cannot be written only cannot remember it.
        with contextlib.suppress(OSError):
            write_origin(Path(package), Origin(repo_id, result.commit))
    return dataclasses.replace(result, revision=tag) if tag else result


def plan_push(
    package: SteeringVector | str | os.PathLike[str],
    repo_id: str,
    *,
    private: bool | None = None,
    revision: str | None = None,
    create_pr: bool = False,
    tag: str | None = None,
    token: str | bool | None = None,
) -> PushPlan:
    """Tell what ``push`` would do with the same arguments; nothing is changed anywhere.

    Raises:
        PackageError: The folder is not a package that could be loaded again.
        HubError: The Hub cannot be asked; subclasses tell why.
    """
    repo_id, revision = split_revision(repo_id, revision)
    destination = Destination(repo_id, revision, private, create_pr, tag)
    with translated(repo_id, revision):
        return make_plan(client(token), package, destination)


def _prepare(api: HfApi, plan: PushPlan) -> Remote:
    """Make the repository and the branch if need be; returns what is there now."""
    repo_id, revision, remote = plan.repo_id, plan.revision, plan.remote
    if not remote.exists:
        patiently(lambda: api.create_repo(repo_id, private=plan.private, exist_ok=True))
        remote = look(api, repo_id, revision)
        # The same push may have arrived from a process that was killed: then all of it is there.
        if MANIFEST_FILE in remote.files and not _holds_all(remote, plan):
            raise HubError(f"Somebody else has just pushed to {repo_id}. Run the same push again.")
    if revision and not remote.ref_exists and not plan.create_pr:
        patiently(
            lambda: api.create_branch(repo_id, branch=revision, revision=remote.head, exist_ok=True)
        )
    return remote


def _send(api: HfApi, plan: PushPlan, before: Remote, title: str) -> PushResult:
    repo_id, head = plan.repo_id, before.head
    if head and (plan.changes_nothing or (not plan.create_pr and _holds_all(before, plan))):
        page = f"{endpoint()}/{repo_id}/commit/{head}"
        return PushResult(repo_id, head, page, revision=plan.revision, changed=False)
    request = CommitRequest(
        repo_id=repo_id,
        revision=plan.revision,
        before=before,
        contents=plan.contents,
        title=title,
        description=_pull_request_text(plan) if plan.create_pr else "",
        create_pr=plan.create_pr,
    )
    done = commit_once(api, request)
    revision = plan.revision
    if plan.create_pr and done.pull_request is not None:
        revision = f"{PULL_REQUESTS}{done.pull_request}"
        _tell_how_to_try(api, repo_id, done, revision)
    replaced = None if plan.create_pr else plan.replaces
    return PushResult(
        repo_id, done.oid, done.url, done.pull_request_url, revision, replaced=replaced
    )


def _holds_all(remote: Remote, plan: PushPlan) -> bool:
    return all(remote.holds(path, data) for path, data in plan.contents.items())


def _put_tag(api: HfApi, result: PushResult, tag: str) -> None:
    repo_id, commit = result.repo_id, result.commit
    try:
        with translated(repo_id, tag):
            patiently(lambda: api.create_tag(repo_id, tag=tag, revision=commit, exist_ok=True))
    except HubError as error:
        raise type(error)(
            f"The vector is at {repo_id}, commit {commit}, but without its tag {tag!r}: {error} "
            "Run the same push again to add the tag alone."
        ) from error


def _pull_request_text(plan: PushPlan) -> str:
    proposed = plan.replaces or "no vector yet"
    return (
        f"Proposes the steering vector *{plain(plan.name)}*; {plan.revision or MAIN} has "
        f"{plain(proposed)}.\n\nIt can be tried before it is merged, by this pull request's "
        'revision: `revision="refs/pr/N"`, with its number for N.'
    )


def _tell_how_to_try(api: HfApi, repo_id: str, done: Committed, revision: str) -> None:
    """Give the number, which is only known once the pull request is there."""
    text = (
        f"Try it before it is merged:\n\n```python\nfrom palrs_hub import SteeringVector\n\n"
        f'vector = SteeringVector.from_pretrained("{repo_id}", revision="{revision}")\n```\n\n'
        f"```shell\npalrs-hub generate {repo_id} --revision {revision} --prompt ...\n```"
    )
    # The pull request is open and says as much in general words.
    with contextlib.suppress(*CLIENT_ERRORS):
        api.comment_discussion(repo_id, done.pull_request or 0, comment=text)
