"""Transformers itself with what is written for it: baked checkpoints, and adapters of PEFT."""

from __future__ import annotations

import pytest
from peft import PeftModel
from transformers import AutoModelForCausalLM

from palrs_hub.engines.baked import bake
from palrs_hub.engines.biases import ADAPTED, BIASES
from palrs_hub.engines.peft import write_adapter
from tests.engines.models import log_probabilities, tiny
from tests.vectors import vector_for

LIMIT = 1e-4


@pytest.mark.parametrize("name", BIASES)
def test_a_baked_checkpoint_is_exact(name, figures, tmp_path):
    model = tiny(name)
    model.save_pretrained(tmp_path / "base")
    vector = vector_for(model, layers=(1, 2))
    bake(vector, tmp_path / "base", tmp_path / "baked")
    baked = AutoModelForCausalLM.from_pretrained(tmp_path / "baked").eval()
    compared = _compared(model, vector, log_probabilities(baked))
    worst = figures.difference("transformers", "baked checkpoint", f"tiny {name}", *compared)
    assert worst < LIMIT


# That it could not be merged; and transformers' own names, which PEFT still reads.
@pytest.mark.filterwarnings("ignore::UserWarning", "ignore::FutureWarning")
@pytest.mark.parametrize("name", ADAPTED)
def test_an_adapter_of_peft_is_exact(name, figures, tmp_path):
    vector = vector_for(tiny(name), layers=(1, 2))
    write_adapter(vector, tmp_path)
    adapted = PeftModel.from_pretrained(tiny(name), str(tmp_path))
    compared = _compared(tiny(name), vector, log_probabilities(adapted))
    worst = figures.difference("transformers", "PEFT", f"tiny {name}", *compared)
    assert worst < LIMIT


def _compared(model, vector, found):
    plain = log_probabilities(model)
    with vector.attach(model):
        steered = log_probabilities(model)
    return tuple(values[0].numpy() for values in (found, steered, plain))
