"""Extraction: pairs, a model and a method give candidates, diagnostics, and in the end a vector."""

from __future__ import annotations

import importlib.metadata
import platform
from dataclasses import asdict, dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np

from palrs_hub.activations import read_moments
from palrs_hub.blocks import find_blocks
from palrs_hub.diagnostics import diagnose
from palrs_hub.errors import ExtractionError, UsageError
from palrs_hub.inputs import prepare_pairs
from palrs_hub.manifest import (
    BaseModelFacts,
    Data,
    Intervention,
    Manifest,
    Method,
    Task,
    TensorsFile,
)
from palrs_hub.methods import METHODS, Switches
from palrs_hub.model_facts import base_model_facts
from palrs_hub.pairs.pair import PairSet, PreferencePair, content_sha256
from palrs_hub.steer import suspended
from palrs_hub.vector import SteeringVector

if TYPE_CHECKING:
    from collections.abc import Sequence

    import torch
    from transformers import PreTrainedTokenizerBase

    from palrs_hub.activations import PaddingSide
    from palrs_hub.evidence import Evaluation, LayerDiagnostics, Selection
    from palrs_hub.inputs import InputFormat, Positions
    from palrs_hub.intervention import Operation, Scope, Unit
    from palrs_hub.methods import Choice
    from palrs_hub.moments import Array, Moments

_SOFTWARE = ("palrs-hub", "torch", "transformers", "numpy")


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
    """

    method: str
    switches: Switches
    positions: tuple[str, ...]
    layers: tuple[int, ...]
    candidates: Array
    diagnostics: tuple[LayerDiagnostics, ...]
    base_model: BaseModelFacts
    data: Data

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
                name=self.method, switches={**asdict(self.switches), "position": position}
            ),
            data=self.data,
            diagnostics=self.diagnostics,
            selection=selection,
            evaluations=tuple(evaluations),
            software=software_versions(),
            tensors=TensorsFile(sha256="0" * 64),
        )
        return SteeringVector.build(manifest, {tensor: direction.astype(np.float32)})


def extract(
    model: torch.nn.Module,
    tokenizer: PreTrainedTokenizerBase,
    pairs: Sequence[PreferencePair],
    method: str = "palrs",
    *,
    input_format: InputFormat | None = None,
    positions: Positions | None = None,
    choice: Choice | None = None,
    scale: Unit | None = None,
    drop_last_layers: float | None = None,
    base_model: str | None = None,
    base_revision: str | None = None,
    batch_size: int | None = None,
    padding_side: PaddingSide = "right",
    progress: bool = False,
) -> Extraction:
    """Read a model's residual stream on preference pairs and find the candidate directions.

    One streaming pass reads all layers and positions; the result does not depend on batch size or
    padding beyond rounding. Whatever steers the model is suspended meanwhile.

    Args:
        model: A transformers model with a decoder.
        tokenizer: Its tokenizer.
        pairs: Preference pairs, about a hundred.
        method: A name of METHODS. Its paper's switches hold where none is given below.
        input_format: How a pair becomes text.
        positions: Which tokens are read.
        choice: How position and layer will be chosen.
        scale: The vector's norm, which is the unit of its coefficient.
        drop_last_layers: Share of last layers that are not chosen by alignment.
        base_model: Name on the Hub of a model that was loaded from a folder.
        base_revision: Its commit.
        batch_size: Texts in a batch; by default as many as 4,096 tokens hold.
        padding_side: Where to pad.
        progress: Show a progress bar.

    Raises:
        UsageError: No such method, or switches that exclude each other.
        ExtractionError: The pairs, the tokenizer or the activations do not allow it.
        ModelError: The model's blocks cannot be read or could not be steered.
    """
    switches = _switches(
        method,
        {
            "input_format": input_format,
            "positions": positions,
            "choice": choice,
            "scale": scale,
            "drop_last_layers": drop_last_layers,
        },
    )
    if len(pairs) < 2:
        raise ExtractionError(f"Expected at least 2 pairs, better 100; found {len(pairs)}.")
    prepared = prepare_pairs(
        tokenizer, pairs, input_format=switches.input_format, positions=switches.positions
    )
    layers = tuple(range(len(find_blocks(model))))
    with suspended(model):
        # First what is quick and may refuse: a model that could not be steered afterwards.
        facts = base_model_facts(
            model, tokenizer, layers, repo_id=base_model, revision=base_revision
        )
        chosen, rejected = read_moments(
            model,
            prepared.chosen,
            prepared.rejected,
            batch_size=batch_size,
            padding_side=padding_side,
            progress=progress,
        )
    raw = _candidates(method, chosen, rejected)
    return Extraction(
        method=method,
        switches=switches,
        positions=prepared.positions,
        layers=layers,
        candidates=scaled(raw, chosen.mean, switches.scale),
        diagnostics=diagnose(chosen, rejected, raw, prepared.positions, layers),
        base_model=facts,
        data=describe_data(pairs),
    )


def _candidates(method: str, chosen: Moments, rejected: Moments) -> Array:
    raw = METHODS[method].direction(chosen, rejected)
    if not np.linalg.norm(raw, axis=-1).any():
        raise ExtractionError(
            "Chosen and rejected responses give the same activations at every read position. Read "
            "other positions: `--positions response_mean`."
        )
    return raw


def _switches(method: str, given: dict[str, Any]) -> Switches:
    if method not in METHODS:
        raise UsageError(f"No method {method!r}. Methods: {', '.join(METHODS)}.")
    changes = {name: value for name, value in given.items() if value is not None}
    return replace(METHODS[method].preset, **changes)


def scaled(candidates: Array, mean_chosen: Array, scale: Unit) -> Array:
    """Rescale candidates ``[..., hidden]``: raw, to norm 1, or to the mean chosen norm (eq. 4)."""
    if scale == "raw":
        return candidates
    norms = np.linalg.norm(candidates, axis=-1, keepdims=True)
    unit: Array = candidates / np.where(norms > 0, norms, 1)
    if scale == "unit_norm":
        return unit
    lengthened: Array = unit * np.linalg.norm(mean_chosen, axis=-1, keepdims=True)
    return lengthened


def describe_data(pairs: Sequence[PreferencePair]) -> Data:
    """Name, revision, number and hash of the pairs, for the manifest."""
    known = pairs if isinstance(pairs, PairSet) else PairSet(tuple(pairs))
    return Data(
        name=known.name,
        revision=known.revision,
        pairs=len(known),
        sha256=content_sha256(known),
    )


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
    whole = base.fingerprint
    place = whole.layers.index(layer)
    only = whole.model_copy(
        update={
            "layers": (layer,),
            "norms": (whole.norms[place],),
            "projections": (whole.projections[place],),
        }
    )
    return base.model_copy(update={"fingerprint": only})
