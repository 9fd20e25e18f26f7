"""Texts that begin alike are read together where that is exact, and apart where it is not."""

import numpy as np
import pytest
import torch

from palrs_hub.activations import Stream, stream, ways
from palrs_hub.activations.ways import WAYS
from palrs_hub.blocks import find_blocks
from palrs_hub.inputs import Sample
from tests.activations.by_itself import one_by_one
from tests.tiny_models import CONFIGS, build

BRANCHES, MASKED, CACHED, APART = (way.name for way in WAYS)
ALONE = ways.ALONE.name

# The models of the suite whose attention cannot be told what each token sees.
OTHERS = {"gemma2": CACHED, "gemma3": CACHED, "bloom": CACHED, "mamba": APART}
NAMES = ("last", "response", "all")


def pairs_with_prompts(number=12, longest=25, seed=0):
    """Pairs of one prompt each; the last token, the response and the whole text are read."""
    generator = np.random.default_rng(seed)
    sides = ([], [])
    for _ in range(number):
        prompt = tuple(map(int, generator.integers(3, 90, generator.integers(3, longest))))
        for side in sides:
            response = map(int, generator.integers(3, 90, generator.integers(2, 12)))
            text = (*prompt, *response)
            spans = ((len(text) - 1, len(text)), (len(prompt), len(text)), (0, len(text)))
            side.append(Sample(text, spans))
    return sides


@pytest.mark.parametrize("name", ["gemma2", "bloom"])
def test_prompts_of_which_nothing_is_read_are_computed_once_from_a_cache_too(name):
    model = build(name)
    chosen, rejected = (last_tokens(side) for side in pairs_with_prompts())
    reading = read(model, chosen, rejected, names=("last",))
    assert reading.ways == {CACHED}
    assert_exact(reading, model, chosen, rejected)


def last_tokens(side):
    return [Sample(sample.token_ids, sample.spans[:1]) for sample in side]


def read(model, chosen, rejected, names=NAMES, **options):
    reading = Stream(model, names, len(chosen), **options)
    with reading.reading():
        reading.add(chosen, rejected, positions=names, first=0)
    return reading


def assert_exact(reading, model, chosen, rejected):
    for moments, texts in zip(reading.sums().moments(), (chosen, rejected), strict=True):
        expected = one_by_one(model, texts)
        np.testing.assert_allclose(moments.mean, expected, atol=1e-5 * np.abs(expected).max())


@pytest.mark.parametrize("name", CONFIGS)
@pytest.mark.parametrize("padding_side", ["right", "left"])
def test_every_architecture_is_read_exactly_and_as_cheaply_as_it_allows(name, padding_side):
    model = build(name)
    chosen, rejected = pairs_with_prompts()
    reading = read(model, chosen, rejected, padding_side=padding_side)
    assert reading.ways == {OTHERS.get(name, MASKED)}
    assert_exact(reading, model, chosen, rejected)


@pytest.mark.parametrize("attention", ["sdpa", "eager"])
def test_either_attention_takes_its_kind_of_mask(attention):
    model = build("llama")
    model.set_attn_implementation(attention)
    chosen, rejected = pairs_with_prompts()
    reading = read(model, chosen, rejected)
    assert reading.ways == {MASKED}
    assert_exact(reading, model, chosen, rejected)


def test_a_window_that_rows_are_longer_than_is_noticed_when_it_comes_to_it():
    model = build("mistral", sliding_window=30)
    short, long = pairs_with_prompts(4, longest=8), pairs_with_prompts(4, longest=60, seed=1)
    reading = Stream(model, NAMES, 8)
    with reading.reading():
        reading.add(*short, positions=NAMES, first=0)
        assert reading.ways == {MASKED}
        reading.add(*long, positions=NAMES, first=4)
    assert reading.ways == {MASKED, CACHED}
    assert_exact(reading, model, short[0] + long[0], short[1] + long[1])


def test_a_mask_that_is_silently_ignored_is_found_out():
    """A model of nobody's table, whose tokens look at the whole row in a way of their own."""
    model = build("llama")
    block = find_blocks(model).modules[1]

    def with_the_mean_of_all_before(module, arguments, output):
        count = torch.arange(1, output.shape[1] + 1)[:, None]
        return output + output.cumsum(1) / count

    block.register_forward_hook(with_the_mean_of_all_before)
    chosen, rejected = pairs_with_prompts()
    reading = read(model, chosen, rejected)
    assert reading.ways == {APART}
    assert_exact(reading, model, chosen, rejected)


def sharing_nothing(*lengths):
    """A text of each length, of which the last token is read."""
    texts = [(10 + index, *range(40, 39 + length)) for index, length in enumerate(lengths)]
    return [Sample(ids, ((len(ids) - 1, len(ids)),)) for ids in texts]


def test_of_texts_that_share_nothing_two_are_read_alone_to_try_the_padding():
    model = build("llama")
    ran = []
    model.model.embed_tokens.register_forward_hook(lambda m, a, o: ran.append(o.shape[:2].numel()))
    texts = sharing_nothing(3, 4, 5, 9, 5, 6, 3, 4)
    reading = read(model, texts[:4], texts[4:], ("last",), batch_size=1)
    assert reading.ways == {APART}
    assert sum(ran) == sum(len(text.token_ids) for text in texts) + 9 + 3


def looks_at_padding(module, arguments):
    """As some architectures do that ignore the mask they are given."""
    hidden = arguments[0]
    return (hidden + hidden.mean(1, keepdim=True), *arguments[1:])


def test_where_padding_is_looked_at_there_is_none():
    model = build("llama")
    find_blocks(model).modules[1].register_forward_pre_hook(looks_at_padding)
    texts = sharing_nothing(3, 4, 5, 9, 5, 6, 3, 4)
    reading = read(model, texts[:4], texts[4:], ("last",))
    assert reading.ways == {ALONE}
    assert_exact(reading, model, texts[:4], texts[4:])


def test_texts_of_one_length_prove_nothing_about_padding():
    model = build("llama")
    find_blocks(model).modules[1].register_forward_pre_hook(looks_at_padding)
    shards = [sharing_nothing(9, 9, 9, 9), sharing_nothing(3, 4, 8, 7)]
    reading = Stream(model, ("last",), 4)
    with reading.reading():
        for index, texts in enumerate(shards):
            reading.add(texts[:2], texts[2:], positions=("last",), first=2 * index)
    assert reading.ways == {APART, ALONE}
    texts = [shards[0][:2] + shards[1][:2], shards[0][2:] + shards[1][2:]]
    assert_exact(reading, model, *texts)


def test_tokens_through_the_decoder_are_the_unique_ones_and_two_texts_of_the_trial(monkeypatch):
    """A guard in counts: what is computed, whatever the machine."""
    monkeypatch.setattr(stream, "CPU_TOKENS", 1)  # a row a batch: no padding
    model = build("llama")
    chosen, rejected = pairs_with_prompts(30)
    ran = []
    model.model.embed_tokens.register_forward_hook(lambda m, a, o: ran.append(o.shape[:2].numel()))
    read(model, chosen, rejected)
    prompts = [pair[0].spans[1][0] for pair in zip(chosen, rejected, strict=True)]
    whole = [len(sample.token_ids) for sample in (*chosen, *rejected)]
    unique = sum(whole) - sum(prompts)
    # Texts of different pairs may begin with the same token or two, too.
    assert 0.9 * unique < sum(ran) <= unique + max(whole) + min(whole)


def test_each_row_is_one_forward_and_nothing_runs_after_the_last_block():
    model = build("llama")
    ran = []
    for module in (model.model, model.model.norm, model.lm_head):
        module.register_forward_pre_hook(lambda m, a: ran.append(type(m).__name__))
    chosen, rejected = pairs_with_prompts(30)
    read(model, chosen, rejected, batch_size=1)
    # Two texts of the trial, and a row for each pair, unless texts of two pairs begin alike.
    assert len(ran) <= 32
    assert set(ran) == {"LlamaModel"}
