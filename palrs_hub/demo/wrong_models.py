"""Models that the demonstration's vector must be refused on."""

from __future__ import annotations

import torch
from transformers import (
    AutoConfig,
    GPT2Config,
    GPT2LMHeadModel,
    LlamaForCausalLM,
    PreTrainedModel,
)

from palrs_hub.demo import model_folder


def build() -> dict[str, PreTrainedModel]:
    """The same architecture with other weights, and another architecture of the same width."""
    config = AutoConfig.from_pretrained(model_folder())
    other = GPT2Config(
        vocab_size=config.vocab_size,
        n_embd=config.hidden_size,
        n_layer=config.num_hidden_layers,
        n_head=config.num_attention_heads,
        n_positions=config.max_position_embeddings,
        bos_token_id=config.bos_token_id,
        eos_token_id=config.eos_token_id,
    )
    config._name_or_path = ""
    torch.manual_seed(1)
    return {
        "the same architecture with other weights": LlamaForCausalLM(config).eval(),
        "a GPT-2 of the same width and depth": GPT2LMHeadModel(other).eval(),
    }
