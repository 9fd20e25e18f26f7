"""An export at work in transformers: how each kind is loaded there, for its self-test."""

from __future__ import annotations

import contextlib
import warnings
from pathlib import Path
from typing import TYPE_CHECKING, Any

from palrs_hub.activations import inference, run_padded
from palrs_hub.engines import peft
from palrs_hub.errors import MissingExtraError, UsageError
from palrs_hub.formats import import_vector
from palrs_hub.loading import load_model
from palrs_hub.manifest import MANIFEST_FILE
from palrs_hub.steer import adding
from palrs_hub.vector import SteeringVector

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    import torch

    from palrs_hub.engines.selftest import Ask, SelfTest


@contextlib.contextmanager
def asked_of_export(
    test: SelfTest, export: Path, *, model: torch.nn.Module | None = None
) -> Iterator[Ask]:
    """Within, an export steers a model that answers the questions of its self-test.

    Args:
        test: The self-test, which says how to use the export.
        export: The file or folder.
        model: The base model, loaded; a baked checkpoint needs none.

    Raises:
        UsageError: There is no base model, and the export is none itself.
    """
    if (export / "config.json").is_file():
        yield _asked_of(load_model(export))
        return
    if model is None:
        raise UsageError("This export is applied to its base model: `--model MODEL`.")
    with contextlib.ExitStack() as stack:
        if (export / peft.CONFIG_FILE).is_file():
            stack.enter_context(_adapted(model, export))
        elif (export / MANIFEST_FILE).is_file():
            stack.enter_context(SteeringVector.load(export).attach(model))
        else:
            for layer, addend in _read_back(test, export).items():
                stack.enter_context(adding(model, layer, addend))
        yield _asked_of(model)


def _asked_of(model: torch.nn.Module) -> Ask:
    def ask(prompt: Sequence[int]) -> Mapping[int, float]:
        with inference(model):
            logits = run_padded(model, [prompt]).logits[0, -1]  # type: ignore[attr-defined]
        return dict(enumerate(logits.float().log_softmax(dim=-1).tolist()))

    return ask


@contextlib.contextmanager
def _adapted(model: torch.nn.Module, folder: Path) -> Iterator[None]:
    try:
        from peft import PeftModel
    except ImportError as error:
        raise MissingExtraError("Loading a PEFT adapter", "peft") from error
    with warnings.catch_warnings():
        # That it could not be merged; and transformers' own names, which PEFT still reads.
        warnings.simplefilter("ignore")
        adapted = PeftModel.from_pretrained(model, str(folder))
    try:
        yield
    finally:
        adapted.unload()


def _read_back(test: SelfTest, export: Path) -> dict[int, Any]:
    """What the tool of a format adds, by the file's own coefficients where it has them."""
    used = dict(zip(test.layers, test.coefficients, strict=True))
    only = test.layers[0] if test.kind == "tensor" else None
    found = import_vector(export, format=test.kind, layer=only)
    return {
        layer: array * found.coefficients.get(layer, used[layer])
        for layer, array in found.directions.items()
    }
