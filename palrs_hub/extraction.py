"""Extraction: pairs, a model and a method give candidates and their diagnostics."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any, Final

import numpy as np
from tqdm.auto import tqdm

from palrs_hub.activations import read_moments
from palrs_hub.blocks import find_blocks
from palrs_hub.candidates import Extraction
from palrs_hub.diagnostics import diagnose
from palrs_hub.errors import ExtractionError, UsageError
from palrs_hub.inputs import prepare_pairs
from palrs_hub.manifest import Data
from palrs_hub.methods import METHODS, AnyMethod, ReadMethod, Switches, TrainedMethod, Training
from palrs_hub.model_facts import base_model_facts
from palrs_hub.pairs.pair import PairSet, PreferencePair, content_sha256
from palrs_hub.positions import read_positions
from palrs_hub.steer import suspended
from palrs_hub.training import Trainer

if TYPE_CHECKING:
    from collections.abc import Sequence

    import torch
    from transformers import PreTrainedTokenizerBase

    from palrs_hub.activations import PaddingSide
    from palrs_hub.inputs import InputFormat, PreparedPairs
    from palrs_hub.intervention import Unit
    from palrs_hub.methods import Choice
    from palrs_hub.moments import Array
    from palrs_hub.positions import Positions

MIDDLE: Final = (0.4, 0.5, 0.6)
"""Depths that a trained method tries by default, as shares of the blocks."""

__all__ = ["Extraction", "extract"]


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
    layers: Sequence[int] | None = None,
    training: Training | None = None,
    base_model: str | None = None,
    base_revision: str | None = None,
    batch_size: int | None = None,
    padding_side: PaddingSide = "right",
    progress: bool = False,
) -> Extraction:
    """Find the candidate directions of a model from preference pairs.

    One streaming pass reads the residual stream at all layers and positions; what is read does not
    depend on batch size or padding beyond rounding. A trained method then optimises a direction for
    each layer. Whatever steers the model is suspended meanwhile.

    Args:
        model: A transformers model with a decoder.
        tokenizer: Its tokenizer.
        pairs: Preference pairs, about a hundred.
        method: A name of METHODS. Its paper's switches hold where none is given below.
        input_format: How a pair becomes text.
        positions: Which tokens are read: a name, indices such as ``(-2, -1)``, or indices into a
            part of the text such as ``"response:0,-1"``; see ``palrs_hub.positions``.
        choice: How position and layer will be chosen.
        scale: The vector's norm, which is the unit of its coefficient.
        drop_last_layers: Share of last layers that are not chosen by alignment.
        layers: Layers to find candidates for; by default all, for a trained method those nearest to
            40, 50 and 60 % of the depth.
        training: Settings of a trained method; its own if not given.
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
    found = _method(method)
    switches = _switches(
        found,
        {
            "input_format": input_format,
            "positions": None if positions is None else read_positions(positions).name,
            "choice": choice,
            "scale": scale,
            "drop_last_layers": drop_last_layers,
        },
    )
    settings = _settings(found, training)
    if len(pairs) < 2:
        raise ExtractionError(f"Expected at least 2 pairs, better 100; found {len(pairs)}.")
    wanted = _layers(found, len(find_blocks(model)), layers)
    prepared = prepare_pairs(
        tokenizer, pairs, input_format=switches.input_format, positions=switches.positions
    )
    _check_positions(found, prepared)
    with suspended(model):
        # First what is quick and may refuse: a model that could not be steered afterwards.
        facts = base_model_facts(
            model, tokenizer, wanted, repo_id=base_model, revision=base_revision
        )
        chosen, rejected = read_moments(
            model,
            prepared.chosen,
            prepared.rejected,
            batch_size=batch_size,
            padding_side=padding_side,
            layers=wanted,
            progress=progress,
        )
        match found:
            case ReadMethod(direction=direction):
                raw = direction(chosen, rejected)
            case TrainedMethod(objective=objective):
                trainer = Trainer(model, tokenizer, pairs, objective, settings or found.training)
                raw = _trained(trainer, wanted, progress=progress)
    _check_candidates(raw)
    return Extraction(
        method=method,
        switches=switches,
        positions=prepared.positions,
        layers=wanted,
        candidates=scaled(raw, chosen.mean, switches.scale),
        diagnostics=diagnose(chosen, rejected, raw, prepared.positions, wanted),
        base_model=facts,
        data=describe_data(pairs),
        training=settings,
    )


def _trained(trainer: Trainer, layers: Sequence[int], *, progress: bool) -> Array:
    total = len(layers) * trainer.steps
    with tqdm(total=total, desc="Training", unit="step", disable=not progress) as bar:
        return np.stack([trainer.train(layer, bar) for layer in layers])[None]


def _check_candidates(raw: Array) -> None:
    if not np.linalg.norm(raw, axis=-1).any():
        raise ExtractionError(
            "Chosen and rejected responses give the same activations at every read position. Read "
            "other positions: `--positions response_mean`."
        )


def _method(name: str) -> AnyMethod:
    if name not in METHODS:
        raise UsageError(f"No method {name!r}. Methods: {', '.join(METHODS)}.")
    return METHODS[name]


def _switches(method: AnyMethod, given: dict[str, Any]) -> Switches:
    changes = {name: value for name, value in given.items() if value is not None}
    return replace(method.preset, **changes)


def _settings(method: AnyMethod, given: Training | None) -> Training | None:
    match method:
        case TrainedMethod(training=preset):
            return given or preset
        case ReadMethod(name=name):
            if given is not None:
                raise UsageError(f"The method {name!r} is not trained: leave the settings out.")
            return None


def _layers(method: AnyMethod, blocks: int, given: Sequence[int] | None) -> tuple[int, ...]:
    if given is None:
        if isinstance(method, ReadMethod):
            return tuple(range(blocks))
        # Training costs minutes a layer, and middle layers are where it is known to work.
        return tuple(sorted({int(share * blocks) for share in MIDDLE}))
    if not given or not all(0 <= layer < blocks for layer in given):
        raise UsageError(
            f"No candidate at layers {', '.join(map(str, given)) or 'none'}. This model has "
            f"layers: 0 to {blocks - 1}."
        )
    return tuple(sorted(set(given)))


def _check_positions(method: AnyMethod, prepared: PreparedPairs) -> None:
    if isinstance(method, TrainedMethod) and len(prepared.positions) > 1:
        raise UsageError(
            f"The method {method.name!r} steers with what it trained, wherever activations are "
            f"read for its diagnostics: one position is enough, not {len(prepared.positions)}. Use "
            "'response_mean' or 'last'."
        )


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
