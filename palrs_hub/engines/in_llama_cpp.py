"""An export at work in llama.cpp, for its self-test."""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING, Any

import numpy as np

from palrs_hub.engines.llama_cpp import LlamaCppModel
from palrs_hub.errors import UsageError
from palrs_hub.formats import import_vector

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence
    from pathlib import Path

    from palrs_hub.engines.selftest import Ask, SelfTest


@contextlib.contextmanager
def asked_of_llama_cpp(test: SelfTest, export: Path, model: Path) -> Iterator[Ask]:
    """Within, llama.cpp answers the questions of a self-test.

    Args:
        test: The self-test of the export.
        export: A control vector, or a baked checkpoint.
        model: The GGUF of the base model, or of the baked checkpoint after conversion.

    Raises:
        UsageError: llama.cpp cannot apply this kind of export.
        MissingExtraError: llama-cpp-python is not installed.
    """
    if test.kind not in ("gguf", "baked"):
        raise UsageError(
            f"llama.cpp cannot apply a {test.kind} export. Export as gguf, or bake the vector and "
            "convert the checkpoint."
        )
    with LlamaCppModel(model) as engine:
        if test.kind == "gguf":
            engine.steer(control_vector(export))
        yield _asked_of(engine)


def control_vector(path: Path) -> dict[int, np.ndarray[Any, np.dtype[np.float32]]]:
    """What llama.cpp adds for a control vector of ours, with its recommended coefficient."""
    found = import_vector(path, format="gguf")
    return {
        layer: np.float32(found.coefficients.get(layer, 1.0)) * array
        for layer, array in found.directions.items()
    }


def _asked_of(engine: LlamaCppModel) -> Ask:
    def ask(prompt: Sequence[int]) -> Mapping[int, float]:
        return dict(enumerate(engine.log_probabilities(prompt)[-1].tolist()))

    return ask
