"""Finalists answer in the same batches, and each as if it were alone."""

import numpy as np
import pytest
import torch

from palrs_hub.demo import pairs_file
from palrs_hub.demo.domains import DOMAINS
from palrs_hub.evaluate import accuracy
from palrs_hub.extraction import extract
from palrs_hub.pairs import read_pairs
from palrs_hub.selection import judge, select
from palrs_hub.steer import adding, adding_by_row
from tests.tiny_models import HIDDEN, build


@pytest.mark.parametrize("rows", [4, 64])
def test_each_is_judged_as_if_it_were_alone(demo_model, demo_tokenizer, monkeypatch, rows):
    monkeypatch.setattr(judge, "MIN_ROWS", rows)
    monkeypatch.setattr(judge, "MAX_TOKENS", 1)
    extraction = extract(demo_model, demo_tokenizer, read_pairs(pairs_file()), choice="validation")
    problems = DOMAINS["sums"].validation_problems(10)
    chosen = select(
        demo_model,
        demo_tokenizer,
        extraction,
        DOMAINS["sums"].pairs("validation", 6),
        problems=problems,
        finalists=4,
    )
    judged = [cell for cell in chosen.selection.cells if cell.accuracy is not None]
    assert len(judged) == 4
    assert len({cell.accuracy for cell in judged}) > 1
    for cell in judged:
        addend = cell.coefficient * extraction.direction(cell.position, cell.layer)
        with adding(demo_model, cell.layer, addend):
            assert accuracy(demo_model, demo_tokenizer, problems) == cell.accuracy


def test_each_row_has_its_own_addition_at_its_own_block():
    model = build("llama")
    ids = torch.tensor([[5, 17, 42]] * 3)
    addends = np.random.default_rng(0).standard_normal((3, HIDDEN))
    with torch.no_grad(), adding_by_row(model, [1, 2, 1], addends):
        together = model(input_ids=ids).logits
    for row, layer in enumerate((1, 2, 1)):
        with torch.no_grad(), adding(model, layer, addends[row]):
            alone = model(input_ids=ids[:1]).logits[0]
        torch.testing.assert_close(together[row], alone, atol=1e-5, rtol=1e-5)
    assert not any(block._forward_hooks for block in model.model.layers)
