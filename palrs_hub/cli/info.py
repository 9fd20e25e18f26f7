"""``palrs-hub info``: what a vector says of itself, after its files were verified."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from palrs_hub.cli.options import json_option, local_option, revision_option, token_option

if TYPE_CHECKING:
    from palrs_hub.registry.marks import Mark
    from palrs_hub.vector import SteeringVector


_UNVERIFIED = "there is one; see by whom with `palrs-hub verify ID --signer KEY`"


@click.command("info")
@click.argument("vector_id", metavar="ID")
@revision_option
@token_option
@local_option
@json_option
def command(
    vector_id: str, revision: str | None, token: str | None, local_files_only: bool, as_json: bool
) -> None:
    """Show the vector ID: a folder, org/name or org/name@revision."""
    from palrs_hub.cli import output
    from palrs_hub.registry.marks import mark_of
    from palrs_hub.vector import SteeringVector

    vector = SteeringVector.from_pretrained(
        vector_id, revision=revision, token=token, local_files_only=local_files_only
    )
    mark = mark_of(vector, offline=local_files_only)
    if as_json:
        manifest = vector.manifest.model_dump(mode="json")
        curated = None if mark is None else mark.as_json()
        signed = vector.signature is not None
        output.show_json(
            {
                "source": vector.source,
                "curated": curated,
                "signed": signed,
                "manifest": manifest,
            }
        )
    else:
        _show(vector, mark)


def _show(vector: SteeringVector, mark: Mark | None) -> None:
    from palrs_hub.cli import output

    manifest = vector.manifest
    base = manifest.base_model
    switches = ", ".join(f"{name} {value}" for name, value in manifest.method.switches.items())
    output.show_pairs(
        manifest.name,
        {
            "source": vector.source,
            "curated": mark and f"{mark}: {mark.entry.reason}",
            "task": manifest.task.name,
            "description": manifest.task.description,
            "licence": manifest.license,
            "base model": base.repo_id or "read from a folder",
            "commit": base.revision,
            "architecture": f"{base.architecture}, {base.num_blocks} blocks, hidden size "
            f"{base.hidden_size}, {base.dtype}",
            "method": f"{manifest.method.name} ({switches})",
            "data": f"{manifest.data.pairs} pairs of {manifest.data.name}",
            "sha256": manifest.tensors.sha256,
            "signature": "none" if vector.signature is None else _UNVERIFIED,
        },
    )
    output.show_table(
        "Interventions",
        ["layer", "operation", "coefficient", "usable range", "unit", "tokens", "condition"],
        [
            (
                i.layer,
                i.operation,
                f"{i.coefficient:g}",
                _range(i.coefficient_range),
                i.unit,
                str(i.tokens),
                str(i.condition or "none"),
            )
            for i in manifest.interventions
        ],
    )
    if manifest.evaluations:
        output.show_table(
            "Evaluations",
            ["task", "metric", "split", "samples", "steered", "baselines"],
            [
                (e.task, e.metric, e.split, e.samples, f"{e.value:.4g}", _baselines(e.baselines))
                for e in manifest.evaluations
            ],
        )
    else:
        output.show_line("Evaluations: not reported.")


def _range(span: tuple[float, float] | None) -> str:
    return f"{span[0]:g} to {span[1]:g}" if span else "not validated"


def _baselines(baselines: dict[str, float]) -> str:
    return ", ".join(f"{name} {value:.4g}" for name, value in baselines.items())
