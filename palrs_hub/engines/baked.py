"""Baked checkpoints: the vector as a bias inside the weights, served by any engine as it is.

Nothing is loaded: the files pass through piece by piece, so that a model of any size can be baked
in little memory. SGLang drops a Llama's MLP biases in silence: a baked checkpoint is unsteered
there, which the self-test beside it tells.
"""

from __future__ import annotations

import json
import os
import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import numpy as np
import torch

from palrs_hub import compatibility
from palrs_hub.engines.addends import INSTEAD, addends
from palrs_hub.engines.as_llama import float_type, llama_config, to_bytes
from palrs_hub.engines.biases import BIASES
from palrs_hub.engines.checkpoint import (
    Files,
    Piece,
    given,
    read_checkpoint,
    unchanged,
    write_checkpoint,
)
from palrs_hub.engines.provenance import write_provenance
from palrs_hub.errors import ModelError, PackageError, UsageError
from palrs_hub.model_config import facts_from_folder
from palrs_hub.whole_file import folder_beside

if TYPE_CHECKING:
    from transformers import PretrainedConfig

    from palrs_hub.engines.biases import Bias
    from palrs_hub.vector import Array, SteeringVector

# Weights in other forms, and code: a baked checkpoint has neither.
_LEFT_OUT: Final = (
    ".safetensors", ".bin", ".pt", ".pth", ".ckpt", ".gguf", ".onnx", ".h5", ".msgpack", ".ot",
    ".py", ".md", ".index.json",
)  # fmt: skip


@dataclass(frozen=True)
class Baked:
    """A checkpoint that was baked.

    Attributes:
        folder: Where it is.
        architecture: The class of transformers that loads it.
        rewritten: Whether it had to become a Llama for that.
        layers: The layers whose blocks have the vector as a bias.
    """

    folder: Path
    architecture: str
    rewritten: bool
    layers: tuple[int, ...]


def bake(
    vector: SteeringVector,
    base: str | os.PathLike[str],
    output: str | os.PathLike[str],
    *,
    coefficient: float | None = None,
    base_name: str | None = None,
    base_revision: str | None = None,
) -> Baked:
    """Write a checkpoint of the base model with a vector in its weights, all of it or nothing.

    It computes what the steered model computes, up to the rounding of the checkpoint's
    floating-point type.

    Args:
        vector: The vector.
        base: Folder of the base model: config, tokenizer, weights in safetensors.
        output: The folder to make.
        coefficient: Instead of the vector's own.
        base_name: What the base model is called on the Hub, for the provenance.
        base_revision: Its commit there.

    Raises:
        UsageError: The output is there already, or the vector does more than add to every token.
        IncompatibleError: The vector was not made for this model.
        ModelError: A bias would not be exact in this architecture; the message says what to use
            instead. Or the checkpoint cannot be read.
        PackageError: The output cannot be written.
    """
    source, target = Path(base), Path(output)
    if target.exists():
        raise UsageError(f"{target} is there already. Give another folder.")
    added = addends(vector, coefficient)
    facts = facts_from_folder(source, name=base_name or str(source), repo_id=base_name)
    findings = compatibility.check(vector.manifest, facts)
    compatibility.enforce(vector.manifest, facts, findings)
    config = _config(source)
    row = _row(config)
    files, settings = _plan(source, config, row, added)
    try:
        with folder_beside(target) as folder:
            made = folder / "model"
            made.mkdir()
            _copy_the_rest(source, made)
            write_checkpoint(made, files)
            text = json.dumps(settings, indent=2, sort_keys=True, default=str)
            (made / "config.json").write_text(text + "\n", encoding="utf-8")
            how = _how(config.model_type, row)
            write_provenance(made, vector, added, how, base_name, base_revision, coefficient)
            os.rename(made, target)
    except OSError as error:
        raise PackageError(f"Cannot write {target}: {error}") from error
    architecture = settings["architectures"][0]
    return Baked(target, architecture, row.rewrite is not None, tuple(added))


def _config(folder: Path) -> PretrainedConfig:
    from transformers import AutoConfig

    try:
        config: PretrainedConfig = AutoConfig.from_pretrained(folder, trust_remote_code=False)
    except (OSError, ValueError, KeyError) as error:
        raise ModelError(f"Cannot read the config of {folder}: {error}") from error
    return config


def _row(config: Any) -> Bias:  # noqa: ANN401 - a config of transformers
    """The table's row, if this very config is one for which a bias is exact."""
    name = config.model_type
    row = BIASES.get(name)
    if row is None:
        raise ModelError(
            f"A model of type {name!r} cannot hold a vector as a bias: its blocks have no exact "
            f"place for one, or none that was proven. {INSTEAD}"
        )
    if getattr(config, "quantization_config", None):
        raise ModelError(f"This checkpoint is quantised: bake the plain one, then quantise it. "
                         f"{INSTEAD}")  # fmt: skip
    reason = row.rewrite.refusal(config) if row.rewrite else None
    for setting, wanted in row.only_if.items():
        if getattr(config, setting, None) != wanted:
            reason = f"its config has {setting}={getattr(config, setting, None)!r}"
    if reason:
        raise ModelError(f"This {name} cannot hold a vector as a bias: {reason}. {INSTEAD}")
    return row


def _plan(
    folder: Path,
    config: Any,  # noqa: ANN401
    row: Bias,
    added: dict[int, Array],
) -> tuple[Files, dict[str, Any]]:
    """The new files, tensor by tensor, and the new config; nothing is written yet."""
    stored = read_checkpoint(folder)
    if row.rewrite:
        make, settings = row.rewrite.pieces, llama_config(config, row.rewrite)
        files = {
            name: [piece for tensor in tensors for piece in make(tensor, config)]
            for name, tensors in stored.items()
        }
    else:
        settings = json.loads((folder / "config.json").read_text(encoding="utf-8"))
        files = {name: [unchanged(tensor) for tensor in all_] for name, all_ in stored.items()}
    if row.flag:
        settings[row.flag] = True
        for block in range(config.num_hidden_layers):
            for module in (row.module, *row.also):
                _ensure_bias(files, module.format(block))
    divisor = np.float32(getattr(config, row.divided_by)) if row.divided_by else np.float32(1)
    for layer, array in added.items():
        _add_to_bias(files, row.module.format(layer), array / divisor)
    return files, settings


def _ensure_bias(files: Files, module: str) -> None:
    """Give a module a bias of zeros, unless it has one."""
    if _find(files, f"{module}.bias"):
        return
    file, place = _required(files, f"{module}.weight")
    weight = files[file][place]
    _float_type(weight)
    rows = weight.shape[0]
    name = weight.name.removesuffix("weight") + "bias"
    zeros = bytes(weight.size // max(1, int(np.prod(weight.shape[1:]))))
    files[file].append(given(name, weight.dtype, (rows,), zeros))


def _add_to_bias(files: Files, module: str, array: Array) -> None:
    file, place = _required(files, f"{module}.bias")
    bias = files[file][place]
    dtype = _float_type(bias)
    if bias.shape != array.shape:
        raise ModelError(f"{bias.name} should have the shape {array.shape}; it has {bias.shape}.")
    before = torch.frombuffer(bytearray(b"".join(bias.chunks())), dtype=dtype)
    after = (before.to(torch.float32) + torch.from_numpy(np.array(array))).to(dtype)
    if not torch.isfinite(after).all():
        raise ModelError(f"The vector does not fit into {bias.name} as {bias.dtype}.")
    files[file][place] = given(bias.name, bias.dtype, bias.shape, to_bytes(after))


def _float_type(piece: Piece) -> torch.dtype:
    dtype = float_type(piece.dtype)
    if dtype is None:
        raise ModelError(
            f"{piece.name} is stored as {piece.dtype}: only float32, bfloat16 and float16 can be "
            f"baked. {INSTEAD}"
        )
    return dtype


def _find(files: Files, tensor: str) -> list[tuple[str, int]]:
    """Where a tensor is; checkpoints name the path to the blocks in different ways."""
    return [
        (file, place)
        for file, pieces in files.items()
        for place, piece in enumerate(pieces)
        if piece.name == tensor or piece.name.endswith(f".{tensor}")
    ]


def _required(files: Files, tensor: str) -> tuple[str, int]:
    found = _find(files, tensor)
    if len(found) != 1:
        raise ModelError(
            f"The checkpoint should hold one tensor {tensor}; it holds {len(found)}. {INSTEAD}"
        )
    return found[0]


def _copy_the_rest(source: Path, target: Path) -> None:
    """Tokenizer, templates, licence: what stands beside the weights."""
    for path in sorted(source.iterdir()):
        if path.is_file() and not path.name.startswith(".") and not path.name.endswith(_LEFT_OUT):
            shutil.copyfile(path, target / path.name)


def _how(model_type: str, row: Bias) -> str:
    module = row.module.format("N")
    if row.rewrite:
        return f"bias of {module}, in a Llama that computes what the {model_type} computes"
    if row.flag:
        return f"bias of {module}, which {row.flag} of the config gives it"
    return f"bias of {module}, which it has"
