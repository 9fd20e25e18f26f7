"""The selection grid: work shared between cells beside one full run of the model for each cell.

``python -m benchmarks.sweep`` prints one JSON line for each kind of text: responses that are longer
than their prompts (the demonstration's sums, on its own model and on a deeper one) and prompts that
are longer than the responses, as instructions are. Both ways score the same cells of the same
texts, in turns, in one process on one thread; seconds are those of the processor, which a busy
machine does not lengthen, and the ratio is that of the medians. The exit code is 1 if they
disagree.
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
from palrs_hub.pairs import PreferencePair, read_pairs
from palrs_hub.selection import STRENGTHS
from palrs_hub.selection.sweep import Sweep
from tests.naive_sweep import naive_sweep

GOAL = 3.0
AGREEMENT = 1e-4
RUNS = 3
MOST_SHOTS = 6

Cells = tuple[Cell, list[Cell]]


def main() -> int:
    """Measure every kind of text; the exit code is 1 if the two ways give different cells."""
    torch.set_num_threads(1)
    tokenizer = load_tokenizer(model_folder())
    demo, deep = load_model(model_folder()), _llama(len(tokenizer))
    found = [
        measure("sweep", demo, tokenizer, pairs=24, neutral=12),
        measure("sweep_deep", deep, tokenizer, pairs=6, neutral=3, positions=1),
        measure(
            "sweep_long_prompts", deep, tokenizer, pairs=6, neutral=3, positions=1, shots=MOST_SHOTS
        ),
    ]
    return int(any(row["difference"] > AGREEMENT for row in found))


def measure(
    row: str,
    model: Any,  # noqa: ANN401
    tokenizer: Any,  # noqa: ANN401
    *,
    pairs: int,
    neutral: int,
    positions: int | None = None,
    shots: int = 0,
) -> dict[str, Any]:
    """Time both ways on every layer of a model and print the row.

    Args:
        row: Its name.
        model: The model.
        tokenizer: Its tokenizer.
        pairs: Validation pairs.
        neutral: Neutral texts.
        positions: Use only the first so many read positions.
        shots: Worked sums that stand before each prompt.
    """
    extraction = extract(model, tokenizer, read_pairs(pairs_file()), choice="validation")
    worked = DOMAINS["sums"].worked("pairs", MOST_SHOTS)[:shots]
    before = "".join(problem.prompt + problem.careful + "." for problem in worked)
    held_out = DOMAINS["sums"].pairs("validation", pairs)
    validation = [PreferencePair(before + p.prompt, p.chosen, p.rejected) for p in held_out]
    agreed = DOMAINS["sums"].agreed_texts("validation", neutral)
    texts = [(before + prompt, response) for prompt, response in agreed]
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
            start = time.process_time()
            results[name] = run()
            seconds[name].append(time.process_time() - start)
    medians = {name: statistics.median(times) for name, times in seconds.items()}
    ratio = round(medians["naive"] / medians["shared"], 2)
    prompt = tokenizer(validation[0].prompt)["input_ids"]
    line = {
        "row": row,
        "ratio": ratio,
        "goal": GOAL,
        "reached": ratio >= GOAL,
        "ratios": [
            round(a / b, 2) for a, b in zip(seconds["naive"], seconds["shared"], strict=True)
        ],
        "naive_seconds": round(medians["naive"], 3),
        "shared_seconds": round(medians["shared"], 3),
        "cells": len(grid),
        "layers": len(extraction.layers),
        "parameters": sum(parameter.numel() for parameter in model.parameters()),
        "prompt_tokens": len(prompt),
        "response_tokens": len(tokenizer(validation[0].chosen)["input_ids"]),
        "difference": _difference(results["naive"][1], results["shared"][1]),
    }
    print(json.dumps(line), flush=True)
    return line


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
        max_position_embeddings=512,
    )
    return transformers.LlamaForCausalLM(config).eval()


if __name__ == "__main__":
    sys.exit(main())
