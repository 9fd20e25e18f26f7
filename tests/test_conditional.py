"""A vector made conditional on another one."""

import pytest

from palrs_hub import SteeringVector, conditioned
from palrs_hub.errors import UsageError
from tests.tiny_models import build
from tests.vectors import vector_for


@pytest.fixture(scope="module")
def llama():
    return build("llama")


def test_it_keeps_the_vector_and_takes_the_others_tensor_and_layer(llama, tmp_path):
    vector = vector_for(llama, layers=(2, 3), coefficient_range=(0.0, 2.0))
    when = vector_for(llama, layers=(1,), seed=7)
    made = conditioned(vector, when, threshold=0.25, comparison="below")
    again = SteeringVector.load(made.save_pretrained(tmp_path / "made"))
    assert again.manifest == made.manifest
    assert again.manifest.base_model.fingerprint.layers == (1, 2, 3)
    for change in again.manifest.interventions:
        condition = change.condition
        assert (condition.layer, condition.threshold, condition.comparison) == (1, 0.25, "below")
        assert (again.arrays[condition.tensor] == when.arrays["layer_1"]).all()
        assert change.coefficient_range is None
    with again.attach(llama) as steering:
        assert [f for f in steering.findings if f.severity != "note"] == []


def test_what_cannot_be_a_condition_is_refused(llama):
    vector = vector_for(llama, layers=(1,))
    with pytest.raises(UsageError, match="one intervention"):
        conditioned(vector, vector_for(llama, layers=(0, 1)), threshold=0.5)
    with pytest.raises(UsageError, match="before the first steered layer"):
        conditioned(vector, vector_for(llama, layers=(2,)), threshold=0.5)
    with pytest.raises(UsageError, match="same model"):
        conditioned(vector, vector_for(build("qwen2"), layers=(1,)), threshold=0.5)
    with pytest.raises(UsageError, match="from 0 to 1"):
        conditioned(vector, vector_for(llama, layers=(1,)), threshold=1.5)
