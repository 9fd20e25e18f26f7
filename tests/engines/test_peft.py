"""PEFT loads the adapter and computes what the steered model computes."""

import pytest
import torch
from peft import PeftModel

from palrs_hub.engines.biases import ADAPTED
from palrs_hub.engines.peft import write_adapter
from palrs_hub.errors import UsageError
from tests.engines.models import log_probabilities, tiny
from tests.vectors import vector_for


# That it could not be merged; and transformers' own names, which PEFT still reads.
@pytest.mark.filterwarnings("ignore::UserWarning", "ignore::FutureWarning")
@pytest.mark.parametrize("model_type", list(ADAPTED))
def test_the_adapter_is_exact(model_type, tmp_path):
    model = tiny(model_type)
    vector = vector_for(model, layers=(1, 2))
    plain = log_probabilities(model)
    with vector.attach(model):
        steered = log_probabilities(model)
    write_adapter(vector, tmp_path)
    adapted = PeftModel.from_pretrained(model, str(tmp_path))
    assert (steered - plain).abs().max() > 0.05
    torch.testing.assert_close(log_probabilities(adapted), steered, atol=1e-5, rtol=0)
    adapted.unload()
    torch.testing.assert_close(log_probabilities(model), plain, atol=0, rtol=0)


@pytest.mark.parametrize("model_type", ["gemma2", "gpt2", "granite", "olmo2"])
def test_what_would_not_be_exact_is_refused(model_type, tmp_path):
    with pytest.raises(UsageError, match="palrs-hub vllm"):
        write_adapter(vector_for(tiny(model_type)), tmp_path)
    assert not list(tmp_path.iterdir())
