"""Several interventions: in the order of attachment, of the list, of the manifest."""

import itertools

import pytest
import torch

from palrs_hub.operations import OPERATIONS
from palrs_hub.steer import attach
from palrs_hub.vector import SteeringVector
from tests.steer.by_hand import by_hand, logits_of
from tests.tiny_models import build
from tests.vectors import vector_for

IDS = torch.tensor([[5, 17, 42, 8, 23, 61], [33, 9, 71, 12, 50, 4]])


@pytest.fixture(scope="module")
def llama():
    return build("llama")


def formula(vector):
    """What a vector does to the residual stream, written out."""
    (change,) = vector.manifest.interventions
    v, c = torch.tensor(vector.arrays[change.tensor]), change.coefficient
    unit = v / v.norm()

    def along(h):
        return (h @ unit)[..., None] * unit

    def turned(h):
        return (h + c * v) / (h + c * v).norm(dim=-1, keepdim=True) * h.norm(dim=-1, keepdim=True)

    return {
        "add": lambda h: h + c * v,
        "norm_preserving_add": turned,
        "project_out": lambda h: h - c * along(h),
        "clamp": lambda h: h - along(h) + c * v,
    }[change.operation]


def mixed(llama, *operations):
    return [
        vector_for(llama, operation=operation, coefficient=0.7 + number / 3, seed=number)
        for number, operation in enumerate(operations)
    ]


@pytest.mark.parametrize("operation", OPERATIONS)
def test_an_operation_is_what_its_formula_says(llama, operation):
    (vector,) = mixed(llama, operation)
    expected = logits_of(by_hand(llama, 2, formula(vector)), IDS)
    with vector.attach(llama):
        found = logits_of(llama, IDS)
    torch.testing.assert_close(found, expected, atol=1e-5, rtol=1e-5)
    assert (found - logits_of(llama, IDS)).abs().max() > 1e-3


@pytest.mark.parametrize(
    "order", [*itertools.permutations(("norm_preserving_add", "project_out", "add"))]
)
def test_the_order_of_attachment_is_the_order_of_effect(llama, order):
    vectors = mixed(llama, *order)
    reference = llama
    for vector in vectors:
        reference = by_hand(reference, 2, formula(vector))
    expected = logits_of(reference, IDS)
    handles = [vector.attach(llama) for vector in vectors]
    one_by_one = logits_of(llama, IDS)
    for handle in handles:
        handle.detach()
    with attach(llama, vectors):
        at_once = logits_of(llama, IDS)
    torch.testing.assert_close(one_by_one, expected, atol=1e-5, rtol=1e-5)
    torch.testing.assert_close(at_once, expected, atol=1e-5, rtol=1e-5)
    with attach(llama, vectors[::-1]):
        assert not torch.allclose(logits_of(llama, IDS), expected, atol=1e-4)


def test_within_a_vector_the_manifests_order_holds(llama):
    parts = mixed(llama, "add", "norm_preserving_add", "add", "clamp")
    changes = tuple(
        part.manifest.interventions[0].model_copy(update={"tensor": f"part_{number}"})
        for number, part in enumerate(parts)
    )
    arrays = {f"part_{number}": part.arrays["layer_2"] for number, part in enumerate(parts)}
    manifest = parts[0].manifest.model_copy(update={"interventions": changes})
    vector = SteeringVector.build(manifest, arrays)
    reference = llama
    for part in parts:
        reference = by_hand(reference, 2, formula(part))
    with vector.attach(llama):
        found = logits_of(llama, IDS)
    torch.testing.assert_close(found, logits_of(reference, IDS), atol=1e-5, rtol=1e-5)


def test_one_that_leaves_lets_the_others_keep_their_order(llama):
    vectors = mixed(llama, "project_out", "add", "norm_preserving_add")
    handles = [vector.attach(llama) for vector in vectors]
    handles[1].detach()
    reference = by_hand(by_hand(llama, 2, formula(vectors[0])), 2, formula(vectors[2]))
    torch.testing.assert_close(
        logits_of(llama, IDS), logits_of(reference, IDS), atol=1e-5, rtol=1e-5
    )
    for handle in handles:
        handle.detach()


@pytest.mark.parametrize("operation", OPERATIONS)
def test_bfloat16_differs_by_rounding_alone(operation):
    model = build("llama").to(torch.bfloat16)
    (vector,) = mixed(model, operation)
    exact = build("llama")
    with vector.attach(model), torch.no_grad():
        found = model(input_ids=IDS).logits.float()
    expected = logits_of(by_hand(exact, 2, formula(vector)), IDS)
    rounding = (logits_of(exact, IDS) - logits_of(model, IDS).float()).abs().max()
    assert (found - expected).abs().max() < 3 * rounding
