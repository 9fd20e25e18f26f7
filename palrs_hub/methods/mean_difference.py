"""Mean difference: the mean chosen activation minus the mean rejected one."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from palrs_hub.methods.method import ReadMethod, Switches

if TYPE_CHECKING:
    from palrs_hub.moments import Array, Moments


def mean_difference(chosen: Moments, rejected: Moments) -> Array:
    """The difference of the means, for each position and layer (PaLRS, step 4 of the method)."""
    return chosen.mean - rejected.mean


MEAN_DIFFERENCE: Final = ReadMethod(
    name="mean_difference",
    summary="difference of means over the response's tokens, in the conversation it belongs to",
    source="Panickssery et al. 2024, arXiv 2312.06681",
    preset=Switches(
        input_format="conversation",
        positions="response_mean",
        choice="validation",
        scale="raw",
        drop_last_layers=0.0,
    ),
    direction=mean_difference,
)
