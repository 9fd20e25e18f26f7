"""Operations: each against its formula, written out in float64."""

from pathlib import Path
from typing import get_args

import pytest
import torch

from palrs_hub.intervention import Operation
from palrs_hub.operations import OPERATIONS

COEFFICIENTS = [0.0, 1.0, -2.5, 0.3]


@pytest.fixture
def drawn():
    generator = torch.Generator().manual_seed(0)
    hidden = torch.randn(2, 5, 16, generator=generator, dtype=torch.float64)
    return hidden, torch.randn(16, generator=generator, dtype=torch.float64) * 3


def applied(name, hidden, vector, coefficient, dtype=torch.float32):
    operation = OPERATIONS[name]
    kind = dtype if operation.in_model_dtype else torch.float32
    amount = torch.as_tensor(coefficient, dtype=torch.float64)
    constants = [constant.to(kind) for constant in operation.constants(vector, amount)]
    return operation.apply(hidden.to(dtype), *constants)


def by_formula(name, h, v, c):
    along = torch.outer(v, v) / (v @ v)
    if name == "add":
        return h + c * v
    if name == "norm_preserving_add":
        moved = h + c * v
        return moved / moved.norm(dim=-1, keepdim=True) * h.norm(dim=-1, keepdim=True)
    if name == "project_out":
        return h - c * (h @ along)
    return h - h @ along + c * v


def test_the_manifest_names_exactly_these():
    assert set(OPERATIONS) == set(get_args(Operation))


@pytest.mark.parametrize("coefficient", COEFFICIENTS)
@pytest.mark.parametrize("name", OPERATIONS)
def test_it_computes_its_formula(drawn, name, coefficient):
    hidden, vector = drawn
    found = applied(name, hidden, vector, coefficient)
    assert found.dtype == torch.float32
    expected = by_formula(name, hidden, vector, coefficient)
    torch.testing.assert_close(found.double(), expected, atol=1e-5, rtol=1e-5)


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16])
@pytest.mark.parametrize("name", OPERATIONS)
def test_in_half_precision_it_is_rounded_no_more_than_the_type_must(drawn, name, dtype):
    hidden, vector = drawn
    found = applied(name, hidden, vector, 1.5, dtype)
    assert found.dtype == dtype
    expected = by_formula(name, hidden.to(dtype).double(), vector, 1.5)
    slack = 2 * torch.finfo(dtype).eps * (1 + 2 * (1.5 * vector).abs().max())
    assert (found.double() - expected).abs().max() <= slack


@pytest.mark.parametrize("name", OPERATIONS)
def test_rows_may_have_their_own_coefficients(drawn, name):
    hidden, vector = drawn
    amounts = torch.tensor([0.5, -2.0])[:, None, None]
    together = applied(name, hidden, vector, amounts)
    for row, amount in enumerate((0.5, -2.0)):
        alone = applied(name, hidden[row : row + 1], vector, amount)
        torch.testing.assert_close(together[row : row + 1], alone)


def test_norm_preserving_add_keeps_the_norm_and_bears_a_state_of_zero(drawn):
    hidden, vector = drawn
    found = applied("norm_preserving_add", hidden, vector, 4.0)
    torch.testing.assert_close(found.norm(dim=-1), hidden.float().norm(dim=-1))
    cancelled = applied("norm_preserving_add", -vector[None, None], vector, 1.0)
    assert torch.equal(cancelled, torch.zeros_like(cancelled))


def test_projecting_out_leaves_nothing_along_the_vector(drawn):
    hidden, vector = drawn
    found = applied("project_out", hidden, vector, 1.0).double()
    assert (found @ vector / vector.norm()).abs().max() < 1e-5


def test_clamping_sets_the_component_to_that_of_the_scaled_vector(drawn):
    hidden, vector = drawn
    along = applied("clamp", hidden, vector, -0.7).double() @ vector / vector.norm()
    expected = torch.full_like(along, -0.7 * vector.norm())
    torch.testing.assert_close(along, expected, atol=1e-5, rtol=1e-5)


def test_the_guide_has_every_operation_with_its_formula_and_source():
    guide = (Path(__file__).parents[2] / "docs" / "steering.md").read_text(encoding="utf-8")
    for name, operation in OPERATIONS.items():
        row = next(line for line in guide.splitlines() if line.startswith(f"| `{name}`"))
        assert operation.formula in row
        assert operation.source in row
