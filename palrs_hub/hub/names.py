"""Names of repositories and revisions, as users write them."""

from __future__ import annotations

import os
import re

from palrs_hub.errors import UsageError

_REPO_ID = re.compile(r"[A-Za-z0-9][\w.-]*(/[A-Za-z0-9][\w.-]*)?")


def split_revision(repo_id: str, revision: str | None = None) -> tuple[str, str | None]:
    """Split ``org/name@revision``, and check the name's form.

    Raises:
        UsageError: It is no repository's name, or gives two different revisions.
    """
    name, at, inline = repo_id.partition("@")
    if not _REPO_ID.fullmatch(name) or (at and not inline):
        raise UsageError(
            f"{repo_id!r} is neither a folder that exists nor a repository: expected a path, "
            "`org/name` or `org/name@revision`."
        )
    if inline and revision and inline != revision:
        raise UsageError(f"Two revisions were given: {inline!r} and {revision!r}.")
    return name, inline or revision


def split_model_name(name: str) -> tuple[str, str | None]:
    """Split a model's name into a folder and None, or a repository and its revision.

    Raises:
        UsageError: It is neither a folder that exists nor a repository's name.
    """
    return (name, None) if os.path.isdir(name) else split_revision(name)
