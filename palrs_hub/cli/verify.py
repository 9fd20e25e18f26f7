"""``palrs-hub verify``: whether a vector was signed by whom it should be."""

from __future__ import annotations

import click

from palrs_hub.cli.options import json_option, local_option, revision_option, token_option


@click.command("verify")
@click.argument("vector_id", metavar="ID")
@click.option(
    "--signer",
    required=True,
    metavar="KEY",
    help="File of a public key (PEM), or IDENTITY,https://ISSUER of sigstore.",
)
@revision_option
@token_option
@local_option
@json_option
def command(
    vector_id: str,
    signer: str,
    revision: str | None,
    token: str | None,
    local_files_only: bool,
    as_json: bool,
) -> None:
    """Verify that the vector ID was signed by a key or an identity. Exit code 3 if not."""
    from palrs_hub.cli import output
    from palrs_hub.signing import Signer, verify
    from palrs_hub.vector import SteeringVector

    expected = Signer.parse(signer)
    vector = SteeringVector.from_pretrained(
        vector_id, revision=revision, token=token, local_files_only=local_files_only
    )
    verify(vector, expected)
    if as_json:
        output.show_json({"source": vector.source, "signed_by": str(expected)})
    else:
        output.show_line(f"{vector.manifest.name} was signed by {expected}.")
