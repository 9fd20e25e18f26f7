"""Reads the residual stream in one streaming pass.

Samples are sorted into batches of similar length, each forward stops after the last block that is
wanted (so no final norm and no lm_head ever run), and only float64 sums are kept: memory does not
depend on the number of samples.
"""

from __future__ import annotations

import contextlib
import inspect
from typing import TYPE_CHECKING, Final, Literal

import numpy as np
import torch
from tqdm.auto import tqdm

from palrs_hub.blocks import DecoderBlocks, find_blocks, residual_of
from palrs_hub.compiled import eagerly, uncompiled
from palrs_hub.errors import ExtractionError, ModelError
from palrs_hub.moments import Moments

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from palrs_hub.inputs import Sample

PaddingSide = Literal["right", "left"]

MAX_SAMPLE_BYTES: Final = 256 * 1024 * 1024
MAX_SAMPLES: Final = 128
DEFAULT_BATCH_TOKENS: Final = 4096


class _Stop(Exception):
    """The last wanted block has been read: not an error, the end of a forward pass."""


def read_moments(
    model: torch.nn.Module,
    chosen: Sequence[Sample],
    rejected: Sequence[Sample],
    *,
    batch_size: int | None = None,
    padding_side: PaddingSide = "right",
    layers: Sequence[int] | None = None,
    progress: bool = False,
) -> tuple[Moments, Moments]:
    """Stream both classes through the model and average their activations.

    Args:
        model: A transformers model, in any floating-point type.
        chosen: Samples of the chosen responses.
        rejected: Samples of the rejected ones, pair by pair.
        batch_size: Texts in a batch; by default as many as fit 4,096 tokens with padding.
        padding_side: Where to pad; the result does not depend on it.
        layers: Layers to read; all by default.
        progress: Show a progress bar.

    Returns:
        Moments of the chosen and of the rejected responses.

    Raises:
        ModelError: The model's blocks cannot be read.
        ExtractionError: Activations are not finite, or a text does not fit the model.
    """
    model = uncompiled(model)
    blocks = find_blocks(model)
    wanted = tuple(range(len(blocks))) if layers is None else tuple(sorted(layers))
    samples = [*chosen, *rejected]
    _check_lengths(model, samples)
    reader = _Reader(blocks, wanted, len(chosen), len(chosen[0].spans))
    order = sorted(range(len(samples)), key=lambda index: len(samples[index].token_ids))
    bar = tqdm(total=len(samples), desc="Reading activations", unit="text", disable=not progress)
    with bar, eagerly(), inference(model), reader.hooked():
        for rows in _batches(order, samples, batch_size):
            reader.start(rows, [samples[row] for row in rows], padding_side)
            with contextlib.suppress(_Stop):
                run_padded(model, [samples[row].token_ids for row in rows], padding_side)
            reader.finish_batch()
            bar.update(len(rows))
    return reader.moments(0), reader.moments(1)


@contextlib.contextmanager
def inference(model: torch.nn.Module) -> Iterator[None]:
    """No gradients and no dropout within; the model's mode is restored after.

    Not ``torch.inference_mode``: buffers that a model updates as it runs (some rotary embeddings)
    would be useless for training from then on.
    """
    training = model.training
    model.eval()
    try:
        with torch.no_grad():
            yield
    finally:
        model.train(training)


def run_padded(
    model: torch.nn.Module, rows: Sequence[Sequence[int]], padding_side: PaddingSide = "right"
) -> object:
    """One forward pass over texts of different lengths, without a cache.

    Args:
        model: A transformers model.
        rows: Token ids, a row a text.
        padding_side: Where shorter rows are filled up; masked either way.

    Returns:
        What the model returns.
    """
    device = _input_device(model)
    ids, mask = pad_rows(rows, padding_side)
    arguments: dict[str, object] = {
        "input_ids": ids.to(device),
        "attention_mask": mask.to(device),
        "use_cache": False,
    }
    if padding_side == "left" and "position_ids" in inspect.signature(model.forward).parameters:
        arguments["position_ids"] = (mask.cumsum(-1) - 1).clamp(min=0).to(device)
    return model(**arguments)


def _input_device(model: torch.nn.Module) -> torch.device:
    weight = getattr(model.get_input_embeddings(), "weight", None)  # type: ignore[operator]
    # Later parts of a pipeline have no embeddings.
    found: torch.device = next(model.parameters()).device if weight is None else weight.device
    return found


def pad_rows(
    rows: Sequence[Sequence[int]], padding_side: PaddingSide
) -> tuple[torch.Tensor, torch.Tensor]:
    """Token ids ``[rows, tokens]`` and their mask; padding is token 0, which every model has."""
    width = max(len(row) for row in rows)
    ids = torch.zeros(len(rows), width, dtype=torch.long)
    mask = torch.zeros(len(rows), width, dtype=torch.long)
    for index, row in enumerate(rows):
        place = slice(0, len(row)) if padding_side == "right" else slice(width - len(row), width)
        ids[index, place] = torch.tensor(row, dtype=torch.long)
        mask[index, place] = 1
    return ids, mask


class _Reader:
    """Float64 sums of both classes, and the samples kept for diagnostics."""

    def __init__(
        self, blocks: DecoderBlocks, layers: tuple[int, ...], pairs: int, positions: int
    ) -> None:
        self.blocks, self.layers, self.pairs = blocks, layers, pairs
        shape = (positions, len(layers), blocks.hidden_size)
        self.sums: list[dict[int, torch.Tensor]] = [{}, {}]
        kept = max(2, min(MAX_SAMPLES, MAX_SAMPLE_BYTES // (8 * int(np.prod(shape)))))
        number = min(pairs, kept)
        # Evenly spaced, for a file may be sorted by topic.
        self.slots = {index * pairs // number: index for index in range(number)}
        self.samples = np.zeros((2, number, *shape), dtype=np.float32)
        self.seen: set[int] = set()

    @contextlib.contextmanager
    def hooked(self) -> Iterator[None]:
        with contextlib.ExitStack() as stack:
            for slot, layer in enumerate(self.layers):
                handle = self.blocks.modules[layer].register_forward_hook(self._hook(slot, layer))
                stack.callback(handle.remove)
            yield

    def start(
        self, rows: Sequence[int], samples: Sequence[Sample], padding_side: PaddingSide
    ) -> None:
        self.rows = rows
        width = max(len(sample.token_ids) for sample in samples)
        weights = torch.zeros(len(samples), len(samples[0].spans), width, dtype=torch.float64)
        for index, sample in enumerate(samples):
            shift = width - len(sample.token_ids) if padding_side == "left" else 0
            for position, (start, stop) in enumerate(sample.spans):
                weights[index, position, start + shift : stop + shift] = 1 / (stop - start)
        self.weights = weights
        self.seen.clear()

    def finish_batch(self) -> None:
        if missing := set(self.layers) - self.seen:
            raise ModelError(
                f"Block {min(missing)} did not run in a forward pass: its residual stream cannot "
                "be read. Is the model compiled? Load it without torch.compile."
            )

    def moments(self, group: int) -> Moments:
        mean = np.stack(
            [self.sums[group][slot].cpu().numpy() / self.pairs for slot in range(len(self.layers))],
            axis=1,
        )
        if not np.isfinite(mean).all():
            bad = np.argwhere(~np.isfinite(mean))[:, 1].min()
            raise ExtractionError(
                f"Activations at layer {self.layers[bad]} are not finite. Load the model in "
                "bfloat16 or float32 (`--dtype`)."
            )
        return Moments(self.pairs, mean, self.samples[group])

    def _hook(self, slot: int, layer: int) -> Callable[[torch.nn.Module, object, object], None]:
        def hook(module: torch.nn.Module, arguments: object, output: object) -> None:
            hidden = residual_of(output, self.blocks.hidden_size, layer)
            self._add(slot, hidden)
            self.seen.add(layer)
            if slot == len(self.layers) - 1:
                raise _Stop

        return hook

    def _add(self, slot: int, hidden: torch.Tensor) -> None:
        if hidden.device.type == "mps":  # has no float64
            hidden = hidden.cpu()
        weights = self.weights.to(hidden.device)
        # Padding that attends to nothing may be NaN, and 0 * NaN would spread it.
        unread = weights.any(dim=1).logical_not().unsqueeze(-1)
        read = weights @ hidden.masked_fill(unread, 0).to(torch.float64)
        first = torch.tensor([row < self.pairs for row in self.rows], device=read.device)
        for group, member in enumerate((first, ~first)):
            total = read[member].sum(dim=0)
            sums = self.sums[group]
            sums[slot] = sums[slot].to(total.device) + total if slot in sums else total
        for index, row in enumerate(self.rows):
            kept = self.slots.get(row % self.pairs)
            if kept is not None:
                group = row // self.pairs
                self.samples[group, kept, :, slot] = read[index].to(torch.float32).cpu().numpy()


def _batches(
    order: Sequence[int], samples: Sequence[Sample], batch_size: int | None
) -> Iterator[list[int]]:
    """Consecutive rows, cut by number of texts or by number of padded tokens."""
    batch: list[int] = []
    for row in order:
        width = len(samples[row].token_ids)
        full = len(batch) >= batch_size if batch_size else (len(batch) + 1) * width > _budget(width)
        if batch and full:
            yield batch
            batch = []
        batch.append(row)
    if batch:
        yield batch


def _budget(width: int) -> int:
    return max(DEFAULT_BATCH_TOKENS, width)


def _check_lengths(model: torch.nn.Module, samples: Sequence[Sample]) -> None:
    config = getattr(model, "config", None)
    limit = getattr(config, "max_position_embeddings", None)
    longest = max(range(len(samples)), key=lambda index: len(samples[index].token_ids))
    length = len(samples[longest].token_ids)
    if isinstance(limit, int) and length > limit:
        raise ExtractionError(
            f"Pair {longest % (len(samples) // 2) + 1} has {length} tokens; the model takes "
            f"{limit}. Shorten or remove it: a text that was cut would be read in the wrong place."
        )
