"""Options that several commands share."""

from __future__ import annotations

from typing import Any

import click

from palrs_hub.intervention import OPERATION_NAMES

json_option = click.option(
    "--json", "as_json", is_flag=True, help="Print the result as one JSON object."
)
token_option = click.option(
    "--token", envvar="HF_TOKEN", help="Access token; by default the one that is logged in."
)
revision_option = click.option("--revision", help="Branch, tag or commit of the vector.")
local_option = click.option(
    "--local-files-only", is_flag=True, help="Use the cache alone, ask no server."
)
signature_option = click.option(
    "--require-signature",
    metavar="KEY",
    help="Refuse what was not signed by this public key (PEM), or by this identity of sigstore: "
    "IDENTITY,https://ISSUER.",
)
device_option = click.option(
    "--device", default="cpu", show_default=True, help="For instance cuda."
)
device_map_option = click.option(
    "--device-map", help="Spread the model over devices: auto, balanced, ...; needs accelerate."
)
dtype_option = click.option(
    "--dtype",
    type=click.Choice(["auto", "float32", "bfloat16", "float16"]),
    default="auto",
    show_default=True,
    help="Floating-point type to load the model in.",
)
operation_option = click.option(
    "--operation",
    type=click.Choice(OPERATION_NAMES),
    default="add",
    show_default=True,
    help="What is done with the vector. Only adding can be chosen by validation.",
)
tokens_option = click.option(
    "--tokens",
    default="all",
    show_default=True,
    help="Tokens to steer: all, prompt, generated, START: or START:STOP.",
)


def placed(model: Any, device: str) -> Any:  # noqa: ANN401 - transformers' own types
    """Move a model to a device, with our own error when there is none such."""
    from palrs_hub.errors import UsageError

    try:
        return model.to(device)
    except (RuntimeError, AssertionError) as error:
        raise UsageError(f"Cannot use device {device!r}: {error}") from error
