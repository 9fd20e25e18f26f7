"""Finalists answer in the same batches, and each as if it were alone."""

import numpy as np
import pytest
import torch

from palrs_hub.demo import pairs_file
from palrs_hub.demo.domains import DOMAINS
from palrs_hub.evaluate import Problems, accuracy
from palrs_hub.evidence import Cell
from palrs_hub.extraction import extract
from palrs_hub.pairs import read_pairs
from palrs_hub.selection import judge, select
from palrs_hub.selection.record import Record, Sizes
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


class Scripted(judge.Judge):
    """Answers by a script: which problems a coefficient solves; notes who answered what."""

    solves: dict[float, set[int]]
    asked: list[tuple[list[float], list[int]]]

    def _answers(self, cells, places, batch_size):
        self.asked.append(([cell.coefficient for cell in cells], list(places)))
        return [
            "right" if place in self.solves[cell.coefficient] else "wrong"
            for cell in cells
            for place in places
        ]


def scripted(demo_model, demo_tokenizer, solves, number=40, halves=True):
    cells = [
        Cell(
            position="-1", layer=1, coefficient=coefficient, margin=0.0, preferred=0.0, worse=0.0,
            chosen_log_probability=0.0,
        )
        for coefficient in solves
    ]  # fmt: skip
    problems = Problems(
        name="scripted", split="validation", prompts=("?",) * number,
        judges=(lambda text: text == "right",) * number, max_new_tokens=4,
    )  # fmt: skip
    grid = [cell.place for cell in cells]
    kept = Record(Sizes(len(cells), 1, 0, number))

    class Unit:
        def direction(self, position, layer):
            return np.ones(4)

    found = Scripted(demo_model, demo_tokenizer, Unit(), problems, grid, kept, halves)
    object.__setattr__(found, "solves", solves)
    object.__setattr__(found, "asked", [])
    return found, found.judged(cells, progress=False)


def test_the_better_half_goes_on_and_the_best_answers_everything(demo_model, demo_tokenizer):
    solves = {float(n): set(range(5 * n)) for n in range(1, 9)}
    found, cells = scripted(demo_model, demo_tokenizer, solves)
    who = [sorted(coefficients) for coefficients, _ in found.asked]
    assert who == [[1, 2, 3, 4, 5, 6, 7, 8], [5, 6, 7, 8], [7, 8]]
    answered = [place for _, places in found.asked for place in places]
    assert sorted(answered) == list(range(40))
    assert [cell.accuracy for cell in cells] == [None] * 6 + [35 / 40, 1.0]


def test_of_equals_the_gentlest_go_on(demo_model, demo_tokenizer):
    solves = {c: set(range(40)) for c in (3.0, 1.0, -0.5, 2.0)}
    _, cells = scripted(demo_model, demo_tokenizer, solves)
    assert [c.coefficient for c in cells if c.accuracy is not None] == [1.0, -0.5]


@pytest.mark.parametrize(("number", "halves"), [(31, True), (40, False)])
def test_few_problems_are_answered_by_all(demo_model, demo_tokenizer, number, halves):
    solves = {float(n): set(range(n)) for n in range(1, 5)}
    found, cells = scripted(demo_model, demo_tokenizer, solves, number, halves)
    assert [places for _, places in found.asked] == [list(range(number))]
    assert [cell.accuracy for cell in cells] == [n / number for n in range(1, 5)]


def test_what_was_answered_before_is_not_asked_again(demo_model, demo_tokenizer):
    solves = {float(n): set(range(5 * n)) for n in range(1, 9)}
    found, cells = scripted(demo_model, demo_tokenizer, solves)
    found.asked.clear()
    again = found.judged(cells, progress=False)
    assert (again, found.asked) == (cells, [])


def test_halving_finds_the_cell_that_answering_everything_finds(demo_model, demo_tokenizer):
    extraction = extract(demo_model, demo_tokenizer, read_pairs(pairs_file()), choice="validation")
    validation = DOMAINS["sums"].pairs("validation", 6)
    problems = DOMAINS["sums"].validation_problems(40)
    raced, whole = (
        select(
            demo_model, demo_tokenizer, extraction, validation, problems=problems, finalists=6,
            layer=5, position="-3", patience=patience,
        )
        for patience in (2, None)
    )  # fmt: skip
    assert raced.coefficient == whole.coefficient
    assert "better half" in raced.selection.rule
    assert "better half" not in whole.selection.rule
    accuracies = {cell.place: cell.accuracy for cell in whole.selection.cells}
    judged = [cell for cell in raced.selection.cells if cell.accuracy is not None]
    assert 2 <= len(judged) < 6
    assert all(cell.accuracy == accuracies[cell.place] for cell in judged)


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
