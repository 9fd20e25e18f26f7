"""``palrs-hub export``: a vector as another tool's file, or inside a checkpoint."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import click

from palrs_hub.cli.options import (
    dtype_option,
    json_option,
    local_option,
    revision_option,
    token_option,
)
from palrs_hub.formats import FORMATS

if TYPE_CHECKING:
    from palrs_hub.engines.exports import Base, Written
    from palrs_hub.vector import SteeringVector

# EXPORTS of palrs_hub.engines, whose import loads torch; a test holds this to it.
CHOICES: Final = (*(name for name, kind in FORMATS.items() if kind.write), "peft", "baked")


@click.command("export")
@click.argument("vector_id", metavar="ID")
@click.option("--format", "format_name", type=click.Choice(CHOICES), required=True)
@click.option(
    "--output", type=click.Path(path_type=Path), required=True, help="File or folder to write."
)
@click.option("--overwrite", is_flag=True, help="Replace a file that is there already.")
@click.option(
    "--fold",
    is_flag=True,
    help="Multiply the directions by their coefficients: 1 is then the recommended coefficient.",
)
@click.option("--coefficient", type=float, help="For baked and peft: instead of the vector's own.")
@click.option("--model", help="The base model, instead of the one that the vector names.")
@click.option(
    "--no-selftest",
    is_flag=True,
    help="Do without the base model: write no self-test, and prove nothing.",
)
@revision_option
@dtype_option
@token_option
@local_option
@json_option
def command(
    vector_id: str,
    format_name: str,
    output: Path,
    overwrite: bool,
    fold: bool,
    coefficient: float | None,
    model: str | None,
    no_selftest: bool,
    revision: str | None,
    dtype: str,
    token: str | None,
    local_files_only: bool,
    as_json: bool,
) -> None:
    """Write the vector ID (a folder, org/name or org/name@revision) for another tool or engine.

    Unless told otherwise the base model is loaded: what was written must steer it as the vector
    does, and a self-test is written that tells whether an engine does.
    """
    from palrs_hub.engines.exports import Options, export
    from palrs_hub.vector import SteeringVector

    if output.exists() and (output.is_dir() or not overwrite):
        raise click.UsageError(f"{output} is there already. Give another --output, or --overwrite.")
    where: dict[str, Any] = {"token": token, "local_files_only": local_files_only}
    vector = SteeringVector.from_pretrained(vector_id, revision=revision, **where)
    base = None if no_selftest and format_name != "baked" else _base(vector, model, where)
    options = Options(fold, coefficient, base, selftest=not no_selftest)
    written = export(vector, output, format=format_name, options=options, dtype=dtype)
    _show(vector, format_name, written, fold, as_json)


def _base(vector: SteeringVector, model: str | None, where: dict[str, Any]) -> Base:
    from palrs_hub.auto import base_of
    from palrs_hub.engines.exports import Base
    from palrs_hub.hub import fetch_checkpoint

    name, revision = base_of(vector, model)
    if Path(name).is_dir():
        return Base(Path(name))
    fetched = fetch_checkpoint(name, revision=revision, **where)
    return Base(fetched.folder, fetched.repo_id, fetched.commit)


def _show(vector: SteeringVector, name: str, written: Written, fold: bool, as_json: bool) -> None:
    from palrs_hub.cli import output as screen
    from palrs_hub.engines.exports import EXPORTS

    layers = [change.layer for change in vector.manifest.interventions]
    if as_json:
        screen.show_json(
            {
                "output": str(written.path),
                "format": name,
                "folded": fold or EXPORTS[name].takes_coefficient,
                "layers": layers,
                "coefficients": list(written.coefficients),
                "selftest": str(written.selftest) if written.selftest else None,
            }
        )
        return
    used = ", ".join(sorted({f"{value:g}" for value in written.coefficients}))
    screen.show_pairs(
        f"Vector written to {written.path}",
        {
            "format": f"{name} ({EXPORTS[name].tools})",
            "layers": ", ".join(map(str, layers)),
            "use with coefficient": None if EXPORTS[name].takes_coefficient else used,
            "self-test": written.selftest or "none: nothing was proven",
        },
    )
