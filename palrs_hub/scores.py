"""Teacher-forced scores: how likely a model finds responses that are given to it."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import numpy as np
import torch

from palrs_hub.activations import inference, run_padded
from palrs_hub.inputs import encode_response

if TYPE_CHECKING:
    from collections.abc import Sequence

    from transformers import PreTrainedTokenizerBase

    from palrs_hub.inputs import Sample
    from palrs_hub.pairs.pair import PreferencePair, Text

Scores = np.ndarray[Any, np.dtype[np.float64]]


def response_log_probabilities(
    model: torch.nn.Module, samples: Sequence[Sample], *, batch_size: int = 32
) -> tuple[Scores, Scores]:
    """Log-probability of each sample's response, given what stands before it.

    Args:
        model: A causal language model.
        samples: Texts whose only span is the response.
        batch_size: Texts in a batch.

    Returns:
        The sums over the response's tokens, in nats, and the numbers of tokens; ``[samples]``.
    """
    sums = np.zeros(len(samples))
    counts = np.array([float(stop - start) for start, stop in map(predictable, samples)])
    order = sorted(range(len(samples)), key=lambda index: len(samples[index].token_ids))
    with inference(model):
        for first in range(0, len(order), batch_size):
            rows = order[first : first + batch_size]
            batch = [samples[row] for row in rows]
            logits = run_padded(model, [sample.token_ids for sample in batch]).logits  # type: ignore[attr-defined]
            for row, sample, scores in zip(rows, batch, logits, strict=True):
                sums[row] = float(span_log_probability(sample, scores))
    return sums, counts


def encode_pairs(
    tokenizer: PreTrainedTokenizerBase, pairs: Sequence[PreferencePair]
) -> tuple[list[Sample], list[Sample]]:
    """Chosen and rejected responses, each after its prompt, as the model would write them."""
    chosen = [encode_response(tokenizer, pair.prompt, pair.chosen) for pair in pairs]
    rejected = [encode_response(tokenizer, pair.prompt, pair.rejected) for pair in pairs]
    return chosen, rejected


def perplexity(
    model: torch.nn.Module,
    tokenizer: PreTrainedTokenizerBase,
    texts: Sequence[tuple[Text, Text]],
    *,
    batch_size: int = 32,
) -> float:
    """Perplexity of given responses, over all their tokens together.

    Args:
        model: A causal language model.
        tokenizer: Its tokenizer.
        texts: (prompt, response); only the response is counted.
        batch_size: Texts in a batch.
    """
    samples = [encode_response(tokenizer, prompt, response) for prompt, response in texts]
    sums, counts = response_log_probabilities(model, samples, batch_size=batch_size)
    return math.exp(-sums.sum() / counts.sum())


def response_predictions(
    model: torch.nn.Module, samples: Sequence[Sample], *, batch_size: int = 32
) -> torch.Tensor:
    """Next-token log-probabilities at every response token, float32 ``[tokens, vocabulary]``.

    All of them are held in memory: a few hundred tokens are meant, not a corpus.

    Args:
        model: A causal language model.
        samples: Texts whose only span is the response.
        batch_size: Texts in a batch.
    """
    rows = []
    with inference(model):
        for first in range(0, len(samples), batch_size):
            batch = samples[first : first + batch_size]
            logits = run_padded(model, [sample.token_ids for sample in batch]).logits  # type: ignore[attr-defined]
            rows += [_predictions(sample, row) for sample, row in zip(batch, logits, strict=True)]
    return torch.cat(rows)


def mean_divergence(before: torch.Tensor, after: torch.Tensor) -> float:
    """Mean Kullback-Leibler divergence of two sets of predictions, in nats per token."""
    return float((before.exp() * (before - after)).sum(dim=-1).mean())


def predictable(sample: Sample) -> tuple[int, int]:
    """The response's tokens ``(start, stop)``, but for a text's first: nothing stands before it."""
    start, stop = sample.spans[0]
    return max(start, 1), stop


def span_log_probability(sample: Sample, logits: torch.Tensor) -> torch.Tensor:
    """Summed log-probability of a sample's response, a scalar that gradients flow through.

    Args:
        sample: A text whose only span is the response.
        logits: The model's on this text, padded on the right if at all, ``[tokens, vocabulary]``.
    """
    start, stop = predictable(sample)
    target = torch.tensor(sample.token_ids[start:stop], device=logits.device)
    return _predictions(sample, logits).gather(1, target[:, None]).sum()


def _predictions(sample: Sample, logits: torch.Tensor) -> torch.Tensor:
    start, stop = predictable(sample)
    return logits[start - 1 : stop - 1].to(torch.float32).log_softmax(dim=-1)
