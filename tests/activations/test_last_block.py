"""In the last wanted block only the tokens that are read are computed, where that is exact."""

import pytest
import torch

from palrs_hub.activations.agreement import agree
from palrs_hub.activations.last_block import modules_by_token
from palrs_hub.blocks import find_blocks
from tests.activations.test_ways import assert_exact, last_tokens, pairs_with_prompts, read
from tests.tiny_models import BLOCKS, CONFIGS, build

LAST = ("last",)


def pairs():
    return tuple(last_tokens(side) for side in pairs_with_prompts())


def rows_of(modules):
    """How many tokens each module is given, in the forward passes to come."""
    seen = [0] * len(modules)
    for place, module in enumerate(modules):

        def count(module, arguments, place=place):
            seen[place] += arguments[0].shape[:-1].numel()

        # Behind the reader's own hooks, that is next to the module.
        inner = next(child for child in module.children())
        inner.register_forward_pre_hook(count)
    return seen


@pytest.mark.parametrize("name", CONFIGS)
@pytest.mark.parametrize("padding_side", ["right", "left"])
def test_every_architecture_is_read_exactly(name, padding_side):
    model = build(name)
    chosen, rejected = pairs()
    assert_exact(
        read(model, chosen, rejected, LAST, padding_side=padding_side), model, chosen, rejected
    )


@pytest.mark.parametrize("name", sorted(set(CONFIGS) - {"mamba", "opt"}))
def test_the_last_feed_forward_network_sees_the_tokens_that_are_read(name):
    model = build(name)
    seen = rows_of([block.mlp for block in find_blocks(model).modules])
    read(model, *pairs(), LAST)
    whole = seen[0]
    assert seen[:-1] == [whole] * (BLOCKS - 1)
    # Those that are read of 24 texts, of the trial and of prompts, and the batch of the proof.
    assert seen[-1] < 0.4 * whole


def test_of_the_wanted_blocks_the_last_is_spared():
    model = build("llama")
    seen = rows_of([block.mlp for block in find_blocks(model).modules])
    read(model, *pairs(), LAST, layers=[0, 2])
    assert seen[0] == seen[1] > 2 * seen[2] > 0 == seen[3]


def test_where_most_tokens_are_read_all_are_computed():
    model = build("llama")
    seen = rows_of([block.mlp for block in find_blocks(model).modules])
    read(model, *pairs_with_prompts())
    assert len(set(seen)) == 1


def with_the_token_before(module, arguments, output):
    return output + output.roll(1, dims=1)


def as_a_tuple(module, arguments, output):
    return (output, None)


@pytest.mark.parametrize("habit", [with_the_token_before, as_a_tuple])
def test_a_network_with_habits_of_its_own_is_left_alone(habit):
    """One that looks at the token before, and one that returns more than a tensor."""
    model = build("llama")
    last = find_blocks(model).modules[-1]
    own = last.mlp.forward
    taken = (lambda output: output[0]) if habit is as_a_tuple else (lambda output: output)
    last.mlp.forward = lambda hidden: habit(None, None, own(hidden))
    last.forward = in_two_steps(last, taken)
    chosen, rejected = pairs()
    reading = read(model, chosen, rejected, LAST)
    assert_exact(reading, model, chosen, rejected)


def in_two_steps(block, taken):
    """A block of llama that takes what its network returns."""

    def forward(hidden, **others):
        attended, _ = block.self_attn(hidden_states=block.input_layernorm(hidden), **others)
        hidden = hidden + attended
        return hidden + taken(block.mlp(block.post_attention_layernorm(hidden)))

    return forward


def test_hooks_of_others_see_whole_batches():
    model = build("llama")
    mlp = find_blocks(model).modules[-1].mlp
    shapes = []
    mlp.register_forward_pre_hook(lambda m, a: shapes.append(a[0].shape))
    mlp.register_forward_hook(lambda m, a, o: shapes.append(o.shape))
    read(model, *pairs(), LAST)
    assert all(before == after for before, after in zip(shapes[::2], shapes[1::2], strict=True))
    assert all(shape[1] > 5 for shape in shapes)


def test_no_hook_is_left_where_a_pass_fails():
    model = build("llama")
    block = find_blocks(model).modules[-1]

    def fail(module, arguments):
        raise KeyboardInterrupt

    handle = block.mlp.act_fn.register_forward_pre_hook(fail)
    with pytest.raises(KeyboardInterrupt):
        read(model, *pairs(), LAST)
    handle.remove()
    hooked = [
        module
        for module in (block, *modules_by_token(block))
        if module._forward_hooks or module._forward_pre_hooks
    ]
    assert hooked == []


def test_nothing_agrees_with_what_is_not_a_number():
    expected = torch.ones(2, 3)
    assert agree(expected * (1 + 1e-6), expected, 1e-4)
    assert not agree(expected * 1.01, expected, 1e-4)
    assert not agree(expected * torch.nan, expected, 1e-4)
