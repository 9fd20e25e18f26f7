"""Extracting a published vector again, by what its manifest says, and comparing."""

from __future__ import annotations

from dataclasses import dataclass, fields
from typing import TYPE_CHECKING, Final

import numpy as np
from pydantic import TypeAdapter, ValidationError

from palrs_hub.errors import PairsError, UsageError
from palrs_hub.extraction import describe_data, extract
from palrs_hub.methods import METHODS, Switches, TrainedMethod, Training
from palrs_hub.pairs import split_pairs

if TYPE_CHECKING:
    from collections.abc import Sequence

    from transformers import PreTrainedModel, PreTrainedTokenizerBase

    from palrs_hub.pairs import PreferencePair
    from palrs_hub.vector import SteeringVector

SAME: Final = 0.99
"""The least cosine at which a vector counts as reproduced: other kernels round otherwise."""


@dataclass(frozen=True)
class Reproduction:
    """A vector beside the one that was extracted again.

    Attributes:
        cosine: Between the two directions.
        length: Norm of the new one as a share of the published one's.
        identical: Whether every byte of the tensor is the same.
        pairs: How many pairs it was extracted from.
        software: Program to its version at extraction and now, where they differ.
    """

    cosine: float
    length: float
    identical: bool
    pairs: int
    software: dict[str, tuple[str, str]]

    @property
    def holds(self) -> bool:
        """Whether it is the same vector but for rounding."""
        return self.cosine >= SAME and abs(self.length - 1) <= 1 - SAME


def reproduce(
    vector: SteeringVector,
    model: PreTrainedModel,
    tokenizer: PreTrainedTokenizerBase,
    pairs: Sequence[PreferencePair],
    *,
    seed: int = 0,
    batch_size: int | None = None,
    progress: bool = False,
) -> Reproduction:
    """Extract a vector again with its manifest's switches.

    Args:
        vector: A vector of one intervention that palrs-hub extracted.
        model: Its model, which is checked.
        tokenizer: The model's tokenizer.
        pairs: The pairs that it was extracted from, or the whole of which a part was held out.
        seed: The seed with which that part was drawn.
        batch_size: Texts in a batch; the bytes are the same only with that of the extraction.
        progress: Show progress bars.

    Raises:
        UsageError: It was not extracted in a way that can be repeated.
        PairsError: These are not its pairs.
        IncompatibleError: This is not its model.
    """
    manifest = vector.manifest
    if len(manifest.interventions) != 1 or manifest.interventions[0].condition:
        raise UsageError(
            "Only a vector of one intervention without a condition is extracted again."
        )
    (step,) = manifest.interventions
    switches, training = _recorded(manifest.method.name, dict(manifest.method.switches))
    used = used_pairs(vector, pairs, seed=seed)
    with vector.attach(model, tokenizer=tokenizer):
        pass  # only to check that it is the vector's model
    trains = isinstance(METHODS[manifest.method.name], TrainedMethod)
    again = extract(
        model,
        tokenizer,
        used,
        manifest.method.name,
        input_format=switches.input_format,
        positions=switches.positions,
        choice=switches.choice,
        scale=switches.scale,
        drop_last_layers=switches.drop_last_layers,
        training=training,
        layers=(step.layer,) if trains else None,
        batch_size=batch_size,
        progress=progress,
    ).vector(
        position=str(manifest.method.switches["position"]),
        layer=step.layer,
        coefficient=step.coefficient,
        name=manifest.name,
        task=manifest.task.name,
    )
    old = vector.arrays[step.tensor]
    (new,) = again.arrays.values()
    return Reproduction(
        cosine=_cosine(old, new),
        length=float(np.linalg.norm(new.astype(float)) / np.linalg.norm(old.astype(float))),
        identical=old.tobytes() == new.tobytes(),
        pairs=len(used),
        software=_changed(manifest.software, again.manifest.software),
    )


def used_pairs(
    vector: SteeringVector, pairs: Sequence[PreferencePair], *, seed: int = 0
) -> Sequence[PreferencePair]:
    """Those of the pairs that a vector was extracted from, told by the hash in its manifest.

    Raises:
        PairsError: Neither all of them, nor the first, nor what a split by this seed leaves, are.
    """
    data = vector.manifest.data
    candidates: list[Sequence[PreferencePair]] = [pairs]
    if 1 < data.pairs < len(pairs):
        candidates.append(pairs[: data.pairs])
        candidates.append(split_pairs(pairs, validation=len(pairs) - data.pairs, seed=seed)[0])
    for found in candidates:
        if describe_data(found).sha256 == data.sha256:
            return found
    raise PairsError(
        f"{vector.manifest.name!r} was extracted from {data.pairs} pairs of {data.name!r}, whose "
        f"hash is {data.sha256[:12]}. Neither the {len(pairs)} pairs given nor that many of them "
        f"(the first, or split by the seed {seed}) have it. Give the same file, the same --limit "
        "and --seed as at the extraction."
    )


def _recorded(method: str, told: dict[str, object]) -> tuple[Switches, Training | None]:
    """The switches that a manifest names, checked: they are a stranger's."""
    if method not in METHODS or "position" not in told:
        raise UsageError(
            f"The method {method!r} cannot be repeated: it is none of {', '.join(METHODS)}. The "
            "vector was imported, or a newer palrs-hub made it."
        )
    trains = isinstance(METHODS[method], TrainedMethod)
    try:
        return (
            TypeAdapter(Switches).validate_python(_of(Switches, told)),
            TypeAdapter(Training).validate_python(_of(Training, told)) if trains else None,
        )
    except ValidationError as error:
        raise UsageError(
            f"The manifest's switches of {method!r} are not all known or not all there: "
            f"{', '.join(sorted(map(str, told)))}. Use the palrs-hub that made it."
        ) from error


def _of(kind: type[Switches] | type[Training], told: dict[str, object]) -> dict[str, object]:
    return {field.name: told[field.name] for field in fields(kind) if field.name in told}


def _cosine(one: np.ndarray, other: np.ndarray) -> float:
    left, right = one.astype(np.float64), other.astype(np.float64)
    return float(left @ right / (np.linalg.norm(left) * np.linalg.norm(right)))


def _changed(then: dict[str, str], now: dict[str, str]) -> dict[str, tuple[str, str]]:
    names = sorted(set(then) | set(now))
    told = {name: (then.get(name, "none"), now.get(name, "none")) for name in names}
    return {name: versions for name, versions in told.items() if versions[0] != versions[1]}
