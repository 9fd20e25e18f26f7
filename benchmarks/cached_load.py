"""Loads a pinned vector from the cache again and again, for ``benchmarks.startup``.

``python -m benchmarks.cached_load FOLDER N`` prints the seconds of each as a JSON list. The Hub
that the vector came from is gone by then. It has a process of its own, for the Hub's client reads
where the Hub is when it is imported.
"""

from __future__ import annotations

import json
import os
import sys
import time

from palrs_hub.local_hub import running_hub


def main() -> int:
    """Push a vector, pull it once, and time the loads."""
    folder, number = sys.argv[1], int(sys.argv[2])
    os.environ["HF_HOME"] = f"{folder}/home"
    with running_hub(f"{folder}/hub") as hub:
        os.environ["HF_ENDPOINT"] = hub.url
        source = _published()
    from palrs_hub import SteeringVector

    seconds = []
    for _ in range(number):
        start = time.perf_counter()
        SteeringVector.from_pretrained(source)
        seconds.append(time.perf_counter() - start)
    print(json.dumps(seconds))
    return 0


def _published() -> str:
    """Name and commit of a vector that was pushed and pulled."""
    from palrs_hub import SteeringVector, extract, read_pairs
    from palrs_hub.demo import model_folder, pairs_file
    from palrs_hub.loading import load_model_and_tokenizer

    model, tokenizer = load_model_and_tokenizer(str(model_folder()))
    found = extract(model, tokenizer, read_pairs(pairs_file())[:4], "mean_difference")
    vector = found.vector(
        position=found.positions[-1], layer=1, coefficient=1.0, name="v", task="t"
    )
    vector.push_to_hub("lab/v", token="anybody")
    pulled = SteeringVector.from_pretrained("lab/v")
    assert pulled.source is not None
    return pulled.source


if __name__ == "__main__":
    sys.exit(main())
