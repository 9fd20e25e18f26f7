"""Candidates: a direction for each position and layer, and the vector that one of them becomes."""

from __future__ import annotations

import importlib.metadata
import platform
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Final

import numpy as np

from palrs_hub.errors import ExtractionError, UsageError
from palrs_hub.intervention import Intervention
from palrs_hub.manifest import (
    BaseModelFacts,
    Data,
    Manifest,
    Method,
    Task,
    TensorsFile,
)
from palrs_hub.vector import SteeringVector

if TYPE_CHECKING:
    from collections.abc import Sequence

    from palrs_hub.evidence import Evaluation, LayerDiagnostics, Selection
    from palrs_hub.intervention import Operation, Scope
    from palrs_hub.methods import Switches, Training
    from palrs_hub.moments import Array

_SOFTWARE: Final = ("palrs-hub", "torch", "transformers", "numpy")


@dataclass(frozen=True)
class Extraction:
    """Everything that one pass over the pairs gave: a candidate for each position and layer.

    Attributes:
        method: Name of the method.
        switches: Every switch as it was.
        positions: Names of the read positions.
        layers: The layers that were read.
        candidates: Scaled directions, float64 ``[positions, layers, hidden]``.
        diagnostics: One row for each candidate.
        base_model: The model, fingerprinted at every layer.
        data: The pairs' name and hash.
        training: How the directions were trained, if they were.
        ways: How texts were run through the model, in words.
    """

    method: str
    switches: Switches
    positions: tuple[str, ...]
    layers: tuple[int, ...]
    candidates: Array
    diagnostics: tuple[LayerDiagnostics, ...]
    base_model: BaseModelFacts
    data: Data
    training: Training | None = None
    ways: tuple[str, ...] = ()

    def direction(self, position: str, layer: int) -> Array:
        """One candidate, float64 ``[hidden]``.

        Raises:
            UsageError: There is no such position or layer.
        """
        if position not in self.positions or layer not in self.layers:
            raise UsageError(
                f"No candidate at position {position!r}, layer {layer}. Positions: "
                f"{', '.join(self.positions)}; layers: {self.layers[0]} to {self.layers[-1]}."
            )
        found: Array = self.candidates[self.positions.index(position), self.layers.index(layer)]
        return found

    def most_aligned(self) -> tuple[str, int]:
        """Position and layer of the candidate most aligned with the mean chosen activation.

        PaLRS, eq. 3, among the layers that ``drop_last_layers`` leaves. The paper numbers a block's
        input: its candidates end before the output of the last block.
        """
        blocks, drop = self.base_model.num_blocks, self.switches.drop_last_layers
        allowed = [
            row
            for row in self.diagnostics
            if row.difference_norm > 0 and (not drop or row.layer + 1 < (1 - drop) * blocks)
        ]
        if not allowed:
            raise ExtractionError(
                f"No candidate is left: of {blocks} layers the last {drop:.0%} are not chosen "
                "from. Lower drop_last_layers, or choose by validation."
            )
        best = max(allowed, key=lambda row: row.alignment)
        return best.position, best.layer

    def vector(
        self,
        *,
        position: str,
        layer: int,
        coefficient: float,
        name: str,
        task: str,
        description: str = "",
        license: str = "apache-2.0",
        operation: Operation = "add",
        tokens: Scope = "all",
        selection: Selection | None = None,
        evaluations: Sequence[Evaluation] = (),
    ) -> SteeringVector:
        """Make one candidate a vector that can be saved, attached and pushed.

        Args:
            position: Read position of the candidate.
            layer: Its layer, which is also the one that it steers.
            coefficient: The coefficient to use by default, in units of the scale.
            name: A short name.
            task: What it does, in a word or two to search for.
            description: What it does, in a sentence or two.
            license: An SPDX identifier.
            operation: What is done with it, a name of OPERATIONS.
            tokens: Which tokens are steered.
            selection: How position, layer and coefficient were chosen.
            evaluations: What was measured on a test split.

        Raises:
            UsageError: There is no such candidate, or the selection measured another operation or
                other tokens than these: it adds to all of them.
        """
        if selection is not None and (operation, tokens) != ("add", "all"):
            raise UsageError(
                "Selection measures adding to all tokens; it says nothing of the operation "
                f"{operation!r} on the tokens {tokens}. Give the coefficient without selection."
            )
        direction = self.direction(position, layer)
        tensor = f"layer_{layer}"
        manifest = Manifest(
            name=name,
            task=Task(name=task, description=description),
            license=license,
            base_model=_fingerprinted_at(self.base_model, layer),
            interventions=(
                Intervention(
                    layer=layer,
                    operation=operation,
                    tensor=tensor,
                    coefficient=float(coefficient),
                    coefficient_range=usable_range(selection, position, layer),
                    unit=self.switches.scale,
                    tokens=tokens,
                    condition=None,
                ),
            ),
            method=Method(
                name=self.method,
                switches={
                    **asdict(self.switches),
                    **(asdict(self.training) if self.training else {}),
                    "position": position,
                },
            ),
            data=self.data,
            diagnostics=self.diagnostics,
            selection=selection,
            evaluations=tuple(evaluations),
            software=software_versions(),
            tensors=TensorsFile(sha256="0" * 64),
        )
        return SteeringVector.build(manifest, {tensor: direction.astype(np.float32)})


def software_versions() -> dict[str, str]:
    """Versions of what computed a vector."""
    versions = {name: importlib.metadata.version(name) for name in _SOFTWARE}
    return {"python": platform.python_version(), **versions}


def usable_range(
    selection: Selection | None, position: str, layer: int
) -> tuple[float, float] | None:
    """From 0 to the farthest coefficients at which validation found the vector to help."""
    if selection is None:
        return None
    helpful = [
        cell.coefficient
        for cell in selection.cells
        if (cell.position, cell.layer) == (position, layer) and cell.helps(selection.unsteered)
    ]
    return (min(0.0, *helpful), max(0.0, *helpful)) if helpful else None


def _fingerprinted_at(base: BaseModelFacts, layer: int) -> BaseModelFacts:
    """Of all layers the steered one, and the last: blocks in between could be another model's."""
    whole = base.fingerprint
    kept = sorted({layer, base.num_blocks - 1})
    places = [whole.layers.index(each) for each in kept]
    only = whole.model_copy(
        update={
            "layers": tuple(kept),
            "norms": tuple(whole.norms[place] for place in places),
            "projections": tuple(whole.projections[place] for place in places),
        }
    )
    return base.model_copy(update={"fingerprint": only})
