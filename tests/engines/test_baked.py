"""A baked checkpoint computes what the steered model computes, for each row of BIASES."""

import json
import shutil
import tracemalloc

import numpy as np
import pytest
import torch
import transformers
from safetensors.torch import load_file, save_file
from transformers import AutoModelForCausalLM

from palrs_hub.engines import checkpoint
from palrs_hub.engines.baked import bake
from palrs_hub.engines.biases import BIASES
from palrs_hub.errors import IncompatibleError, ModelError, UsageError
from tests.engines.models import log_probabilities, tiny
from tests.vectors import vector_for


@pytest.fixture(scope="module")
def base(tmp_path_factory):
    """A tiny Llama with a tokenizer's file beside it, in several shards; and a vector for it."""
    folder = tmp_path_factory.mktemp("base")
    model = tiny("llama")
    model.save_pretrained(folder, max_shard_size="40KB")
    (folder / "tokenizer.json").write_text("{}")
    (folder / "pytorch_model.bin").write_bytes(b"a pickle")
    (folder / "modeling_odd.py").write_text("raise SystemExit")
    return folder, vector_for(model, layers=(1, 2))


@pytest.mark.parametrize("model_type", list(BIASES))
def test_every_row_of_the_table_is_exact(model_type, tmp_path):
    model = tiny(model_type)
    model.save_pretrained(tmp_path / "base", max_shard_size="100KB")
    vector = vector_for(model, layers=(1, 2), coefficient=1.5)
    bake(vector, tmp_path / "base", tmp_path / "baked")
    baked = AutoModelForCausalLM.from_pretrained(tmp_path / "baked").eval()
    plain = log_probabilities(model)
    with vector.attach(model):
        steered = log_probabilities(model)
    assert (steered - plain).abs().max() > 0.05
    torch.testing.assert_close(log_probabilities(baked), steered, atol=2e-5, rtol=0)


def test_a_bias_that_is_there_is_added_to(tmp_path):
    model = tiny("llama", mlp_bias=True)
    model.save_pretrained(tmp_path / "base")
    vector = vector_for(model, layers=(0, 3))
    bake(vector, tmp_path / "base", tmp_path / "baked", coefficient=-0.5)
    baked = AutoModelForCausalLM.from_pretrained(tmp_path / "baked").eval()
    with vector.attach(model, -0.5):
        steered = log_probabilities(model)
    torch.testing.assert_close(log_probabilities(baked), steered, atol=2e-5, rtol=0)


def test_sixteen_bits_are_equal_up_to_rounding(tmp_path):
    model = tiny("llama").to(torch.bfloat16)
    model.save_pretrained(tmp_path / "base")
    vector = vector_for(model, coefficient=3.0)
    bake(vector, tmp_path / "base", tmp_path / "baked")
    baked = AutoModelForCausalLM.from_pretrained(tmp_path / "baked").eval()
    assert baked.dtype == torch.bfloat16
    plain = log_probabilities(model)
    with vector.attach(model):
        steered = log_probabilities(model)
    effect = (steered - plain).abs().max()
    assert (log_probabilities(baked) - steered).abs().max() < 0.1 * effect


def test_the_other_files_come_along_and_code_does_not(base, tmp_path):
    folder, vector = base
    bake(vector, folder, tmp_path / "baked")
    names = {path.name for path in (tmp_path / "baked").iterdir()}
    assert {"tokenizer.json", "config.json", "generation_config.json"} <= names
    assert not {"pytorch_model.bin", "modeling_odd.py"} & names
    shards = {path.name for path in folder.glob("*.safetensors")}
    assert len(shards) > 1
    assert shards == {path.name for path in (tmp_path / "baked").glob("*.safetensors")}


def test_it_says_what_is_in_it(base, tmp_path):
    folder, vector = base
    bake(vector, folder, tmp_path / "baked", base_name="org/base", base_revision="a" * 40)
    facts = json.loads((tmp_path / "baked" / "palrs_hub_baked.json").read_text())
    assert facts["vector"]["sha256"] == vector.manifest.tensors.sha256
    assert facts["base_model"]["repo_id"] == "org/base"
    assert facts["base_model"]["revision"] == "a" * 40
    assert (facts["layers"], facts["coefficients"]) == ([1, 2], [1.5, 1.5])
    note = (tmp_path / "baked" / "README.md").read_text()
    assert 'base_model: "org/base"' in note
    assert vector.manifest.tensors.sha256 in note


def test_only_the_steered_biases_are_not_zero(base, tmp_path):
    folder, vector = base
    bake(vector, folder, tmp_path / "baked")
    tensors = {}
    for shard in (tmp_path / "baked").glob("*.safetensors"):
        tensors |= load_file(shard)
    added = {name for name, tensor in tensors.items() if "bias" in name and tensor.any()}
    assert added == {"model.layers.1.mlp.down_proj.bias", "model.layers.2.mlp.down_proj.bias"}


def test_a_large_tensor_passes_through_little_memory(tmp_path, monkeypatch):
    monkeypatch.setattr(checkpoint, "CHUNK_BYTES", 64 * 1024)
    model = tiny("gemma", vocab_size=60_000)
    model.save_pretrained(tmp_path / "base")
    vector = vector_for(model)
    size = (tmp_path / "base" / "model.safetensors").stat().st_size
    tracemalloc.start()
    bake(vector, tmp_path / "base", tmp_path / "baked")
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert size > 7_000_000
    assert peak < size / 5


@pytest.mark.parametrize(
    ("model_type", "changes", "reason"),
    [
        ("qwen3", {}, "no exact place"),
        ("gemma2", {}, "no exact place"),
        ("olmo2", {}, "no exact place"),
        ("mistral", {"sliding_window": 16}, "window of 16"),
        ("phi3", {"sliding_window": 16}, "window of 16"),
        ("starcoder2", {"use_bias": False}, "use_bias=False"),
        ("opt", {"do_layer_norm_before": False}, "do_layer_norm_before=False"),
    ],
)
def test_what_would_not_be_exact_is_refused_with_a_way_out(model_type, changes, reason, tmp_path):
    model = tiny(model_type, **changes)
    model.save_pretrained(tmp_path / "base")
    with pytest.raises(ModelError, match=reason) as refused:
        bake(vector_for(model), tmp_path / "base", tmp_path / "baked")
    assert "palrs-hub vllm" in str(refused.value)
    assert [path.name for path in tmp_path.iterdir()] == ["base"]


def test_gemma_is_exact_in_float32_alone(tmp_path):
    model = tiny("gemma").to(torch.bfloat16)
    model.save_pretrained(tmp_path / "base")
    with pytest.raises(ModelError, match="rounded"):
        bake(vector_for(model), tmp_path / "base", tmp_path / "baked")


def test_a_quantised_checkpoint_is_refused(base, tmp_path):
    folder, vector = copied(base, tmp_path)
    config = json.loads((folder / "config.json").read_text())
    config["quantization_config"] = {"quant_method": "fp8"}
    (folder / "config.json").write_text(json.dumps(config))
    with pytest.warns(UserWarning, match="quantisation"), pytest.raises(ModelError, match="plain"):
        bake(vector, folder, tmp_path / "baked")


def test_another_model_is_refused(base, tmp_path):
    folder, _ = base
    with pytest.raises(IncompatibleError, match="hidden size"):
        bake(vector_for(tiny("llama", hidden_size=64)), folder, tmp_path / "baked")


def test_what_is_there_stays(base, tmp_path):
    folder, vector = base
    with pytest.raises(UsageError, match="there already"):
        bake(vector, folder, tmp_path)


def test_a_coefficient_that_steers_nothing_is_refused(base, tmp_path):
    folder, vector = base
    with pytest.raises(UsageError, match="steer nothing"):
        bake(vector, folder, tmp_path / "baked", coefficient=0)


@pytest.mark.parametrize(
    ("damage", "reason"),
    [
        (lambda data: data[: len(data) // 2], "within the file"),
        (lambda data: b"\xff" * 8 + data[8:], "lies about its header"),
        (lambda data: data[:8] + b"x" + data[9:], "unreadable"),
        (lambda data: data.replace(b'"F32"', b'"F99"'), "described soundly"),
    ],
)
def test_a_damaged_checkpoint_ends_in_a_message(base, tmp_path, damage, reason):
    folder, vector = copied(base, tmp_path)
    shard = sorted(folder.glob("*.safetensors"))[0]
    shard.write_bytes(damage(shard.read_bytes()))
    with pytest.raises(ModelError, match=reason):
        bake(vector, folder, tmp_path / "baked")
    assert not (tmp_path / "baked").exists()


def test_an_index_cannot_lead_out_of_its_folder(base, tmp_path):
    folder, vector = copied(base, tmp_path)
    place = folder / "model.safetensors.index.json"
    index = json.loads(place.read_text())
    index["weight_map"]["lm_head.weight"] = "../elsewhere.safetensors"
    place.write_text(json.dumps(index))
    with pytest.raises(ModelError, match="beside it"):
        bake(vector, folder, tmp_path / "baked")


def test_weights_in_another_form_are_refused(base, tmp_path):
    folder, vector = copied(base, tmp_path)
    for path in folder.glob("*.safetensors*"):
        path.unlink()
    with pytest.raises(ModelError, match="save_pretrained"):
        bake(vector, folder, tmp_path / "baked")


def test_what_is_written_is_what_safetensors_reads(tmp_path):
    """Types of different sizes, each at a place that it may have."""
    tensors = {
        "a": torch.arange(3, dtype=torch.bfloat16),
        "b": torch.arange(5, dtype=torch.float32),
        "c": torch.arange(7, dtype=torch.uint8),
        "d": torch.tensor(2.5),
        "e": torch.zeros(0, 4),
    }
    save_file(tensors, tmp_path / "model.safetensors")
    files = checkpoint.read_checkpoint(tmp_path)
    pieces = {name: [checkpoint.unchanged(t) for t in all_] for name, all_ in files.items()}
    (tmp_path / "copy").mkdir()
    checkpoint.write_checkpoint(tmp_path / "copy", pieces)
    found = load_file(tmp_path / "copy" / "model.safetensors")
    assert set(found) == set(tensors)
    for name, tensor in tensors.items():
        np.testing.assert_array_equal(found[name].float(), tensor.float())


def test_the_table_names_types_of_transformers():
    assert set(BIASES) <= set(transformers.CONFIG_MAPPING)


def copied(base, tmp_path):
    folder, vector = base
    shutil.copytree(folder, tmp_path / "copy")
    return tmp_path / "copy", vector
