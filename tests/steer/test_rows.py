"""Rows: each row of a batch has its own vector and coefficient, and stays as if it were alone."""

import pytest
import torch

from palrs_hub.errors import IncompatibleError, SteeringError
from palrs_hub.steer import Row, attach, attached, suspended
from tests.steer.by_hand import by_hand, logits_of
from tests.tiny_models import build
from tests.vectors import vector_for

IDS = torch.tensor([[5, 17, 42, 8, 23, 61], [33, 9, 71, 12, 50, 4], [7, 7, 19, 2, 64, 80]])
ROWS = [Row(1, 60.0), None, Row(0, -45.0)]


@pytest.fixture(scope="module", params=["llama", "gpt2"])
def model(request):
    return build(request.param)


@pytest.fixture
def vectors(model):
    return [vector_for(model, seed=seed, coefficient=30.0) for seed in range(2)]


def generate(model, ids, **how):
    torch.manual_seed(0)
    return model.generate(
        input_ids=ids,
        attention_mask=torch.ones_like(ids),
        max_new_tokens=6,
        min_new_tokens=6,
        pad_token_id=0,
        **{"do_sample": False, **how},
    )


def each_alone(model, vectors, rows, run):
    """The rows one by one, each steered as if it were a batch of its own."""
    found = []
    for row, ids in zip(rows, IDS.split(1), strict=True):
        if row is None:
            found.append(run(model, ids))
            continue
        (change,) = vectors[row.vector].manifest.interventions
        coefficient = change.coefficient if row.coefficient is None else row.coefficient
        array = torch.tensor(vectors[row.vector].arrays[change.tensor])
        found.append(run(by_hand(model, change.layer, array * coefficient), ids))
    return torch.cat(found)


def test_each_row_has_its_own_vector_and_coefficient(model, vectors):
    expected = each_alone(model, vectors, ROWS, logits_of)
    with attach(model, vectors, rows=ROWS):
        torch.testing.assert_close(logits_of(model, IDS), expected, atol=1e-4, rtol=1e-4)


def test_a_number_means_the_manifests_coefficient(model, vectors):
    expected = each_alone(model, vectors, [Row(0), Row(1), None], logits_of)
    with attach(model, vectors, rows=[0, 1, None]) as steering:
        torch.testing.assert_close(logits_of(model, IDS), expected, atol=1e-4, rtol=1e-4)
        assert steering.rows == (Row(0, (30.0,)), Row(1, (30.0,)), None)


@pytest.mark.parametrize(
    "how",
    [{}, {"num_beams": 3}, {"num_beams": 4, "num_return_sequences": 2}, {"use_cache": False}],
    ids=["greedy", "beam search", "several beams returned", "without cache"],
)
def test_generation_keeps_rows_and_their_beams_apart(model, vectors, how):
    expected = each_alone(model, vectors, ROWS, lambda alone, ids: generate(alone, ids, **how))
    with attach(model, vectors, rows=ROWS):
        assert torch.equal(generate(model, IDS, **how), expected)


def test_sampled_sequences_follow_their_row(model, vectors):
    with attach(model, vectors, rows=[None, 0, None]):
        found = generate(model, IDS, do_sample=True, top_k=1, num_return_sequences=2)
        expected = generate(model, IDS)
    assert torch.equal(found, expected.repeat_interleave(2, dim=0))


def test_rows_change_in_place(model, vectors):
    with attach(model, vectors, rows=ROWS) as steering:
        logits_of(model, IDS)
        steering.rows = [0, Row(1, 2.0), Row(0, 0.5)]
        expected = each_alone(model, vectors, [Row(0), Row(1, 2.0), Row(0, 0.5)], logits_of)
        torch.testing.assert_close(logits_of(model, IDS), expected, atol=1e-4, rtol=1e-4)
        with pytest.raises(SteeringError, match="batch of 3 rows; found 2"):
            steering.rows = [0, 1]


@pytest.mark.parametrize("batch", [1, 2, 4, 6])
def test_a_batch_of_another_size_is_refused(model, vectors, batch):
    ids = IDS[:1].repeat(batch, 1)
    with attach(model, vectors, rows=ROWS):
        # Twice the rows would look like beams; outside generate nothing says that they are.
        with pytest.raises(SteeringError, match=f"batch of 3 rows; found {batch}"):
            logits_of(model, ids)
        with pytest.raises(SteeringError, match=f"batch of 3 rows; found {batch}"):
            generate(model, ids)
        with suspended(model):
            generate(model, ids)


@pytest.mark.parametrize("operation", ["norm_preserving_add", "project_out", "clamp"])
def test_other_operations_leave_other_rows_alone(model, operation):
    vector = vector_for(model, coefficient=0.8, operation=operation)
    unsteered = logits_of(model, IDS)
    with vector.attach(model):
        everywhere = logits_of(model, IDS)
    with attach(model, [vector], rows=[None, 0, None]):
        found = logits_of(model, IDS)
    torch.testing.assert_close(found[1], everywhere[1])
    assert torch.equal(found[0::2], unsteered[0::2])


def test_scopes_and_rows_together(model):
    vectors = [
        vector_for(model, coefficient=60.0, tokens="generated"),
        vector_for(model, coefficient=60.0, tokens="prompt", seed=1),
    ]
    alone = []
    for vector, ids in zip(vectors, IDS.split(1), strict=False):
        with vector.attach(model):
            alone.append(generate(model, ids, num_beams=2))
    with attach(model, vectors, rows=[0, 1]):
        assert torch.equal(generate(model, IDS[:2], num_beams=2), torch.cat(alone))


@pytest.mark.parametrize(
    "rows",
    [[], [2], [-1], [True], ["0"], [1.0], [Row(0, float("nan"))], [Row(0, [1.0, 2.0])], [Row(5)]],
    ids=str,
)
def test_rows_that_cannot_be_are_refused(model, vectors, rows):
    with pytest.raises(SteeringError):
        attach(model, vectors, rows=rows)
    assert attached(model) == ()


def test_with_rows_there_is_no_coefficient_for_all(model, vectors):
    with pytest.raises(SteeringError, match="each row has its coefficient"):
        attach(model, vectors, 2.0, rows=[0])
    with attach(model, vectors, rows=[0]) as steering:
        with pytest.raises(SteeringError, match=r"steering\.rows"):
            steering.coefficient = 1.0
        with pytest.raises(SteeringError, match=r"steering\.rows"):
            _ = steering.coefficient
    with attach(model, vectors) as steering:
        assert steering.rows is None
        with pytest.raises(SteeringError, match="All rows are steered alike"):
            steering.rows = [0]


def test_several_vectors_are_checked_one_by_one_before_anything_is_attached(model, vectors):
    wrong = vector_for(build("qwen2"))
    with pytest.raises(IncompatibleError):
        attach(model, [*vectors, wrong])
    with pytest.raises(SteeringError, match="at least one vector"):
        attach(model, [])
    assert attached(model) == ()
