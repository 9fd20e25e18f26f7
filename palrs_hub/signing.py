"""Signatures of a vector: OpenSSF model-signing over its manifest and its tensors, nothing else.

No cryptography is done here. What is signed and verified are the bytes that the vector in memory is
written as, so that what was verified is what will steer; the card and pictures are not covered.
"""

from __future__ import annotations

import contextlib
import dataclasses
import io
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from palrs_hub.errors import MissingExtraError, SignatureError, UsageError
from palrs_hub.manifest import MANIFEST_FILE, TENSORS_FILE
from palrs_hub.package_files import MAX_SIGNATURE_BYTES
from palrs_hub.tensors import write_tensors

if TYPE_CHECKING:
    import os
    from collections.abc import Iterator

    from palrs_hub.vector import SteeringVector

_HASH = "sha256"


@dataclass(frozen=True)
class Signer:
    """Who must have signed: the holder of a key, or an identity that an issuer vouches for.

    Attributes:
        key: File of a public key (PEM, an elliptic curve).
        identity: For sigstore: for instance an address.
        issuer: Who vouches for it, an ``https://`` address.
    """

    key: Path | None = None
    identity: str = ""
    issuer: str = ""

    @classmethod
    def parse(cls, text: str | os.PathLike[str]) -> Signer:
        """A key's file, or ``IDENTITY,ISSUER`` of sigstore.

        Raises:
            UsageError: It is neither.
        """
        if Path(text).is_file():
            return cls(key=Path(text))
        identity, comma, issuer = str(text).rpartition(",")
        if comma and identity and issuer.startswith("https://"):
            return cls(identity=identity, issuer=issuer)
        raise UsageError(
            f"Expected the file of a public key, or IDENTITY,https://ISSUER of sigstore; found "
            f"{str(text)!r}, which is neither."
        )

    def __str__(self) -> str:
        return f"the key {self.key}" if self.key else f"{self.identity}, says {self.issuer}"


def sign_with_key(
    vector: SteeringVector, private_key: str | os.PathLike[str], *, password: str | None = None
) -> SteeringVector:
    """The vector with a signature by a private key (PEM; P-256, P-384 or P-521).

    Raises:
        MissingExtraError: The extra ``sign`` is not installed.
        UsageError: The key cannot be used.
    """
    config = _library("signing").Config()
    secret: Any = None if password is None else password.encode()
    try:
        config.use_elliptic_key_signer(private_key=private_key, password=secret)
    except _rejections() as error:
        raise UsageError(
            f"{private_key} is no private key that can sign ({error}): expected PEM of the curve "
            "P-256, P-384 or P-521, as `openssl ecparam -name prime256v1 -genkey` makes, and its "
            "password if it has one."
        ) from error
    return _signed(vector, config)


def sign_with_sigstore(
    vector: SteeringVector, *, identity_token: str | None = None
) -> SteeringVector:
    """The vector with a signature by an identity, for which sigstore asks in a browser.

    Args:
        vector: The vector.
        identity_token: An identity token that is at hand, for machines.

    Raises:
        MissingExtraError: The extra ``sign`` is not installed.
        SignatureError: Sigstore cannot be reached, or does not vouch.
    """
    config = _library("signing").Config()
    config.use_sigstore_signer(identity_token=identity_token)
    return _signed(vector, config)


def verify(vector: SteeringVector, signer: Signer | str | os.PathLike[str]) -> Signer:
    """Check that a vector was signed by this signer, exactly as it is.

    Returns:
        The signer.

    Raises:
        MissingExtraError: The extra ``sign`` is not installed.
        SignatureError: There is no signature, or it is another's or of another vector.
        UsageError: The signer is neither a key nor an identity.
    """
    expected = signer if isinstance(signer, Signer) else Signer.parse(signer)
    name = vector.manifest.name
    if vector.signature is None:
        raise SignatureError(
            f"{name!r} should be signed by {expected}; it has no signature. Ask its publisher for "
            "one, or load it without requiring one if you trust where it came from."
        )
    config = _verifier(expected)
    with _written(vector) as folder, tempfile.TemporaryDirectory() as beside:
        file = Path(beside) / "signature"
        file.write_bytes(vector.signature)
        try:
            # The library prints of old formats; nothing but our own output prints.
            with contextlib.redirect_stdout(io.StringIO()):
                config.verify(folder, file)
        except _rejections() as error:
            raise SignatureError(
                f"{name!r} should be signed by {expected}; its signature is another's, is of "
                f"another vector, or is damaged ({type(error).__name__}: {str(error)[:200]}). Do "
                "not use it; ask its publisher."
            ) from error
    return expected


def _verifier(expected: Signer) -> Any:  # noqa: ANN401 - the library has no types
    config = _library("verifying").Config().set_hashing_config(_exactly_these())
    if not expected.key:
        return config.use_sigstore_verifier(identity=expected.identity, oidc_issuer=expected.issuer)
    try:
        return config.use_elliptic_key_verifier(public_key=expected.key)
    except _rejections() as error:
        raise UsageError(
            f"{expected.key} is no public key that can verify ({error}): expected PEM of the curve "
            "P-256, P-384 or P-521, as `openssl ec -pubout` makes."
        ) from error


def _signed(vector: SteeringVector, config: Any) -> SteeringVector:  # noqa: ANN401
    config.set_hashing_config(_exactly_these())
    with _written(vector) as folder, tempfile.TemporaryDirectory() as beside:
        file = Path(beside) / "signature"
        try:
            config.sign(folder, file)
            data = file.read_bytes()
        except _rejections() as error:
            raise SignatureError(f"The vector could not be signed: {error}") from error
    if len(data) > MAX_SIGNATURE_BYTES:
        raise SignatureError(f"The signature has {len(data):,} bytes; it cannot be published.")
    return dataclasses.replace(vector, signature=data)


@contextlib.contextmanager
def _written(vector: SteeringVector) -> Iterator[Path]:
    """A folder that holds what is signed, and nothing else."""
    with tempfile.TemporaryDirectory() as place:
        folder = Path(place) / "vector"
        folder.mkdir()
        (folder / MANIFEST_FILE).write_bytes(vector.manifest.to_json().encode())
        (folder / TENSORS_FILE).write_bytes(write_tensors(vector.arrays))
        yield folder


def _exactly_these() -> Any:  # noqa: ANN401
    """Hash both files, whatever a signature says may be left out."""
    hashing = _library("hashing")

    class Exactly(hashing.Config):  # type: ignore[misc, name-defined]
        def add_ignored_paths(self, **_: object) -> None:
            """What a signature wants to be ignored is not."""

    return Exactly().use_file_serialization(hashing_algorithm=_HASH)


def _library(part: str) -> Any:  # noqa: ANN401
    import importlib

    try:
        return importlib.import_module(f"model_signing.{part}")
    except ModuleNotFoundError as error:
        raise MissingExtraError("Signing and verifying", "sign") from error


def _rejections() -> tuple[type[Exception], ...]:
    """What the libraries raise for a key or a signature that is not what it should be."""
    from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
    from sigstore.errors import Error

    wrong = (ValueError, TypeError, LookupError, AttributeError, OSError, RecursionError)
    return (*wrong, InvalidSignature, UnsupportedAlgorithm, Error)
