"""What steering does to text that it should leave alone: perplexity, and divergence of predictions.

A text is scored as it stands, without a chat template, up to a bounded number of tokens.
"""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path
from typing import TYPE_CHECKING, Final

import numpy as np
import torch
from tqdm.auto import tqdm

from palrs_hub.activations import inference, run_padded
from palrs_hub.blocks import text_config
from palrs_hub.bootstrap import resampled
from palrs_hub.errors import TaskFileError, UsageError
from palrs_hub.measured import DIVERGENCE, NEUTRAL, UNSTEERED, Measured
from palrs_hub.tasks.read import read_lines, sha256_of
from palrs_hub.tasks.task import text_of

if TYPE_CHECKING:
    import os
    from collections.abc import Sequence

    from palrs_hub.bootstrap import Indices, Interval
    from palrs_hub.experiment import Experiment
    from palrs_hub.moments import Array

    TokenIds = tuple[int, ...]

MAX_TOKENS: Final = 256
"""Tokens of a text that are scored; what comes after them is left out."""
PERPLEXITY: Final = "perplexity"
_HELD: Final = 2**26
"""Predictions of the unsteered model that are held in memory at once, in numbers."""


def read_texts(file: str | os.PathLike[str], *, limit: int | None = None) -> list[str]:
    """Read neutral texts: JSON lines, each an object with a ``text``; also gzipped.

    Raises:
        TaskFileError: The file cannot be read, or a line holds no text; the message names it.
    """
    texts: list[str] = []
    path = Path(file)
    for number, line in read_lines(path):
        if limit is not None and len(texts) >= limit:
            break
        try:
            record = json.loads(line)
            if not isinstance(record, dict):
                raise TaskFileError(f"expected a JSON object; found {type(record).__name__}")
            texts.append(text_of(record, "text"))
        except (TaskFileError, ValueError, RecursionError) as error:
            raise TaskFileError(
                f'{path.name}, line {number}: expected {{"text": "..."}}: {error}'
            ) from error
    if not texts:
        raise TaskFileError(f"{path.name} holds no texts: expected one JSON object a line.")
    return texts


def measure_side_effects(
    experiment: Experiment,
    file: str | os.PathLike[str],
    *,
    name: str | None = None,
    split: str = "test",
    limit: int | None = None,
) -> tuple[Measured, Measured]:
    """Measure perplexity, and divergence from the unsteered model, on every arm but the prompted.

    Args:
        experiment: The vector on its model.
        file: Neutral texts; see ``read_texts``.
        name: What to call them; by default as the file.
        split: Which split they are.
        limit: Use only the first so many.

    Returns:
        Perplexity over all tokens together, with an interval over the choice of texts; and the mean
        Kullback-Leibler divergence of the next-token predictions, in nats per token.

    Raises:
        TaskFileError: The file holds no texts.
        UsageError: A text has too few tokens to predict one.
    """
    texts = read_texts(file, limit=limit)
    scores = _score(experiment, _encode(experiment, texts))
    settings = experiment.settings(NEUTRAL, prompted=False).model_copy(
        update={"data_sha256": sha256_of(Path(file)), "limit": limit}
    )
    stem = Path(file).name.removesuffix(".gz").removesuffix(".jsonl")
    shared = Measured(name or stem, PERPLEXITY, split, len(texts), False, {}, settings)
    counts = scores.counts
    perplexity = dataclasses.replace(
        shared,
        values={arm: _perplexity(sums, counts) for arm, sums in scores.log_probabilities.items()},
        beyond={
            arm: _interval(sums, scores.log_probabilities[UNSTEERED], counts)
            for arm, sums in scores.log_probabilities.items()
            if arm != UNSTEERED
        },
    )
    divergence = dataclasses.replace(
        shared,
        metric=DIVERGENCE,
        values={arm: float(sums.sum() / counts.sum()) for arm, sums in scores.divergences.items()},
    )
    return perplexity, divergence


@dataclasses.dataclass(frozen=True)
class _Scores:
    """Sums over each text's tokens, in nats, by arm."""

    counts: Array
    log_probabilities: dict[str, Array]
    divergences: dict[str, Array]


def _encode(experiment: Experiment, texts: Sequence[str]) -> list[TokenIds]:
    positions = getattr(text_config(experiment.model), "max_position_embeddings", None)
    most = min(MAX_TOKENS, positions or MAX_TOKENS)
    encoded = []
    for text in texts:
        ids = tuple(experiment.tokenizer(text)["input_ids"])[:most]
        if len(ids) < 2:
            raise UsageError(f"A neutral text needs two tokens or more; found {text!r:.80}.")
        encoded.append(ids)
    return encoded


def _score(experiment: Experiment, texts: Sequence[TokenIds]) -> _Scores:
    vocabulary: int = experiment.model.get_input_embeddings().weight.shape[0]  # type: ignore[operator]
    batch_size = min(experiment.batch_size, max(1, _HELD // (MAX_TOKENS * vocabulary)))
    quiet = dataclasses.replace(experiment, progress=False)
    likely: dict[str, list[float]] = {}
    moved: dict[str, list[float]] = {}
    bar = tqdm(total=len(texts), desc="Neutral text", disable=not experiment.progress)
    with bar:
        for first in range(0, len(texts), batch_size):
            batch = texts[first : first + batch_size]
            for arm, (log_probabilities, divergences) in _score_batch(quiet, batch).items():
                likely.setdefault(arm, []).extend(log_probabilities)
                if arm != UNSTEERED:
                    moved.setdefault(arm, []).extend(divergences)
            bar.update(len(batch))
    return _Scores(
        np.array([len(ids) - 1.0 for ids in texts]),
        {arm: np.array(sums) for arm, sums in likely.items()},
        {arm: np.array(sums) for arm, sums in moved.items()},
    )


def _score_batch(
    experiment: Experiment, batch: Sequence[TokenIds]
) -> dict[str, tuple[list[float], list[float]]]:
    """Log-probability of each text on each arm, and its divergence from the unsteered model."""
    before: list[torch.Tensor] = []

    def measure(instruction: str | None) -> tuple[list[float], list[float]]:
        with inference(experiment.model):
            logits = run_padded(experiment.model, batch).logits  # type: ignore[attr-defined]
            now = [
                row[: len(ids) - 1].to(torch.float32).log_softmax(dim=-1)
                for ids, row in zip(batch, logits, strict=True)
            ]
        if not before:  # the unsteered arm comes first
            before.extend(now)
        likely, moved = [], []
        for ids, was, scores in zip(batch, before, now, strict=True):
            target = torch.tensor(ids[1:], device=scores.device)
            likely.append(float(scores.gather(1, target[:, None]).sum()))
            moved.append(float((was.exp() * (was - scores)).sum()))
        return likely, moved

    return experiment.run(measure, prompted=False)


def _perplexity(sums: Array, counts: Array) -> float:
    return float(np.exp(-sums.sum() / counts.sum()))


def _interval(after: Array, before: Array, counts: Array) -> Interval:
    def difference(rows: Indices) -> Array:
        drawn = counts[rows].sum(axis=1)
        changed, plain = (np.exp(-sums[rows].sum(axis=1) / drawn) for sums in (after, before))
        return np.asarray(changed - plain)

    observed = _perplexity(after, counts) - _perplexity(before, counts)
    return resampled(difference, len(counts), observed)
