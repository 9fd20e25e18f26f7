"""The last wanted block is spared the work on tokens that nobody reads.

Nothing after it is computed, and within it a token reaches others by its key and value alone. So
its feed-forward network, its queries and what is projected out of its attention need only see the
tokens that are read: a hook picks these from what such a module is given, and another puts the
result in their places, with zeros elsewhere.

Which modules these are is a guess by name (BY_TOKEN), and each model proves it: the block runs a
second time on the first batch, and where what is read is not the same, all is computed as ever.
"""

from __future__ import annotations

import contextlib
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final

import torch
from transformers import Cache

from palrs_hub.activations.agreement import REFUSALS, agree
from palrs_hub.activations.branch_attention import PICKED
from palrs_hub.blocks import residual_of
from palrs_hub.errors import ModelError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

ATTENTION: Final = ("self_attn", "attn", "attention", "self_attention")

BY_TOKEN: Final[Mapping[str, tuple[str, ...]]] = {
    "": ("mlp", "feed_forward", "ffn", "fc1", "fc2"),
    **dict.fromkeys(ATTENTION, ("q_proj", "o_proj", "out_proj", "c_proj", "dense")),
}
"""Modules that work on each token by itself: child of a block ("" itself) -> its own children."""

WORTH: Final = 0.5
"""Share of a batch's cells that is read at most for the picking to be worth it."""


@dataclass
class _Pass:
    """One forward pass.

    Attributes:
        cells: The cells that are read, on a device.
        shape: Rows and tokens of the batch; None before the block was reached.
        picks: Whether modules see only the cells that are read.
        given: What each module that is running was given, before the picking.
    """

    cells: Callable[[torch.device], torch.Tensor]
    shape: torch.Size | None = None
    picks: bool = False
    given: dict[torch.nn.Module, torch.Size] = field(default_factory=dict)


class LastBlock:
    """The last wanted block of a model.

    Args:
        block: The block.
        hidden_size: Width of the residual stream.
        layer: Which one it is.
        tolerance: Relative difference of an activation that is rounding.

    Attributes:
        spared: The modules that are known to work on each token by itself; None before the proof.
    """

    def __init__(
        self, block: torch.nn.Module, hidden_size: int, layer: int, tolerance: float
    ) -> None:
        self._block, self._hidden_size, self._layer = block, hidden_size, layer
        self._tolerance = tolerance
        self.spared: tuple[torch.nn.Module, ...] | None = None
        self._tried: tuple[torch.nn.Module, ...] = ()
        self._pass: _Pass | None = None

    @contextlib.contextmanager
    def hooked(self) -> Iterator[None]:
        """Within, forward passes that were begun are spared what is not read."""
        with contextlib.ExitStack() as stack:
            stack.callback(self.begin, None)
            start = self._block.register_forward_pre_hook(self._start, with_kwargs=True)
            stack.callback(start.remove)
            for module in modules_by_token(self._block):
                # Ours are next to the module: other hooks see whole batches.
                stack.callback(module.register_forward_pre_hook(self._pick).remove)
                stack.callback(module.register_forward_hook(self._place, prepend=True).remove)
            yield

    def begin(self, cells: Callable[[torch.device], torch.Tensor] | None) -> None:
        """Say what the next forward pass reads; None for a pass that is left alone."""
        self._pass = None if cells is None else _Pass(cells)
        PICKED.set(None)

    def proven(
        self,
        arguments: tuple[object, ...],
        named: dict[str, object],
        residual: torch.Tensor,
    ) -> torch.Tensor:
        """The block's residual stream, from a second run with the picking if that is the first one.

        Args:
            arguments: What the block was given.
            named: The same by name.
            residual: What it returned, ``[batch, tokens, hidden]``.
        """
        running = self._pass
        if running is None or self.spared is not None or not self._is_worth(running, residual):
            return residual
        if not len(running.cells(residual.device)):
            return residual  # which would prove nothing
        if any(isinstance(value, Cache) for value in (*arguments, *named.values())):
            return residual  # a second run would find its own tokens remembered
        for tried in _guesses(self._block):
            again = self._again(tried, arguments, named, running, residual)
            if again is not None:
                self.spared = tried
                return again
        self.spared = ()
        return residual

    def _again(
        self,
        tried: tuple[torch.nn.Module, ...],
        arguments: tuple[object, ...],
        named: dict[str, object],
        running: _Pass,
        residual: torch.Tensor,
    ) -> torch.Tensor | None:
        """What the block returns with the picking; None if it is not the same where it is read."""
        self._tried = tried
        _choose(running, True, residual.device)
        try:
            # Not by a call: hooks of others on the block must not run twice.
            output = self._block.forward(*arguments, **named)
            again = residual_of(output, self._hidden_size, self._layer)
            cells = running.cells(residual.device)
            found, expected = (tensor.flatten(0, 1)[cells] for tensor in (again, residual))
            return again if agree(found, expected, self._tolerance) else None
        except REFUSALS:
            return None
        finally:
            _choose(running, False, residual.device)
            running.given.clear()

    def _is_worth(self, running: _Pass, hidden: torch.Tensor) -> bool:
        cells = running.cells(hidden.device)
        return len(cells) <= WORTH * hidden.shape[:2].numel()

    def _start(
        self, module: torch.nn.Module, arguments: tuple[Any, ...], named: dict[str, Any]
    ) -> None:
        running = self._pass
        hidden = arguments[0] if arguments else named.get("hidden_states")
        if running is None or not isinstance(hidden, torch.Tensor) or hidden.dim() != 3:
            return
        running.shape = hidden.shape[:2]
        picks = bool(self.spared) and self._is_worth(running, hidden)
        _choose(running, picks, hidden.device)

    def _pick(self, module: torch.nn.Module, arguments: tuple[Any, ...]) -> tuple[Any, ...] | None:
        running = self._pass
        modules = self._tried if self.spared is None else self.spared
        if running is None or not running.picks or module not in modules or not arguments:
            return None
        given = [value.shape for value in arguments if self._is_of_batch(value)]
        if not given:
            return None
        running.given[module] = given[0]
        return tuple(
            _picked(value, _some(running, value)) if self._is_of_batch(value) else value
            for value in arguments
        )

    def _place(self, module: torch.nn.Module, arguments: object, output: object) -> object:
        running = self._pass
        given = running.given.pop(module, None) if running else None
        if running is None or given is None:
            return None
        if not isinstance(output, torch.Tensor):
            raise ModelError(
                f"{type(module).__name__} of block {self._layer} should return a tensor; it "
                f"returns {type(output).__name__}."
            )
        whole = output.new_zeros(given[:-1].numel(), output.shape[-1])
        whole[_some(running, output)] = output.flatten(0, -2)
        return whole.view(*given[:-1], -1)

    def _is_of_batch(self, value: object) -> bool:
        """Whether something has a row for each cell of the batch."""
        shape = self._pass.shape if self._pass else None
        return (
            shape is not None
            and isinstance(value, torch.Tensor)
            and (value.shape[:-1] == shape or value.shape[:-1] == (shape.numel(),))
        )


def modules_by_token(block: torch.nn.Module) -> tuple[torch.nn.Module, ...]:
    """The modules of a block that BY_TOKEN names."""
    owners = {path: getattr(block, path, None) if path else block for path in BY_TOKEN}
    found = [
        getattr(owner, name, None)
        for path, owner in owners.items()
        if isinstance(owner, torch.nn.Module)
        for name in BY_TOKEN[path]
    ]
    return tuple(module for module in found if isinstance(module, torch.nn.Module))


def _guesses(block: torch.nn.Module) -> Iterator[tuple[torch.nn.Module, ...]]:
    """What to try: all of them, then those that are no part of its attention."""
    everything = modules_by_token(block)
    if everything:
        yield everything
    outside = tuple(m for m in everything if any(m is child for child in block.children()))
    if outside and outside != everything:
        yield outside


def _choose(running: _Pass, picks: bool, device: torch.device) -> None:
    """Say whether the block's modules and its attention see only the cells that are read."""
    running.picks = picks
    PICKED.set(running.cells(device) if picks else None)


def _some(running: _Pass, near: torch.Tensor) -> torch.Tensor:
    """The cells that are read, or one if none is: few modules take nothing at all."""
    cells = running.cells(near.device)
    return cells if len(cells) else cells.new_zeros(1)


def _picked(value: torch.Tensor, cells: torch.Tensor) -> torch.Tensor:
    rows = value.flatten(0, -2)[cells]
    return rows[None] if value.dim() == 3 else rows
