"""Where a bias is a steering vector: BIASES is the table, and a test proves each row.

A bias of the module that writes last into the residual stream adds the same to every token at the
output of its block. That is the MLP's last projection, or in a parallel block the attention's too,
as long as nothing norms or gates what it writes. Architectures that are not here are refused:
Gemma 2 and later, OLMo 2 and GLM-4 norm the MLP's output, mixtures of experts add several.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from types import MappingProxyType
from typing import TYPE_CHECKING, Final

from palrs_hub.engines import as_llama

if TYPE_CHECKING:
    from collections.abc import Mapping

    from palrs_hub.engines.as_llama import Rewrite


@dataclass(frozen=True)
class Bias:
    """One row of BIASES: how an architecture's blocks get the bias.

    Attributes:
        module: What writes last into the residual stream, ``{}`` for the block's index.
        flag: The config's switch that gives it a bias; None where it always has one.
        also: Modules that the switch gives a bias too: theirs is zero.
        divided_by: The config's number by which the model multiplies what the module writes.
        only_if: Values that the config must have for the bias to be exact.
        rewrite: Makes it a Llama, whose MLP can have biases; None where that is not needed.
    """

    module: str
    flag: str | None = None
    also: tuple[str, ...] = ()
    divided_by: str | None = None
    only_if: Mapping[str, object] = field(default_factory=lambda: MappingProxyType({}))
    rewrite: Rewrite | None = None


_GATED: Final = ("layers.{}.mlp.gate_proj", "layers.{}.mlp.up_proj")
_UP: Final = ("layers.{}.mlp.up_proj",)
_ATTENTION: Final = tuple(f"layers.{{}}.self_attn.{name}_proj" for name in "qkvo")
_DOWN: Final = "layers.{}.mlp.down_proj"
_MLP_BIAS: Final = Bias(_DOWN, flag="mlp_bias", also=_GATED)
_PLAIN_MLP_BIAS: Final = Bias(_DOWN, flag="mlp_bias", also=_UP)
_COHERE: Final = Bias("layers.{}.self_attn.o_proj", flag="attention_bias", also=_ATTENTION[:3])

# transformers' model_type -> how its blocks get the bias.
BIASES: Final[dict[str, Bias]] = {
    # The bias is there.
    "bloom": Bias("h.{}.mlp.dense_4h_to_h"),
    "biogpt": Bias("layers.{}.fc2"),
    "codegen": Bias("h.{}.mlp.fc_out"),
    "gpt2": Bias("h.{}.mlp.c_proj"),
    "gpt_bigcode": Bias("h.{}.mlp.c_proj"),
    "gpt_neo": Bias("h.{}.mlp.c_proj"),
    "gpt_neox": Bias("layers.{}.mlp.dense_4h_to_h"),
    "gptj": Bias("h.{}.mlp.fc_out"),
    "opt": Bias("layers.{}.fc2", only_if={"do_layer_norm_before": True}),
    "persimmon": Bias("layers.{}.mlp.dense_4h_to_h"),
    "phi": Bias("layers.{}.mlp.fc2"),
    "starcoder2": Bias("layers.{}.mlp.c_proj", only_if={"use_bias": True}),
    "xglm": Bias("layers.{}.fc2"),
    # The config has a switch for it.
    "arcee": _PLAIN_MLP_BIAS,
    "cohere": _COHERE,
    "cohere2": _COHERE,
    "cwm": _MLP_BIAS,
    "ernie4_5": Bias(_DOWN, flag="use_bias", also=(*_GATED, *_ATTENTION)),
    "falcon": Bias(
        "h.{}.mlp.dense_4h_to_h",
        flag="bias",
        also=(
            "h.{}.mlp.dense_h_to_4h",
            "h.{}.self_attention.query_key_value",
            "h.{}.self_attention.dense",
        ),
    ),
    "granite": Bias(_DOWN, flag="mlp_bias", also=_GATED, divided_by="residual_multiplier"),
    "helium": _MLP_BIAS,
    "llama": _MLP_BIAS,
    "mamba": Bias("layers.{}.mixer.out_proj", flag="use_bias", also=("layers.{}.mixer.in_proj",)),
    "nemotron": _PLAIN_MLP_BIAS,
    "seed_oss": _MLP_BIAS,
    "smollm3": _MLP_BIAS,
    # It has neither, but is a Llama in all but name.
    "gemma": Bias(_DOWN, flag="mlp_bias", also=_GATED, rewrite=as_llama.GEMMA),
    "mistral": Bias(_DOWN, flag="mlp_bias", also=_GATED, rewrite=as_llama.MISTRAL),
    "phi3": Bias(_DOWN, flag="mlp_bias", also=_GATED, rewrite=as_llama.PHI3),
    "qwen2": Bias(_DOWN, flag="mlp_bias", also=(*_GATED, _ATTENTION[3]), rewrite=as_llama.QWEN2),
}

# Where an adapter beside the weights can hold it: rows whose config does not matter, and whose
# class can be made without one (Nemotron's cannot); and types whose checkpoint has no place for it.
ADAPTED: Final[dict[str, str]] = {
    name: row.module
    for name, row in BIASES.items()
    if row.divided_by is None and row.module == _DOWN and name != "nemotron"
} | {"gpt_neox": BIASES["gpt_neox"].module, "qwen3": _DOWN}
