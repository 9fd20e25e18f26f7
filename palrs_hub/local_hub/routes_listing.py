"""Routes that list: repositories, and the files of one."""

from __future__ import annotations

from typing import TYPE_CHECKING
from urllib.parse import quote

from palrs_hub.local_hub import (
    access,
    commits,
    descriptions,
    limits,
    paging,
    refs,
    search,
    trees,
)
from palrs_hub.local_hub.refusals import bad_request, entry_not_found, too_large
from palrs_hub.local_hub.responses import json_answer, page_answer
from palrs_hub.local_hub.routes_repos import listing_fields

if TYPE_CHECKING:
    import sqlite3

    from starlette.responses import Response

    from palrs_hub.local_hub.calls import Call
    from palrs_hub.local_hub.records import Commit, Entry, Repository

# To ignore a filter would be to answer with repositories that were not asked for.
_UNSERVED_FILTERS = ("apps", "inference", "inference_provider", "num_parameters", "tags", "library")
_SHORT_FIELDS = (
    *("_id", "id", "modelId", "author", "createdAt", "downloads", "library_name", "likes"),
    *("pipeline_tag", "private", "tags", "trendingScore"),
)
_FULL_ONLY = ("lastModified", "gated", "disabled", "sha", "siblings")


def list_repositories(call: Call) -> Response:
    """Lists the repositories of a type that match all filters."""
    query = _query(call)
    cursor = call.query.get(paging.CURSOR)
    after = None if cursor is None else search.parse_place(query, cursor)
    limit = paging.number(call, "limit", limits.LISTING_PAGE)
    size = min(limit, limits.LISTING_PAGE_LARGEST)
    with call.store.reading() as connection:
        found = search.search(connection, query, call.caller, after=after, count=size + 1)
        items = [_listed(call, connection, repository) for repository in found[:size]]
    if not len(found) > size > 0:
        return page_answer(items, next_page=None)
    last = str(search.place_of(query, found[size - 1]))
    return page_answer(items, next_page=paging.next_page(call, f"/api/{call.kind}s", last))


def _query(call: Call) -> search.Query:
    for name in _UNSERVED_FILTERS:
        if name in call.query:
            raise bad_request(f"This embedded Hub cannot filter by {name!r}.")
    tags = [tag for text in call.query.getlist("filter") for tag in text.split(",") if tag]
    if "pipeline_tag" in call.query:
        tags.append(call.query["pipeline_tag"])
    words = [word for text in call.query.getlist("search") for word in text.split()]
    if len(words) > limits.SEARCH_WORDS:
        raise too_large("The search", limits.SEARCH_WORDS, "words")
    if len(tags) > limits.LISTING_FILTERS:
        raise too_large("The list of filters", limits.LISTING_FILTERS, "filters")
    if any("\0" in text for text in (*words, *tags)):
        raise bad_request("A filter has no NUL character.")
    gated = call.query.get("gated")
    return search.Query(
        kind=call.kind,
        author=call.query.get("author"),
        tags=tuple(tags),
        words=tuple(words),
        gated=None if gated is None else call.flag("gated"),
        sort=call.query.get("sort", "trendingScore"),
    )


def _listed(
    call: Call, connection: sqlite3.Connection, repository: Repository
) -> dict[str, object]:
    fields = descriptions.repository_fields(repository)
    wanted = call.query.getlist("expand") + call.query.getlist("expand[]")
    full = call.flag("full")
    if full or {"sha", "siblings"} & set(wanted):
        fields |= listing_fields(connection, repository)
    if wanted:
        return descriptions.only(fields, wanted)
    shown = [*_SHORT_FIELDS, *(_FULL_ONLY if full else ())]
    if call.flag("cardData") or (full and call.kind != "model"):
        shown.append("cardData")
    return {name: fields[name] for name in shown if fields.get(name) is not None}


def tree(call: Call) -> Response:
    """Lists a folder of a revision, or all that is below it."""
    folder = call.parameters.get("path", "").strip("/")
    expand = call.flag("expand")
    size = limits.TREE_PAGE_EXPANDED if expand else limits.TREE_PAGE
    after = call.query.get(paging.CURSOR, "")
    with call.store.reading() as connection:
        repository = access.visible(connection, *call.target)
        commit = refs.resolve(connection, repository, call.revision)
        files = trees.read_tree(connection, commit.tree)
        if folder and folder not in trees.folders(files):
            raise entry_not_found(folder, call.revision)
        children = trees.children(files, folder, recursive=call.flag("recursive"))
        found = [item for item in children if _path(item) > after]
        page = found[:size]
        items = _items(connection, repository, commit, page, expand=expand)
    if len(found) <= size:
        return page_answer(items, next_page=None)
    # The next page names the commit: whoever moves the branch meanwhile does not tear the list.
    path = f"/api/{call.kind}s/{repository.id}/tree/{commit.oid}"
    path += f"/{quote(folder)}" if folder else ""
    return page_answer(items, next_page=paging.next_page(call, path, _path(page[-1])))


def _path(item: Entry | tuple[str, str]) -> str:
    return item[0] if isinstance(item, tuple) else item.path


def paths_info(call: Call) -> Response:
    """Describes some files and folders; those that are not there are left out."""
    paths, expand = _paths_asked(call)
    with call.store.reading() as connection:
        repository = access.visible(connection, *call.target)
        commit = refs.resolve(connection, repository, call.revision)
        files = trees.read_tree(connection, commit.tree)
        folders = trees.folders(files)
        page: list[Entry | tuple[str, str]] = []
        for path in dict.fromkeys(path.strip("/") for path in paths):
            if path in files:
                page.append(files[path])
            elif path in folders:
                page.append((path, folders[path]))
        return json_answer(_items(connection, repository, commit, page, expand=expand))


def _paths_asked(call: Call) -> tuple[list[str], bool]:
    if call.headers.get("content-type", "").startswith("application/json"):
        fields = call.json()
        paths = fields.get("paths")
        if not isinstance(paths, list) or not all(isinstance(path, str) for path in paths):
            raise bad_request('"paths" must be a list of strings.')
        return paths, fields.get("expand") is True
    form = call.form()
    return form.get("paths", []), form.get("expand", [""])[0].lower() in ("1", "true")


def _items(
    connection: sqlite3.Connection,
    repository: Repository,
    commit: Commit,
    page: list[Entry | tuple[str, str]],
    *,
    expand: bool,
) -> list[dict[str, object]]:
    paths = [_path(item) for item in page]
    changes = commits.last_changes(connection, repository, commit, paths) if expand else {}
    return [
        descriptions.tree_item(item, changes.get(path))
        for item, path in zip(page, paths, strict=True)
    ]
