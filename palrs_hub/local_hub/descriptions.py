"""What the API says of repositories and files, in the words that the clients' classes parse."""

from __future__ import annotations

from typing import TYPE_CHECKING

from palrs_hub.local_hub.blobs import pointer
from palrs_hub.local_hub.refusals import bad_request

if TYPE_CHECKING:
    from collections.abc import Sequence

    from palrs_hub.local_hub.records import Commit, Entry, Repository, Tree

# These the clients may ask for and this hub has nothing to say about.
_UNKNOWN_HERE = frozenset(
    {
        *("childrenModelCount", "config", "downloadsAllTime", "evalResults", "gguf", "inference"),
        *("inferenceProviderMapping", "mask_token", "resourceGroup", "safetensors", "widgetData"),
        *("transformersInfo", "xetEnabled", "citation", "description", "mainSize"),
        *("paperswithcode_id", "datasets", "models", "runtime", "sdk", "subdomain", "host"),
    }
)


def repository_fields(repository: Repository) -> dict[str, object]:
    """All that can be said of a repository without looking at its files."""
    card = repository.card or {}
    fields: dict[str, object] = {
        "_id": f"{repository.key:024x}",
        "id": repository.id,
        "author": repository.namespace,
        "createdAt": repository.created_at,
        "lastModified": repository.last_modified,
        "private": repository.private,
        "gated": repository.gated,
        "disabled": False,
        "downloads": repository.downloads,
        "likes": repository.likes,
        "trendingScore": 0,
        "tags": [*repository.tags],
        "cardData": repository.card,
    }
    if repository.kind == "model":
        fields |= {
            "modelId": repository.id,
            "library_name": card.get("library_name"),
            "pipeline_tag": card.get("pipeline_tag"),
            "model-index": card.get("model-index"),
            "baseModels": _base_models(card),
            "spaces": [],
        }
    return fields


def _base_models(card: dict[str, object]) -> dict[str, object] | None:
    base = card.get("base_model")
    if not base:
        return None
    ids = base if isinstance(base, list) else [base]
    relation = card.get("base_model_relation") or "finetune"
    return {"relation": relation, "models": [{"_id": "", "id": name} for name in ids]}


def only(fields: dict[str, object], wanted: Sequence[str]) -> dict[str, object]:
    """The fields that a request expands, with the names of the repository."""
    for name in wanted:
        if name not in fields and name not in _UNKNOWN_HERE:
            raise bad_request(f"{name!r} is not a property that can be expanded.")
    named = ("_id", "id", "modelId")
    return {
        name: value
        for name, value in fields.items()
        if (name in wanted and value is not None) or name in named
    }


def siblings(files: Tree, *, blobs: bool) -> list[dict[str, object]]:
    """The files as a repository's own description lists them."""
    return [_sibling(entry, blobs=blobs) for entry in files.values()]


def _sibling(entry: Entry, *, blobs: bool) -> dict[str, object]:
    described: dict[str, object] = {"rfilename": entry.path}
    if blobs:
        described |= {"size": entry.size, "blobId": entry.oid}
        if entry.large:
            described["lfs"] = {
                "sha256": entry.sha256,
                "size": entry.size,
                "pointerSize": len(pointer(entry.sha256, entry.size)),
            }
    return described


def tree_item(item: Entry | tuple[str, str], last_change: Commit | None) -> dict[str, object]:
    """A file or a folder as listings of trees show it; with its last commit if that is known."""
    if isinstance(item, tuple):
        path, oid = item
        described: dict[str, object] = {"type": "directory", "oid": oid, "size": 0, "path": path}
    else:
        described = {"type": "file", "oid": item.oid, "size": item.size, "path": item.path}
        if item.large:
            described["lfs"] = {
                "oid": item.sha256,
                "size": item.size,
                "pointerSize": len(pointer(item.sha256, item.size)),
            }
    if last_change is not None:
        described["lastCommit"] = {
            "id": last_change.oid,
            "title": last_change.title,
            "date": last_change.created_at,
        }
    return described
