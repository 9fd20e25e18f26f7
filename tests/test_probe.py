"""The probe: refuses models on which steering would do nothing, or would do it twice."""

import pytest
import torch
from transformers.modeling_outputs import BaseModelOutputWithPastAndCrossAttentions

from palrs_hub.blocks import find_blocks
from palrs_hub.errors import ModelError
from palrs_hub.probe import measure_fingerprint
from tests.engines.models import tiny
from tests.tiny_models import BLOCKS, CONFIGS, build

TOKENS = tuple(range(3, 15))


@pytest.mark.parametrize("name", CONFIGS)
def test_every_layer_is_measured_and_reaches_the_next_module(name):
    model = build(name)
    fingerprint = measure_fingerprint(model, TOKENS, range(BLOCKS))
    states = model(input_ids=torch.tensor([TOKENS]), output_hidden_states=True).hidden_states
    first = 0 if name == "mamba" else 1  # its hidden_states have no entry for the embeddings
    for layer in range(BLOCKS - 1):
        expected = states[layer + first][0].norm(dim=-1)
        assert fingerprint.norms[layer] == pytest.approx(expected.tolist(), rel=1e-4)


def test_measuring_leaves_no_hook_and_no_mode_behind():
    model = build("llama").train()
    measure_fingerprint(model, TOKENS, [1])
    assert model.training
    assert not any(module._forward_hooks for module in find_blocks(model).modules)


def test_a_stack_that_loops_is_refused():
    model = build("llama")
    layers = find_blocks(model).modules
    model.model.layers = torch.nn.ModuleList([layers[0], layers[1], layers[0], layers[1]])
    with pytest.raises(ModelError, match="ran 2 times"):
        measure_fingerprint(model, TOKENS, [1])


def run_blocks(model, step):
    """Make a GPT-2 run its blocks by ``step(block, hidden)``, as a model of another kind might."""
    transformer = model.transformer

    def forward(input_ids=None, **_):
        hidden = transformer.wte(input_ids)
        for block in transformer.h:
            hidden = step(block, hidden)
        return BaseModelOutputWithPastAndCrossAttentions(last_hidden_state=transformer.ln_f(hidden))

    transformer.forward = forward


def test_a_model_that_skips_a_block_is_refused():
    model = build("gpt2")
    skipped = model.transformer.h[2]
    run_blocks(model, lambda block, hidden: hidden if block is skipped else block(hidden))
    measure_fingerprint(model, TOKENS, [1])
    with pytest.raises(ModelError, match="did not run"):
        measure_fingerprint(model, TOKENS, [2])


def test_a_model_that_does_not_read_what_a_hook_returns_is_refused():
    model = build("gpt2")

    def ignoring(block, hidden):
        block(hidden)
        return hidden * 2

    run_blocks(model, ignoring)
    with pytest.raises(ModelError, match="does not reach the next module"):
        measure_fingerprint(model, TOKENS, [3])


def test_the_probe_is_one_forward_and_projects_no_text_to_the_vocabulary():
    model, forwards, projected = build("llama"), [], []
    model.model.register_forward_pre_hook(lambda m, a: forwards.append(1))
    model.lm_head.register_forward_hook(lambda m, a, o: projected.append(o.shape[:2].numel()))
    measure_fingerprint(model, tuple(range(3, 19)), [1])
    assert (len(forwards), projected) == (1, [2])


def test_a_last_block_that_hands_over_to_the_head_itself_is_measured():
    """As in OPT 350M, which has no norm in between; the head is given the last token alone."""
    model = tiny("opt", do_layer_norm_before=False)
    assert model.model.decoder.final_layer_norm is None
    assert measure_fingerprint(model, TOKENS, [3]).layers == (3,)
