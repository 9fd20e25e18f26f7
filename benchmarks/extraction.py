"""Extraction beside its peers and beside the floor, in turns, on one thread.

``python -m benchmarks.extraction`` prints JSON lines. Times are seconds of the processor, which on
one thread and an idle machine are those of the clock; each is the least of the rounds.
"""

from __future__ import annotations

import contextlib
import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.peers import PEERS, ROOT, python_of
from benchmarks.rows import row, show
from benchmarks.shapes import LLAMA_30M, LLAMA_37M, LLAMA_TINY, write_model, write_pairs

ROUNDS = 4
CASES = ((LLAMA_30M, 48), (LLAMA_37M, 100))
FLOOR_TOKENS = (1, 512)
AGREEMENT = 1e-4

Key = tuple[str, int]
Answer = dict[str, Any]


class Contender:
    """A process that extracts when it is told to."""

    def __init__(self, name: str, model: Path, pairs: Path) -> None:
        python = python_of(name) if name in PEERS else Path(sys.executable)
        script = ROOT / "benchmarks" / "contender.py"
        path = {"PYTHONPATH": str(ROOT)} if name == "palrs-hub" else {}
        self._process = subprocess.Popen(
            [str(python), str(script), name, str(model), str(pairs)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
            env={**os.environ, "OMP_NUM_THREADS": "1", "HF_HUB_OFFLINE": "1", **path},
        )
        self._answer()

    def run(self, batch_size: int, pairs: int) -> Answer:
        """Extract once, from so many of the pairs."""
        assert self._process.stdin is not None
        self._process.stdin.write(f"{batch_size} {pairs}\n")
        self._process.stdin.flush()
        return self._answer()

    def stop(self) -> None:
        """End the process."""
        self._process.kill()
        self._process.wait()

    def _answer(self) -> Answer:
        assert self._process.stdout is not None
        line = self._process.stdout.readline()
        if not line:
            raise SystemExit(f"{self._process.args} ended without an answer")
        return dict(json.loads(line))


def main() -> int:
    """Measure; the exit code is 1 if a peer that keeps magnitudes found another direction."""
    agree = True
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        for shape, pairs in CASES:
            write_model(folder / "model", shape)
            found = measure(folder / "model", folder, pairs, shape.vocabulary)
            agree &= _agreement(found) < AGREEMENT
            for line in rows(found, f"{pairs} pairs, {shape.name}"):
                show(line)
        show(flat(folder))
    return int(not agree)


def measure(model: Path, folder: Path, pairs: int, vocabulary: int) -> dict[Key, list[Answer]]:
    """Every contender at every batch size, in turns."""
    file = folder / f"pairs-{pairs}.jsonl"
    write_pairs(file, pairs, vocabulary)
    keys: list[Key] = [("palrs-hub", 0), *(("floor", tokens) for tokens in FLOOR_TOKENS)]
    keys += [(name, size) for name, peer in PEERS.items() for size in peer.batch_sizes]
    with _started({name for name, _ in keys}, model, file) as contenders:
        found: dict[Key, list[Answer]] = {key: [] for key in keys}
        for _ in range(ROUNDS):
            for name, size in keys:
                found[name, size].append(contenders[name].run(size, pairs))
    return found


def rows(found: dict[Key, list[Answer]], case: str) -> Iterator[dict[str, Any]]:
    """One row for each goal."""
    seconds = {
        key: min(answer["processor_seconds"] for answer in answers)
        for key, answers in found.items()
    }
    ours = seconds["palrs-hub", 0]
    best = {name: min(s for key, s in seconds.items() if key[0] == name) for name in PEERS}
    default = {name: seconds[name, peer.batch_sizes[0]] for name, peer in PEERS.items()}
    slower = min(best["steering-vectors"], best["repeng"])
    floor = min(s for key, s in seconds.items() if key[0] == "floor")
    facts = {"seconds": {f"{name} {size}": round(s, 2) for (name, size), s in seconds.items()}}
    at_default = min(default["steering-vectors"], default["repeng"])
    yield row(
        f"extraction, steering-vectors and repeng, {case}",
        slower / ours,
        2.5,
        smaller_is_better=False,
        **facts,
        at_their_defaults=round(at_default / ours, 2),
    )
    yield row(
        f"extraction, saklas's capture, {case}",
        best["saklas"] / ours,
        1.3,
        smaller_is_better=False,
        at_its_default=round(default["saklas"] / ours, 2),
    )
    yield row(f"extraction, floor, {case}", ours / floor, 1.15)
    # The first run of a process: what it allocates for good is in it.
    first = {"palrs-hub": 0} | {name: peer.batch_sizes[0] for name, peer in PEERS.items()}
    peaks = {name: found[name, size][0]["peak_megabytes"] for name, size in first.items()}
    yield row(
        f"extraction, peak memory above the model, {case}",
        peaks["palrs-hub"] / min(peaks["steering-vectors"], peaks["repeng"]),
        0.1,
        megabytes={name: round(peak, 1) for name, peak in peaks.items()},
    )


def flat(folder: Path) -> dict[str, Any]:
    """Peak memory with 10,000 pairs beside that with 100, of one process, on a tiny model."""
    model, file = folder / "tiny", folder / "tiny.jsonl"
    write_model(model, LLAMA_TINY)
    write_pairs(file, 10_000, LLAMA_TINY.vocabulary)
    with _started({"palrs-hub"}, model, file) as contenders:
        few, many = (
            contenders["palrs-hub"].run(0, pairs)["peak_megabytes"] for pairs in (100, 10_000)
        )
    return row(
        "extraction, peak memory from 100 to 10,000 pairs",
        many / few,
        1.2,
        megabytes={"100": round(few, 1), "10000": round(many, 1)},
    )


@contextlib.contextmanager
def _started(names: set[str], model: Path, pairs: Path) -> Iterator[dict[str, Contender]]:
    with contextlib.ExitStack() as stack:
        contenders = {}
        for name in sorted(names):
            contenders[name] = Contender(name, model, pairs)
            stack.callback(contenders[name].stop)
        yield contenders


def _agreement(found: dict[Key, list[Answer]]) -> float:
    """The largest relative difference of a peer's direction from ours."""
    ours = np.array(found["palrs-hub", 0][0]["direction"])
    others = [
        np.array(answers[0]["direction"]) for answers in found.values() if answers[0]["direction"]
    ]
    return max(float(np.linalg.norm(other - ours) / np.linalg.norm(ours)) for other in others)


if __name__ == "__main__":
    sys.exit(main())
