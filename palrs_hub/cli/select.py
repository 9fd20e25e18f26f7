"""``palrs-hub select``: choose the coefficient of a vector again, and draw what was chosen from."""

from __future__ import annotations

import math
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from palrs_hub.cli.extraction.evidence import EVIDENCE, evidence_options, read_evidence
from palrs_hub.cli.options import (
    device_option,
    dtype_option,
    json_option,
    local_option,
    placed,
    token_option,
)

if TYPE_CHECKING:
    from palrs_hub.selection import Selected
    from palrs_hub.vector import SteeringVector


def _numbers(context: click.Context, parameter: click.Parameter, value: str | None) -> Any:  # noqa: ANN401
    if value is None:
        return None
    try:
        numbers = [float(word) for word in value.split(",")]
    except ValueError:
        numbers = []
    if not numbers or not all(map(math.isfinite, numbers)):
        raise click.BadParameter(f"expected numbers such as 0.5,1,2; found {value!r}")
    return numbers


@click.command("select")
@click.argument("folder", type=click.Path(path_type=Path))
@click.option("--model", help="Model: a folder, org/name or org/name@revision.")
@click.option("--pairs", help="Validation pairs, none that the vector was extracted from.")
@click.option("--coefficients", callback=_numbers, help="Try these: numbers with commas between.")
@evidence_options
@click.option("--write", is_flag=True, help="Rewrite the folder's manifest and card.")
@click.option("--plot", type=click.Path(path_type=Path), help="Draw the grid into this SVG file.")
@dtype_option
@device_option
@token_option
@local_option
@json_option
def command(
    folder: Path,
    model: str | None,
    pairs: str | None,
    coefficients: list[float] | None,
    write: bool,
    plot: Path | None,
    as_json: bool,
    **others: Any,  # noqa: ANN401 - click hands over what is declared above
) -> None:
    """Choose the coefficient of the vector in FOLDER again, on validation pairs.

    Direction, position and layer stay as they are. Without --model and --pairs nothing is run: what
    the manifest holds is shown and drawn. The folder changes only with --write.
    """
    from palrs_hub.cli import output
    from palrs_hub.vector import SteeringVector

    if (model is None) != (pairs is None):
        raise click.UsageError("--model and --pairs go together.")
    evidence = {name: others.pop(name) for name in EVIDENCE}
    given = any(evidence[name] for name in ("neutral", "problems", "resume"))
    if model is None and (coefficients or write or given):
        raise click.UsageError(
            "--coefficients, --neutral, --problems, --resume and --write need --model and --pairs."
        )
    vector = SteeringVector.load(folder)
    if model is not None and pairs is not None:
        looked_at = {"coefficients": coefficients, **read_evidence(**evidence)}
        chosen = _select(vector, model, pairs, looked_at, others)
        vector = _with_selection(vector, chosen)
        if write:
            vector.save_pretrained(folder)
    if plot is not None:
        _draw(vector, plot)
    _show(vector, output, written=write, as_json=as_json)


def _select(
    vector: SteeringVector,
    model: str,
    pairs: str,
    looked_at: dict[str, Any],
    loading: dict[str, Any],
) -> Selected:
    from palrs_hub.cli import output
    from palrs_hub.hub.names import split_model_name
    from palrs_hub.loading import load_model_and_tokenizer
    from palrs_hub.pairs import read_pairs
    from palrs_hub.selection import select_coefficient

    token = loading["token"]
    validation = read_pairs(pairs, token=token)
    name, revision = split_model_name(model)
    where: dict[str, Any] = {
        "revision": revision,
        "token": token,
        "local_files_only": loading["local_files_only"],
    }
    loaded, tokenizer = load_model_and_tokenizer(name, dtype=loading["dtype"], **where)
    loaded = placed(loaded, loading["device"])
    return select_coefficient(
        loaded,
        tokenizer,
        vector,
        validation,
        progress=output.wants_progress(),
        **looked_at,
    )


def _with_selection(vector: SteeringVector, chosen: Selected) -> SteeringVector:
    from palrs_hub.selection import with_selection
    from palrs_hub.vector import SteeringVector

    manifest = with_selection(vector.manifest, chosen)
    return SteeringVector(manifest, vector.arrays, source=vector.source)


def _draw(vector: SteeringVector, plot: Path) -> None:
    from palrs_hub.errors import UsageError
    from palrs_hub.plots import selection_plot
    from palrs_hub.whole_file import write_whole

    picture = selection_plot(vector.manifest)
    try:
        write_whole(plot, picture)
    except OSError as error:
        raise UsageError(f"Cannot write the picture to {plot}: {error}") from error


def _show(vector: SteeringVector, output: Any, *, written: bool, as_json: bool) -> None:  # noqa: ANN401
    selection = vector.manifest.selection
    intervention = vector.manifest.interventions[0]
    if as_json:
        output.show_json(
            {
                "layer": intervention.layer,
                "coefficient": intervention.coefficient,
                "coefficient_range": intervention.coefficient_range,
                "selection": selection.model_dump() if selection else None,
                "written": written,
            }
        )
        return
    facts: dict[str, object] = {
        "layer": intervention.layer,
        "coefficient": f"{intervention.coefficient:g} ({intervention.unit})",
        "rule": selection.rule if selection else "not selected on validation pairs",
    }
    if selection:
        facts["unsteered margin"] = f"{selection.unsteered.margin:.4f}"
    output.show_pairs(vector.manifest.name, facts)
    if selection:
        rows = [
            (c.position, c.layer, f"{c.coefficient:g}", f"{c.margin:.4f}", f"{c.worse:.0%}")
            for c in selection.cells
            if c.layer == intervention.layer
        ]
        output.show_table(
            "Grid at this layer", ("position", "layer", "coefficient", "margin", "worse"), rows
        )
