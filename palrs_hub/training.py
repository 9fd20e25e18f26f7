"""Optimises a vector at one block's output on preference pairs; the model stays as it is.

The vector is float32 whatever the model's type, and the only thing that has a gradient: nothing is
stored for the blocks below it. Where gradient checkpointing is enabled, the blocks above it are
computed again in the backward pass instead of being stored. The model stays in evaluation mode, so
that dropout makes no noise in the comparison with the unsteered model.
"""

from __future__ import annotations

import contextlib
import math
from typing import TYPE_CHECKING, Final, NoReturn

import numpy as np
import torch
from torch.utils.checkpoint import checkpoint

from palrs_hub.activations import run_padded
from palrs_hub.blocks import find_blocks, forward_replaced, residual_of, with_residual
from palrs_hub.errors import ExtractionError
from palrs_hub.scores import encode_pairs, response_log_probabilities, span_log_probability

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from tqdm import tqdm
    from transformers import PreTrainedTokenizerBase

    from palrs_hub.blocks import DecoderBlocks
    from palrs_hub.methods import Objective, Training
    from palrs_hub.moments import Array
    from palrs_hub.pairs.pair import PreferencePair

WARM_UP: Final = 0.1
"""Share of the steps during which the learning rate rises."""


class Trainer:
    """Trains vectors for one model and one set of pairs, layer by layer.

    Args:
        model: A causal language model; whatever steers it is suspended by the caller.
        tokenizer: Its tokenizer.
        pairs: Preference pairs.
        objective: What is minimised.
        training: The settings.
    """

    def __init__(
        self,
        model: torch.nn.Module,
        tokenizer: PreTrainedTokenizerBase,
        pairs: Sequence[PreferencePair],
        objective: Objective,
        training: Training,
    ) -> None:
        self._model, self._objective, self._training = model, objective, training
        self._blocks = find_blocks(model)
        self._chosen, self._rejected = encode_pairs(tokenizer, pairs)
        texts = [*self._chosen, *self._rejected]
        # Under the frozen model itself: there is no second copy of it.
        sums, _ = response_log_probabilities(model, texts, batch_size=2 * training.pairs_per_step)
        self._reference = torch.tensor(sums, dtype=torch.float32).unflatten(0, (2, len(pairs)))

    @property
    def steps(self) -> int:
        """Number of steps for one layer."""
        return self._training.epochs * math.ceil(len(self._chosen) / self._training.pairs_per_step)

    def train(self, layer: int, bar: tqdm[NoReturn] | None = None) -> Array:
        """Train the vector of one layer, from zero; the same for the same seed.

        Args:
            layer: The block at whose output it is added, to every token.
            bar: A progress bar to move by ``steps``.

        Returns:
            The vector, float64 ``[hidden]``.

        Raises:
            ExtractionError: The gradient is not finite, or does not reach the vector.
        """
        device = self._model.get_input_embeddings().weight.device  # type: ignore[operator]
        vector = torch.zeros(self._blocks.hidden_size, device=device, requires_grad=True)
        settings = self._training
        optimizer = torch.optim.AdamW(
            [vector], lr=settings.learning_rate, weight_decay=settings.weight_decay
        )
        schedule = torch.optim.lr_scheduler.LambdaLR(optimizer, _schedule(self.steps))
        with _frozen(self._model), _checkpointed(self._model, self._blocks, layer):
            for rows, signs in self._draws():
                optimizer.zero_grad()
                self._loss(vector, layer, rows, signs).backward()
                _check(vector.grad, layer)
                optimizer.step()
                schedule.step()
                if bar is not None:
                    bar.update()
        found: Array = vector.detach().cpu().numpy().astype(np.float64)
        return found

    def _draws(self) -> Iterator[tuple[list[int], torch.Tensor]]:
        """The pairs of every step, each with a sign of its own."""
        generator = torch.Generator().manual_seed(self._training.seed)
        for _ in range(self._training.epochs):
            order = torch.randperm(len(self._chosen), generator=generator)
            for rows in order.split(self._training.pairs_per_step):
                signs = torch.randint(0, 2, (len(rows),), generator=generator) * 2.0 - 1
                yield rows.tolist(), signs

    def _loss(
        self, vector: torch.Tensor, layer: int, rows: Sequence[int], signs: torch.Tensor
    ) -> torch.Tensor:
        texts = [side[row] for side in (self._chosen, self._rejected) for row in rows]
        # One row of addends a text: chosen and rejected responses of a pair share their sign.
        addends = signs.repeat(2).to(vector.device)[:, None, None] * vector
        with _adding(self._blocks, layer, addends):
            logits = run_padded(self._model, [text.token_ids for text in texts]).logits  # type: ignore[attr-defined]
        scored = [span_log_probability(text, row) for text, row in zip(texts, logits, strict=True)]
        after = torch.stack(scored).unflatten(0, (2, len(rows)))
        ratios = after - self._reference[:, rows].to(after.device)
        return self._objective(ratios[0], ratios[1], signs.to(after.device), self._training.beta)


@contextlib.contextmanager
def _adding(blocks: DecoderBlocks, layer: int, addends: torch.Tensor) -> Iterator[None]:
    def hook(module: torch.nn.Module, arguments: object, output: object) -> object:
        hidden = residual_of(output, blocks.hidden_size, layer)
        return with_residual(output, hidden + addends.to(hidden))

    handle = blocks.modules[layer].register_forward_hook(hook, prepend=True)
    try:
        yield
    finally:
        handle.remove()


@contextlib.contextmanager
def _frozen(model: torch.nn.Module) -> Iterator[None]:
    """Within, no parameter has a gradient and the model is in evaluation mode."""
    training = model.training
    wanted = [parameter for parameter in model.parameters() if parameter.requires_grad]
    model.eval()
    try:
        for parameter in wanted:
            parameter.requires_grad_(False)
        with torch.enable_grad():
            yield
    finally:
        for parameter in wanted:
            parameter.requires_grad_(True)
        model.train(training)


@contextlib.contextmanager
def _checkpointed(model: torch.nn.Module, blocks: DecoderBlocks, layer: int) -> Iterator[None]:
    """Within, the blocks above a layer store nothing, if the model has checkpointing enabled.

    transformers checkpoints in training mode alone, which would switch dropout on; and, in its
    older way, gives no gradient to what is not an argument of a block.
    """
    # The property that tells has another name in each version of transformers; the mark has not.
    enabled = any(getattr(module, "gradient_checkpointing", False) for module in model.modules())
    with contextlib.ExitStack() as stack:
        if enabled:
            for block in blocks.modules[layer + 1 :]:
                stack.enter_context(_recomputed(block))
        yield


def _recomputed(module: torch.nn.Module) -> contextlib.AbstractContextManager[None]:
    compute = module.forward

    def forward(*arguments: object, **named: object) -> object:
        return checkpoint(compute, *arguments, use_reentrant=False, **named)  # type: ignore[arg-type]

    return forward_replaced(module, forward)


def _schedule(steps: int) -> Callable[[int], float]:
    rising = max(1, round(WARM_UP * steps))

    def share(step: int) -> float:
        if step < rising:
            return (step + 1) / rising
        return 0.5 + 0.5 * math.cos(math.pi * (step - rising) / max(1, steps - rising))

    return share


def _check(gradient: torch.Tensor | None, layer: int) -> None:
    if gradient is None:
        raise ExtractionError(
            f"No gradient reaches a vector at layer {layer}: this model cannot be trained through. "
            "Load it without quantisation and torch.compile, or use a method that reads "
            "activations."
        )
    if not torch.isfinite(gradient).all():
        raise ExtractionError(
            f"The gradient at layer {layer} is not finite. Load the model in bfloat16 or float32 "
            "(`--dtype`), or lower the learning rate."
        )
