"""BiPO: the objective by hand, and vectors that are trained while the model stays as it was."""

import math

import numpy as np
import pytest
import torch

from palrs_hub.demo import pairs_file
from palrs_hub.demo.domains import DOMAINS
from palrs_hub.errors import ExtractionError, UsageError
from palrs_hub.extraction import extract
from palrs_hub.methods import METHODS, Training
from palrs_hub.methods.bipo import bidirectional_preference_loss
from palrs_hub.pairs import read_pairs
from palrs_hub.scores import encode_pairs, response_log_probabilities
from palrs_hub.selection import select
from palrs_hub.steer import adding
from palrs_hub.training import Trainer
from tests.tiny_models import CONFIGS, build

SHORT = Training(epochs=2, learning_rate=0.02, beta=0.1, pairs_per_step=4, weight_decay=0.0)


@pytest.fixture(scope="module")
def pairs():
    return read_pairs(pairs_file())


def trained(model, tokenizer, pairs, layer=1, training=SHORT):
    trainer = Trainer(model, tokenizer, pairs, bidirectional_preference_loss, training)
    return trainer.train(layer)


def objective(model, tokenizer, pairs, layer, vector, sign):
    """The loss as the paper writes it, from log-probabilities of two runs of the model."""
    sides = encode_pairs(tokenizer, pairs)
    before = [response_log_probabilities(model, side)[0] for side in sides]
    with adding(model, layer, sign * vector):
        after = [response_log_probabilities(model, side)[0] for side in sides]
    gained = (after[0] - before[0]) - (after[1] - before[1])
    return np.mean([-math.log(1 / (1 + math.exp(-sign * SHORT.beta * one))) for one in gained])


def test_the_loss_by_hand():
    chosen, rejected = torch.tensor([2.0, -1.0]), torch.tensor([0.5, 1.0])
    sign = torch.tensor([1.0, -1.0])
    expected = -np.mean([math.log(1 / (1 + math.exp(-x))) for x in (0.1 * 1.5, 0.1 * 2.0)])
    found = bidirectional_preference_loss(chosen, rejected, sign, 0.1)
    assert found.item() == pytest.approx(expected)


@pytest.mark.parametrize("name", CONFIGS)
def test_training_lowers_the_objective_in_both_directions(name, demo_tokenizer, pairs):
    model = build(name)
    vector = trained(model, demo_tokenizer, pairs[:8])
    assert vector.dtype == np.float64
    zero = np.zeros_like(vector)
    for sign in (1, -1):
        assert objective(model, demo_tokenizer, pairs[:8], 1, zero, sign) == pytest.approx(
            math.log(2)
        )
        assert objective(model, demo_tokenizer, pairs[:8], 1, vector, sign) < math.log(2)


def test_the_first_step_goes_along_the_gradient_of_the_objective(demo_tokenizer, pairs):
    """AdamW's first step has the size of the learning rate and the sign of the gradient."""
    model = build("llama")
    one = Training(epochs=1, learning_rate=1e-3, beta=0.1, pairs_per_step=4, weight_decay=0.0)
    vector = trained(model, demo_tokenizer, pairs[:4], training=one)
    for place in np.argsort(-np.abs(vector))[:6]:
        nudge = np.zeros_like(vector)
        nudge[place] = 0.05
        up, down = (objective(model, demo_tokenizer, pairs[:4], 1, s * nudge, 1) for s in (1, -1))
        assert np.sign(down - up) == np.sign(vector[place])
    np.testing.assert_allclose(np.abs(vector), 1e-3, rtol=0.05)


def test_the_model_is_as_before(demo_tokenizer, pairs):
    model = build("llama").train()
    model.lm_head.weight.requires_grad_(False)
    before = {name: (p.clone(), p.requires_grad) for name, p in model.named_parameters()}
    trained(model, demo_tokenizer, pairs[:4])
    assert model.training
    for name, parameter in model.named_parameters():
        assert torch.equal(parameter, before[name][0])
        assert parameter.requires_grad == before[name][1]
        assert parameter.grad is None
    assert not any(module._forward_hooks for module in model.modules())
    assert all("forward" not in module.__dict__ for module in model.modules())


def test_the_same_seed_gives_the_same_vector(demo_tokenizer, pairs):
    model = build("llama")
    first, again = (trained(model, demo_tokenizer, pairs[:8]) for _ in range(2))
    other = Training(**{**vars(SHORT), "seed": 1})
    assert np.array_equal(first, again)
    assert not np.array_equal(first, trained(model, demo_tokenizer, pairs[:8], training=other))


@pytest.mark.parametrize("reentrant", [True, False])
def test_gradient_checkpointing_recomputes_the_blocks_above_and_changes_nothing(
    demo_tokenizer, pairs, reentrant
):
    model = build("llama")
    expected = trained(model, demo_tokenizer, pairs[:8])
    model.activation_checkpointing_enable({"use_reentrant": reentrant})
    ran = []
    for index, block in enumerate(model.model.layers):
        block.input_layernorm.register_forward_hook(lambda *_, index=index: ran.append(index))
    found = trained(model, demo_tokenizer, pairs[:8])
    np.testing.assert_allclose(found, expected, rtol=1e-5, atol=1e-7)
    assert model.is_activation_checkpointing
    # Of 4 steps; blocks 0 and 1 ran forward alone, 2 and 3 once more in each backward pass.
    assert ran.count(3) - ran.count(0) == ran.count(2) - ran.count(1) == 4


def test_bf16_trains_a_float32_vector(demo_tokenizer, pairs):
    model = build("llama").to(torch.bfloat16)
    vector = trained(model, demo_tokenizer, pairs[:8])
    exact = trained(build("llama"), demo_tokenizer, pairs[:8])
    assert not np.array_equal(vector.astype(np.float32), torch.tensor(vector).bfloat16().double())
    cosine = vector @ exact / np.linalg.norm(vector) / np.linalg.norm(exact)
    assert cosine > 0.9


def test_a_vector_of_the_demonstration_is_trained_chosen_and_attached(
    demo_model, demo_tokenizer, pairs
):
    settings = Training(epochs=3, learning_rate=2e-3, beta=0.1, pairs_per_step=4, weight_decay=0.05)
    extraction = extract(
        demo_model, demo_tokenizer, pairs[:40], "bipo", layers=[3], training=settings
    )
    assert (extraction.layers, extraction.positions) == ((3,), ("response_mean",))
    validation = DOMAINS["sums"].pairs("validation", 8)
    chosen = select(demo_model, demo_tokenizer, extraction, validation)
    assert 1.0 in {cell.coefficient for cell in chosen.selection.cells}
    vector = extraction.vector(
        position=chosen.position, layer=3, coefficient=chosen.coefficient, name="n", task="t"
    )
    switches = vector.manifest.method.switches
    assert switches["epochs"] == 3
    assert switches["learning_rate"] == 2e-3
    assert {"beta", "pairs_per_step", "weight_decay", "seed", "scale"} <= set(switches)
    with vector.attach(demo_model, tokenizer=demo_tokenizer) as steering:
        assert steering.findings == ()


def test_middle_layers_are_trained_by_default(demo_tokenizer, pairs):
    model = build("llama", num_hidden_layers=10)
    once = Training(epochs=1, learning_rate=1e-3, beta=0.1, pairs_per_step=2, weight_decay=0.0)
    extraction = extract(model, demo_tokenizer, pairs[:2], "bipo", training=once)
    assert extraction.layers == (4, 5, 6)
    assert extraction.candidates.shape == (1, 3, 32)


def test_wrong_settings_are_refused(demo_model, demo_tokenizer, pairs):
    with pytest.raises(UsageError, match="is not trained"):
        extract(demo_model, demo_tokenizer, pairs, "palrs", training=SHORT)
    with pytest.raises(UsageError, match="one position is enough, not 3"):
        extract(demo_model, demo_tokenizer, pairs, "bipo", positions="template_suffix")
    blocks = demo_model.config.num_hidden_layers
    with pytest.raises(UsageError, match=f"layers: 0 to {blocks - 1}"):
        extract(demo_model, demo_tokenizer, pairs, "bipo", layers=[blocks])
    for wrong in ({"epochs": 0}, {"learning_rate": math.nan}, {"beta": -1.0}):
        with pytest.raises(UsageError, match="Expected"):
            Training(**{**vars(SHORT), **wrong})
    assert METHODS["bipo"].training.epochs == 20


def test_a_gradient_that_is_not_finite_is_refused(demo_tokenizer, pairs):
    model = build("llama")
    with torch.no_grad():
        model.lm_head.weight[5] = math.inf
    with pytest.raises(ExtractionError, match="is not finite"):
        trained(model, demo_tokenizer, pairs[:4])
