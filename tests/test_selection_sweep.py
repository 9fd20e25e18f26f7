"""The shared sweep gives, cell by cell, what one full run of the model a cell gives."""

import pytest
import torch

from palrs_hub.demo import pairs_file
from palrs_hub.demo.domains import DOMAINS
from palrs_hub.extraction import extract
from palrs_hub.inputs import encode_response
from palrs_hub.pairs import PreferencePair, read_pairs
from palrs_hub.selection import batches, select
from palrs_hub.selection.batches import make_batch
from palrs_hub.selection.replay import Replay
from palrs_hub.selection.sweep import Sweep
from tests.naive_sweep import naive_sweep
from tests.tiny_models import CONFIGS, build

COEFFICIENTS = (-0.5, 0.0, 0.3, 2.0)
FIELDS = ("margin", "preferred", "worse", "chosen_log_probability", "side_effect")


@pytest.fixture(scope="module")
def pairs():
    return read_pairs(pairs_file())


@pytest.fixture(scope="module")
def validation():
    return DOMAINS["sums"].pairs("validation", 9)


@pytest.fixture(scope="module")
def neutral():
    return DOMAINS["sums"].agreed_texts("validation", 5)


# Responses of these stand in rows of their own: the first two do not take positions, and the last
# two look back 16 tokens and no farther.
APART = {"bloom", "mamba", "gemma2", "gemma3"}


@pytest.fixture
def shared_rows(monkeypatch):
    """For every batch, whether texts shared its rows."""
    seen = []
    unsteered = Replay.unsteered

    def count(self, batch):
        seen.append(len(batch.indices) > len(batch.token_ids))
        return unsteered(self, batch)

    monkeypatch.setattr(Replay, "unsteered", count)
    return seen


def grid_of(extraction, coefficients=COEFFICIENTS):
    return [
        (position, layer, coefficient)
        for position in extraction.positions
        for layer in extraction.layers
        for coefficient in coefficients
    ]


def assert_same(model, tokenizer, extraction, validation, neutral):
    grid = grid_of(extraction)
    expected, cells = naive_sweep(model, tokenizer, extraction, validation, neutral, grid)
    unsteered, found = Sweep(model, tokenizer, extraction, validation, neutral).run(grid)
    for one, other in zip([unsteered, *found], [expected, *cells], strict=True):
        assert (one.position, one.layer, one.coefficient) == (
            other.position,
            other.layer,
            other.coefficient,
        )
        for field in FIELDS:
            assert getattr(one, field) == pytest.approx(getattr(other, field), abs=1e-4), field


@pytest.fixture
def whole_runs(monkeypatch):
    """Counts the runs that could not skip blocks."""
    counted = []
    whole = Replay._whole

    def count(self, batch, outputs, layer, addends):
        counted.append(len(addends))
        return whole(self, batch, outputs, layer, addends)

    monkeypatch.setattr(Replay, "_whole", count)
    return counted


@pytest.mark.parametrize("name", CONFIGS)
def test_every_architecture_skips_blocks_and_gives_the_same(
    name, demo_tokenizer, pairs, validation, neutral, whole_runs, shared_rows
):
    model = build(name)
    extraction = extract(model, demo_tokenizer, pairs[:6], choice="validation")
    assert_same(model, demo_tokenizer, extraction, validation, neutral)
    assert whole_runs == [1] * len(extraction.layers)  # the trial, and nothing after it
    assert any(shared_rows) == (name not in APART)
    assert all("forward" not in module.__dict__ for module in model.modules())
    assert not any(module._forward_hooks for module in model.modules())


def test_the_demonstration_model_gives_the_same(
    demo_model, demo_tokenizer, pairs, validation, neutral
):
    extraction = extract(demo_model, demo_tokenizer, pairs, "mean_difference")
    assert_same(demo_model, demo_tokenizer, extraction, validation, neutral)


def test_small_batches_and_passes_change_nothing(
    demo_model, demo_tokenizer, pairs, validation, neutral, monkeypatch
):
    monkeypatch.setattr(batches, "MAX_ROWS", 2)
    monkeypatch.setattr(batches, "MAX_TOKENS_ON_CPU", 150)
    extraction = extract(demo_model, demo_tokenizer, pairs[:20], choice="validation")
    assert_same(demo_model, demo_tokenizer, extraction, validation, neutral)


def test_long_prompts_are_shared_but_not_beyond_what_a_model_looks_back(
    demo_tokenizer, pairs, validation, neutral, shared_rows
):
    """A window of 16 tokens holds a short pair; with the long one the trial finds it out."""
    before = "1+1=2." * 5
    longer = [PreferencePair(before + p.prompt, p.chosen, p.rejected) for p in validation[:2]]
    for name, window, shared in (("llama", {}, True), ("mistral", {"sliding_window": 16}, False)):
        model = build(name, **window)
        extraction = extract(model, demo_tokenizer, pairs[:6], choice="validation")
        shared_rows.clear()
        assert_same(model, demo_tokenizer, extraction, [*validation[:2], *longer], neutral)
        assert any(shared_rows) == shared


def test_responses_that_share_a_row_are_told_apart(demo_tokenizer):
    texts = [encode_response(demo_tokenizer, "1+1=", answer) for answer in ("2", "23", "14")]
    batch = make_batch(texts, [(0, 1), (2,)], torch.device("cpu"))
    shared = batch.token_ids[0].tolist()
    prompt = texts[0].spans[0][0]
    assert shared[:prompt] == list(texts[0].token_ids[:prompt])
    assert shared[prompt:] == [texts[1].token_ids[prompt]]  # "2" itself predicts only for "23"
    assert batch.texts.tolist() == [0, 1, 1, 2, 2]
    assert batch.at.tolist() == [0, 0, 1, 2, 3]  # the first tokens are predicted at one place
    assert batch.targets.tolist() == [
        *texts[0].token_ids[prompt : prompt + 1],
        *texts[1].token_ids[prompt : prompt + 2],
        *texts[2].token_ids[prompt : prompt + 2],
    ]


def test_half_precision_skips_blocks_too(demo_tokenizer, pairs, validation, whole_runs):
    model = build("llama").to(torch.bfloat16)
    extraction = extract(model, demo_tokenizer, pairs[:6], choice="validation")
    Sweep(model, demo_tokenizer, extraction, validation).run(grid_of(extraction))
    assert whole_runs == [1] * 4


def sharing(model, leave_behind):
    """A model whose last block reads, beside the residual stream, what its first left behind."""
    left = {}
    first, last = model.model.layers[0], model.model.layers[-1]
    compute_first, compute_last = first.forward, last.forward

    def forward_first(hidden, *arguments, **named):
        output = compute_first(hidden, *arguments, **named)
        left["seen"] = output * 0.5
        return output

    def forward_last(hidden, *arguments, **named):
        seen = left["seen"] if leave_behind else left.pop("seen")
        return compute_last(hidden, *arguments, **named) + seen

    first.forward, last.forward = forward_first, forward_last
    return model


@pytest.mark.parametrize("leave_behind", [True, False])
def test_blocks_that_share_more_than_the_residual_stream_run_whole_and_it_is_said(
    demo_tokenizer, pairs, validation, neutral, leave_behind
):
    model = build("llama")
    extraction = extract(model, demo_tokenizer, pairs[:6], choice="validation")
    model = sharing(model, leave_behind)
    forwards = [block.forward for block in model.model.layers]
    with pytest.warns(RuntimeWarning, match="LlamaForCausalLM does not compute the same"):
        assert_same(model, demo_tokenizer, extraction, validation, neutral)
    assert [block.forward for block in model.model.layers] == forwards


def test_a_failing_run_leaves_no_trace(demo_tokenizer, pairs, validation, monkeypatch):
    model = build("llama")
    extraction = extract(model, demo_tokenizer, pairs[:6])

    def fail(self, batch):
        raise KeyboardInterrupt

    monkeypatch.setattr(Replay, "_additions_at_once", fail)
    with pytest.raises(KeyboardInterrupt):
        select(model, demo_tokenizer, extraction, validation)
    assert all("forward" not in module.__dict__ for module in model.modules())
    assert not any(module._forward_hooks for module in model.modules())
