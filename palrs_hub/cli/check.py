"""``palrs-hub check``: does a vector fit a model? A configuration alone is enough to ask."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from palrs_hub.cli.options import (
    json_option,
    local_option,
    revision_option,
    signature_option,
    token_option,
)

if TYPE_CHECKING:
    from palrs_hub.compatibility import ModelFacts
    from palrs_hub.manifest import Manifest

REFUSED = 4


@click.command("check")
@click.argument("vector_id", metavar="ID")
@click.option("--model", required=True, help="Model: a folder, org/name or org/name@revision.")
@click.option(
    "--weights/--no-weights",
    default=None,
    help="Load the weights to compare their fingerprint, or do not. By default they are loaded "
    "from a folder that has them and not downloaded from the Hub.",
)
@click.option("--strict", is_flag=True, help="Refuse on warnings too.")
@revision_option
@signature_option
@token_option
@local_option
@json_option
def command(
    vector_id: str,
    model: str,
    weights: bool | None,
    strict: bool,
    revision: str | None,
    require_signature: str | None,
    token: str | None,
    local_files_only: bool,
    as_json: bool,
) -> int:
    """Check the vector ID against a model; all findings at once. Exit code 4 if it does not fit."""
    from palrs_hub import compatibility
    from palrs_hub.cli import output
    from palrs_hub.hub import config_facts
    from palrs_hub.vector import SteeringVector

    vector = SteeringVector.from_pretrained(
        vector_id,
        revision=revision,
        token=token,
        local_files_only=local_files_only,
        require_signature=require_signature,
    )
    if weights is None:
        weights = any(Path(model).glob("*.safetensors"))
    if weights:
        facts = _from_weights(vector.manifest, model, token, local_files_only)
    else:
        facts = config_facts(model, token=token, local_files_only=local_files_only)
    findings = compatibility.check(vector.manifest, facts)
    against = compatibility.refused(findings, strict=strict)
    if as_json:
        output.show_json(
            {
                "vector": vector.source,
                "model": facts.name,
                "fits": not against,
                "weights_checked": facts.fingerprint is not None,
                "findings": [vars(finding) for finding in findings],
            }
        )
    else:
        output.show_findings(findings)
        verdict = "does not fit" if against else "fits"
        output.show_line(f"{vector.manifest.name} {verdict} {facts.name}.")
    return REFUSED if against else 0


def _from_weights(
    manifest: Manifest, model: str, token: str | None, local_files_only: bool
) -> ModelFacts:
    from palrs_hub.hub.names import split_model_name
    from palrs_hub.loading import load_model_and_tokenizer
    from palrs_hub.model_facts import facts_of

    name, revision = split_model_name(model)
    loaded, tokenizer = load_model_and_tokenizer(
        name, revision=revision, token=token, local_files_only=local_files_only, dtype="auto"
    )
    return facts_of(loaded, tokenizer, probe=manifest.base_model.fingerprint)
