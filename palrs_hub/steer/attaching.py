"""Attaching: every check first, then the hooks."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from palrs_hub import compatibility
from palrs_hub.compiled import uncompiled
from palrs_hub.errors import SteeringError
from palrs_hub.model_facts import facts_of
from palrs_hub.steer.handle import Steering, suspended
from palrs_hub.steer.rows import doses
from palrs_hub.steer.strength import strength_findings
from palrs_hub.vector import SteeringVector

if TYPE_CHECKING:
    import torch
    from transformers import PreTrainedTokenizerBase

    from palrs_hub.compatibility import Finding, ModelFacts
    from palrs_hub.manifest import Fingerprint
    from palrs_hub.steer.rows import Row


def attach(
    model: torch.nn.Module,
    vectors: SteeringVector | Sequence[SteeringVector],
    coefficient: float | Sequence[float] | None = None,
    *,
    rows: Sequence[int | Row | None] | None = None,
    tokenizer: PreTrainedTokenizerBase | None = None,
    strict: bool = False,
) -> Steering:
    """Check vectors against a loaded model and steer it with them from now on.

    Vectors take effect in their order, and after those that are attached already; within a vector
    the manifest's order holds. Nothing of the model changes but hooks, and ``generate`` while
    something has to know where the prompt ends; ``detach`` takes both away.

    Args:
        model: A transformers model, on any device, in any floating-point type, compiled or not.
        vectors: One vector or several.
        coefficient: Instead of the manifests': one number for all interventions, or one each.
        rows: For each row of the batch the vector that steers it (from 0), a ``Row`` with a
            coefficient of its own, or None to leave it alone; all vectors steer all rows if not
            given. Batches of another size are refused; beams and returned sequences follow the row
            that they come from.
        tokenizer: The model's tokenizer, to have vocabulary and chat template checked too.
        strict: Refuse on warnings as on errors.

    Returns:
        A handle, which is also a context manager that detaches on leaving.

    Raises:
        IncompatibleError: A vector was not made for this model.
        ModelError: The model's blocks cannot be found, or steering them would do nothing.
        SteeringError: Coefficients or rows do not fit the vectors.
    """
    several = (vectors,) if isinstance(vectors, SteeringVector) else tuple(vectors)
    if not several:
        raise SteeringError("Expected at least one vector to attach; found none.")
    given = doses(several, coefficient, rows)
    plain = uncompiled(model)
    findings: list[Finding] = []
    measured: dict[tuple[int, ...], ModelFacts] = {}
    for number, vector in enumerate(several):
        manifest = vector.manifest
        tokens = manifest.base_model.fingerprint.token_ids
        if tokens not in measured:
            with suspended(plain):
                measured[tokens] = facts_of(plain, tokenizer, probe=_probe(several, tokens))
        found = compatibility.check(manifest, measured[tokens])
        found += strength_findings(number, vector, given)
        compatibility.enforce(manifest, measured[tokens], found, strict=strict)
        findings += found
    return Steering(several, plain, given, findings)


def _probe(vectors: Sequence[SteeringVector], tokens: tuple[int, ...]) -> Fingerprint:
    """What to measure in one forward pass for all vectors that were probed on the same text."""
    probes = [vector.manifest.base_model.fingerprint for vector in vectors]
    alike = [probe for probe in probes if probe.token_ids == tokens]
    layers = sorted({layer for probe in alike for layer in probe.layers})
    return alike[0].model_copy(update={"layers": tuple(layers)})
