"""``palrs-hub import``: another tool's file and a base model give a vector in a folder."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from palrs_hub.cli.options import (
    device_option,
    dtype_option,
    json_option,
    local_option,
    placed,
    token_option,
)
from palrs_hub.formats import FORMATS
from palrs_hub.manifest import MANIFEST_FILE

if TYPE_CHECKING:
    from palrs_hub.formats import Imported
    from palrs_hub.vector import SteeringVector


@click.command("import")
@click.argument("path", metavar="FILE_OR_FOLDER", type=click.Path(exists=True, path_type=Path))
@click.option(
    "--format",
    "format_name",
    type=click.Choice([name for name, kind in FORMATS.items() if kind.read]),
    help="By default it is told by the content.",
)
@click.option(
    "--model",
    required=True,
    help="The model that the vector was made for: a folder, org/name or org/name@revision.",
)
@click.option(
    "--layer",
    type=click.IntRange(min=0),
    help="Only this layer: the output of this block, from 0.",
)
@click.option("--row", type=click.IntRange(min=0), help="Row of a dictionary (sae-lens).")
@click.option("--coefficient", type=float, show_default="the file's", help="How much to add.")
@click.option(
    "--output",
    type=click.Path(path_type=Path),
    default=Path("steering-vector"),
    show_default=True,
    help="Folder to write.",
)
@click.option("--overwrite", is_flag=True, help="Replace a vector that is there already.")
@click.option("--name", help="A short name for the vector.")
@click.option("--task", help="What it does, in a word or two.")
@click.option("--description", default="", help="What it does, in a sentence.")
@click.option("--license", "license_id", default="unknown", show_default=True)
@click.option("--base-model", help="Name on the Hub of a model that is read from a folder.")
@click.option("--base-revision", help="Its commit.")
@dtype_option
@device_option
@token_option
@local_option
@json_option
def command(**options: Any) -> None:  # noqa: ANN401 - click hands over what is declared above
    """Make a vector of another tool's FILE_OR_FOLDER.

    Nothing in it is run. What it does not say (model, layer, coefficient) is asked for and never
    guessed; docs/formats.md tells where each format steers.
    """
    request = _Request(**options)
    if (request.output / MANIFEST_FILE).exists() and not request.overwrite:
        raise click.UsageError(
            f"{request.output} holds a vector already. Give another --output, or --overwrite."
        )
    from palrs_hub.formats import import_vector

    imported = import_vector(
        request.path, format=request.format_name, layer=request.layer, row=request.row
    )
    vector = _completed(request, imported)
    vector.save_pretrained(request.output)
    _show(request, imported, vector)


@dataclass(frozen=True)
class _Request:
    path: Path
    format_name: str | None
    model: str
    layer: int | None
    row: int | None
    coefficient: float | None
    output: Path
    overwrite: bool
    name: str | None
    task: str | None
    description: str
    license_id: str
    base_model: str | None
    base_revision: str | None
    dtype: str
    device: str
    token: str | None
    local_files_only: bool
    as_json: bool


def _completed(request: _Request, imported: Imported) -> SteeringVector:
    from palrs_hub.formats import to_vector
    from palrs_hub.hub.names import split_model_name
    from palrs_hub.loading import load_model_and_tokenizer

    name, revision = split_model_name(request.model)
    where: dict[str, Any] = {
        "revision": revision,
        "token": request.token,
        "local_files_only": request.local_files_only,
    }
    model, tokenizer = load_model_and_tokenizer(name, dtype=request.dtype, **where)
    model = placed(model, request.device)
    return to_vector(
        imported,
        model,
        tokenizer,
        coefficient=request.coefficient,
        name=request.name,
        task=request.task,
        description=request.description,
        license=request.license_id,
        base_model=request.base_model,
        base_revision=request.base_revision,
    )


def _show(request: _Request, imported: Imported, vector: SteeringVector) -> None:
    from palrs_hub.cli import output

    changes = vector.manifest.interventions
    if request.as_json:
        output.show_json(
            {
                "output": str(request.output),
                "format": imported.format,
                "layers": [change.layer for change in changes],
                "coefficients": [change.coefficient for change in changes],
                "units": [change.unit for change in changes],
                "file_says": {
                    "model": imported.model_name or imported.model_type,
                    "method": imported.method,
                    "more": list(imported.provenance),
                },
                "sha256": vector.manifest.tensors.sha256,
            }
        )
        return
    kind = FORMATS[imported.format]
    output.show_pairs(
        f"Vector written to {request.output}",
        {
            "format": f"{kind.name} ({kind.tools})",
            "layers": ", ".join(str(change.layer) for change in changes),
            "shift": f"{kind.shift:+d}: the tool's index n is our layer n{kind.shift:+d}"
            if kind.shift
            else "none",
            "coefficient": ", ".join(sorted({f"{change.coefficient:g}" for change in changes})),
            "the file's model": imported.model_name or imported.model_type,
            "method": imported.method,
            "the file says": "; ".join(imported.provenance),
            "evaluations": "none: an imported vector is not proven on this model",
        },
    )
