"""Where the sizes that are set by name do not make a model: model_type -> settings.

``...`` takes a setting away, so that the config computes its own.
"""

from __future__ import annotations

from typing import Any


def _rope(*sections: int, **changes: Any) -> dict[str, Any]:
    parameters = {"rope_type": "default", "rope_theta": 10_000.0, "mrope_section": list(sections)}
    return {"rope_parameters": {**parameters, **changes}}


_SPARSE = {"n_routed_experts": 4, "num_experts_per_tok": 2, "n_shared_experts": 1}
_FULL = {"layer_types": ["full_attention"] * 4}
_GLM = _rope(2, 1, 1, partial_rotary_factor=1.0)
_ALL_HEADS = {"num_key_value_heads": 4}

OVERRIDES: dict[str, dict[str, Any]] = {
    "blt": {
        "encoder_hash_byte_group_vocab": 64,
        "encoder_hash_byte_group_size": [3],
        "patcher_config": {"vocab_size": 260},
        "vocab_size": 260,
    },
    "chameleon": {"vocabulary_map": {"<image>": 3, "IMGIMGA": 4}},
    "cohere_compass_text": {**_FULL, "rope_parameters": {"full_attention": {"rope_theta": 1e4}}},
    "cosmos3_edge_text": _rope(2, 1, 1),
    "dbrx": {"attn_config": {"rope_theta": 10_000.0, "kv_n_heads": 2, "clip_qkv": 8.0}},
    "deepseek_v2": {"num_experts_per_tok": 2},
    "deepseek_ocr2_text": {
        "num_experts_per_tok": 2,
        "mlp_layer_types": ["dense", "sparse", "sparse", "sparse"],
    },
    "dots1": _SPARSE,
    "dots3_note_text": _ALL_HEADS,
    "emu3": {"vocabulary_map": {"<image>": 3, "<|extra_200|>": 4, "<|visual token 000000|>": 5}},
    "ernie4_5_vl_moe_text": _rope(1, 1, 2),
    "diffusion_gemma_text": {"num_experts": 4, "top_k_experts": 2, "moe_intermediate_size": 64},
    "florence2": {"vision_config": {"embed_dim": [16, 16, 32, 32], "num_heads": [2, 2, 4, 4]}},
    "gemma3n_text": {"num_kv_shared_layers": 0},
    "gemma4_assistant": {
        "text_config": {"hidden_size_per_layer_input": 0, "vocab_size_per_layer_input": 0}
    },
    "gemma4_unified_assistant": {"text_config": {"num_kv_shared_layers": 0}},
    "glm4v_text": _GLM,
    "glm4v_moe_text": _GLM,
    "glm_ocr_text": _GLM,
    "glm5_next_text": {**_ALL_HEADS, "index_topk": 32},
    "granite4_vision": {"deepstack_layer_map": [[-1, 0]]},
    "hunyuan_vl_text": _rope(2, 1, 1),
    "gpt_neo": {"attention_types": [[["global", "local"], 2]]},
    "hrm_text": {"num_hidden_layers": 2},
    "lfm2_moe": {"layer_types": ["conv", "full_attention", "conv", "full_attention"]},
    "mamba2": {"num_heads": 4, "head_dim": 16, "n_groups": 1},
    "molmo2_adapter": {"vision_feature_layer": [3, 2]},
    "molmo2": {"adapter_config": {"vision_feature_layer": [3, 2]}},
    "paddleocr_vl_text": _rope(2, 1, 1),
    "qwen2_5_omni_thinker": {"vision_start_token_id": 3, "vision_end_token_id": 4},
    "qwen3_omni_moe_thinker": {"vision_start_token_id": 3, "vision_end_token_id": 4},
    "qwen2_vl_text": _rope(2, 1, 1),
    "qwen2_5_omni_text": _rope(2, 1, 1),
    "qwen2_5_vl_text": _rope(2, 1, 1),
    "qwen4_exp_text": {
        "indexer_n_heads": 4,
        "indexer_kv_heads": 1,
        "indexer_head_dim": 8,
        "indexer_budget": 8,
        "indexer_compress_ratio": 2,
    },
    "reformer": {
        "is_decoder": True,
        "axial_pos_shape": [8, 16],
        "axial_pos_embds_dim": [16, 16],
        "attn_layers": ["local", "local", "local", "local"],
    },
    "step3p7_text": {"sliding_window": 16},
    "step3p5": {"sliding_window": 16},
    "step3p7": {"text_config": {"sliding_window": 16}},
    "xmod": {"default_language": "en_XX"},
    "zamba": {"attn_layer_period": 2, "attn_layer_offset": 0, "num_key_value_heads": 4},
    "zamba2": {"layers_block_type": ["linear_attention", "hybrid"] * 2},
    "zaya": {"num_experts_per_tok": 1},
}
