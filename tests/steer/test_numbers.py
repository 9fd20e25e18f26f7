"""Whatever numbers the weights are held in, and wherever: what is added is exactly the vector."""

import pytest
import torch
from transformers import AutoModelForCausalLM, BitsAndBytesConfig

from palrs_hub.blocks import find_blocks
from palrs_hub.steer import Row, attach
from tests.steer.by_hand import logits_of
from tests.tiny_models import BLOCKS, build
from tests.vectors import vector_for

IDS = torch.tensor([[5, 17, 42, 8, 23, 61], [33, 9, 71, 12, 50, 4]])
LAYER = 2
pytestmark = pytest.mark.filterwarnings(
    "ignore::palrs_hub.compatibility.CompatibilityWarning",  # quantised: not what it was made from
    "ignore:.*MatMul8bitLt",
)


def spread_out():
    """Every part has its place, two blocks of four on disk."""
    names = ["embed_tokens", "rotary_emb", "norm", *(f"layers.{k}" for k in range(BLOCKS))]
    places = {f"model.{name}": "cpu" for name in names} | {"lm_head": "cpu"}
    return places | {"model.layers.1": "disk", f"model.layers.{LAYER}": "disk"}


LOADED = {
    "bfloat16": lambda: {"dtype": torch.bfloat16},
    "float16": lambda: {"dtype": torch.float16},
    "offloaded": lambda: {"device_map": spread_out()},
    "8 bit, bitsandbytes": lambda: {"quantization_config": BitsAndBytesConfig(load_in_8bit=True)},
    "4 bit, bitsandbytes": lambda: {
        "quantization_config": BitsAndBytesConfig(
            load_in_4bit=True, bnb_4bit_compute_dtype=torch.float32
        )
    },
}


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    path = tmp_path_factory.mktemp("weights")
    build("llama", hidden_size=64, intermediate_size=128, head_dim=16).save_pretrained(path)
    return path


def steered_by_hand(model, changes):
    """Logits of this very model, whose block itself adds: a copy could be loaded otherwise."""
    block = find_blocks(model).modules[LAYER]
    inner = block.forward
    block.forward = lambda *a, **k: (out := inner(*a, **k)) + changes.to(out.dtype)
    try:
        return logits_of(model, IDS)
    finally:
        block.forward = inner


@pytest.mark.parametrize("how", LOADED)
def test_the_loaded_model_is_steered_exactly(folder, tmp_path, how):
    vector = vector_for(AutoModelForCausalLM.from_pretrained(folder), layers=(LAYER,))
    (change,) = vector.manifest.interventions
    addend = torch.tensor(vector.arrays[change.tensor]) * change.coefficient
    options = {"device_map": "cpu", **LOADED[how]()}
    model = AutoModelForCausalLM.from_pretrained(folder, offload_folder=tmp_path, **options)
    unsteered = logits_of(model, IDS)
    expected = steered_by_hand(model, addend)
    by_rows = steered_by_hand(model, torch.stack([addend, 0 * addend])[:, None])
    with vector.attach(model):
        assert torch.equal(logits_of(model, IDS), expected)
    with attach(model, [vector], rows=[Row(0), None]):
        assert torch.equal(logits_of(model, IDS), by_rows)
    assert torch.equal(logits_of(model, IDS), unsteered)
    assert (expected - unsteered).abs().max() > 0.1


def test_autocast_computes_in_another_type_than_the_weights(folder):
    model = AutoModelForCausalLM.from_pretrained(folder)
    vector = vector_for(model, layers=(LAYER,))
    (change,) = vector.manifest.interventions
    addend = torch.tensor(vector.arrays[change.tensor]) * change.coefficient
    with torch.autocast("cpu", dtype=torch.bfloat16):
        expected = steered_by_hand(model, addend)
        with vector.attach(model):
            assert torch.equal(logits_of(model, IDS), expected)
