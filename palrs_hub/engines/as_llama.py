"""Checkpoints that are a Llama in all but name, written as one: a Llama's MLP can have biases.

Each rewrite gives the same function of the tokens, or says why this config cannot.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Final

import torch

from palrs_hub.engines.addends import INSTEAD
from palrs_hub.engines.checkpoint import Piece, Stored, some_rows, unchanged
from palrs_hub.errors import ModelError

if TYPE_CHECKING:
    from transformers import PretrainedConfig

Settings = dict[str, Any]
_FLOATS: Final = {"F32": torch.float32, "F16": torch.float16, "BF16": torch.bfloat16}
# What a Llama's config says of the model; the same names mean the same in the others.
_SHARED: Final = (
    "vocab_size", "hidden_size", "intermediate_size", "num_hidden_layers", "num_attention_heads",
    "num_key_value_heads", "hidden_act", "max_position_embeddings", "initializer_range",
    "rms_norm_eps", "use_cache", "pad_token_id", "bos_token_id", "eos_token_id",
    "tie_word_embeddings", "rope_parameters", "attention_dropout", "dtype",
)  # fmt: skip


@dataclass(frozen=True)
class Rewrite:
    """How one architecture becomes a Llama.

    Attributes:
        refusal: Why a config cannot be a Llama; None if it can.
        settings: What the Llama's config says beyond what they share.
        pieces: The Llama's tensors that come of one tensor.
    """

    refusal: Callable[[Any], str | None]
    settings: Callable[[Any], Settings]
    pieces: Callable[[Stored, Any], list[Piece]]


def llama_config(config: PretrainedConfig, rewrite: Rewrite) -> Settings:
    """The ``config.json`` of the Llama, without its biases' switches."""
    from transformers import LlamaConfig

    shared = {name: getattr(config, name) for name in _SHARED if hasattr(config, name)}
    head = getattr(config, "head_dim", None) or config.hidden_size // config.num_attention_heads
    made = LlamaConfig(**{**shared, "head_dim": head, **rewrite.settings(config)})
    return {**made.to_dict(), "architectures": ["LlamaForCausalLM"]}


def float_type(dtype: str) -> torch.dtype | None:
    """The floating-point type of a tensor whose numbers can be changed; None for others."""
    return _FLOATS.get(dtype)


def to_bytes(tensor: torch.Tensor) -> bytes:
    """The bytes of a tensor, as safetensors stores them."""
    return tensor.contiguous().view(torch.uint8).numpy().tobytes()


def _windowless(config: Any) -> str | None:  # noqa: ANN401 - a config of transformers
    window = getattr(config, "sliding_window", None)
    if window is not None and window < config.max_position_embeddings:
        return f"its attention sees a window of {window} tokens, and a Llama's sees them all"
    return None


def _no_refusal_but_rope(config: Any) -> str | None:  # noqa: ANN401
    rope = config.rope_parameters or {}
    if rope.get("rope_type", "default") != "default":
        return f"its rotary embedding is of the kind {rope['rope_type']!r}"
    if rope.get("partial_rotary_factor", 1.0) != 1.0:
        return "its rotary embedding turns only a part of each head"
    return _windowless(config)


def _qwen2_refusal(config: Any) -> str | None:  # noqa: ANN401
    return _windowless(config) if getattr(config, "use_sliding_window", False) else None


def _gemma_refusal(config: Any) -> str | None:  # noqa: ANN401
    if getattr(config, "use_bidirectional_attention", None):
        return "its attention looks ahead"
    return None


def _gemma_settings(config: Any) -> Settings:  # noqa: ANN401
    return {"tie_word_embeddings": False, "attention_bias": config.attention_bias}


def _as_it_is(tensor: Stored, config: Any) -> list[Piece]:  # noqa: ANN401
    return [unchanged(tensor)]


def _split_phi3(tensor: Stored, config: Any) -> list[Piece]:  # noqa: ANN401
    head = getattr(config, "head_dim", None) or config.hidden_size // config.num_attention_heads
    queries, keys = config.num_attention_heads * head, config.num_key_value_heads * head
    wide = config.intermediate_size
    for fused, parts in (
        ("qkv_proj", {"q_proj": queries, "k_proj": keys, "v_proj": keys}),
        ("gate_up_proj", {"gate_proj": wide, "up_proj": wide}),
    ):
        if tensor.name.endswith(f".{fused}.weight"):
            pieces, first = [], 0
            for name, rows in parts.items():
                pieces.append(some_rows(tensor, tensor.name.replace(fused, name), first, rows))
                first += rows
            return pieces
    return [unchanged(tensor)]


def _scale_gemma(tensor: Stored, config: Any) -> list[Piece]:  # noqa: ANN401
    """Gemma multiplies its embeddings by sqrt(hidden), and its norms by one plus their weight."""
    if tensor.name.endswith("embed_tokens.weight"):
        # Only what goes in is scaled: the head, which shares these weights, gets its own copy.
        scale = math.sqrt(config.hidden_size)
        scaled = _changed(tensor, lambda part: part * torch.tensor(scale, dtype=part.dtype))
        head = replace(unchanged(tensor), name="lm_head.weight")
        return [scaled, head] if config.tie_word_embeddings else [scaled]
    if tensor.name.endswith("norm.weight"):
        if tensor.dtype != "F32":
            raise ModelError(
                f"Gemma adds 1 to {tensor.name} in float32; a Llama has the sum in {tensor.dtype}, "
                f"where it would be rounded. {INSTEAD}"
            )
        return [_changed(tensor, lambda part: 1 + part)]
    return [unchanged(tensor)]


def _changed(tensor: Stored, change: Callable[[torch.Tensor], torch.Tensor]) -> Piece:
    dtype = _FLOATS[tensor.dtype]

    def chunks() -> Iterator[bytes]:
        for data in tensor.read():
            yield to_bytes(change(torch.frombuffer(bytearray(data), dtype=dtype)))

    return Piece(tensor.name, tensor.dtype, tensor.shape, chunks)


MISTRAL: Final = Rewrite(_windowless, lambda config: {}, _as_it_is)
# A Llama's switch gives the output projection a bias too, which stays zero.
QWEN2: Final = Rewrite(_qwen2_refusal, lambda config: {"attention_bias": True}, _as_it_is)
PHI3: Final = Rewrite(_no_refusal_but_rope, lambda config: {}, _split_phi3)
GEMMA: Final = Rewrite(_gemma_refusal, _gemma_settings, _scale_gemma)
