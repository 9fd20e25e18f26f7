"""The architectures that vLLM can serve steered; `make test-engines` proves each row."""

from __future__ import annotations

from typing import Final

from palrs_hub.errors import ModelError

_PREFIX: Final = "PalrsHub"

# Architecture in vLLM's registry -> where its model keeps the blocks.
ARCHITECTURES: Final[dict[str, str]] = {
    "GPT2LMHeadModel": "transformer.h",
    "Gemma2ForCausalLM": "model.layers",
    "Gemma3ForCausalLM": "model.layers",
    "GemmaForCausalLM": "model.layers",
    "GraniteForCausalLM": "model.layers",
    "LlamaForCausalLM": "model.layers",
    "MistralForCausalLM": "model.layers",
    "Olmo2ForCausalLM": "model.layers",
    "Phi3ForCausalLM": "model.layers",
    "Qwen2ForCausalLM": "model.layers",
    "Qwen3ForCausalLM": "model.layers",
    "SmolLM3ForCausalLM": "model.layers",
}


def steered_name(architecture: str) -> str:
    """What the steered class of an architecture is called in vLLM's registry.

    Raises:
        ModelError: There is none.
    """
    if architecture not in ARCHITECTURES:
        raise ModelError(
            f"The vLLM plugin does not steer {architecture!r:.80}. It steers: "
            f"{', '.join(sorted(ARCHITECTURES))}. Bake the vector into a checkpoint instead, where "
            "that is exact: `palrs-hub export ID --format baked`."
        )
    return _PREFIX + architecture


def plain_name(name: str) -> str | None:
    """The architecture of a steered class; None if it is none of ours."""
    architecture = name.removeprefix(_PREFIX)
    return architecture if architecture != name and architecture in ARCHITECTURES else None
