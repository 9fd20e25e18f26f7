"""Runs a model from the steered block on, once for many additions at that block's output.

What a block computes does not depend on what is added above it. So a batch of texts runs through
the whole model once, and for the steered runs the blocks up to the steered one only hand out what
they computed then, a copy for each addition. Everything else is the model's own forward pass on the
repeated texts: embeddings, masks, the blocks above, the final norm and the head.
"""

from __future__ import annotations

import contextlib
import inspect
from dataclasses import replace
from typing import TYPE_CHECKING, Final

import torch

from palrs_hub.blocks import find_blocks, residual_of, with_residual

if TYPE_CHECKING:
    from collections.abc import Iterator

    from palrs_hub.selection.batches import Batch

MAX_TOKENS: Final = 2048
MAX_LOGITS: Final = 64 * 1024 * 1024
TOLERANCE: Final = 1e-4


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
        self._keeps = "logits_to_keep" in inspect.signature(forward).parameters

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
        except (AttributeError, KeyError, IndexError, RuntimeError, TypeError, ValueError):
            # A model may miss, in any way, what a skipped block did not leave behind.
            return False
        return torch.allclose(found, expected, rtol=0, atol=TOLERANCE)

    def _from_block(
        self, batch: Batch, outputs: dict[int, object], layer: int, addends: torch.Tensor
    ) -> torch.Tensor:
        hidden = residual_of(outputs[layer], self._blocks.hidden_size, layer)
        steered = hidden[None] + addends[:, None, None].to(hidden)
        output = _only_residual(outputs[layer], steered.flatten(0, 1))
        with contextlib.ExitStack() as stack:
            for block in self._blocks.modules[: layer + 1]:
                stack.enter_context(_answering(block, output))
            return self._logits(batch, len(addends))

    def _whole(
        self, batch: Batch, outputs: dict[int, object], layer: int, addends: torch.Tensor
    ) -> torch.Tensor:
        rows = addends.repeat_interleave(len(batch.indices), dim=0)[:, None]

        def hook(module: torch.nn.Module, arguments: object, output: object) -> object:
            hidden = residual_of(output, self._blocks.hidden_size, layer)
            return with_residual(output, hidden + rows.to(hidden))

        handle = self._blocks.modules[layer].register_forward_hook(hook, prepend=True)
        try:
            return self._logits(batch, len(addends))
        finally:
            handle.remove()

    def _logits(self, batch: Batch, copies: int) -> torch.Tensor:
        """Logits of every prediction in so many copies, ``[copies, predictions, vocabulary]``."""
        arguments: dict[str, object] = {
            "input_ids": batch.token_ids.repeat(copies, 1),
            "attention_mask": batch.mask.repeat(copies, 1),
            "use_cache": False,
        }
        first = int(batch.places.min()) if self._keeps else 0
        if self._keeps:
            arguments["logits_to_keep"] = batch.token_ids.shape[1] - first
        logits = self._model(**arguments).logits
        by_copy = logits.unflatten(0, (copies, len(batch.indices)))
        rows, places = batch.rows.to(logits.device), batch.places.to(logits.device)
        found: torch.Tensor = by_copy[:, rows, places - first].to(torch.float32)
        return found

    def _additions_at_once(self, batch: Batch) -> int:
        rows, width = batch.token_ids.shape
        config = self._model.config.get_text_config(decoder=True)  # type: ignore[union-attr, operator]
        budget = min(MAX_TOKENS, MAX_LOGITS // int(config.vocab_size))
        return max(1, budget // (rows * width))


def _only_residual(output: object, residual: torch.Tensor) -> object:
    """What a block returns, without attention weights and the like, which have other rows now."""
    if not isinstance(output, tuple):
        return residual
    return (residual, *(None if isinstance(o, torch.Tensor) else o for o in output[1:]))


@contextlib.contextmanager
def _answering(module: torch.nn.Module, output: object) -> Iterator[None]:
    """Within, a module computes nothing and returns this."""
    own = module.__dict__.get("forward")

    def forward(*arguments: object, **named: object) -> object:
        return output

    module.__dict__["forward"] = forward
    try:
        yield
    finally:
        if own is None:
            del module.__dict__["forward"]
        else:
            module.__dict__["forward"] = own
