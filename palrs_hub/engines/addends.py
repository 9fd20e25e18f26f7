"""What a vector adds at each layer, for engines that can do nothing but add it to every token."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import numpy as np

from palrs_hub.errors import UsageError

if TYPE_CHECKING:
    from palrs_hub.vector import Array, SteeringVector

INSTEAD: Final = (
    "Use instead: the vLLM plugin (`palrs-hub vllm ID`), a control vector for llama.cpp "
    "(`palrs-hub export ID --format gguf`), or attach the vector in transformers."
)


def addends(vector: SteeringVector, coefficient: float | None = None) -> dict[int, Array]:
    """What is added at the output of each steered block, multiplied by its coefficient.

    Args:
        vector: The vector.
        coefficient: One coefficient for all interventions, instead of the vector's own.

    Returns:
        Float32 ``[hidden]`` by layer, in order; interventions at one layer are summed.

    Raises:
        UsageError: An intervention does something else than add to every token, or nothing
            finite is left to add.
    """
    sums: dict[int, np.ndarray[tuple[int], np.dtype[np.float32]]] = {}
    for change in vector.manifest.interventions:
        # Not by palrs_hub.formats, which knows too much for vLLM's plugin to import.
        if beyond := change.beyond_adding:
            raise UsageError(
                f"This vector asks at layer {change.layer} for {beyond}. Engines can only add it, "
                "to every token: it would steer otherwise than it says. Attach it in transformers."
            )
        scale = np.float32(change.coefficient if coefficient is None else coefficient)
        # As the hook multiplies: in float32.
        with np.errstate(over="ignore", invalid="ignore"):
            product = vector.arrays[change.tensor] * scale
            sums[change.layer] = sums.get(change.layer, np.float32(0)) + product
    if bad := [layer for layer, array in sums.items() if not np.isfinite(array).all()]:
        raise UsageError(f"The coefficient leaves nothing finite to add at layer {bad[0]}.")
    if not any(array.any() for array in sums.values()):
        raise UsageError("With this coefficient the vector adds nothing: it would steer nothing.")
    return dict(sorted(sums.items()))
