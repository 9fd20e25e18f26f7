"""Greedy generation in batches, as evaluation needs it: fast, repeatable, text in and text out."""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING, Any

import torch
from tqdm.auto import tqdm

from palrs_hub.activations import inference, pad_rows
from palrs_hub.inputs import encode_prompt

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from contextlib import AbstractContextManager

    from transformers import PreTrainedTokenizerBase

    from palrs_hub.pairs.pair import Text


def complete(
    model: Any,  # noqa: ANN401 - transformers types generate() on a mixin
    tokenizer: PreTrainedTokenizerBase,
    prompts: Sequence[Text],
    *,
    max_new_tokens: int,
    batch_size: int = 64,
    around: Callable[[Sequence[int]], AbstractContextManager[None]] | None = None,
    progress: bool = False,
) -> list[str]:
    """Complete prompts greedily.

    Args:
        model: A causal language model of transformers, steered or not.
        tokenizer: Its tokenizer; a chat template is applied where it has one.
        prompts: Strings or conversations.
        max_new_tokens: Where to stop if the model does not.
        batch_size: Prompts in a batch.
        around: Called with the places in ``prompts`` of a batch's rows; the batch is generated
            within what it returns.
        progress: Show a progress bar.

    Returns:
        The completions without the prompts, special tokens removed.
    """
    encoded = [encode_prompt(tokenizer, prompt) for prompt in prompts]
    order = sorted(range(len(encoded)), key=lambda index: len(encoded[index]))
    completions = [""] * len(encoded)
    device = model.get_input_embeddings().weight.device
    bar = tqdm(total=len(order), desc="Generating", unit="prompt", disable=not progress)
    with bar, inference(model):
        for first in range(0, len(order), batch_size):
            rows = order[first : first + batch_size]
            ids, mask = pad_rows([encoded[row] for row in rows], "left")
            with around(rows) if around else contextlib.nullcontext():
                generated = model.generate(
                    input_ids=ids.to(device),
                    attention_mask=mask.to(device),
                    max_new_tokens=max_new_tokens,
                    do_sample=False,
                    pad_token_id=_pad_token(tokenizer),
                )
            for row, new in zip(rows, _new_tokens(generated, ids), strict=True):
                completions[row] = str(tokenizer.decode(new, skip_special_tokens=True))
            bar.update(len(rows))
    return completions


def _new_tokens(generated: torch.Tensor, prompt: torch.Tensor) -> list[list[int]]:
    return [row[prompt.shape[1] :].tolist() for row in generated]


def _pad_token(tokenizer: PreTrainedTokenizerBase) -> int:
    known = (tokenizer.pad_token_id, tokenizer.eos_token_id, 0)
    return next(int(token) for token in known if token is not None)
