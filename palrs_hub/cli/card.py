"""``palrs-hub card``: a vector's card as text, or rendered as the Hub would show it."""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

import click

from palrs_hub.cli.options import json_option, local_option, revision_option, token_option

if TYPE_CHECKING:
    from palrs_hub.vector import SteeringVector

REFUSED = 3


@click.command("card")
@click.argument("vector_id", metavar="ID")
@click.option("--fresh", is_flag=True, help="The card that palrs-hub makes of the manifest now.")
@click.option("--preview", is_flag=True, help="Render it and open it in a browser.")
@click.option(
    "--output",
    "file",
    type=click.Path(dir_okay=False, path_type=Path),
    help="Write the rendered page to this file instead of opening it.",
)
@revision_option
@token_option
@local_option
@json_option
def command(
    vector_id: str,
    fresh: bool,
    preview: bool,
    file: Path | None,
    revision: str | None,
    token: str | None,
    local_files_only: bool,
    as_json: bool,
) -> int:
    """Show the card of the vector ID: a folder, org/name or org/name@revision.

    The front matter is judged by the rules of the Hub; exit code 3 if the Hub would refuse it.
    """
    from palrs_hub.cli import output
    from palrs_hub.local_hub.cards import judge
    from palrs_hub.registry.site.preview import card_page
    from palrs_hub.vector import SteeringVector

    vector = SteeringVector.from_pretrained(
        vector_id, revision=revision, token=token, local_files_only=local_files_only
    )
    card = _card(vector, vector_id, revision, token, local_files_only, fresh)
    verdict = judge(card)
    page = None
    if preview or file:
        page = card_page(card, vector.manifest.name, verdict.card or {})
    written = _write(page, file) if page is not None else None
    if as_json:
        output.show_json(
            {
                "vector": vector.source,
                "card": card,
                "errors": verdict.errors,
                "warnings": verdict.warnings,
                "written": written and str(written),
            }
        )
        return REFUSED if verdict.errors else 0
    if written is None:
        output.show_line(card)
    else:
        output.show_line(f"Rendered to {written}")
    for problem in (*verdict.errors, *verdict.warnings):
        output.show_line(f"The Hub's rules: {problem}")
    if preview and file is None and written is not None:
        click.launch(written.as_uri())
    return REFUSED if verdict.errors else 0


def _card(
    vector: SteeringVector,
    vector_id: str,
    revision: str | None,
    token: str | None,
    local_files_only: bool,
    fresh: bool,
) -> str:
    """The package's own card, or one made of its manifest if there is none or that is asked for."""
    from palrs_hub.card import CARD_FILE, render_card
    from palrs_hub.errors import PackageError
    from palrs_hub.hub import pull

    repo_id = None if Path(vector_id).is_dir() else vector_id.partition("@")[0]
    made = render_card(vector.manifest, repo_id=repo_id)
    if fresh:
        return made
    if repo_id is not None:
        pulled = pull(vector_id, revision=revision, token=token, local_files_only=local_files_only)
        return pulled.card() or made
    path = Path(vector_id) / CARD_FILE
    try:
        return path.read_text(encoding="utf-8") if path.is_file() else made
    except (OSError, UnicodeDecodeError) as error:
        raise PackageError(f"Cannot read {path}: {error}") from error


def _write(page: str, file: Path | None) -> Path:
    from palrs_hub.errors import UsageError
    from palrs_hub.whole_file import write_whole

    try:
        if file is None:
            folder = Path(tempfile.mkdtemp(prefix="palrs-hub-card-"))
            file = folder / "card.html"
        write_whole(file, page)
    except OSError as error:
        raise UsageError(f"Cannot write {file}: {error}. Give another --output.") from error
    return file.resolve()
