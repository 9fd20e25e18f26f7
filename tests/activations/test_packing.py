"""Rows of texts that begin alike: each text can be read off its row, and sees only itself."""

from hypothesis import given
from hypothesis import strategies as st

from palrs_hub.activations.packing import MAX_SHARED_TOKENS, alone, batches, filled, pack
from palrs_hub.inputs import Sample

# Few different tokens, so that texts begin alike, repeat each other and are each other's beginning.
TEXTS = st.lists(
    st.lists(st.integers(0, 2), min_size=1, max_size=12).map(tuple), min_size=1, max_size=12
)


def separate(texts):
    return [alone(index, sample.token_ids) for index, sample in enumerate(texts)]


def samples(texts):
    return [Sample(tuple(text), ((len(text) - 1, len(text)),)) for text in texts]


@given(TEXTS)
def test_a_text_is_found_in_its_row_and_sees_only_what_stands_before_it(texts):
    found = {}
    for row in pack(samples(texts), hidden_size=8):
        for branch in row.branches:
            found[branch.text] = tuple(row.token_ids[place] for place in branch.places)
            for depth, place in enumerate(branch.places):
                seen = [other for other in range(place + 1) if place < row.ends[other]]
                assert tuple(seen) == branch.places[: depth + 1]
                assert row.depths[place] == depth
    assert found == dict(enumerate(texts))


@given(TEXTS)
def test_no_token_of_a_row_stands_there_twice(texts):
    for row in pack(samples(texts), hidden_size=1_000):
        beginnings = {
            texts[branch.text][: depth + 1]
            for branch in row.branches
            for depth in range(len(branch.places))
        }
        assert len(row) == len(beginnings)


def test_a_prompt_that_a_pair_shares_is_computed_once():
    prompt = tuple(range(100))
    (row,) = pack(samples([(*prompt, 1, 2), (*prompt, 3, 4, 5)]), hidden_size=64)
    assert len(row) == 105


def test_a_prompt_that_many_pairs_share_is_computed_once_a_row_and_rows_stay_short():
    prompt = tuple(range(100))
    texts = [(*prompt, *(200 + index + step for step in range(50))) for index in range(40)]
    rows = pack(samples(texts), hidden_size=4_096)
    assert all(len(row) <= MAX_SHARED_TOKENS for row in rows)
    assert sum(map(len, rows)) == len(rows) * 100 + 40 * 50


def test_attention_is_not_paid_for_a_token_or_two():
    texts = [(0, *range(10, 300)), (0, *range(300, 600))]
    assert len(pack(samples(texts), hidden_size=64)) == 2


def test_batches_are_cut_by_tokens_or_by_rows():
    rows = separate(samples([(1,) * length for length in (5, 9, 3, 8, 2)]))
    assert [[len(r) for r in batch] for batch in batches(rows, max_tokens=16)] == [
        [2, 3, 5],
        [8],
        [9],
    ]
    by_number = batches(rows, max_tokens=1, batch_size=2)
    assert [[len(r) for r in batch] for batch in by_number] == [[2, 3], [5, 8], [9]]


def test_batches_without_padding_are_filled_with_rows_of_any_length():
    rows = separate(samples([(1,) * length for length in (5, 9, 3, 8, 2)]))
    full = filled(rows, max_tokens=14)
    assert [[len(row) for row in batch] for batch in full] == [[9, 5], [8, 3, 2]]
    by_number = filled(rows, max_tokens=1, batch_size=2)
    assert [[len(row) for row in batch] for batch in by_number] == [[9, 8], [5, 3], [2]]
    # A row that is longer than a batch may be has one to itself.
    assert [len(batch) for batch in filled(rows, max_tokens=1)] == [1] * 5
