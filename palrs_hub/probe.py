"""One short forward pass that shows what a model computes and whether steering would take effect.

Steering fails in silence when a block never runs, runs
twice (a looped stack), or when the rest of the model does not read what a hook returned. So the
probe runs the same text twice in one batch. One row is only measured; the other's residual stream
is pushed at one extra, last token, and looked for in the input of the next modules that run. So a
model that reads text in both directions is measured as truly as one that reads it from the left.
"""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING, Any

import torch
from torch.nn.modules.module import register_module_forward_pre_hook

from palrs_hub.activations import inference, run_padded
from palrs_hub.blocks import find_blocks, residual_of, with_residual
from palrs_hub.compiled import eagerly, uncompiled
from palrs_hub.errors import ModelError
from palrs_hub.fingerprint import PROBE_TEXT, PROBE_TOKENS, Matrix, summarise

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterator, Sequence

    from transformers import PreTrainedTokenizerBase

    from palrs_hub.blocks import DecoderBlocks
    from palrs_hub.manifest import Fingerprint


def probe_tokens(tokenizer: PreTrainedTokenizerBase) -> tuple[int, ...]:
    """The probe text in a tokenizer's ids, special tokens included."""
    return tuple(tokenizer(PROBE_TEXT)["input_ids"][:PROBE_TOKENS])


def measure_fingerprint(
    model: torch.nn.Module, token_ids: Sequence[int], layers: Collection[int]
) -> Fingerprint:
    """Measure a model's functional fingerprint, and that its blocks can be steered.

    Args:
        model: A transformers model; steering that is attached to it must be suspended.
        token_ids: The probe's tokens.
        layers: The layers to measure.

    Raises:
        ModelError: A block did not run exactly once, does not return the residual stream, or the
            model does not go on with what a hook on it returns; or this process has only a part of
            the blocks.
    """
    found = measure_here(model, token_ids, layers)
    if found is None or len(found.layers) < len(set(layers)):
        raise ModelError(
            f"This process has only a part of the blocks of {type(model).__name__}, which is "
            "spread over a pipeline. Extract and import with the whole model in one process."
        )
    return found


def measure_here(
    model: torch.nn.Module, token_ids: Sequence[int], layers: Collection[int]
) -> Fingerprint | None:
    """Measure the layers that this process computes; None if there is none among those asked for.

    In a pipeline every process has to call it, for the forward pass runs through all of them.

    Args:
        model: A transformers model; steering that is attached to it must be suspended.
        token_ids: The probe's tokens.
        layers: The layers to measure.

    Raises:
        ModelError: As ``measure_fingerprint``, but for missing layers.
    """
    model = uncompiled(model)
    blocks = find_blocks(model)
    probe = _Probe(blocks, tuple(sorted(set(layers) & blocks.local)), len(token_ids) + 1)
    with eagerly(), inference(model), probe.watching():
        run_padded(model, [[*token_ids, token_ids[-1]]] * 2, predicts=False)
    probe.check(model)
    return summarise(token_ids, probe.residuals) if probe.residuals else None


class _Probe:
    def __init__(self, blocks: DecoderBlocks, layers: tuple[int, ...], tokens: int) -> None:
        self.blocks, self.layers, self.tokens = blocks, layers, tokens
        self.residuals: dict[int, Matrix] = {}
        self.calls = dict.fromkeys(layers, 0)
        self.arrived: set[int] = set()
        self.waiting: tuple[int, torch.Tensor] | None = None

    @contextlib.contextmanager
    def watching(self) -> Iterator[None]:
        with contextlib.ExitStack() as stack:
            for layer in self.layers:
                module = self.blocks.modules[layer]
                handle = module.register_forward_hook(self._push(layer), prepend=True)
                stack.callback(handle.remove)
            stack.callback(register_module_forward_pre_hook(self._watch).remove)
            yield

    def _push(self, layer: int) -> Callable[[torch.nn.Module, object, object], object]:
        def hook(module: torch.nn.Module, arguments: object, output: object) -> object:
            hidden = residual_of(output, self.blocks.hidden_size, layer)
            self._check_shape(layer, hidden)
            self.calls[layer] += 1
            self.residuals[layer] = hidden[0, :-1].to("cpu", torch.float64).numpy()
            pushed = hidden.clone()
            # Larger than any rounding, and never the value that was there.
            pushed[1, -1] = -2 * pushed[1, -1] + 1
            self.waiting = (layer, pushed)
            return with_residual(output, pushed)

        return hook

    def _check_shape(self, layer: int, hidden: torch.Tensor) -> None:
        if hidden.shape[:2] != (2, self.tokens):
            raise ModelError(
                f"Block {layer} was given 2 texts of {self.tokens} tokens and returned "
                f"{tuple(hidden.shape)}: its positions are not the texts' tokens. Steering this "
                "architecture is not supported."
            )

    def _watch(self, module: torch.nn.Module, arguments: tuple[Any, ...]) -> None:
        if self.waiting is None or not arguments or not isinstance(arguments[0], torch.Tensor):
            return
        layer, pushed = self.waiting
        seen = arguments[0]
        # A head that comes next may be given the last tokens alone.
        as_wide = seen.dim() == 3 and (len(seen), seen.shape[2]) == (2, pushed.shape[2])
        if as_wide and torch.equal(seen[1, -1].to(pushed), pushed[1, -1]):
            self.arrived.add(layer)
            self.waiting = None

    def check(self, model: torch.nn.Module) -> None:
        name = type(model).__name__
        for layer, calls in self.calls.items():
            if calls == 0:
                raise ModelError(
                    f"Block {layer} of {name} did not run its hooks in a forward pass: steering "
                    "would do nothing."
                )
            if calls > 1:
                raise ModelError(
                    f"Block {layer} of {name} ran {calls} times in one forward pass: steering "
                    "would be added as often. This architecture is not supported."
                )
            if layer not in self.arrived:
                raise ModelError(
                    f"What a hook on block {layer} of {name} returns does not reach the next "
                    "module: steering would do nothing. This architecture is not supported."
                )
