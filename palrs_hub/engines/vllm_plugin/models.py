"""The steered classes, made when vLLM asks for one by name: ``PalrsHubLlamaForCausalLM`` and so on.

Each is vLLM's own class, with hooks that are set before vLLM loads weights or compiles.
"""

from __future__ import annotations

import functools
from typing import TYPE_CHECKING, Any

from palrs_hub import compatibility
from palrs_hub.compatibility import ModelFacts
from palrs_hub.engines.vllm_plugin.architectures import ARCHITECTURES, plain_name
from palrs_hub.engines.vllm_plugin.live import LiveSteering, blocks_of
from palrs_hub.engines.vllm_plugin.settings import KEY, load_vectors, read_settings

if TYPE_CHECKING:
    import torch


def __getattr__(name: str) -> type[torch.nn.Module]:
    architecture = plain_name(name)
    if architecture is None:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return _steered_class(architecture)


@functools.cache
def _steered_class(architecture: str) -> type[torch.nn.Module]:
    from vllm import ModelRegistry

    base: Any = ModelRegistry.models[architecture].load_model_cls()

    class Steered(base):  # type: ignore[misc]
        def __init__(self, *, vllm_config: Any, prefix: str = "") -> None:  # noqa: ANN401
            super().__init__(vllm_config=vllm_config, prefix=prefix)
            self.palrs_hub_steering = _steer(self, vllm_config.model_config, architecture)

    Steered.__name__ = Steered.__qualname__ = f"PalrsHub{architecture}"
    return Steered


def _steer(model: torch.nn.Module, model_config: Any, architecture: str) -> LiveSteering:  # noqa: ANN401
    """Check the vectors of the command line against the model, and set their hooks."""
    settings = read_settings(getattr(model_config.hf_config, KEY, None))
    vectors = load_vectors(settings)
    facts = _facts(model_config, architecture)
    for vector in vectors.values():
        findings = compatibility.check(vector.manifest, facts)
        compatibility.enforce(vector.manifest, facts, findings)
    blocks = blocks_of(model, ARCHITECTURES[architecture])
    steering = LiveSteering(blocks, vectors, model_config.dtype)
    steering.choose(settings.active, settings.coefficient)
    return steering


def _facts(model_config: Any, architecture: str) -> ModelFacts:  # noqa: ANN401 - vLLM's own type
    config = model_config.hf_text_config
    return ModelFacts(
        name=str(model_config.model),
        model_type=config.model_type,
        architecture=architecture,
        hidden_size=config.hidden_size,
        num_blocks=config.num_hidden_layers,
        vocab_size=config.vocab_size,
        dtype=str(model_config.dtype).removeprefix("torch."),
        quantization=model_config.quantization,
    )
