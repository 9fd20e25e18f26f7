"""Imported directions and a loaded base model make a vector that can be attached and pushed."""

from __future__ import annotations

import hashlib
import importlib.metadata
from typing import TYPE_CHECKING, Final

import numpy as np
from pydantic import ValidationError

from palrs_hub.errors import IncompatibleError, UsageError
from palrs_hub.fields import Switch
from palrs_hub.manifest import Data, Intervention, Manifest, Method, Task, TensorsFile
from palrs_hub.vector import SteeringVector

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    import torch
    from transformers import PreTrainedTokenizerBase

    from palrs_hub.formats.format import Array, Imported
    from palrs_hub.manifest import BaseModelFacts, Unit

_UNIT_TOLERANCE: Final = 1e-3
_SOFTWARE: Final = ("palrs-hub", "torch", "transformers", "numpy")
# llama.cpp's name for several model types of transformers.
_SAME_TYPE: Final = {"llama": {"mistral", "mixtral"}}


def to_vector(
    imported: Imported,
    model: torch.nn.Module,
    tokenizer: PreTrainedTokenizerBase,
    *,
    layers: Sequence[int] | None = None,
    coefficient: float | None = None,
    name: str | None = None,
    task: str | None = None,
    description: str = "",
    license: str = "unknown",
    base_model: str | None = None,
    base_revision: str | None = None,
) -> SteeringVector:
    """Complete the manifest of imported directions with the base model that they were made for.

    A vector without a model cannot be made: the manifest holds the model's fingerprint, by which a
    wrong model is refused later. No evaluation is claimed: the file has none.

    Args:
        imported: What ``import_vector`` gave.
        model: The base model, loaded.
        tokenizer: Its tokenizer.
        layers: Steer only these of the imported layers.
        coefficient: The coefficient for all layers; by default those that the file recommends.
        name: A short name; by default the file's.
        task: What it does, in a word or two; by default the file's name.
        description: What it does, in a sentence or two.
        license: An identifier of the licence; the file does not say it.
        base_model: Name on the Hub of a model that was loaded from a folder.
        base_revision: Its commit.

    Raises:
        UsageError: Neither file nor caller gives a coefficient, or a layer was not imported.
        IncompatibleError: The directions cannot belong to this model.
        ModelError: The model's blocks cannot be found or steered.
    """
    from palrs_hub.model_facts import base_model_facts

    chosen = _chosen(imported, layers)
    coefficients = _coefficients(imported, chosen, coefficient)
    _check_fit(imported, chosen, model)
    try:
        facts = base_model_facts(
            model, tokenizer, list(chosen), repo_id=base_model, revision=base_revision
        )
        words = Task(name=task or imported.file[:100], description=description)
        manifest = _manifest(
            imported, facts, _interventions(chosen, coefficients), words, name, license
        )
    except ValidationError as error:
        fault = error.errors(include_input=False, include_url=False)[0]
        place = ".".join(map(str, fault["loc"]))
        raise UsageError(f"The manifest cannot hold this {place}: {fault['msg']}.") from error
    return SteeringVector.build(manifest, {f"layer_{k}": array for k, array in chosen.items()})


def _manifest(
    imported: Imported,
    facts: BaseModelFacts,
    interventions: tuple[Intervention, ...],
    task: Task,
    name: str | None,
    license: str,
) -> Manifest:
    return Manifest(
        name=name or imported.file[:100],
        task=task,
        license=license,
        base_model=facts,
        interventions=interventions,
        method=_method(imported),
        data=Data(
            name="not known: imported",
            revision=None,
            pairs=0,
            sha256=hashlib.sha256(b"").hexdigest(),
        ),
        diagnostics=(),
        selection=None,
        evaluations=(),
        software={package: importlib.metadata.version(package) for package in _SOFTWARE},
        tensors=TensorsFile(sha256="0" * 64),
    )


def _chosen(imported: Imported, layers: Sequence[int] | None) -> dict[int, Array]:
    wanted = sorted(imported.directions) if layers is None else sorted(set(layers))
    if missing := [layer for layer in wanted if layer not in imported.directions]:
        raise UsageError(
            f"Layer {missing[0]} was not imported. Layers: "
            f"{', '.join(map(str, sorted(imported.directions)))}."
        )
    if not wanted:
        raise UsageError("No layer is chosen: a vector steers at least one.")
    return {layer: imported.directions[layer] for layer in wanted}


def _coefficients(
    imported: Imported, chosen: Mapping[int, Array], given: float | None
) -> dict[int, float]:
    if given is not None:
        if not np.isfinite(given):
            raise UsageError(f"The coefficient should be a finite number; found {given}.")
        return dict.fromkeys(chosen, float(given))
    if any(layer not in imported.coefficients for layer in chosen):
        raise UsageError(
            f"{imported.file} does not say with which coefficient its directions are added. Give "
            "it: `--coefficient X`."
        )
    return {layer: imported.coefficients[layer] for layer in chosen}


def _check_fit(imported: Imported, chosen: Mapping[int, Array], model: torch.nn.Module) -> None:
    from palrs_hub.blocks import find_blocks, text_config

    blocks, model_type = find_blocks(model), text_config(model).model_type
    if _is_another_type(imported.model_type, model_type):
        raise IncompatibleError(
            f"{imported.file} was made for the model type {imported.model_type!r}; this model is "
            f"of type {model_type!r}. Give the model that it was made for: `--model`."
        )
    for layer, array in chosen.items():
        if layer >= len(blocks) or array.size != blocks.hidden_size:
            raise IncompatibleError(
                f"{imported.file} has a direction of length {array.size} for layer {layer}; this "
                f"model has blocks 0 to {len(blocks) - 1} of width {blocks.hidden_size}. Give the "
                "model that it was made for: `--model`."
            )
        if not array.any():
            raise UsageError(
                f"The direction of layer {layer} is zero: it would steer nothing. Choose other "
                f"layers: `--layer N`."
            )


def _is_another_type(said: str | None, found: str) -> bool:
    """Whether a file names another model type; free text, such as ``qwen2.5``, tells nothing."""
    from transformers import CONFIG_MAPPING

    if said is None or said == found or said not in CONFIG_MAPPING:
        return False
    return found.removesuffix("_text") != said and found not in _SAME_TYPE.get(said, ())


def _interventions(
    chosen: Mapping[int, Array], coefficients: Mapping[int, float]
) -> tuple[Intervention, ...]:
    return tuple(
        Intervention(
            layer=layer,
            operation="add",
            tensor=f"layer_{layer}",
            coefficient=coefficients[layer],
            coefficient_range=None,
            unit=_unit(array),
            tokens="all",
            condition=None,
        )
        for layer, array in chosen.items()
    )


def _unit(array: Array) -> Unit:
    norm = float(np.linalg.norm(array.astype(np.float64)))
    return "unit_norm" if abs(norm - 1) <= _UNIT_TOLERANCE else "raw"


def _method(imported: Imported) -> Method:
    switches: dict[str, Switch] = {
        "imported_from": imported.format,
        "file": imported.file,
        "file_sha256": imported.sha256,
        "file_says_model": imported.model_name or imported.model_type,
        "file_says": "; ".join(imported.provenance) or None,
    }
    return Method(name=imported.method or "imported", switches=switches)
