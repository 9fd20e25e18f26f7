"""Tiny random models of many architectures, built from configs: real classes, no downloads."""

from __future__ import annotations

from typing import Any

import torch
import transformers

HIDDEN = 32
BLOCKS = 4
VOCABULARY = 96

_COMMON: dict[str, Any] = {
    "vocab_size": VOCABULARY,
    "hidden_size": HIDDEN,
    "num_hidden_layers": BLOCKS,
    "max_position_embeddings": 128,
    "bos_token_id": 1,
    "eos_token_id": 2,
    "pad_token_id": 0,
}
_ATTENTION: dict[str, Any] = {
    **_COMMON,
    "intermediate_size": 64,
    "num_attention_heads": 4,
    "num_key_value_heads": 2,
    "head_dim": 8,
}
_TOKENS: dict[str, Any] = {
    "vocab_size": VOCABULARY,
    "bos_token_id": 1,
    "eos_token_id": 2,
    "pad_token_id": 0,
}

CONFIGS: dict[str, tuple[str, dict[str, Any]]] = {
    "llama": ("LlamaConfig", _ATTENTION),
    "qwen2": ("Qwen2Config", _ATTENTION),
    "qwen3": ("Qwen3Config", _ATTENTION),
    "gemma2": ("Gemma2Config", {**_ATTENTION, "sliding_window": 16}),
    "gemma3": ("Gemma3TextConfig", {**_ATTENTION, "sliding_window": 16}),
    "mistral": ("MistralConfig", _ATTENTION),
    "phi3": ("Phi3Config", _ATTENTION),
    "gpt2": (
        "GPT2Config",
        {**_TOKENS, "n_embd": HIDDEN, "n_layer": BLOCKS, "n_head": 4, "n_positions": 128},
    ),
    "gpt_neox": ("GPTNeoXConfig", {**_COMMON, "intermediate_size": 64, "num_attention_heads": 4}),
    "opt": (
        "OPTConfig",
        {**_COMMON, "ffn_dim": 64, "num_attention_heads": 4, "word_embed_proj_dim": HIDDEN},
    ),
    "bloom": ("BloomConfig", {**_TOKENS, "hidden_size": HIDDEN, "n_layer": BLOCKS, "n_head": 4}),
    "olmo2": ("Olmo2Config", _ATTENTION),
    "smollm3": ("SmolLM3Config", _ATTENTION),
    "mamba": (
        "MambaConfig",
        {**_TOKENS, "hidden_size": HIDDEN, "num_hidden_layers": BLOCKS, "state_size": 8},
    ),
}


def build(name: str, *, seed: int = 0, **changes: Any) -> transformers.PreTrainedModel:
    """A tiny random causal language model in evaluation mode, the same for the same seed."""
    config_class, settings = CONFIGS[name]
    config = getattr(transformers, config_class)(**{**settings, **changes})
    torch.manual_seed(seed)
    model = transformers.AutoModelForCausalLM.from_config(config)
    # The usual initialisation is so small that nothing a test looks for would be visible.
    with torch.no_grad():
        for parameter in model.parameters():
            if parameter.dim() > 1:
                parameter.mul_(3)
    return model.eval()
