"""PEFT adapters that hold nothing but a bias (BEFT): the vector as PEFT loads it, exactly.

A LoRA of rank 1 cannot add a constant. PEFT can load and unload the adapter; it can merge it only
where the base module has a bias. vLLM takes LoRA alone: it cannot load this.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any, Final

import numpy as np
import torch

from palrs_hub.blocks import find_blocks
from palrs_hub.engines.addends import INSTEAD, addends
from palrs_hub.engines.biases import ADAPTED
from palrs_hub.errors import UsageError

if TYPE_CHECKING:
    from pathlib import Path

    from palrs_hub.vector import SteeringVector

CONFIG_FILE: Final = "adapter_config.json"
TENSORS_FILE: Final = "adapter_model.safetensors"


def write_adapter(
    vector: SteeringVector, folder: Path, *, coefficient: float | None = None
) -> None:
    """Write a bias-only adapter, the coefficient multiplied in.

    Args:
        vector: The vector.
        folder: A folder to fill.
        coefficient: Instead of the vector's own.

    Raises:
        UsageError: In this architecture no bias of one module is the vector, or it does more than
            add to every token.
    """
    from safetensors.numpy import save

    base = vector.manifest.base_model
    added = addends(vector, coefficient)
    modules = {layer: _module(base.architecture, base.model_type, layer) for layer in added}
    config = {
        "peft_type": "BEFT",
        "task_type": "CAUSAL_LM",
        "base_model_name_or_path": base.repo_id,
        "revision": base.revision,
        "inference_mode": True,
        "init_weights": True,
        "target_modules": sorted(modules.values()),
        "modules_to_save": None,
    }
    tensors = {
        f"base_model.model.{modules[layer]}.beft_bias": np.ascontiguousarray(array[None])
        for layer, array in added.items()
    }
    (folder / CONFIG_FILE).write_text(json.dumps(config, indent=2) + "\n", encoding="utf-8")
    (folder / TENSORS_FILE).write_bytes(save(tensors, {"format": "pt"}))


def _module(architecture: str, model_type: str, layer: int) -> str:
    """The full name of the module that writes last into the residual stream of a block."""
    pattern = ADAPTED.get(model_type)
    blocks = _blocks(architecture) if pattern else None
    if pattern is None or blocks is None:
        raise UsageError(
            f"A bias in a {architecture:.80} is no steering vector, or was not proven to be one: a "
            f"PEFT adapter cannot hold it exactly. {INSTEAD}"
        )
    within = pattern.partition("{}.")[2]
    if not isinstance(blocks.modules[0].get_submodule(within), torch.nn.Linear):
        raise UsageError(
            f"{within} of {architecture:.80} is no torch.nn.Linear, which PEFT needs. {INSTEAD}"
        )
    return f"{blocks.path}.{layer}.{within}"


def _blocks(architecture: str) -> Any:  # noqa: ANN401 - DecoderBlocks of an empty model
    import transformers

    try:
        kind: Any = getattr(transformers, architecture)
        with torch.device("meta"):
            return find_blocks(kind(kind.config_class()))
    except (AttributeError, TypeError, ValueError, ImportError, RuntimeError):
        return None
