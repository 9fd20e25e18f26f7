"""``palrs-hub sign``: a signature for the manifest and the tensors of a package."""

from __future__ import annotations

from pathlib import Path

import click


@click.command("sign")
@click.argument("folder", type=click.Path(path_type=Path, exists=True, file_okay=False))
@click.option("--key", help="Private key (PEM, an elliptic curve) to sign with.")
@click.option("--ask-password", is_flag=True, help="Ask for the key's password.")
@click.option("--sigstore", is_flag=True, help="Sign as an identity that sigstore vouches for.")
@click.option(
    "--identity-token",
    envvar="SIGSTORE_ID_TOKEN",
    help="For sigstore, instead of a browser.",
)
def command(
    folder: Path, key: str | None, ask_password: bool, sigstore: bool, identity_token: str | None
) -> None:
    """Sign the vector in FOLDER; `palrs-hub push` sends the signature along.

    Signed are its manifest and tensors. A change of either, and none of the card, voids it.
    """
    from palrs_hub.cli import output
    from palrs_hub.package_files import SIGNATURE_FILE
    from palrs_hub.signing import sign_with_key, sign_with_sigstore
    from palrs_hub.vector import SteeringVector
    from palrs_hub.whole_file import write_whole

    if (key is None) != sigstore:
        raise click.UsageError("Sign with --key FILE or with --sigstore.")
    vector = SteeringVector.load(folder)
    if key is None:
        signed = sign_with_sigstore(vector, identity_token=identity_token)
    else:
        password = click.prompt("Password", hide_input=True) if ask_password else None
        signed = sign_with_key(vector, key, password=password)
    try:
        write_whole(folder / SIGNATURE_FILE, signed.signature or b"")
    except OSError as error:
        raise click.FileError(str(folder / SIGNATURE_FILE), str(error)) from error
    output.show_line(f"Signed {vector.manifest.name}: {folder / SIGNATURE_FILE}")
