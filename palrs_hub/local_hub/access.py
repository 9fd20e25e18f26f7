"""Who may see and change what: the only place that decides."""

from __future__ import annotations

from typing import TYPE_CHECKING

from palrs_hub.local_hub import access_requests, names, repositories
from palrs_hub.local_hub.refusals import (
    Moved,
    Refusal,
    forbidden,
    gated,
    repository_not_found,
    unauthenticated,
)

if TYPE_CHECKING:
    import sqlite3

    from palrs_hub.local_hub.records import Repository
    from palrs_hub.local_hub.tokens import Caller


def visible(
    connection: sqlite3.Connection, caller: Caller, kind: str, namespace: str, name: str
) -> Repository:
    """The repository if it is there and the caller may know of it.

    A private repository of somebody else is answered exactly as one that does not exist, under its
    old names too.
    """
    missing = repository_not_found(f"{namespace}/{name}", anonymous=caller.anonymous)
    try:
        names.split_repository_id(f"{namespace}/{name}")
    except Refusal as refusal:
        raise missing from refusal
    repository = repositories.find(connection, kind, namespace, name)
    if repository is None:
        moved = repositories.find_moved(connection, kind, namespace, name)
        if moved is None or not may_see(caller, moved):
            raise missing
        raise Moved(f"{namespace}/{name}", moved.id)
    if not may_see(caller, repository):
        raise missing
    return repository


def may_see(caller: Caller, repository: Repository) -> bool:
    """Whether the caller may know that the repository is there."""
    return not repository.private or caller.owns(repository.namespace)


def readable(
    connection: sqlite3.Connection, caller: Caller, kind: str, namespace: str, name: str
) -> Repository:
    """The repository if the caller may read its files too."""
    repository = visible(connection, caller, kind, namespace, name)
    if repository.gated and not caller.owns(repository.namespace):
        request = None
        if caller.user is not None:
            request = access_requests.find(connection, repository, caller.user)
        if request is None or request.status != "accepted":
            status = None if request is None else request.status
            raise gated(repository.id, status, anonymous=caller.anonymous)
    return repository


def writable(
    connection: sqlite3.Connection, caller: Caller, kind: str, namespace: str, name: str
) -> Repository:
    """The repository if the caller may change it."""
    repository = visible(connection, caller, kind, namespace, name)
    check_owner(caller, repository.namespace)
    return repository


def contributable(
    connection: sqlite3.Connection, caller: Caller, kind: str, namespace: str, name: str
) -> Repository:
    """The repository if the caller may propose a change to it or join its discussions."""
    repository = readable(connection, caller, kind, namespace, name)
    check_may_write(caller)
    return repository


def check_may_write(caller: Caller) -> str:
    """Refuses a caller without a writing token; returns the user's name."""
    if caller.user is None:
        raise unauthenticated("This request needs a token with the role write.")
    if caller.role != "write":
        raise forbidden(f"The token of {caller.user!r} has the role read; this request needs write")
    return caller.user


def check_known(caller: Caller) -> str:
    """Refuses a caller without a token; returns the user's name."""
    if caller.user is None:
        raise unauthenticated("This request needs a token.")
    return caller.user


def check_owner(caller: Caller, namespace: str) -> str:
    """Refuses a caller who may not change what is in the namespace; returns the user's name."""
    user = check_may_write(caller)
    if not caller.owns(namespace):
        raise forbidden(f"{user!r} does not own the namespace {namespace!r}")
    return user
