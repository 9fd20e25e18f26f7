"""Every error that palrs-hub raises on purpose, in one tree.

::

    PalrsHubError
    ├── UsageError               the call itself cannot be right (an option, a name, a value)
    ├── PairsError               preference pairs cannot be read
    ├── TaskFileError            a file of problems to evaluate on cannot be read
    ├── PackageError             a published package cannot be read or must not be trusted
    │   ├── ManifestError        steering_config.json is absent, malformed or inconsistent
    │   │   └── NewerFormatError it was written by a newer palrs-hub
    │   ├── TensorsError         steering_vectors.safetensors is altered, malformed or not finite
    │   └── SignatureError       a vector is not signed as it was required to be
    ├── RegistryError            a curated registry, an entry of it or its index cannot be used
    ├── ModelError               a model cannot be loaded, or its blocks cannot be steered safely
    ├── ExtractionError          no usable vector came out of the pairs
    ├── IncompatibleError        the checks refused a vector for a model (carries the findings)
    ├── SteeringError            steering cannot be attached, changed or detached as asked
    ├── HubError                 the Hub refused, or cannot be reached
    │   ├── NotOnHubError        the repository, revision or file is not there
    │   ├── HubAccessError       it is there (or may be), but this token may not have it
    │   └── HubUnreachableError  no answer: no network, offline mode, a server that fails
    ├── LocalHubError            the embedded Hub's store or its start-up settings are unusable
    └── MissingExtraError        an optional dependency is not installed

A message says what was expected, what was found and what to do next. The command line maps each
class to an exit code by its ``exit_code``; anything else that escapes is a defect of ours.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

if TYPE_CHECKING:
    from collections.abc import Sequence

    from palrs_hub.compatibility import Finding


class PalrsHubError(Exception):
    """Base of all errors that palrs-hub raises on purpose."""

    exit_code: ClassVar[int] = 1


class UsageError(PalrsHubError):
    """The call itself cannot be right: an option, a name or a value is out of its domain."""

    exit_code = 2


class PairsError(PalrsHubError):
    """Preference pairs cannot be read; the message names the line and the reason."""

    exit_code = 3


class TaskFileError(PalrsHubError):
    """A file of problems cannot be read; the message names the line and the reason."""

    exit_code = 3


class PackageError(PalrsHubError):
    """A published package cannot be read or must not be trusted."""

    exit_code = 3


class ManifestError(PackageError):
    """The manifest is absent, malformed or inconsistent with itself."""


class NewerFormatError(ManifestError):
    """The manifest was written in a format version that this palrs-hub does not know."""


class TensorsError(PackageError):
    """The tensors' file is altered, malformed, out of its bounds or not finite."""


class SignatureError(PackageError):
    """A vector is not signed as it was required to be, or cannot be signed."""


class RegistryError(PalrsHubError):
    """A curated registry, an entry of it or its index cannot be read or must not be trusted."""

    exit_code = 3


class ModelError(PalrsHubError):
    """A model cannot be loaded, or its blocks cannot be found and steered safely."""

    exit_code = 4


class ExtractionError(PalrsHubError):
    """No usable vector came out of the pairs."""

    exit_code = 3


class IncompatibleError(PalrsHubError):
    """The compatibility checks refused a vector for a model.

    Attributes:
        findings: Every finding of every check, not only those that refused.
    """

    exit_code = 4

    def __init__(self, message: str, findings: Sequence[Finding] = ()) -> None:
        super().__init__(message)
        self.findings = tuple(findings)


class SteeringError(PalrsHubError):
    """Steering cannot be attached, changed or detached as asked."""

    exit_code = 4


class HubError(PalrsHubError):
    """The Hub refused a request or cannot be reached."""

    exit_code = 5


class NotOnHubError(HubError):
    """The repository, the revision or the file is not on the Hub (or not visible to this token)."""


class HubAccessError(HubError):
    """The repository is gated or private, or the token does not allow the request."""


class HubUnreachableError(HubError):
    """The Hub gave no answer: no network, offline mode, or a server that fails."""


class LocalHubError(PalrsHubError):
    """The embedded Hub's store or its start-up settings are unusable."""

    exit_code = 6


class MissingExtraError(PalrsHubError):
    """An optional dependency is not installed; the message names the extra that brings it."""

    exit_code = 7

    def __init__(self, what: str, extra: str) -> None:
        super().__init__(
            f"{what} needs packages that are not installed. "
            f"Install them with: pip install 'palrs-hub[{extra}]'"
        )
