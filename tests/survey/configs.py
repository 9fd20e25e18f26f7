"""Tiny random models of any class of transformers, built from its config: no downloads.

Sizes are set by the names of a config's fields, in nested configs too. A vision or audio tower thus
gets as many blocks as the text decoder, and as wide ones: the worst case for who must tell them.
"""

from __future__ import annotations

import dataclasses
import math
from typing import Any

import torch
import transformers
from transformers import CONFIG_MAPPING, PretrainedConfig

from tests.survey.overrides import OVERRIDES

HIDDEN = 32
BLOCKS = 4
VOCABULARY = 128
MAX_PARAMETERS = 30_000_000

_NAMES: dict[int, str] = {
    VOCABULARY: "vocab_size max_position_embeddings n_positions n_ctx max_target_positions "
    "max_source_positions max_seq_len context_length vocab_size_per_layer_input "
    "vocab_size_per_layer audio_vocab_size codebook_size num_position_embeddings",
    64: "intermediate_size moe_intermediate_size encoder_ffn_dim decoder_ffn_dim ffn_dim d_inner "
    "shared_expert_intermediate_size shared_intermediate_size mlp_dim dim_ff ffn_hidden_size "
    "d_ff dff expert_ffn_hidden_size dense_intermediate_size intermediate_size_mlp "
    "moe_shared_expert_intermediate_size feed_forward_size projection_intermediate_size "
    "alignment_intermediate_size share_expert_dim shared_experts_intermediate_size",
    HIDDEN: "hidden_size d_model n_embd embed_dim out_hidden_size projection_dim embedding_size "
    "projector_hidden_size text_hidden_size encoder_hidden_size projection_hidden_size emb_dim "
    "input_embedding_size output_embedding_size hidden_size_global lru_width embed_size "
    "projection_hidden_dim output_dim image_text_hidden_size backbone_hidden_size output_proj_dims "
    "vision_hidden_size decoder_hidden_size kv_channels attention_hidden_size word_embed_proj_dim "
    "base_channels sliding_window attention_window_size local_attention window_size",
    16: "q_lora_rank kv_lora_rank state_size mamba_d_state ssm_state_size chunk_size "
    "mamba_chunk_size hidden_size_per_layer_input o_lora_rank router_hidden_size laurel_rank "
    "block_size",
    8: "head_dim qk_nope_head_dim qk_rope_head_dim v_head_dim index_head_dim swa_head_dim d_kv "
    "linear_key_head_dim linear_value_head_dim rotary_dim attention_head_size dim_head "
    "global_head_dim linear_head_dim resampler_head_dim index_topk adapter_rank",
    BLOCKS: "num_hidden_layers n_layer n_layers num_layers depth encoder_layers decoder_layers "
    "layers num_blocks num_encoder_layers num_decoder_layers "
    "num_attention_heads n_head n_heads num_heads encoder_attention_heads attention_heads "
    "decoder_attention_heads num_encoder_attention_heads num_decoder_attention_heads "
    "num_experts num_local_experts n_routed_experts moe_num_experts swa_num_attention_heads "
    "index_n_heads linear_num_value_heads mamba_n_heads mamba_num_heads conf_num_hidden_layers "
    "linear_num_heads resampler_n_heads",
    2: "num_key_value_heads num_experts_per_tok kv_n_heads swa_num_key_value_heads "
    "linear_num_key_heads moe_topk moe_k moe_top_k zero_expert_num num_key_value_heads_global",
    1: "n_group topk_group first_k_dense_replace n_groups num_dense_layers bos_token_id "
    "eos_token_id num_mtp_layers",
    0: "pad_token_id num_nextn_predict_layers decoder_start_token_id forced_eos_token_id",
}
SIZES = {name: size for size, names in _NAMES.items() for name in names.split()}
_OPTIONAL = {"num_key_value_heads", "head_dim", "pad_token_id", "bos_token_id", "eos_token_id"}


def build(model_type: str, class_name: str, *, seed: int = 0) -> transformers.PreTrainedModel:
    """A tiny random model in evaluation mode, the same for the same seed.

    Raises:
        ValueError: It would not be tiny.
    """
    model_class = getattr(transformers, class_name)
    config = _config(model_type, model_class)
    with torch.device("meta"):
        number = sum(parameter.numel() for parameter in model_class(config).parameters())
    if number > MAX_PARAMETERS:
        raise ValueError(f"these sizes would give {number:,} parameters")
    torch.manual_seed(seed)
    model = model_class(_config(model_type, model_class))
    _enliven(model)
    return model.eval()


def _config(model_type: str, model_class: Any) -> PretrainedConfig:
    config_class = CONFIG_MAPPING[model_type]
    config = config_class(**settings(config_class, model_type))
    # As the Auto classes do: a model of the text alone takes only that part of the config.
    for name, nested in config_class.sub_configs.items():
        if model_class.config_class is nested:
            return getattr(config, name)
    return config


def settings(config_class: type[PretrainedConfig], model_type: str = "") -> dict[str, Any]:
    """What to construct a config from, nested configs included."""
    chosen: dict[str, Any] = {}
    for field in dataclasses.fields(config_class):
        if field.name in SIZES and _holds_a_size(field):
            chosen[field.name] = SIZES[field.name]
        elif field.name == "is_decoder":
            chosen[field.name] = True
    if "kv_lora_rank" in chosen:  # compressed keys and values are spread to every head
        chosen["num_key_value_heads"] = chosen["num_attention_heads"]
    specifications = getattr(config_class, "sub_configs_defaults", None) or {}
    for name, specification in specifications.items():
        if specification.optional:
            continue
        nested = specification.config_class
        if _is_auto(specification):
            nested = CONFIG_MAPPING[specification.model_type]
        chosen[name] = {
            **{k: v for k, v in specification.init_kwargs.items() if k not in SIZES},
            **settings(nested, specification.model_type),
        }
        if _is_auto(specification):
            chosen[name]["model_type"] = specification.model_type
    return merged(chosen, OVERRIDES.get(model_type, {}))


def merged(below: dict[str, Any], above: dict[str, Any]) -> dict[str, Any]:
    """Nested settings, the second's where both have one; ``...`` removes a setting."""
    result = dict(below)
    for name, value in above.items():
        if isinstance(value, dict) and isinstance(result.get(name), dict):
            result[name] = merged(result[name], value)
        elif value is ...:
            result.pop(name, None)
        else:
            result[name] = value
    return result


def _holds_a_size(field: dataclasses.Field[Any]) -> bool:
    if field.default is None:
        return field.name in _OPTIONAL
    return isinstance(field.default, int) and not isinstance(field.default, bool)


def _is_auto(specification: Any) -> bool:
    return not issubclass(specification.config_class, PretrainedConfig)


def _enliven(model: torch.nn.Module) -> None:
    """Weights large enough that every block shows, also where a block starts as the identity."""
    with torch.no_grad():
        for parameter in model.parameters():
            if parameter.dim() < 2 or not parameter.is_floating_point():
                continue
            spread = float(parameter.std()) if parameter.numel() > 1 else 0.0
            if not math.isfinite(spread) or spread < 0.05:
                parameter.normal_(0, 0.08)
