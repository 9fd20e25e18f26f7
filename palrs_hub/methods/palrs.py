"""PaLRS: preference alignment via residual steering, as its paper presets it.

The response alone stands in the user's slot of the chat template; the residual stream is read at
the template's tokens after that slot; the candidate (eq. 3) most aligned with the mean chosen
activation is rescaled to that activation's norm (eq. 4). As in its parent method (Arditi et al.
2024) the last 20 % of the layers are not candidates.
"""

from __future__ import annotations

from typing import Final

from palrs_hub.methods.mean_difference import mean_difference
from palrs_hub.methods.method import ReadMethod, Switches

PALRS: Final = ReadMethod(
    name="palrs",
    summary="difference of means at the template's tokens after the response, scaled to the "
    "mean chosen activation",
    source="La Cava and Tagarelli 2025, arXiv 2509.23982",
    preset=Switches(
        input_format="response_as_user",
        positions="template_suffix",
        choice="alignment",
        scale="mean_chosen_norm",
        drop_last_layers=0.2,
    ),
    direction=mean_difference,
)
