"""Makes a vector conditional on a prompt's likeness to another vector: CAST (Lee et al. 2024)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

from palrs_hub.errors import UsageError
from palrs_hub.intervention import Condition
from palrs_hub.manifest import Fingerprint, Manifest
from palrs_hub.vector import SteeringVector

if TYPE_CHECKING:
    from palrs_hub.manifest import BaseModelFacts


def conditioned(
    vector: SteeringVector,
    condition: SteeringVector,
    *,
    threshold: float,
    comparison: Literal["above", "below"] = "above",
) -> SteeringVector:
    """A vector that steers a row only if its prompt is, or is not, like another vector.

    What was measured of the vector without the condition is left out of the manifest.

    Args:
        vector: What steers.
        condition: A vector of one intervention, extracted from the same model; its tensor and its
            layer are the condition's. Its operation and its coefficient do not matter.
        threshold: The similarity to compare with, from 0 to 1.
        comparison: Steer where the similarity is ``above`` or where it is ``below``.

    Raises:
        UsageError: The condition has several interventions, is read after a layer that is to be
            steered, or was made from another model; or the threshold is out of its domain.
    """
    changes, asked = vector.manifest.interventions, condition.manifest.interventions
    base = _joined(vector.manifest.base_model, condition.manifest.base_model)
    if len(asked) != 1 or asked[0].layer > min(change.layer for change in changes):
        raise UsageError(
            "Expected a condition of one intervention, at or before the first steered layer "
            f"({min(change.layer for change in changes)}); found "
            f"layers {', '.join(str(change.layer) for change in asked)}."
        )
    if not 0 <= threshold <= 1:
        raise UsageError(f"A similarity is from 0 to 1; found the threshold {threshold}.")
    name = _free_name(vector.manifest)
    when = Condition(
        layer=asked[0].layer, tensor=name, threshold=float(threshold), comparison=comparison
    )
    made = tuple(
        change.model_copy(update={"condition": when, "coefficient_range": None})
        for change in changes
    )
    manifest = vector.manifest.model_copy(
        update={"base_model": base, "interventions": made, "selection": None, "evaluations": ()}
    )
    arrays = {**vector.arrays, name: condition.arrays[asked[0].tensor]}
    return SteeringVector.build(manifest, arrays)


def _joined(one: BaseModelFacts, other: BaseModelFacts) -> BaseModelFacts:
    """One model's facts, with the fingerprints of both at all their layers."""
    known, more = one.fingerprint, other.fingerprint
    alike = one.model_copy(update={"fingerprint": more}) == other
    if not alike or known.token_ids != more.token_ids:
        raise UsageError(
            "Expected a condition from the same model as the vector, at the same commit and in the "
            f"same dtype; they were made from {one.repo_id or one.architecture} and "
            f"{other.repo_id or other.architecture}, or from different loads of it."
        )
    layers = sorted({*known.layers, *more.layers})
    places = [
        (f, f.layers.index(k)) for k in layers for f in [known if k in known.layers else more]
    ]
    joined = Fingerprint(
        token_ids=known.token_ids,
        layers=tuple(layers),
        norms=tuple(f.norms[index] for f, index in places),
        projections=tuple(f.projections[index] for f, index in places),
    )
    return one.model_copy(update={"fingerprint": joined})


def _free_name(manifest: Manifest) -> str:
    taken = manifest.tensor_names
    names = ("condition", *(f"condition_{number}" for number in range(len(taken))))
    return next(name for name in names if name not in taken)
