"""vLLM's plugin: a server whose model is steered, by vLLM's own entry points and without patching.

vLLM imports this in each of its processes. It needs what vLLM brings along (torch, safetensors,
numpy, pydantic) and imports neither transformers nor click.

``register`` names a steered class for each architecture of ARCHITECTURES. A server uses it when its
``--hf-overrides`` ask for it; ``palrs-hub vllm ID`` prints that command line. The vectors lie in
buffers of fixed address, added by hooks that are there before torch.compile or a CUDA graph looks:
so they are part of what is compiled, and their numbers can be changed while the server runs.
"""

from __future__ import annotations

from palrs_hub.engines.vllm_plugin.architectures import ARCHITECTURES, steered_name

MODELS = "palrs_hub.engines.vllm_plugin.models"
WORKER_EXTENSION = "palrs_hub.engines.vllm_plugin.worker.SteeringWorker"


def register() -> None:
    """Tell vLLM of the steered classes, by name: they are made when one is asked for."""
    from vllm import ModelRegistry

    known = ModelRegistry.get_supported_archs()
    for architecture in ARCHITECTURES:
        if architecture in known:
            name = steered_name(architecture)
            ModelRegistry.register_model(name, f"{MODELS}:{name}")
