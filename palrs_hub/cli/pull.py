"""``palrs-hub pull``: a vector comes from the Hub, pinned to a commit and verified."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from palrs_hub.cli.options import (
    json_option,
    local_option,
    revision_option,
    signature_option,
    token_option,
)


@click.command("pull")
@click.argument("vector_id", metavar="ID[@REV]")
@click.option("--output", type=click.Path(path_type=Path), help="Folder to copy the package to.")
@revision_option
@signature_option
@token_option
@local_option
@json_option
def command(
    vector_id: str,
    output: Path | None,
    revision: str | None,
    require_signature: str | None,
    token: str | None,
    local_files_only: bool,
    as_json: bool,
) -> None:
    """Fetch the vector ID (org/name or org/name@revision) and verify it.

    A folder that it is copied to remembers its commit in .palrs-hub.json, so that a later push
    from there replaces that commit and no newer one.
    """
    from palrs_hub.cli import output as screen
    from palrs_hub.hub import pull
    from palrs_hub.registry.marks import mark_of
    from palrs_hub.signing import verify
    from palrs_hub.vector import SteeringVector

    pulled = pull(vector_id, revision=revision, token=token, local_files_only=local_files_only)
    vector = SteeringVector.load(pulled.folder)
    if require_signature is not None:
        verify(vector, require_signature)
    folder = pulled.copy_to(output) if output else pulled.folder
    mark = mark_of(vector, offline=local_files_only)
    facts: dict[str, Any] = {
        "repo_id": pulled.repo_id,
        "commit": pulled.commit,
        "folder": str(folder),
        "sha256": vector.manifest.tensors.sha256,
    }
    if as_json:
        screen.show_json({**facts, "curated": None if mark is None else mark.as_json()})
    else:
        curated = mark and f"{mark}: {mark.entry.reason}"
        screen.show_pairs(f"Pulled {vector.manifest.name}", {**facts, "curated": curated})
