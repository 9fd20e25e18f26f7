"""``palrs-hub export``: a vector as another tool's file."""

from __future__ import annotations

from pathlib import Path

import click

from palrs_hub.cli.options import json_option, local_option, revision_option, token_option
from palrs_hub.formats import FORMATS


@click.command("export")
@click.argument("vector_id", metavar="ID")
@click.option(
    "--format",
    "format_name",
    type=click.Choice([name for name, kind in FORMATS.items() if kind.write]),
    required=True,
)
@click.option(
    "--output",
    type=click.Path(path_type=Path, dir_okay=False),
    required=True,
    help="File to write.",
)
@click.option("--overwrite", is_flag=True, help="Replace a file that is there already.")
@click.option(
    "--fold",
    is_flag=True,
    help="Multiply the directions by their coefficients: 1 is then the recommended coefficient.",
)
@revision_option
@token_option
@local_option
@json_option
def command(
    vector_id: str,
    format_name: str,
    output: Path,
    overwrite: bool,
    fold: bool,
    revision: str | None,
    token: str | None,
    local_files_only: bool,
    as_json: bool,
) -> None:
    """Write the vector ID (a folder, org/name or org/name@revision) as another tool's file."""
    from palrs_hub.cli import output as screen
    from palrs_hub.formats import export_vector
    from palrs_hub.vector import SteeringVector

    if output.exists() and not overwrite:
        raise click.UsageError(f"{output} is there already. Give another --output, or --overwrite.")
    vector = SteeringVector.from_pretrained(
        vector_id, revision=revision, token=token, local_files_only=local_files_only
    )
    export_vector(vector, output, format=format_name, fold=fold)
    changes = vector.manifest.interventions
    coefficients = [1.0 if fold else change.coefficient for change in changes]
    layers = [change.layer for change in changes]
    if as_json:
        facts = {"output": str(output), "format": format_name, "folded": fold}
        screen.show_json({**facts, "layers": layers, "coefficients": coefficients})
        return
    screen.show_pairs(
        f"Vector written to {output}",
        {
            "format": f"{format_name} ({FORMATS[format_name].tools})",
            "layers": ", ".join(map(str, layers)),
            "use with coefficient": ", ".join(sorted({f"{value:g}" for value in coefficients})),
        },
    )
