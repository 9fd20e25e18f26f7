"""The selection grid: work shared between cells beside one full run of the model for each cell.

``python -m benchmarks.sweep`` prints one JSON line. Both ways score the same cells, in turns, in
one process; the ratio is that of the medians. The exit code is 1 if they disagree.
"""

from __future__ import annotations

import json
import statistics
import sys
import time
from collections.abc import Callable, Sequence
from typing import Any

import torch
import transformers

from palrs_hub.demo import model_folder, pairs_file
from palrs_hub.demo.domains import DOMAINS
from palrs_hub.evidence import Cell
from palrs_hub.extraction import extract
from palrs_hub.loading import load_model, load_tokenizer
from palrs_hub.pairs import read_pairs
from palrs_hub.selection import STRENGTHS
from palrs_hub.selection.sweep import Sweep
from tests.naive_sweep import naive_sweep

GOAL = 3.0
AGREEMENT = 1e-4
RUNS = 3

Cells = tuple[Cell, list[Cell]]


def main() -> int:
    """Measure both models; the exit code is 1 if the two ways give different cells."""
    tokenizer = load_tokenizer(model_folder())
    found = {
        "demonstration": measure(load_model(model_folder()), tokenizer, pairs=24, neutral=12),
        "llama_20m": measure(_llama(len(tokenizer)), tokenizer, pairs=6, neutral=3, positions=1),
    }
    ratio = min(row["ratio"] for row in found.values())
    line = {
        "row": "sweep",
        "ratio": ratio,
        "goal": GOAL,
        "reached": ratio >= GOAL,
        "threads": torch.get_num_threads(),
        "models": found,
    }
    print(json.dumps(line))
    return int(any(row["difference"] > AGREEMENT for row in found.values()))


def measure(
    model: Any,  # noqa: ANN401
    tokenizer: Any,  # noqa: ANN401
    *,
    pairs: int,
    neutral: int,
    positions: int | None = None,
) -> dict[str, Any]:
    """Time both ways on every layer of a model, at all read positions or at the first few."""
    extraction = extract(model, tokenizer, read_pairs(pairs_file()), choice="validation")
    validation = DOMAINS["sums"].pairs("validation", pairs)
    texts = DOMAINS["sums"].agreed_texts("validation", neutral)
    grid = [
        (position, layer, strength)
        for position in extraction.positions[:positions]
        for layer in extraction.layers
        for strength in STRENGTHS
    ]
    ways: dict[str, Callable[[], Cells]] = {
        "naive": lambda: naive_sweep(model, tokenizer, extraction, validation, texts, grid),
        "shared": lambda: Sweep(model, tokenizer, extraction, validation, texts).run(grid),
    }
    seconds: dict[str, list[float]] = {name: [] for name in ways}
    results: dict[str, Cells] = {}
    for _ in range(RUNS):
        for name, run in ways.items():
            start = time.perf_counter()
            results[name] = run()
            seconds[name].append(time.perf_counter() - start)
    medians = {name: statistics.median(times) for name, times in seconds.items()}
    return {
        "ratio": round(medians["naive"] / medians["shared"], 2),
        "naive_seconds": round(medians["naive"], 3),
        "shared_seconds": round(medians["shared"], 3),
        "cells": len(grid),
        "layers": len(extraction.layers),
        "parameters": sum(parameter.numel() for parameter in model.parameters()),
        "difference": _difference(results["naive"][1], results["shared"][1]),
    }


def _difference(left: Sequence[Cell], right: Sequence[Cell]) -> float:
    """The largest difference of margin or side effect in any cell."""
    return max(
        max(abs(a.margin - b.margin), abs((a.side_effect or 0.0) - (b.side_effect or 0.0)))
        for a, b in zip(left, right, strict=True)
    )


def _llama(vocabulary: int) -> torch.nn.Module:
    """About 20 million random parameters in 12 blocks."""
    torch.manual_seed(0)
    config = transformers.LlamaConfig(
        vocab_size=vocabulary,
        hidden_size=384,
        intermediate_size=1024,
        num_hidden_layers=12,
        num_attention_heads=6,
        max_position_embeddings=256,
    )
    return transformers.LlamaForCausalLM(config).eval()


if __name__ == "__main__":
    sys.exit(main())
