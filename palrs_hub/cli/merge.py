"""``palrs-hub merge``: sums that were read in parts give a vector in a folder."""

from __future__ import annotations

from pathlib import Path

import click

from palrs_hub.cli.extraction.show import show_extracted
from palrs_hub.cli.options import json_option


@click.command("merge")
@click.argument(
    "parts",
    metavar="PART...",
    nargs=-1,
    required=True,
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
)
@click.option(
    "--output",
    type=click.Path(path_type=Path),
    default=Path("steering-vector"),
    show_default=True,
    help="Folder to write.",
)
@click.option("--overwrite", is_flag=True, help="Replace a vector that is there already.")
@click.option("--layer", type=click.IntRange(min=0), help="Steer this block.")
@click.option("--position", help="Read position by name.")
@click.option("--coefficient", type=float, default=1.0, show_default=True)
@click.option("--name", help="A short name for the vector.")
@click.option("--task", help="What it does, in a word or two.")
@click.option("--description", default="", help="What it does, in a sentence.")
@click.option("--license", "license_id", default="apache-2.0", show_default=True)
@json_option
def command(
    parts: tuple[Path, ...],
    output: Path,
    overwrite: bool,
    layer: int | None,
    position: str | None,
    coefficient: float,
    name: str | None,
    task: str | None,
    description: str,
    license_id: str,
    as_json: bool,
) -> None:
    """Join the sums in the files PART, which together hold every pair once, into a vector.

    They are what `palrs-hub extract --checkpoint` keeps: of a process that torchrun started, or of
    one --part of the pairs. No model is needed; layer and position are the best aligned ones if
    none are given, and nothing is validated: `palrs-hub select` chooses the coefficient.
    """
    from palrs_hub.extraction import from_part
    from palrs_hub.manifest import MANIFEST_FILE
    from palrs_hub.parts import Part, join

    if (output / MANIFEST_FILE).exists() and not overwrite:
        raise click.UsageError(
            f"{output} holds a vector already. Give another --output, or --overwrite."
        )
    extraction = from_part(join([Part.load(path) for path in parts]))
    if layer is None or position is None:
        best = extraction.most_aligned()
        position, layer = position or best[0], best[1] if layer is None else layer
    vector = extraction.vector(
        position=position,
        layer=layer,
        coefficient=coefficient,
        name=name or output.name,
        task=task or extraction.data.name.split(".")[0],
        description=description,
        license=license_id,
    )
    vector.save_pretrained(output)
    show_extracted(vector, output, as_json=as_json)
