"""Steering: added to the residual stream exactly, at every token of every row, and taken away."""

import copy
import warnings

import numpy as np
import pytest
import torch

from palrs_hub.blocks import find_blocks
from palrs_hub.compatibility import CompatibilityWarning
from palrs_hub.errors import IncompatibleError, SteeringError
from palrs_hub.steer import adding, attached, suspended
from tests.steer.by_hand import by_hand, logits_of
from tests.tiny_models import BLOCKS, CONFIGS, HIDDEN, build
from tests.vectors import vector_for

IDS = torch.tensor([[5, 17, 42, 8, 23, 61], [33, 9, 71, 12, 50, 4]])


@pytest.fixture(scope="module")
def models():
    """Each architecture once; tests leave them as they found them."""
    return {name: build(name) for name in CONFIGS}


@pytest.fixture
def llama():
    return build("llama")


def addend_of(vector):
    (intervention,) = vector.manifest.interventions
    return torch.tensor(vector.arrays[intervention.tensor]) * intervention.coefficient


def doubts(steering):
    return [finding for finding in steering.findings if finding.severity != "note"]


@pytest.mark.parametrize("layer", [0, 2, BLOCKS - 1])
@pytest.mark.parametrize("name", CONFIGS)
def test_steered_logits_equal_adding_by_hand(models, name, layer):
    model = models[name]
    vector = vector_for(model, layers=(layer,))
    unsteered = logits_of(model, IDS)
    expected = logits_of(by_hand(model, layer, addend_of(vector)), IDS)
    with vector.attach(model):
        steered = logits_of(model, IDS)
    torch.testing.assert_close(steered, expected, atol=1e-5, rtol=1e-5)
    assert (steered - unsteered).abs().max() > 1e-2
    assert torch.equal(logits_of(model, IDS), unsteered)


@pytest.mark.parametrize("name", CONFIGS)
def test_every_row_is_steered_alike(models, name):
    model = models[name]
    vector = vector_for(model)
    with vector.attach(model):
        together = logits_of(model, IDS)
        alone = torch.cat([logits_of(model, row[None]) for row in IDS])
    torch.testing.assert_close(together, alone, atol=1e-4, rtol=1e-4)


def token_by_token(model, name):
    cache, steps = None, []
    named = "cache_params" if name == "mamba" else "past_key_values"
    with torch.no_grad():
        for token in IDS.split(1, dim=1):
            output = model(input_ids=token, use_cache=True, **{named: cache})
            cache = getattr(output, named)
            steps.append(output.logits)
    return torch.cat(steps, dim=1)


@pytest.mark.parametrize("name", CONFIGS)
def test_with_a_cache_it_equals_adding_by_hand_and_one_pass_without(models, name):
    model = models[name]
    vector = vector_for(model)
    expected = token_by_token(by_hand(model, 2, addend_of(vector)), name)
    with vector.attach(model):
        found = token_by_token(model, name)
        whole = logits_of(model, IDS, use_cache=False)
    torch.testing.assert_close(found, expected, atol=1e-5, rtol=1e-5)
    # Other kernels, other rounding: the model by itself differs as much.
    torch.testing.assert_close(found, whole, atol=1e-4, rtol=1e-4)


@pytest.mark.parametrize("padding_side", ["left", "right"])
@pytest.mark.parametrize("name", CONFIGS)
def test_padding_changes_nothing(models, name, padding_side):
    model = models[name]
    vector = vector_for(model)
    reference = by_hand(model, 2, addend_of(vector))
    short, filler = IDS[:1, :4], torch.zeros(1, 3, dtype=torch.long)
    sides = (filler, short) if padding_side == "left" else (short, filler)
    mask = torch.cat([torch.full_like(side, int(side is short)) for side in sides], dim=1)
    named = {"attention_mask": mask}
    if padding_side == "left" and name not in ("mamba", "bloom"):
        named["position_ids"] = (mask.cumsum(-1) - 1).clamp(min=0)
    kept = slice(-4, None) if padding_side == "left" else slice(4)
    padded = torch.cat(sides, dim=1)
    with vector.attach(model):
        alone = logits_of(model, short)
        found = logits_of(model, padded, **named)[:, kept]
    expected = logits_of(reference, padded, **named)[:, kept]
    torch.testing.assert_close(found, expected, atol=1e-5, rtol=1e-5)
    torch.testing.assert_close(found, alone, atol=1e-4, rtol=1e-4)


@pytest.mark.parametrize("name", CONFIGS)
@pytest.mark.parametrize(
    "how",
    [
        {"do_sample": False},
        {"do_sample": False, "use_cache": False},
        {"do_sample": False, "num_beams": 3},
        {"do_sample": True, "temperature": 1.3, "top_k": 0},
    ],
    ids=["greedy", "greedy without cache", "beam search", "sampling"],
)
def test_generation_equals_that_of_the_reference(models, name, how):
    model = models[name]
    # Tied embeddings make some random models repeat themselves: push hard enough to see it.
    vector = vector_for(model, coefficient=400.0)
    reference = by_hand(model, 2, addend_of(vector))
    mask = torch.ones_like(IDS)

    def generate(from_model):
        torch.manual_seed(0)
        return from_model.generate(
            input_ids=IDS,
            attention_mask=mask,
            max_new_tokens=8,
            min_new_tokens=8,
            pad_token_id=0,
            **how,
        )

    unsteered = generate(model)
    with vector.attach(model):
        steered = generate(model)
    assert torch.equal(steered, generate(reference))
    assert not torch.equal(steered, unsteered)
    assert torch.equal(generate(model), unsteered)


def test_bfloat16_adds_in_the_models_own_type(llama):
    model = llama.to(torch.bfloat16)
    vector = vector_for(model)
    expected = logits_of(by_hand(model, 2, addend_of(vector).to(torch.bfloat16)), IDS)
    with vector.attach(model):
        assert torch.equal(logits_of(model, IDS), expected)


def test_hidden_states_show_the_steering_also_after_a_capture(llama):
    vector = vector_for(llama)
    before = llama(input_ids=IDS, output_hidden_states=True).hidden_states[3]
    with vector.attach(llama):
        after = llama(input_ids=IDS, output_hidden_states=True).hidden_states[3]
    torch.testing.assert_close(after - before, addend_of(vector).expand_as(after))


def test_several_vectors_add_up_and_leave_one_by_one(llama):
    first, second = vector_for(llama, seed=1), vector_for(llama, seed=2)
    both = by_hand(llama, 2, addend_of(first) + addend_of(second))
    one = by_hand(llama, 2, addend_of(second))
    steering = first.attach(llama)
    with second.attach(llama) as other:
        assert attached(llama) == (steering, other)
        torch.testing.assert_close(logits_of(llama, IDS), logits_of(both, IDS))
        steering.detach()
        torch.testing.assert_close(logits_of(llama, IDS), logits_of(one, IDS))
    assert attached(llama) == ()


def test_a_vector_steers_several_layers(llama):
    vector = vector_for(llama, layers=(1, 3))
    addends = [torch.tensor(a) * 1.5 for a in vector.arrays.values()]
    reference = by_hand(by_hand(llama, 1, addends[0]), 3, addends[1])
    with vector.attach(llama):
        torch.testing.assert_close(logits_of(llama, IDS), logits_of(reference, IDS))


def test_the_coefficient_takes_effect_live(llama):
    vector = vector_for(llama)
    unit = addend_of(vector) / 1.5
    references = {value: by_hand(llama, 2, unit * value) for value in (0.5, -2.0, 0.0, 3.0)}
    with vector.attach(llama, coefficient=0.5) as steering:
        for value, reference in references.items():
            steering.coefficient = value
            assert steering.coefficient == value
            expected = logits_of(reference, IDS)
            torch.testing.assert_close(logits_of(llama, IDS), expected)


def test_each_intervention_may_have_its_own_coefficient(llama):
    vector = vector_for(llama, layers=(1, 3))
    with vector.attach(llama, coefficient=[1.0, -2.0]) as steering:
        assert steering.coefficient == (1.0, -2.0)
        with pytest.raises(SteeringError, match="one for each of 2"):
            steering.coefficient = [1.0, 2.0, 3.0]
        assert steering.coefficient == (1.0, -2.0)


@pytest.mark.parametrize("value", [float("nan"), float("inf"), [1.0, 2.0]])
def test_a_coefficient_must_be_a_finite_number(llama, value):
    with pytest.raises(SteeringError, match="finite"):
        vector_for(llama).attach(llama, coefficient=value)
    assert attached(llama) == ()


def test_leaving_the_validated_range_warns(llama):
    vector = vector_for(llama, coefficient_range=(0.0, 2.0))
    with vector.attach(llama) as steering:
        assert doubts(steering) == []
        with pytest.warns(CompatibilityWarning, match="from 0 to 2"):
            steering.coefficient = 5.0
    with pytest.warns(CompatibilityWarning, match="from 0 to 2"):
        vector.attach(llama, coefficient=-1.0).detach()
    with pytest.raises(IncompatibleError, match="coefficient_range"):
        vector.attach(llama, coefficient=-1.0, strict=True)


def test_a_vector_longer_than_what_it_steers_warns(llama):
    vector = vector_for(llama)
    with vector.attach(llama, coefficient=2.9) as steering:
        assert doubts(steering) == []
        with pytest.warns(CompatibilityWarning, match="drowns"):
            steering.coefficient = -3.1
    with pytest.warns(CompatibilityWarning, match="at layer 2"):
        vector.attach(llama, coefficient=3.1).detach()


def test_detach_leaves_no_trace_when_generation_raises(llama):
    before = copy.deepcopy(llama.state_dict())
    hooks = [len(block._forward_hooks) for block in find_blocks(llama).modules]
    unsteered = logits_of(llama, IDS)

    def interrupt(*_):
        raise RuntimeError("stopped in the middle")

    handle = llama.lm_head.register_forward_hook(interrupt)
    with pytest.raises(RuntimeError, match="in the middle"), vector_for(llama).attach(llama):
        llama.generate(input_ids=IDS, attention_mask=torch.ones_like(IDS), max_new_tokens=3)
    handle.remove()
    assert torch.equal(logits_of(llama, IDS), unsteered)
    assert [len(block._forward_hooks) for block in find_blocks(llama).modules] == hooks
    assert all(torch.equal(before[key], value) for key, value in llama.state_dict().items())


def test_a_copy_of_a_steered_model_is_not_steered(llama):
    unsteered = logits_of(llama, IDS)
    steering = vector_for(llama).attach(llama)
    twin = copy.deepcopy(llama)
    assert attached(twin) == ()
    assert torch.equal(logits_of(twin, IDS), unsteered)
    steering.detach()
    assert torch.equal(logits_of(twin, IDS), unsteered)
    with vector_for(twin).attach(twin):
        assert not torch.equal(logits_of(twin, IDS), unsteered)


def test_detach_twice_is_no_error_and_entering_after_it_is(llama):
    steering = vector_for(llama).attach(llama)
    steering.detach()
    steering.detach()
    with pytest.raises(SteeringError, match="detached"):
        steering.__enter__()


def test_suspended_computes_as_if_nothing_were_attached(llama):
    unsteered = logits_of(llama, IDS)
    with vector_for(llama).attach(llama):
        steered = logits_of(llama, IDS)
        with suspended(llama):
            assert torch.equal(logits_of(llama, IDS), unsteered)
        assert torch.equal(logits_of(llama, IDS), steered)


def test_an_attached_vector_does_not_disturb_the_check_of_the_next(llama):
    first, second = vector_for(llama, seed=1, coefficient=2.9), vector_for(llama, seed=2)
    with first.attach(llama), warnings.catch_warnings():
        warnings.simplefilter("error")
        with second.attach(llama) as steering:
            assert doubts(steering) == []


def test_refusal_leaves_the_model_unchanged(llama):
    other = build("llama", seed=1)
    unsteered = logits_of(other, IDS)
    with pytest.raises(IncompatibleError):
        vector_for(llama).attach(other)
    assert attached(other) == ()
    assert torch.equal(logits_of(other, IDS), unsteered)


@pytest.mark.parametrize(
    ("model", "check"),
    [
        (lambda: build("llama", hidden_size=64), "hidden_size"),
        (lambda: build("llama", num_hidden_layers=BLOCKS + 1), "num_blocks"),
        (lambda: build("gpt2"), "architecture"),
        (lambda: build("llama", seed=1), "fingerprint"),
        (lambda: build("llama", vocab_size=8, bos_token_id=1), "tokenizer"),
    ],
    ids=["other width", "other depth", "other architecture", "other weights", "other vocabulary"],
)
def test_a_wrong_model_is_refused_with_the_finding(llama, model, check):
    with pytest.raises(IncompatibleError) as caught:
        vector_for(llama).attach(model())
    errors = {f.check for f in caught.value.findings if f.severity == "error"}
    assert check in errors
    assert "palrs-hub extract" in str(caught.value)


def test_the_same_weights_are_accepted_cast_and_copied(llama):
    vector = vector_for(llama)
    for same in (copy.deepcopy(llama), copy.deepcopy(llama).to(torch.bfloat16)):
        with vector.attach(same) as steering:
            assert doubts(steering) == []


def test_adding_is_for_candidates_and_leaves_no_trace(llama):
    unsteered = logits_of(llama, IDS)
    addend = np.linspace(-1, 1, HIDDEN)
    reference = by_hand(llama, 1, torch.tensor(addend, dtype=torch.float32))
    expected = logits_of(reference, IDS)
    with adding(llama, 1, addend):
        torch.testing.assert_close(logits_of(llama, IDS), expected)
    assert torch.equal(logits_of(llama, IDS), unsteered)
