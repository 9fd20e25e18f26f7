"""One contender in a process of its own: it loads a model, and extracts whenever it is told to.

``python contender.py NAME FOLDER PAIRS`` reads lines from standard input, a batch size and a number
of pairs in each. Each makes it extract once, from the last token at every layer, and answer with a
JSON line: seconds of the processor, seconds of the clock, the peak of memory above what it held
before, and what it found at the middle layer. It imports palrs-hub only to run palrs-hub, so that
it runs in any environment.
"""

from __future__ import annotations

import contextlib
import ctypes
import io
import json
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
import transformers

Texts = list[dict[str, str]]
Sides = list[tuple[str, str]]


def main() -> None:
    """Answer lines until there are no more."""
    name, folder, pairs = sys.argv[1:4]
    torch.set_num_threads(1)
    transformers.logging.set_verbosity_error()
    transformers.utils.logging.disable_progress_bar()
    model = transformers.AutoModelForCausalLM.from_pretrained(folder, dtype="float32").eval()
    tokenizer = transformers.AutoTokenizer.from_pretrained(folder)
    texts = [json.loads(line) for line in Path(pairs).read_text().splitlines()]
    prepare, run = CONTENDERS[name]
    # What a list of pairs takes in memory is the caller's, whoever extracts.
    inputs = prepare(texts)
    _quietly(run, model, tokenizer, inputs[:2], 2)
    print(json.dumps({"ready": name}), flush=True)
    for line in sys.stdin:
        batch_size, number = map(int, line.split())
        ctypes.CDLL(None).malloc_trim(0)  # what was freed before is nobody's
        before = _memory("VmRSS")
        _forget_peak()
        clock, processor = time.perf_counter(), time.process_time()
        found = _quietly(run, model, tokenizer, inputs[:number], batch_size)
        answer = {
            "processor_seconds": time.process_time() - processor,
            "clock_seconds": time.perf_counter() - clock,
            "peak_megabytes": (_memory("VmHWM") - before) / 1024,
            "direction": None if found is None else [float(value) for value in found],
        }
        print(json.dumps(answer), flush=True)


def _quietly(run: Any, *arguments: Any) -> Any:  # noqa: ANN401
    with contextlib.redirect_stdout(io.StringIO()), contextlib.redirect_stderr(io.StringIO()):
        return run(*arguments)


def palrs_hub(model: Any, tokenizer: Any, pairs: list[Any], batch_size: int) -> Any:  # noqa: ANN401
    """The whole of ``extract``: facts of the model, diagnostics and all."""
    from palrs_hub import extract

    extraction = extract(
        model,
        tokenizer,
        pairs,
        "mean_difference",
        input_format="raw",
        positions="last",
        batch_size=batch_size or None,
    )
    return extraction.direction("last", len(extraction.layers) // 2)


def steering_vectors(model: Any, tokenizer: Any, pairs: Sides, batch_size: int) -> Any:  # noqa: ANN401
    """As its documentation calls it."""
    from steering_vectors import train_steering_vector

    vector = train_steering_vector(model, tokenizer, pairs, batch_size=batch_size)
    activations = vector.layer_activations
    return activations[len(activations) // 2]


def repeng(model: Any, tokenizer: Any, pairs: Sides, batch_size: int) -> Any:  # noqa: ANN401
    """As its documentation calls it; it finds directions of norm 1, so none is compared."""
    import numpy as np

    np.float_ = np.float64  # its annotations name a type that NumPy 2 has no more
    from repeng import ControlModel, ControlVector, DatasetEntry

    layers = list(range(1, model.config.num_hidden_layers))
    controlled = ControlModel(model, layers)
    entries = [DatasetEntry(chosen, rejected) for chosen, rejected in pairs]
    ControlVector.train(controlled, tokenizer, entries, batch_size=batch_size)
    controlled.unwrap()


def saklas(model: Any, tokenizer: Any, pairs: Sides, batch_size: int) -> Any:  # noqa: ANN401
    """Its capture of the last token, in batches sorted by length as its own pipeline sorts them."""
    from saklas.core.capture import _ReusablePooledCapture

    layers = model.model.layers
    sides = [tokenizer(side)["input_ids"] for pair in pairs for side in pair]
    order = sorted(range(len(sides)), key=lambda index: len(sides[index]))
    total = torch.zeros(len(layers), model.config.hidden_size, dtype=torch.float64)
    with _ReusablePooledCapture(model, layers, range(len(layers))) as capture:
        for first in range(0, len(order), batch_size):
            rows = order[first : first + batch_size]
            ids, mask = _padded([sides[row] for row in rows])
            found = capture.capture(
                ids, attention_mask=mask, pool_index=mask.sum(1) - 1, promote_pooled=True
            )
            signs = torch.tensor([1.0 if row % 2 == 0 else -1.0 for row in rows])
            for layer, pooled in found.items():
                total[layer] += (signs[:, None] * pooled).sum(0)
    return total[len(layers) // 2] / len(pairs)


def floor(model: Any, tokenizer: Any, rows: list[str], batch_size: int) -> None:  # noqa: ANN401
    """The bare decoder over each pair's unique tokens, ``batch_size`` tokens in a batch at most."""
    rows = [tokenizer(row)["input_ids"] for row in rows]
    rows.sort(key=len)
    with torch.no_grad():
        while rows:
            batch = [rows.pop(0)]
            while rows and (len(batch) + 1) * len(rows[0]) <= batch_size:
                batch.append(rows.pop(0))
            model.model(input_ids=_padded(batch)[0], use_cache=False)


def _pairs(texts: Texts) -> list[Any]:
    from palrs_hub import PreferencePair

    return [PreferencePair(t["prompt"], t["chosen"], t["rejected"]) for t in texts]


def _both(texts: Texts) -> Sides:
    return [(t["prompt"] + t["chosen"], t["prompt"] + t["rejected"]) for t in texts]


def _unique(texts: Texts) -> list[str]:
    return ["".join(text.values()) for text in texts]


CONTENDERS: dict[str, tuple[Callable[[Texts], Any], Callable[..., Any]]] = {
    "palrs-hub": (_pairs, palrs_hub),
    "steering-vectors": (_both, steering_vectors),
    "repeng": (_both, repeng),
    "saklas": (_both, saklas),
    "floor": (_unique, floor),
}


def _padded(rows: list[list[int]]) -> tuple[torch.Tensor, torch.Tensor]:
    width = max(map(len, rows))
    ids = torch.tensor([row + [0] * (width - len(row)) for row in rows])
    mask = torch.tensor([[1] * len(row) + [0] * (width - len(row)) for row in rows])
    return ids, mask


def _memory(field: str) -> int:
    """A figure of this process in kilobytes."""
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith(field))


def _forget_peak() -> None:
    Path("/proc/self/clear_refs").write_text("5")


if __name__ == "__main__":
    main()
