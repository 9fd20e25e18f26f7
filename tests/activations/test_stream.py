"""Reading activations: one streaming pass, the same means whatever the batching and padding."""

import numpy as np
import pytest
import torch

from palrs_hub.activations import MAX_SAMPLES, read_moments
from palrs_hub.blocks import find_blocks
from palrs_hub.errors import ExtractionError
from palrs_hub.inputs import Sample
from tests.activations.by_itself import one_by_one
from tests.tiny_models import CONFIGS, HIDDEN, build


def samples(seed, number=7):
    """Texts of different lengths; read the last token, and the mean of the last three."""
    generator = np.random.default_rng(seed)
    lengths = generator.integers(4, 20, number)
    texts = [tuple(map(int, generator.integers(3, 90, length))) for length in lengths]
    return [Sample(t, ((len(t) - 1, len(t)), (len(t) - 3, len(t)))) for t in texts]


@pytest.mark.parametrize("name", CONFIGS)
@pytest.mark.parametrize("padding_side", ["right", "left"])
def test_means_equal_one_pass_a_text(name, padding_side):
    model = build(name)
    chosen, rejected = samples(0), samples(1)
    plus, minus = read_moments(model, chosen, rejected, batch_size=3, padding_side=padding_side)
    for moments, texts in ((plus, chosen), (minus, rejected)):
        expected = one_by_one(model, texts)
        np.testing.assert_allclose(moments.mean, expected, atol=1e-5 * np.abs(expected).max())


@pytest.mark.parametrize("batch_size", [1, 2, 5, None])
def test_batch_size_changes_nothing_but_rounding(batch_size):
    model = build("llama")
    reference = read_moments(model, samples(0), samples(1), batch_size=14)
    found = read_moments(model, samples(0), samples(1), batch_size=batch_size)
    for expected, moments in zip(reference, found, strict=True):
        np.testing.assert_allclose(moments.mean, expected.mean, atol=1e-5)
        np.testing.assert_allclose(moments.samples, expected.samples, atol=1e-4)


def test_bfloat16_gives_the_same_direction_to_its_rounding():
    model = build("llama")
    exact = read_moments(model, samples(0, 40), samples(1, 40))
    rounded = read_moments(model.to(torch.bfloat16), samples(0, 40), samples(1, 40))
    assert rounded[0].mean.dtype == np.float64
    for expected, found in zip(exact, rounded, strict=True):
        cosines = (expected.mean * found.mean).sum(-1) / (
            np.linalg.norm(expected.mean, axis=-1) * np.linalg.norm(found.mean, axis=-1)
        )
        assert cosines.min() > 0.999


def test_no_lm_head_and_no_final_norm_ever_run():
    model = build("llama")
    ran = []
    for module in (model.lm_head, model.model.norm):
        module.register_forward_hook(lambda m, a, o: ran.append(type(m).__name__))
    read_moments(model, samples(0), samples(1))
    assert ran == []


def test_blocks_after_the_last_wanted_layer_do_not_run():
    model = build("llama")
    ran = []
    for k, block in enumerate(find_blocks(model).modules):
        block.register_forward_pre_hook(lambda m, a, k=k: ran.append(k))
    plus, _ = read_moments(model, samples(0), samples(1), layers=[1], batch_size=99)
    assert set(ran) == {0, 1}
    assert plus.mean.shape == (2, 1, HIDDEN)


def test_samples_are_the_same_pairs_in_both_classes():
    model = build("llama")
    plus, minus = read_moments(model, samples(0), samples(0), batch_size=2)
    np.testing.assert_allclose(plus.samples, minus.samples, atol=1e-5)
    np.testing.assert_allclose(plus.samples.mean(0), plus.mean, atol=1e-5)


def test_what_is_kept_does_not_grow_with_the_pairs():
    model = build("llama")
    few, _ = read_moments(model, samples(0, MAX_SAMPLES), samples(1, MAX_SAMPLES))
    many, _ = read_moments(model, samples(0, 3 * MAX_SAMPLES), samples(1, 3 * MAX_SAMPLES))
    assert few.samples.nbytes == many.samples.nbytes
    assert many.count == 3 * MAX_SAMPLES


def test_the_model_is_left_as_it_was():
    model = build("llama").train()
    read_moments(model, samples(0), samples(1))
    assert model.training
    assert not any(block._forward_hooks for block in find_blocks(model).modules)


def test_a_text_that_is_too_long_is_named():
    long = Sample(tuple([5] * 200), ((199, 200), (198, 200)))
    with pytest.raises(ExtractionError, match=r"Pair 3 has 200 tokens; the model takes 128"):
        read_moments(build("llama"), [*samples(0, 2), long], samples(1, 3))


def test_activations_that_are_not_finite_are_refused():
    model = build("llama")
    with torch.no_grad():
        model.model.layers[1].mlp.down_proj.weight.fill_(float("inf"))
    with pytest.raises(ExtractionError, match="layer 1 are not finite"):
        read_moments(model, samples(0), samples(1))
