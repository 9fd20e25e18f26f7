"""Runs a model from the steered block on, once for many additions at that block's output.

What a block computes does not depend on what is added above it. So a batch of texts runs through
the whole model once, and for the steered runs the blocks up to the steered one only hand out what
they computed then, a copy for each addition. Everything else is the model's own forward pass on the
repeated texts: embeddings, masks, the blocks above, the final norm and, for the tokens that predict
a response's token, the head.
"""

from __future__ import annotations

import contextlib
import inspect
from dataclasses import replace
from typing import TYPE_CHECKING, Final

import torch

from palrs_hub.blocks import find_blocks, forward_replaced, residual_of, with_residual
from palrs_hub.selection.batches import tokens_at_once

if TYPE_CHECKING:
    from collections.abc import Iterator

    from palrs_hub.selection.batches import Batch

MAX_LOGITS: Final = 64 * 1024 * 1024
TOLERANCE: Final = 1e-4

_MISSED = (AttributeError, KeyError, IndexError, RuntimeError, TypeError, ValueError)
"""A model may miss, in any way, what it was not given in its usual form."""


class Replay:
    """A model that is run on batches with additions at the output of one block.

    Attributes:
        skips: Whether the blocks below are skipped. If not, the whole model runs on every copy of
            the texts, which is right for every architecture and slower.
    """

    def __init__(self, model: torch.nn.Module, layers: tuple[int, ...]) -> None:
        self.skips = True
        self._model, self._layers, self._blocks = model, layers, find_blocks(model)
        forward = getattr(model, "_orig_mod", model).forward
        self._parameters = frozenset(inspect.signature(forward).parameters)
        getter = getattr(model, "get_output_embeddings", None)
        self._head = getter() if callable(getter) else None

    def unsteered(self, batch: Batch) -> tuple[torch.Tensor, dict[int, object]]:
        """Run the whole model.

        Returns:
            Logits of every prediction, float32 ``[predictions, vocabulary]``, and what the blocks
            returned, by layer.
        """
        outputs: dict[int, object] = {}

        def keep(layer: int) -> object:
            def hook(module: torch.nn.Module, arguments: object, output: object) -> None:
                outputs[layer] = output

            return self._blocks.modules[layer].register_forward_hook(hook)

        handles = [keep(layer) for layer in self._layers]
        try:
            logits = self._logits(batch, 1)[0]
        finally:
            for handle in handles:
                handle.remove()  # type: ignore[attr-defined]
        return logits, outputs

    def steered(
        self, batch: Batch, outputs: dict[int, object], layer: int, addends: torch.Tensor
    ) -> Iterator[torch.Tensor]:
        """Run the model with each of several additions at the output of one block.

        Args:
            batch: The texts.
            outputs: What ``unsteered`` returned for them.
            layer: The block.
            addends: ``[additions, hidden]``.

        Yields:
            Logits of every prediction for the next few additions, float32
            ``[additions, predictions, vocabulary]``.
        """
        for few in addends.split(self._additions_at_once(batch)):
            run = self._from_block if self.skips else self._whole
            yield run(batch, outputs, layer, few)

    def shares_rows(self, apart: Batch, together: Batch) -> bool:
        """Whether texts that share rows get the predictions that they get in rows of their own.

        Args:
            apart: Texts, each in a row of its own.
            together: The same texts in the same order, sharing rows.
        """
        if "position_ids" not in self._parameters:
            return False
        expected = self._logits(apart, 1, plain=True)[0, apart.at]
        try:
            found = self._logits(together, 1)[0, together.at]
        except _MISSED:
            return False
        return torch.allclose(found, expected, rtol=0, atol=TOLERANCE)

    def is_exact(self, batch: Batch, addends: dict[int, torch.Tensor]) -> bool:
        """Whether skipping the blocks below gives what the whole model gives, on these texts.

        Blocks that hand each other more than the residual stream are the reason if it does not.

        Args:
            batch: A text or two.
            addends: One addition for each layer, ``[hidden]``.
        """
        _, outputs = self.unsteered(batch)
        expected = {
            layer: self._whole(batch, outputs, layer, addend[None])
            for layer, addend in addends.items()
        }
        # What blocks left behind beside the residual stream must not be right by chance: other
        # text runs in between, and from the top down each run finds the skipped blocks as it left
        # them.
        self._logits(replace(batch, token_ids=batch.token_ids.roll(1, dims=1)), 1)
        return all(
            self._agrees(expected[layer], batch, outputs, layer, addends[layer])
            for layer in sorted(addends, reverse=True)
        )

    def _agrees(
        self,
        expected: torch.Tensor,
        batch: Batch,
        outputs: dict[int, object],
        layer: int,
        addend: torch.Tensor,
    ) -> bool:
        try:
            found = self._from_block(batch, outputs, layer, addend[None])
        except _MISSED:
            return False
        return torch.allclose(found, expected, rtol=0, atol=TOLERANCE)

    def _from_block(
        self, batch: Batch, outputs: dict[int, object], layer: int, addends: torch.Tensor
    ) -> torch.Tensor:
        hidden = residual_of(outputs[layer], self._blocks.hidden_size, layer)
        steered = hidden[None] + addends[:, None, None].to(hidden)
        output = _only_residual(outputs[layer], steered.flatten(0, 1))

        def answer(*arguments: object, **named: object) -> object:
            return output

        with contextlib.ExitStack() as stack:
            for block in self._blocks.modules[: layer + 1]:
                stack.enter_context(forward_replaced(block, answer))
            return self._logits(batch, len(addends))

    def _whole(
        self, batch: Batch, outputs: dict[int, object], layer: int, addends: torch.Tensor
    ) -> torch.Tensor:
        rows = addends.repeat_interleave(len(batch.token_ids), dim=0)[:, None]

        def hook(module: torch.nn.Module, arguments: object, output: object) -> object:
            hidden = residual_of(output, self._blocks.hidden_size, layer)
            return with_residual(output, hidden + rows.to(hidden))

        handle = self._blocks.modules[layer].register_forward_hook(hook, prepend=True)
        try:
            return self._logits(batch, len(addends), plain=True)
        finally:
            handle.remove()

    def _logits(self, batch: Batch, copies: int, *, plain: bool = False) -> torch.Tensor:
        """Logits of every prediction in so many copies, ``[copies, predictions, vocabulary]``.

        Args:
            batch: The texts.
            copies: How often they are run.
            plain: Let the head compute more than is needed, as the model itself has it.
        """
        arguments: dict[str, object] = {
            "input_ids": batch.token_ids.repeat(copies, 1),
            "attention_mask": batch.mask.repeat(copies, 1),
            "use_cache": False,
        }
        if batch.sees is not None and batch.positions is not None:
            arguments["attention_mask"] = self._added_mask(batch.sees).repeat(copies, 1, 1, 1)
            arguments["position_ids"] = batch.positions.repeat(copies, 1)
        if plain or self._head is None:
            return self._picked(batch, copies, arguments)
        with _picking(self._head, batch, copies) as picked:
            logits: torch.Tensor = self._model(**arguments).logits
        if not picked:
            return _pick(logits, batch, copies).to(torch.float32)
        return logits.to(torch.float32)

    def _picked(self, batch: Batch, copies: int, arguments: dict[str, object]) -> torch.Tensor:
        first = 0
        if "logits_to_keep" in self._parameters:
            first = int(batch.places.min())
            arguments["logits_to_keep"] = batch.token_ids.shape[1] - first
        logits = self._model(**arguments).logits
        return _pick(logits, batch, copies, first).to(torch.float32)

    def _added_mask(self, sees: torch.Tensor) -> torch.Tensor:
        """What is added to attention scores: eager attention knows no other form."""
        kind: torch.dtype = self._model.dtype  # type: ignore[assignment]
        lowest = torch.finfo(kind).min
        return torch.zeros(sees.shape, dtype=kind, device=sees.device).masked_fill(~sees, lowest)

    def _additions_at_once(self, batch: Batch) -> int:
        rows, width = batch.token_ids.shape
        config = self._model.config.get_text_config(decoder=True)  # type: ignore[union-attr, operator]
        tokens = tokens_at_once(batch.token_ids.device)
        logits = len(batch.rows) * int(config.vocab_size)
        return max(1, min(tokens // (rows * width), MAX_LOGITS // logits))


@contextlib.contextmanager
def _picking(head: torch.nn.Module, batch: Batch, copies: int) -> Iterator[list[bool]]:
    """Within, a head only sees the tokens that predict; the list tells whether it did."""
    picked: list[bool] = []

    def hook(module: torch.nn.Module, arguments: tuple[object, ...]) -> tuple[object, ...] | None:
        hidden = arguments[0] if arguments else None
        rows, width = batch.token_ids.shape
        if not isinstance(hidden, torch.Tensor) or hidden.shape[:2] != (copies * rows, width):
            return None
        picked.append(True)
        return (_pick(hidden, batch, copies), *arguments[1:])

    handle = head.register_forward_pre_hook(hook)
    try:
        yield picked
    finally:
        handle.remove()


def _pick(states: torch.Tensor, batch: Batch, copies: int, first: int = 0) -> torch.Tensor:
    """Of ``[copies * rows, tokens from first, ...]`` those at predictions, ``[copies, ...]``."""
    by_copy = states.unflatten(0, (copies, len(batch.token_ids)))
    rows, places = batch.rows.to(states.device), batch.places.to(states.device)
    found: torch.Tensor = by_copy[:, rows, places - first]
    return found


def _only_residual(output: object, residual: torch.Tensor) -> object:
    """What a block returns, without attention weights and the like, which have other rows now."""
    if not isinstance(output, tuple):
        return residual
    return (residual, *(None if isinstance(o, torch.Tensor) else o for o in output[1:]))
