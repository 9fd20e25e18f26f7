"""Extraction: pairs, a model and a method give candidates and their diagnostics."""

from __future__ import annotations

from dataclasses import asdict, replace
from typing import TYPE_CHECKING, Final

import numpy as np
from tqdm.auto import tqdm

from palrs_hub.blocks import find_blocks
from palrs_hub.candidates import Extraction
from palrs_hub.diagnostics import diagnose
from palrs_hub.distributed import ALONE, Team
from palrs_hub.errors import ExtractionError, UsageError
from palrs_hub.manifest import Data
from palrs_hub.methods import ReadMethod, TrainedMethod
from palrs_hub.model_facts import base_model_facts
from palrs_hub.pairs.pair import PairSet, PreferencePair, content_sha256
from palrs_hub.parts import Checkpoint, Part, PartFacts, part_of
from palrs_hub.plan import Plan, check_positions
from palrs_hub.reading import Source, read_share
from palrs_hub.steer import suspended
from palrs_hub.training import Trainer

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    import torch
    from transformers import PreTrainedTokenizerBase

    from palrs_hub.activations import PaddingSide
    from palrs_hub.inputs import InputFormat
    from palrs_hub.intervention import Unit
    from palrs_hub.methods import Choice, Training
    from palrs_hub.moments import Array
    from palrs_hub.positions import Positions

CHECKPOINT_EVERY: Final = 1024

__all__ = ["Extraction", "extract", "from_part", "read_part"]


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
    team: Team = ALONE,
    checkpoint: Path | None = None,
    checkpoint_every: int = CHECKPOINT_EVERY,
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
        batch_size: Rows in a batch; by default as many as a number of tokens hold.
        padding_side: Where to pad.
        team: The processes that share the work, see ``palrs_hub.distributed``; each gets the whole
            result.
        checkpoint: File to keep sums in on the way, and to go on from if it is there.
        checkpoint_every: Pairs after which it is written again.
        progress: Show a progress bar.

    Raises:
        UsageError: No such method, or switches that exclude each other.
        ExtractionError: The pairs, the tokenizer or the activations do not allow it.
        ModelError: The model's blocks cannot be read or could not be steered.
    """
    plan = Plan.made(
        method,
        input_format=input_format,
        positions=positions,
        choice=choice,
        scale=scale,
        drop_last_layers=drop_last_layers,
        training=training,
    )
    trains = isinstance(plan.method, TrainedMethod)
    if trains and team.share.of > 1:
        raise UsageError(f"The method {method!r} trains in one process: start it in one.")
    part, ways = read_part(
        model,
        tokenizer,
        pairs,
        plan,
        layers=layers,
        base_model=base_model,
        base_revision=base_revision,
        batch_size=batch_size,
        padding_side=padding_side,
        team=team,
        checkpoint=checkpoint,
        checkpoint_every=checkpoint_every,
        progress=progress,
    )
    part = replace(part, sums=team.total(part.sums))
    raw = _trained(model, tokenizer, pairs, plan, part.sums.layers, progress) if trains else None
    return replace(_found(part, plan, raw), ways=ways)


def read_part(
    model: torch.nn.Module,
    tokenizer: PreTrainedTokenizerBase,
    pairs: Sequence[PreferencePair],
    plan: Plan,
    *,
    layers: Sequence[int] | None = None,
    base_model: str | None = None,
    base_revision: str | None = None,
    batch_size: int | None = None,
    padding_side: PaddingSide = "right",
    team: Team = ALONE,
    checkpoint: Path | None = None,
    checkpoint_every: int = CHECKPOINT_EVERY,
    progress: bool = False,
) -> tuple[Part, tuple[str, ...]]:
    """Read one share of the pairs; see ``extract`` for the arguments.

    Returns:
        The share's sums, and the names of the ways in which texts were run through the model.
    """
    if len(pairs) < 2:
        raise ExtractionError(f"Expected at least 2 pairs, better 100; found {len(pairs)}.")
    wanted = plan.layers(len(find_blocks(model)), layers)
    source = Source(tokenizer, pairs, plan.switches.input_format, plan.switches.positions)
    names = source.names()
    check_positions(plan.method, names)
    with suspended(model):
        # First what is quick and may refuse: a model that could not be steered afterwards.
        base = base_model_facts(
            model, tokenizer, wanted, repo_id=base_model, revision=base_revision
        )
        facts = PartFacts(
            method=plan.method.name,
            switches=asdict(plan.switches),
            base_model=base,
            data=describe_data(pairs),
            shards=(),
            count=0,
            positions=names,
            layers=wanted,
        )
        team.agree(f"{plan.method.name} {plan.switches} {wanted} {facts.data}")
        found, ways = read_share(
            model,
            source,
            layers=wanted,
            share=team.share,
            keeper=Checkpoint(checkpoint, checkpoint_every, facts) if checkpoint else None,
            batch_size=batch_size,
            padding_side=padding_side,
            progress=progress and team.is_first,
        )
    return part_of(facts, found), ways


def from_part(part: Part) -> Extraction:
    """The candidates that sums over all pairs give.

    Raises:
        ExtractionError: Activations are not finite, or the same in both classes.
        UsageError: The part's method or switches are not known, or it trains its vector.
    """
    return _found(part, Plan.recorded(part.facts.method, part.facts.switches))


def _found(part: Part, plan: Plan, raw: Array | None = None) -> Extraction:
    """The extraction that sums give, with the directions that were trained if any were."""
    facts, names, layers = part.facts, part.sums.positions, part.sums.layers
    chosen, rejected = part.sums.moments()
    if isinstance(plan.method, ReadMethod):
        raw = plan.method.direction(chosen, rejected)
    assert raw is not None
    _check_candidates(raw)
    return Extraction(
        method=facts.method,
        switches=plan.switches,
        positions=names,
        layers=layers,
        candidates=scaled(raw, chosen.mean, plan.switches.scale),
        diagnostics=diagnose(chosen, rejected, raw, names, layers),
        base_model=facts.base_model,
        data=facts.data,
        training=plan.training,
    )


def _trained(
    model: torch.nn.Module,
    tokenizer: PreTrainedTokenizerBase,
    pairs: Sequence[PreferencePair],
    plan: Plan,
    layers: Sequence[int],
    progress: bool,
) -> Array:
    assert isinstance(plan.method, TrainedMethod)
    assert plan.training is not None
    with suspended(model):
        trainer = Trainer(model, tokenizer, pairs, plan.method.objective, plan.training)
        total = len(layers) * trainer.steps
        with tqdm(total=total, desc="Training", unit="step", disable=not progress) as bar:
            return np.stack([trainer.train(layer, bar) for layer in layers])[None]


def _check_candidates(raw: Array) -> None:
    if not np.linalg.norm(raw, axis=-1).any():
        raise ExtractionError(
            "Chosen and rejected responses give the same activations at every read position. Read "
            "other positions: `--positions response_mean`."
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
