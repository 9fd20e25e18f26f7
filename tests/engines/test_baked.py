"""A baked checkpoint computes what the steered model computes, for each row of BIASES."""

import json

import numpy as np
import pytest
import torch
from transformers import AutoModelForCausalLM

from palrs_hub.engines.baked import bake
from palrs_hub.engines.biases import BIASES
from palrs_hub.errors import IncompatibleError, ModelError, PalrsHubError, UsageError
from tests.survey.configs import build as build_any
from tests.vectors import vector_for

IDS = torch.tensor([[5, 10, 12, 8, 3, 11, 60, 33]])
CLASSES = {"codegen": "CodeGenForCausalLM", "persimmon": "PersimmonForCausalLM"}


def tiny(model_type, *, seed=0, **changes):
    """A tiny model of a type, with biases that are not zero where it has some."""
    import transformers

    config_class = transformers.CONFIG_MAPPING[model_type]
    name = transformers.models.auto.modeling_auto.MODEL_FOR_CAUSAL_LM_MAPPING_NAMES[model_type]
    model = build_any(model_type, name, seed=seed)
    if changes:
        settings = {**model.config.to_dict(), **changes}
        torch.manual_seed(seed)
        model = getattr(transformers, name)(config_class.from_dict(settings)).eval()
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.add_(torch.randn_like(parameter) * 0.05)
    return model


def log_probabilities(model):
    with torch.no_grad():
        return model(IDS, use_cache=False).logits.log_softmax(-1)


WINDOWLESS = {"mistral": {"sliding_window": None}, "phi3": {"sliding_window": None}}


@pytest.mark.parametrize("model_type", list(BIASES))
def test_every_row_of_the_table_is_exact(model_type, tmp_path):
    model = tiny(model_type, **WINDOWLESS.get(model_type, {}))
    model.save_pretrained(tmp_path / "base", max_shard_size="100KB")
    vector = vector_for(model, layers=(1, 2), coefficient=1.5)
    bake(vector, tmp_path / "base", tmp_path / "baked")
    baked = AutoModelForCausalLM.from_pretrained(tmp_path / "baked").eval()
    plain = log_probabilities(model)
    with vector.attach(model):
        steered = log_probabilities(model)
    assert (steered - plain).abs().max() > 0.05
    torch.testing.assert_close(log_probabilities(baked), steered, atol=2e-5, rtol=0)
