"""Steered beside unsteered generation, in turns, on one thread.

``python -m benchmarks.steering`` prints a JSON line for each row. Times are seconds of the
processor; a ratio is the median over the rounds of one way's time by the other's in that round,
with the interval that holds it at 95 %.
"""

from __future__ import annotations

import statistics
import sys
import tempfile
from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any

import torch
import transformers

from benchmarks.rows import (
    in_turns,
    median_interval,
    median_ratio,
    medians,
    not_measured,
    ratios,
    row,
    show,
)
from benchmarks.shapes import LLAMA_30M, read_texts, write_model, write_pairs
from palrs_hub import PreferencePair, Row, SteeringVector, attach, extract
from palrs_hub.engines.baked import bake
from palrs_hub.loading import load_model, load_tokenizer
from palrs_hub.probe import measure_fingerprint

ROUNDS = 25
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
        for line in eager(model, vectors):
            show(line)
        show(compiled(folder / "model", vectors[0]))
        show(baked(folder, vectors[0]))
        show(attaching(model, vectors[0]))
        show(probing(model, vectors[0]))
    for line in on_a_gpu():
        show(line)
    return 0


def eager(model: Model, vectors: list[SteeringVector]) -> list[dict[str, Any]]:
    """``generate`` with one vector, and with eight and a coefficient for each row of the batch.

    One model in turns, for where another of the same weights lies in memory makes 1 or 2 %; and
    unsteered twice in each round, which shows how small a difference the machine can tell.
    """
    rows = [Row(index, coefficient=WEAK * (index + 1) / VECTORS) for index in range(VECTORS)]
    run = generation(model)
    seconds = _warm(
        dict.fromkeys(("unsteered", "one", "eight", "again"), run),
        within={
            "one": lambda: attach(model, vectors[0], WEAK),
            "eight": lambda: attach(model, vectors, rows=rows),
        },
    )
    unsteered = ("unsteered", "again")
    many = "generate, eight vectors and per-row coefficients"
    return [
        _steered("generate, unsteered beside itself", seconds, 1.02, "again", "unsteered"),
        _steered("generate, one vector", seconds, 1.02, "one", *unsteered),
        _steered(many, seconds, 1.05, "eight", *unsteered),
    ]


def compiled(folder: Path, vector: SteeringVector) -> dict[str, Any]:
    """Decoding in one compiled graph with a static cache: two models, one of them steered."""
    models = {name: load_model(str(folder)) for name in ("unsteered", "steered")}
    attach(models["steered"], vector, WEAK)
    ways = {name: generation(model, compiled=True) for name, model in models.items()}
    return _steered("generate, compiled decode", _warm(ways), 1.01)


def baked(folder: Path, vector: SteeringVector) -> dict[str, Any]:
    """A checkpoint with the vector inside its weights beside the one that it was made of.

    Loaded twice, either one first: where a model lies in memory makes 1 or 2 %.
    """
    bake(vector, folder / "model", folder / "baked", coefficient=WEAK)
    places = {"unsteered": folder / "model", "steered": folder / "baked"}
    found: dict[str, list[float]] = {name: [] for name in places}
    for names in (list(places), list(reversed(places))):
        models = {name: load_model(str(places[name])) for name in names}
        ways = {name: generation(models[name]) for name in places}
        for name, seconds in _warm(ways, ROUNDS // 2 + 1).items():
            found[name] += seconds
    return _steered("generate, baked checkpoint", found, 1.005)


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


def _warm(
    ways: dict[str, Callable[[], object]],
    rounds: int = ROUNDS,
    within: Mapping[str, Callable[[], AbstractContextManager[object]]] | None = None,
) -> dict[str, list[float]]:
    for run in set(ways.values()):
        run()
        run()
    return in_turns(ways, rounds, within=within)


def _steered(
    name: str,
    seconds: dict[str, list[float]],
    goal: float,
    one: str = "steered",
    *others: str,
) -> dict[str, Any]:
    others = others or ("unsteered",)
    found = ratios(seconds, one, *others)
    tokens = BATCH * NEW
    return row(
        name,
        statistics.median(found),
        goal,
        interval=[round(end, 3) for end in median_interval(found)],
        rounds=len(found),
        tokens_per_second={
            way: round(tokens / s) for way, s in medians(seconds).items() if way in (one, *others)
        },
    )


if __name__ == "__main__":
    sys.exit(main())
