"""BiPO: a vector that is optimised on the preference pairs, in both directions at once.

Added, the vector shall make the chosen response likelier and the rejected one less likely than the
unsteered model finds them; subtracted, the other way round. The model is frozen, and is its own
reference. The vector is steered with as it was trained: a coefficient of 1 adds it unscaled.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from palrs_hub.methods.method import Switches, TrainedMethod, Training

if TYPE_CHECKING:
    import torch


def bidirectional_preference_loss(
    chosen: torch.Tensor, rejected: torch.Tensor, sign: torch.Tensor, beta: float
) -> torch.Tensor:
    """Mean of ``-log sigmoid(sign * beta * (chosen - rejected))`` (Cao et al. 2024, eq. 3)."""
    from torch.nn.functional import logsigmoid

    return -logsigmoid(sign * beta * (chosen - rejected)).mean()


BIPO: Final = TrainedMethod(
    name="bipo",
    summary="a vector trained on the pairs by the bidirectional preference objective",
    source="Cao et al. 2024, arXiv 2406.00045",
    preset=Switches(
        input_format="conversation",
        positions="response_mean",
        choice="validation",
        scale="raw",
        drop_last_layers=0.0,
    ),
    objective=bidirectional_preference_loss,
    training=Training(epochs=20, learning_rate=5e-4, beta=0.1, pairs_per_step=4, weight_decay=0.05),
)
