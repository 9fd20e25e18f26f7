"""SteeringVector: a manifest and its float32 arrays, in memory and as a folder on disk.

Nothing here needs torch: a vector can be read, checked and sent on a machine without it.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
from dataclasses import dataclass, field
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING

import numpy as np

from palrs_hub.card import CARD_FILE, render_card
from palrs_hub.errors import ManifestError, PackageError, TensorsError
from palrs_hub.manifest import (
    MANIFEST_FILE,
    MAX_MANIFEST_BYTES,
    PLOT_FILE,
    TENSORS_FILE,
    Manifest,
    TensorsFile,
    read_manifest,
)
from palrs_hub.package_files import SIGNATURE_FILE, read_bytes, read_signature, write_together
from palrs_hub.plots import selection_plot
from palrs_hub.tensors import MAX_FILE_BYTES, read_tensors, write_tensors

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    import torch
    from transformers import PreTrainedModel, PreTrainedTokenizerBase

    from palrs_hub.hub import PushResult
    from palrs_hub.steer import Steering

Array = np.ndarray[tuple[int], np.dtype[np.float32]]

_HUGE = 1e30


@dataclass(frozen=True, eq=False)
class SteeringVector:
    """A steering vector: what it says of itself, and the numbers.

    Attributes:
        manifest: The checked content of ``steering_config.json``.
        arrays: One finite float32 array of shape ``[hidden_size]`` for each intervention and
            condition, by name; read-only.
        source: ``org/name@commit`` when it came from the Hub, the folder when it came from disk.
        signature: A signature that came with it, which says nothing until it is verified.
    """

    manifest: Manifest
    arrays: Mapping[str, Array]
    source: str | None = None
    signature: bytes | None = field(default=None, repr=False)

    def __post_init__(self) -> None:
        check_arrays(self.manifest, self.arrays)
        for array in self.arrays.values():
            array.flags.writeable = False
        object.__setattr__(self, "arrays", MappingProxyType(dict(self.arrays)))

    def __repr__(self) -> str:
        base = self.manifest.base_model
        layers = ", ".join(str(i.layer) for i in self.manifest.interventions)
        return (
            f"SteeringVector({self.manifest.name!r} for "
            f"{base.repo_id or base.architecture}, layer {layers})"
        )

    @classmethod
    def build(cls, manifest: Manifest, arrays: Mapping[str, Array]) -> SteeringVector:
        """Join a manifest and arrays, recording the hash of the arrays in the manifest."""
        arrays = {name: np.array(array, dtype=np.float32) for name, array in arrays.items()}
        sha256 = hashlib.sha256(write_tensors(arrays)).hexdigest()
        return cls(manifest.model_copy(update={"tensors": TensorsFile(sha256=sha256)}), arrays)

    @classmethod
    def load(cls, folder: str | os.PathLike[str], *, source: str | None = None) -> SteeringVector:
        """Read a package from a folder, trusting nothing in it.

        Raises:
            ManifestError: The manifest is missing or not valid.
            TensorsError: The tensors' file is missing, is not the one that the manifest names by
                its sha256, or holds anything but the finite float32 vectors of the manifest.
        """
        path = Path(folder)
        manifest = read_manifest(
            read_bytes(path / MANIFEST_FILE, MAX_MANIFEST_BYTES, ManifestError)
        )
        data = read_bytes(path / TENSORS_FILE, MAX_FILE_BYTES, TensorsError)
        found = hashlib.sha256(data).hexdigest()
        if found != manifest.tensors.sha256:
            raise TensorsError(
                f"{TENSORS_FILE} should have sha256 {manifest.tensors.sha256}, as its manifest "
                f"says; found {found}. The file was truncated or altered: pull the vector again."
            )
        return cls(
            manifest,
            read_tensors(data),
            source=source or str(path),
            signature=read_signature(path / SIGNATURE_FILE),
        )

    def save_pretrained(self, folder: str | os.PathLike[str], *, card: str | None = None) -> Path:
        """Write the package (card, its picture, manifest, tensors, signature), all or nothing.

        Args:
            folder: Where to write; made if need be.
            card: Text of the card; by default one is made from the manifest.

        Returns:
            The folder.

        Raises:
            PackageError: The folder cannot be written.
        """
        path = Path(folder)
        files = {
            TENSORS_FILE: write_tensors(self.arrays),
            CARD_FILE: (card or render_card(self.manifest)).encode(),
            **pictures(self.manifest),
            **({} if self.signature is None else {SIGNATURE_FILE: self.signature}),
            MANIFEST_FILE: self.manifest.to_json().encode(),
        }
        is_new = not path.exists()
        try:
            path.mkdir(parents=True, exist_ok=True)
            write_together(path, files)
            for name in {PLOT_FILE, SIGNATURE_FILE} - set(files):  # it would be another vector's
                (path / name).unlink(missing_ok=True)
        except OSError as error:
            if is_new:
                with contextlib.suppress(OSError):
                    path.rmdir()
            raise PackageError(f"Cannot write the vector to {path}: {error}") from error
        return path

    @classmethod
    def from_pretrained(
        cls,
        id_or_path: str | os.PathLike[str],
        *,
        revision: str | None = None,
        token: str | bool | None = None,
        cache_dir: str | os.PathLike[str] | None = None,
        local_files_only: bool = False,
        require_signature: str | os.PathLike[str] | None = None,
    ) -> SteeringVector:
        """Load a vector from a folder, or from the Hub by ``org/name`` or ``org/name@revision``.

        Manifest and tensors always come from one commit, which ``source`` names. A vector that the
        curated registry withdrew or superseded is loaded with a ``CuratorWarning``.

        Args:
            id_or_path: A folder that exists, else a repository.
            revision: Branch, tag or commit; the default branch if not given.
            token: As huggingface_hub takes it.
            cache_dir: The Hub cache to use instead of the default one.
            local_files_only: Use the cache alone, ask no server.
            require_signature: Refuse what was not signed by the holder of this public key (a PEM
                file), or by this identity of sigstore (``IDENTITY,https://ISSUER``).

        Raises:
            HubError: The repository cannot be had; subclasses tell why.
            PackageError: What came is not a vector that can be trusted.
            SignatureError: It is not signed as required.
        """
        from palrs_hub.registry import marks

        if os.path.isdir(id_or_path):
            vector = cls.load(id_or_path)
        else:
            from palrs_hub import hub

            pulled = hub.pull(
                os.fspath(id_or_path),
                revision=revision,
                token=token,
                cache_dir=cache_dir,
                local_files_only=local_files_only,
            )
            vector = cls.load(pulled.folder, source=f"{pulled.repo_id}@{pulled.commit}")
        if require_signature is not None:
            from palrs_hub import signing

            signing.verify(vector, require_signature)
        marks.warn_of(vector, offline=local_files_only)
        return vector

    def push_to_hub(
        self,
        repo_id: str,
        *,
        private: bool | None = None,
        revision: str | None = None,
        create_pr: bool = False,
        tag: str | None = None,
        force: bool = False,
        commit_message: str | None = None,
        token: str | bool | None = None,
    ) -> PushResult:
        """Send the package to the Hub in one commit; see ``palrs_hub.hub.push``."""
        from palrs_hub import hub

        return hub.push(
            self,
            repo_id,
            private=private,
            revision=revision,
            create_pr=create_pr,
            tag=tag,
            force=force,
            commit_message=commit_message,
            token=token,
        )

    def attach(
        self,
        model: PreTrainedModel | torch.nn.Module,
        coefficient: float | Sequence[float] | None = None,
        *,
        tokenizer: PreTrainedTokenizerBase | None = None,
        strict: bool = False,
    ) -> Steering:
        """Check this vector against a loaded model and steer it; see ``palrs_hub.steer.attach``."""
        from palrs_hub import steer

        return steer.attach(model, self, coefficient, tokenizer=tokenizer, strict=strict)


def pictures(manifest: Manifest) -> dict[str, bytes]:
    """The files that the card shows, drawn from a manifest and never taken from anybody."""
    if manifest.selection is None or not manifest.selection.cells:
        return {}
    return {PLOT_FILE: selection_plot(manifest).encode()}


def check_arrays(manifest: Manifest, arrays: Mapping[str, Array]) -> None:
    """Check that the arrays are exactly those that the manifest names, and usable.

    Raises:
        TensorsError: A tensor is missing or superfluous, has another shape or dtype, is not
            finite, or is zero (it would steer nothing).
    """
    wanted = manifest.tensor_names
    if wanted != set(arrays):
        raise TensorsError(
            f"The manifest names the tensors {sorted(wanted)}; the file holds {sorted(arrays)}."
        )
    shape = (manifest.base_model.hidden_size,)
    for name, array in arrays.items():
        if array.dtype != np.float32 or array.shape != shape:
            raise TensorsError(
                f"Tensor {name!r} should be float32 of shape {shape}; "
                f"found {array.dtype} of shape {array.shape}."
            )
        if not np.isfinite(array).all():
            raise TensorsError(f"Tensor {name!r} holds NaN or infinite values.")
        if not np.abs(array).max() >= np.finfo(np.float32).tiny:
            raise TensorsError(f"Tensor {name!r} is zero, or as good as: it would steer nothing.")
    for step in manifest.interventions:
        with np.errstate(over="ignore"):  # then it is infinite, and refused
            length = np.linalg.norm(step.coefficient * arrays[step.tensor].astype(np.float64))
        if not length < _HUGE:
            raise TensorsError(
                f"Tensor {step.tensor!r} by its coefficient {step.coefficient:g} is longer than "
                f"{_HUGE:g}: the residual stream would overflow."
            )
