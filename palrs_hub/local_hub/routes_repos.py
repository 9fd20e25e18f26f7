"""Routes that make, change, move, delete and describe repositories."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from palrs_hub.local_hub import (
    access,
    cards,
    commits,
    descriptions,
    names,
    refs,
    repositories,
    trees,
    xet,
)
from palrs_hub.local_hub.refusals import Refusal
from palrs_hub.local_hub.responses import empty_answer, json_answer

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Mapping

    from starlette.responses import Response

    from palrs_hub.local_hub.calls import Call
    from palrs_hub.local_hub.records import Commit, Repository, Tree


def create(call: Call) -> Response:
    """Makes a repository with its first commit."""
    fields = call.json()
    user = access.check_may_write(call.caller)
    kind, namespace, name = _named(fields, user)
    access.check_owner(call.caller, namespace)
    with call.store.writing() as connection:
        existing = repositories.find(connection, kind, namespace, name, any_case=True)
        if existing is not None:
            raise Refusal(
                409,
                f"You already created this {kind} repo: {existing.id}",
                extra={"url": call.base_url + existing.page},
            )
        private = repositories.private_from(fields)
        made = repositories.create(connection, kind, namespace, name, private=private)
        commits.start_history(connection, call.store.blobs, made, user)
    return json_answer(
        {"url": call.base_url + made.page, "name": made.id, "id": made.id, "private": private}
    )


def delete(call: Call) -> Response:
    """Deletes a repository with its history."""
    fields = call.json()
    kind, namespace, name = _named(fields, access.check_may_write(call.caller))
    with call.store.writing() as connection:
        repository = access.writable(connection, call.caller, kind, namespace, name)
        repositories.delete(connection, repository)
    xet.forget(call.store, repository)
    return empty_answer()


def _named(fields: Mapping[str, object], user: str) -> tuple[str, str, str]:
    kind = names.check_kind(fields.get("type"))
    namespace = names.check_namespace(fields.get("organization") or user)
    name = names.check_repository_name(fields.get("name"))
    return (kind, *names.split_repository_id(f"{namespace}/{name}"))


def move(call: Call) -> Response:
    """Renames a repository; the caller must own the old namespace and the new one."""
    fields = call.json()
    kind = names.check_kind(fields.get("type"))
    source = names.split_repository_id(fields.get("fromRepo"))
    target = names.split_repository_id(fields.get("toRepo"))
    with call.store.writing() as connection:
        repository = access.writable(connection, call.caller, kind, *source)
        access.check_owner(call.caller, target[0])
        repositories.move(connection, repository, *target)
        moved = replace(repository, namespace=target[0], name=target[1])
        head = refs.resolve(connection, moved, "main")
        # The search text holds the name.
        commits.describe_main(
            connection, call.store.blobs, moved, trees.read_tree(connection, head.tree)
        )
    return json_answer({"url": call.base_url + moved.page})


def change_settings(call: Call) -> Response:
    """Changes who may see the repository and read its files."""
    fields = call.json()
    with call.store.writing() as connection:
        repository = access.writable(connection, *call.target)
        repositories.change_settings(connection, repository, fields)
    return empty_answer()


def describe(call: Call) -> Response:
    """Describes a repository at a revision: its card, its tags, its files."""
    with call.store.reading() as connection:
        repository = access.visible(connection, *call.target)
        commit = refs.resolve(connection, repository, call.revision)
        files = trees.read_tree(connection, commit.tree)
        at_main = refs.find_target(connection, repository, refs.MAIN) == commit.oid
    if not at_main:
        repository = _as_of(call, repository, files)
    fields = _with_files(call, repository, commit, files)
    wanted = call.query.getlist("expand") + call.query.getlist("expand[]")
    if wanted:
        fields = descriptions.only(fields, wanted)
    return json_answer(fields)


def _as_of(call: Call, repository: Repository, files: Tree) -> Repository:
    card = cards.judge(commits.read_readme(call.store.blobs, files)).card
    return replace(repository, card=card, tags=cards.derive_tags(repository.kind, card, files))


def _with_files(
    call: Call, repository: Repository, commit: Commit, files: Tree
) -> dict[str, object]:
    blobs = call.flag("blobs")
    fields = descriptions.repository_fields(repository) | {
        "sha": commit.oid,
        "siblings": descriptions.siblings(files, blobs=blobs),
        "usedStorage": sum(entry.size for entry in files.values()),
    }
    if call.flag("securityStatus"):
        # Nothing is scanned here, and no file is reported as unsafe.
        fields["securityRepoStatus"] = {"scansDone": False, "filesWithIssues": []}
    return fields


def listing_fields(connection: sqlite3.Connection, repository: Repository) -> dict[str, object]:
    """What a full listing adds to the description of a repository: where main stands."""
    commit = refs.resolve(connection, repository, "main")
    files = trees.read_tree(connection, commit.tree)
    return {"sha": commit.oid, "siblings": descriptions.siblings(files, blobs=False)}
