"""Attention branch by branch: the same activations as behind a mask, from fewer scores."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from palrs_hub.activations import Stream, branch_attention, stream, ways
from palrs_hub.activations.branch_attention import layout_of
from palrs_hub.activations.packing import pack
from palrs_hub.activations.ways import BRANCHES_FROM
from palrs_hub.blocks import find_blocks, text_config
from palrs_hub.inputs import Sample
from tests.activations.test_ways import (
    BRANCHES,
    MASKED,
    OTHERS,
    assert_exact,
    last_tokens,
    pairs_with_prompts,
    read,
)
from tests.tiny_models import CONFIGS, build


@pytest.fixture
def _however_short(monkeypatch):
    monkeypatch.setattr(ways, "BRANCHES_FROM", 0)
    monkeypatch.setattr(branch_attention, "QUERIES", 7)


@pytest.mark.usefixtures("_however_short")
@pytest.mark.parametrize("name", CONFIGS)
@pytest.mark.parametrize("padding_side", ["right", "left"])
@pytest.mark.parametrize("only_the_last", [False, True])
def test_every_architecture_is_read_exactly(name, padding_side, only_the_last):
    """With only the last token read, the last block computes its queries alone."""
    model = build(name)
    chosen, rejected = pairs_with_prompts()
    names = ("last", "response", "all")
    if only_the_last:
        chosen, rejected, names = last_tokens(chosen), last_tokens(rejected), ("last",)
    reading = read(model, chosen, rejected, names, padding_side=padding_side)
    ours = text_config(model)._attn_implementation == "sdpa"
    assert reading.ways == {OTHERS.get(name, BRANCHES if ours else MASKED)}
    assert_exact(reading, model, chosen, rejected)


def test_long_rows_are_read_so_and_short_ones_behind_a_mask():
    model = build("llama", max_position_embeddings=1024)
    assert read(model, *pairs_with_prompts(longest=BRANCHES_FROM // 2)).ways == {MASKED}
    chosen, rejected = pairs_with_prompts(longest=2 * BRANCHES_FROM)
    reading = read(model, chosen, rejected)
    assert reading.ways == {BRANCHES}
    assert_exact(reading, model, chosen, rejected)


def test_a_shard_is_read_so_or_not_whatever_was_read_before_it():
    """Processes that share the work read the same shards in the same way."""
    model = build("llama", max_position_embeddings=1024)
    short = pairs_with_prompts(4, longest=20)
    long = pairs_with_prompts(4, longest=2 * BRANCHES_FROM, seed=1)
    for shards in ([short, long, short], [long, short]):
        reading, ways = Stream(model, ("last", "response", "all"), 12), []
        with reading.reading():
            for index, shard in enumerate(shards):
                reading.ways.clear()
                reading.add(*shard, positions=("last", "response", "all"), first=4 * index)
                ways += reading.ways
        assert ways == [BRANCHES if shard is long else MASKED for shard in shards]


@pytest.mark.usefixtures("_however_short")
def test_a_text_that_another_begins_with_or_repeats_is_read_too():
    model = build("llama")
    texts = [(5, 6, 7), (5, 6, 7, 8), (5, 6, 7), (5, 6, 9, 10), (5, 6, 9, 10, 11), (4, 4)]
    samples = [Sample(ids, ((len(ids) - 1, len(ids)),)) for ids in texts]
    reading = read(model, samples[::2], samples[1::2], ("last",))
    assert reading.ways == {BRANCHES}
    assert_exact(reading, model, samples[::2], samples[1::2])


@pytest.mark.usefixtures("_however_short")
def test_the_models_own_attention_is_restored_where_a_pass_fails():
    model = build("llama")

    def fail(module, arguments):
        raise KeyboardInterrupt

    handle = find_blocks(model).modules[2].register_forward_pre_hook(fail)
    with pytest.raises(KeyboardInterrupt):
        read(model, *pairs_with_prompts())
    handle.remove()
    assert text_config(model)._attn_implementation == "sdpa"


def test_fewer_scores_are_computed_and_in_the_last_block_those_of_what_is_read(monkeypatch):
    """A guard in counts: entries of attention, whatever the machine."""
    scores = {}
    own = branch_attention.sdpa_attention_forward

    def counted(module, query, key, *others, **named):
        entries = query.shape[2] * key.shape[2]
        scores[module.layer_idx] = scores.get(module.layer_idx, 0) + entries
        return own(module, query, key, *others, **named)

    monkeypatch.setattr(branch_attention, "sdpa_attention_forward", counted)
    monkeypatch.setattr(stream, "CPU_TOKENS", 1)  # a row a batch
    model = build("llama", max_position_embeddings=1024)
    chosen, rejected = (last_tokens(side) for side in pairs_with_prompts(9, longest=300))
    read(model, chosen, rejected, ("last",))
    rows = pack([*chosen, *rejected], 48)
    behind_a_mask = sum(len(row) ** 2 for row in rows)
    assert scores[0] < 0.75 * behind_a_mask
    # The first batch is computed whole, to prove that the rest need not be.
    assert scores[max(scores)] < 0.5 * scores[0]


@given(
    st.lists(
        st.lists(st.integers(1, 3), min_size=1, max_size=12).map(tuple), min_size=1, max_size=8
    )
)
def test_stretches_hold_every_token_once_and_see_what_its_text_begins_with(texts):
    rows = pack([Sample(ids, ((0, 1),)) for ids in texts], 8)
    tokens = [token for row in rows for token in row.token_ids]
    met, whole = [], []
    for each in layout_of(rows).stretches:
        met += range(each.start, each.stop)
        places = [place for start, stop in each.seen for place in range(start, stop)]
        assert places[each.depth :] == list(range(each.start, each.stop))
        whole.append(tuple(tokens[place] for place in places))
    assert met == list(range(len(tokens)))
    # A text that another one begins with has no stretch of its own.
    assert set(whole) <= set(texts)
    assert all(any(ids == text[: len(ids)] for text in whole) for ids in texts)


def test_what_holds_behind_a_mask_and_not_branch_by_branch_is_noticed():
    """A model that mixes tokens after its attention needs more than the tokens that are read."""
    model = build("llama", max_position_embeddings=1024)
    attention = find_blocks(model).modules[-1].self_attn

    def with_the_token_before(module, arguments):
        return (arguments[0] + arguments[0].roll(1, dims=1),)

    attention.o_proj.register_forward_pre_hook(with_the_token_before)
    shards = [
        [last_tokens(side) for side in pairs_with_prompts(4, longest=longest)]
        for longest in (20, 2 * BRANCHES_FROM)
    ]
    reading = Stream(model, ("last",), 8)
    with reading.reading():
        for index, shard in enumerate(shards):
            reading.add(*shard, positions=("last",), first=4 * index)
    assert reading.ways == {MASKED}
    assert_exact(reading, model, *(a + b for a, b in zip(*shards, strict=True)))
