"""Search: the vectors of a Hub, by its own list API; the cards' front matter says the rest.

What a listing says is what strangers wrote: it is read defensively and decides nothing.
"""

from __future__ import annotations

import functools
import itertools
import math
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final, Literal, get_args

from huggingface_hub import get_session, hf_raise_for_status
from huggingface_hub.utils import build_hf_headers  # type: ignore[attr-defined]

from palrs_hub.card import LIBRARY_NAME
from palrs_hub.errors import HubError, UsageError
from palrs_hub.hub.client import client, endpoint
from palrs_hub.hub.failures import translated
from palrs_hub.hub.names import split_revision
from palrs_hub.hub.retries import patiently

if TYPE_CHECKING:
    import httpx2

Sort = Literal["downloads", "likes", "recent"]
SORTS: tuple[Sort, ...] = get_args(Sort)
DEFAULT_LIMIT: Final = 20

_SORT_FIELDS: Final = {"downloads": "downloads", "likes": "likes", "recent": "lastModified"}
_WANTED: Final = (
    "cardData",
    "downloads",
    "gated",
    "lastModified",
    "likes",
    "private",
    "sha",
    "tags",
)
_PAGE: Final = 100
_MOST_ITEMS: Final = 64
_TIMEOUT: Final = 60.0

_Query = list[tuple[str, str | int | float | bool | None]]


@dataclass(frozen=True)
class Change:
    """One layer that a vector changes, and the coefficient that it is used with."""

    layer: int
    coefficient: float


@dataclass(frozen=True)
class Measured:
    """A number from the card: what was measured, on what, for which variant of the model."""

    task: str
    metric: str
    value: float


@dataclass(frozen=True)
class Found:
    """A vector in a listing: what the Hub and its card say of it, unverified.

    Attributes:
        repo_id: ``org/name``.
        commit: The default branch's commit when it was listed.
        base_model: The model that it says it was made for.
        changes: Layers and coefficients.
        evaluations: The card's numbers, steered and baselines.
        last_modified: When it last changed, as the Hub writes it.
    """

    repo_id: str
    commit: str | None
    base_model: str | None
    task: str | None
    method: str | None
    changes: tuple[Change, ...]
    evaluations: tuple[Measured, ...]
    downloads: int
    likes: int
    last_modified: str | None
    private: bool
    gated: bool


def search(
    words: str | Iterable[str] = (),
    *,
    base_model: str | None = None,
    task: str | None = None,
    method: str | None = None,
    author: str | None = None,
    sort: Sort = "downloads",
    limit: int = DEFAULT_LIMIT,
    token: str | bool | None = None,
) -> tuple[Found, ...]:
    """List the vectors of the Hub that match everything that is given.

    Args:
        words: Words to look for in names and cards.
        base_model: The model that the vectors must be for, ``org/name``.
        task: Exact name of the task.
        method: Exact name of the extraction method.
        author: User or organisation.
        sort: What comes first.
        limit: The most to return.
        token: As huggingface_hub takes it.

    Raises:
        UsageError: A value cannot be right.
        HubError: The Hub cannot be asked; subclasses tell why.
    """
    if sort not in SORTS or limit < 1:
        raise UsageError(f"sort must be one of {', '.join(SORTS)}, and limit at least 1.")
    tags = [LIBRARY_NAME]
    if base_model:
        tags.append(f"base_model:adapter:{split_revision(base_model)[0]}")
    tags += [f"{kind}:{name}" for kind, name in (("task", task), ("method", method)) if name]
    query = [
        # A listing takes a comma for the end of a tag: such tags are compared here alone.
        *(("filter", tag) for tag in tags if "," not in tag),
        ("search", words if isinstance(words, str) else " ".join(words)),
        ("author", author or ""),
        ("sort", _SORT_FIELDS[sort]),
        ("limit", str(min(limit, _PAGE))),
        *(("expand", name) for name in _WANTED),
    ]
    with translated("the list of models"):
        items = _items([(name, value) for name, value in query if value], token)
        matching = (item for item in items if set(tags) <= set(_texts(item.get("tags"))))
        return tuple(_found(item) for item in itertools.islice(matching, limit))


def _items(query: _Query, token: str | bool | None) -> Iterator[dict[str, Any]]:
    # Not the client's list_models: it hands a card's keys to a constructor as keyword arguments,
    # so one card with the key `self` ends the listing for everybody.
    api = client(token)
    headers = build_hf_headers(
        token=token, library_name=api.library_name, library_version=api.library_version
    )
    url, params = f"{endpoint()}/api/models", query
    while url:
        answer = patiently(functools.partial(_page, url, params, headers))
        yield from (item for item in _parsed(answer) if isinstance(item, dict) and "id" in item)
        url, params = str(answer.links.get("next", {}).get("url", "")), []
        if url and not url.startswith(f"{endpoint()}/"):
            raise HubError(f"{endpoint()} goes on at another address ({url:.80}): not followed.")


def _page(url: str, params: _Query, headers: dict[str, str]) -> httpx2.Response:
    # An address of a next page has its parameters; an empty list would take them away.
    answer = get_session().get(url, params=params or None, headers=headers, timeout=_TIMEOUT)
    hf_raise_for_status(answer)
    return answer


def _parsed(answer: httpx2.Response) -> list[Any]:
    try:
        data = answer.json()
    except (ValueError, RecursionError):
        data = None
    if not isinstance(data, list):
        raise HubError(f"{endpoint()} answered with something else than a list of models.")
    return data


def _found(item: dict[str, Any]) -> Found:
    tags, card = _texts(item.get("tags")), _mapping(item.get("cardData"))
    base = card.get("base_model")
    return Found(
        repo_id=str(item["id"]),
        commit=_text(item.get("sha")),
        base_model=_text(base[0] if isinstance(base, list) and base else base),
        task=_tagged(tags, "task:"),
        method=_tagged(tags, "method:"),
        changes=_changes(_mapping(card.get(LIBRARY_NAME))),
        evaluations=tuple(itertools.islice(_evaluations(card.get("model-index")), _MOST_ITEMS)),
        downloads=_count(item.get("downloads")),
        likes=_count(item.get("likes")),
        last_modified=_text(item.get("lastModified")),
        private=item.get("private") is True,
        gated=bool(item.get("gated")),
    )


def _changes(block: dict[str, Any]) -> tuple[Change, ...]:
    layers, coefficients = _list(block.get("layers")), _list(block.get("coefficients"))
    pairs = [
        (layer, coefficient)
        for layer, coefficient in zip(layers, coefficients, strict=False)
        if isinstance(layer, int) and _is_number(coefficient)
    ]
    return tuple(Change(layer, float(number)) for layer, number in pairs[:_MOST_ITEMS])


def _evaluations(index: object) -> Iterator[Measured]:
    for entry in _list(index):
        for result in _list(_mapping(entry).get("results")):
            task = _text(_mapping(_mapping(result).get("dataset")).get("name")) or "?"
            for metric in map(_mapping, _list(_mapping(result).get("metrics"))):
                name = _text(metric.get("name")) or _text(metric.get("type"))
                if name and _is_number(metric.get("value")):
                    yield Measured(task, name, float(metric["value"]))


def _tagged(tags: list[str], prefix: str) -> str | None:
    return next((tag.removeprefix(prefix) for tag in tags if tag.startswith(prefix)), None)


def _is_number(value: object) -> bool:
    return isinstance(value, (int, float)) and abs(value) < 1e300 and math.isfinite(value)


def _count(value: object) -> int:
    return value if isinstance(value, int) else 0


def _text(value: object) -> str | None:
    return value if isinstance(value, str) else None


def _texts(value: object) -> list[str]:
    return [text for text in _list(value) if isinstance(text, str)]


def _list(value: object) -> list[Any]:
    return value if isinstance(value, list) else []


def _mapping(value: object) -> dict[str, Any]:
    return value if isinstance(value, dict) else {}
