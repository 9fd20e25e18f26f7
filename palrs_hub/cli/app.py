"""``palrs-hub app``: vectors tried in a browser."""

from __future__ import annotations

from pathlib import Path

import click


@click.command("app")
@click.argument("ids", metavar="ID...", nargs=-1, required=True)
@click.option("--model", help="Use this model instead of the one that the first vector names.")
@click.option("--port", type=click.IntRange(1, 65535), default=7860, show_default=True)
@click.option(
    "--space",
    metavar="DIR",
    type=click.Path(path_type=Path),
    help="Write a Space of the Hub to this folder instead of serving.",
)
def command(ids: tuple[str, ...], model: str | None, port: int, space: Path | None) -> None:
    """Open a playground for the vectors ID...: folders, org/name or org/name@revision.

    A slider for each vector, and the steered text beside the unsteered one. Needs the extra app.
    """
    from palrs_hub.cli import output

    if space is not None:
        from palrs_hub.app.space import write_space

        for path in write_space(space, ids, model=model):
            output.show_line(f"Wrote {path}")
        output.show_line(f"Publish it with: hf upload ORG/NAME {space} . --repo-type space")
        return
    from palrs_hub.app.launch import launch

    output.show_line(f"Opening the playground at http://127.0.0.1:{port}")
    launch(ids, model=model, port=port)
