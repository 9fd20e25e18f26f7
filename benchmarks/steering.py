"""Steered beside unsteered generation, in turns, on one thread.

``python -m benchmarks.steering`` prints a JSON line for each row. Times are seconds of the
processor; a ratio is the median over the rounds of one way's time by the other's in that round.
"""

from __future__ import annotations

import statistics
import sys
import tempfile
from collections.abc import Callable
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any

import torch
import transformers

from benchmarks.rows import in_turns, median_ratio, medians, not_measured, row, show
from benchmarks.shapes import LLAMA_30M, read_texts, write_model, write_pairs
from palrs_hub import PreferencePair, Row, SteeringVector, attach, extract
from palrs_hub.engines.baked import bake
from palrs_hub.loading import load_model, load_tokenizer
from palrs_hub.probe import measure_fingerprint

ROUNDS = 11
BATCH, PROMPT, NEW = 8, 32, 32
VECTORS = 8
ATTACH_GOAL_MS = 5.0
PROBE_TOKENS = 32
WEAK = 0.005
"""A random model's residual stream is short: more would be warned of."""

Model = Any


def main() -> int:
    """Measure every row."""
    torch.set_num_threads(1)
    transformers.utils.logging.disable_progress_bar()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        write_model(folder / "model", LLAMA_30M)
        write_pairs(folder / "pairs.jsonl", 4)
        model = load_model(str(folder / "model"))
        vectors = _vectors(model, folder)
        for line in eager(folder / "model", vectors):
            show(line)
        show(compiled(folder / "model", vectors[0]))
        show(baked(model, folder, vectors[0]))
        show(attaching(model, vectors[0]))
        show(probing(model, vectors[0]))
    for line in on_a_gpu():
        show(line)
    return 0


def eager(folder: Path, vectors: list[SteeringVector]) -> list[dict[str, Any]]:
    """``generate`` with one vector, and with eight and a coefficient for each row of the batch."""
    models = [load_model(str(folder)) for _ in range(2)]
    rows = [Row(index, coefficient=WEAK * (index + 1) / VECTORS) for index in range(VECTORS)]
    one = _either_way(models, lambda model: attach(model, vectors[0], WEAK))
    eight = _either_way(models, lambda model: attach(model, vectors, rows=rows))
    return [
        _steered("generate, one vector", one, 1.02),
        _steered("generate, eight vectors and per-row coefficients", eight, 1.05),
    ]


def _either_way(
    models: list[Model], steer: Callable[[Model], AbstractContextManager[object]]
) -> dict[str, list[float]]:
    """One of two equal models steered, then the other: where each lies in memory makes 1 or 2 %."""
    found: dict[str, list[float]] = {"unsteered": [], "steered": []}
    for plain, steered in (models, models[::-1]):
        ways = {"unsteered": generation(plain), "steered": generation(steered)}
        with steer(steered):
            for name, seconds in _warm(ways).items():
                found[name] += seconds
    return found


def compiled(folder: Path, vector: SteeringVector) -> dict[str, Any]:
    """Decoding in one compiled graph with a static cache: two models, one of them steered."""
    models = {name: load_model(str(folder)) for name in ("unsteered", "steered")}
    attach(models["steered"], vector, WEAK)
    ways = {name: generation(model, compiled=True) for name, model in models.items()}
    return _steered("generate, compiled decode", _warm(ways), 1.01)


def baked(model: Model, folder: Path, vector: SteeringVector) -> dict[str, Any]:
    """A checkpoint with the vector inside its weights beside the one that it was made of."""
    bake(vector, folder / "model", folder / "baked", coefficient=WEAK)
    ways = {
        "unsteered": generation(model),
        "steered": generation(load_model(str(folder / "baked"))),
    }
    return _steered("generate, baked checkpoint", _warm(ways), 1.005)


def attaching(model: Model, vector: SteeringVector) -> dict[str, Any]:
    """Attach and detach, less the probe's forward pass."""
    tokens = vector.manifest.base_model.fingerprint.token_ids
    ids = torch.tensor([[*tokens, tokens[-1]]] * 2)

    def attach_and_detach() -> None:
        attach(model, vector, WEAK).detach()

    ways = {"attached": attach_and_detach, "forward": forward(model, ids, logits_to_keep=1)}
    seconds = _warm(ways, rounds=41)
    milliseconds = 1e3 * statistics.median(
        a - b for a, b in zip(seconds["attached"], seconds["forward"], strict=True)
    )
    return row(
        "attach and detach besides the probe's forward, by 5 ms",
        milliseconds / ATTACH_GOAL_MS,
        1.0,
        milliseconds=round(milliseconds, 2),
    )


def probing(model: Model, vector: SteeringVector) -> dict[str, Any]:
    """The functional fingerprint beside one forward pass of 32 tokens."""
    fingerprint = vector.manifest.base_model.fingerprint
    ids = torch.arange(3, 3 + PROBE_TOKENS)[None]
    ways = {
        "probe": lambda: measure_fingerprint(model, fingerprint.token_ids, fingerprint.layers),
        "forward": forward(model, ids),
    }
    seconds = _warm(ways, rounds=41)
    return row(
        "fingerprint probe, by a forward of 32 tokens",
        median_ratio(seconds, "probe", "forward"),
        1.0,
        milliseconds={name: round(1e3 * s, 2) for name, s in medians(seconds).items()},
    )


def on_a_gpu() -> list[dict[str, Any]]:
    """What needs a GPU."""
    why = "no GPU was at hand"
    return [
        not_measured("GPU, bf16: extraction, floor", 1.15, why),
        not_measured("GPU, bf16: generate, one vector", 1.02, why),
        not_measured("GPU, bf16: generate, compiled decode with CUDA graphs", 1.01, why),
    ]


def generation(model: Model, *, compiled: bool = False) -> Callable[[], object]:
    """Greedy generation of so many tokens for each row of a batch."""
    chance = torch.Generator().manual_seed(0)
    ids = torch.randint(3, model.config.vocab_size, (BATCH, PROMPT), generator=chance)
    options: dict[str, Any] = {}
    if compiled:
        configuration = transformers.CompileConfig(fullgraph=True, mode="default")
        configuration._compile_all_devices = True  # else on GPUs alone
        options = {"cache_implementation": "static", "compile_config": configuration}
    model.generation_config.eos_token_id = None

    def run() -> object:
        return model.generate(
            input_ids=ids,
            attention_mask=torch.ones_like(ids),
            max_new_tokens=NEW,
            do_sample=False,
            **options,
        )

    return run


def forward(model: Model, ids: torch.Tensor, logits_to_keep: int = 0) -> Callable[[], object]:
    """One forward pass without gradients, with predictions at all tokens or at the last few."""

    def run() -> object:
        with torch.no_grad():
            return model(input_ids=ids, use_cache=False, logits_to_keep=logits_to_keep)

    return run


def _vectors(model: Model, folder: Path) -> list[SteeringVector]:
    """A vector for each of eight blocks."""
    texts = read_texts(folder / "pairs.jsonl")
    extraction = extract(
        model,
        load_tokenizer(str(folder / "model")),
        [PreferencePair(t["prompt"], t["chosen"], t["rejected"]) for t in texts],
        "mean_difference",
        input_format="raw",
        positions="last",
    )
    return [
        extraction.vector(
            position="last", layer=layer, coefficient=WEAK, name=f"v{layer}", task="random"
        )
        for layer in range(1, 1 + VECTORS)
    ]


def _warm(ways: dict[str, Callable[[], object]], rounds: int = ROUNDS) -> dict[str, list[float]]:
    for run in ways.values():
        run()
        run()
    return in_turns(ways, rounds)


def _steered(name: str, seconds: dict[str, list[float]], goal: float) -> dict[str, Any]:
    tokens = BATCH * NEW
    return row(
        name,
        median_ratio(seconds, "steered", "unsteered"),
        goal,
        of_minima=round(min(seconds["steered"]) / min(seconds["unsteered"]), 3),
        tokens_per_second={way: round(tokens / s) for way, s in medians(seconds).items()},
    )


if __name__ == "__main__":
    sys.exit(main())
