"""Defects that were found in other steering libraries, each shown not to be ours.

Each test has the number of its defect, and the setting in which the other library went wrong.
"""

import numpy as np
import pytest
import torch
import transformers

from palrs_hub.activations import read_moments
from palrs_hub.blocks import find_blocks
from palrs_hub.errors import IncompatibleError
from palrs_hub.inputs import Sample
from palrs_hub.intervention import Span
from palrs_hub.steer import attached
from tests.steer.by_hand import by_hand, logits_of
from tests.survey.configs import build as build_any
from tests.tiny_models import BLOCKS, CONFIGS, HIDDEN, build
from tests.vectors import vector_for

IDS = torch.tensor([[5, 17, 42, 8, 23, 61], [33, 9, 71, 12, 50, 4]])


@pytest.fixture(scope="module")
def llama():
    return build("llama")


def generate(model):
    return model.generate(
        input_ids=IDS, attention_mask=torch.ones_like(IDS), max_new_tokens=6, do_sample=False
    )


def addend(vector):
    (change,) = vector.manifest.interventions
    return torch.tensor(vector.arrays[change.tensor]) * change.coefficient


@pytest.mark.parametrize("tokens", [Span(start=IDS.shape[1], stop=None), "generated"], ids=str)
def test_1_steering_from_the_prompts_end_works_with_a_cache(llama, tokens):
    vector = vector_for(llama, tokens=tokens, coefficient=60.0)
    unsteered = generate(llama)
    with vector.attach(llama):
        found = generate(llama)
    assert not torch.equal(found, unsteered)
    # The first new token is predicted from the prompt alone, which is left as it is.
    assert torch.equal(found[:, : IDS.shape[1] + 1], unsteered[:, : IDS.shape[1] + 1])


def test_2_the_text_decoder_is_steered_and_never_the_vision_tower():
    model = build_any("gemma3", "Gemma3ForConditionalGeneration")
    blocks = find_blocks(model)
    assert blocks.path == "model.language_model.layers"
    assert any("vision_tower" in name for name, _ in model.named_modules())
    vector = vector_for(model, layers=(1,))
    with vector.attach(model):
        steered = logits_of(model, IDS)
    assert (steered - logits_of(model, IDS)).abs().max() > 1e-3


@pytest.mark.parametrize("side", ["left", "right"])
def test_3_every_row_is_steered_and_padding_moves_none_of_it(llama, side):
    vector = vector_for(llama)
    short, filler = IDS[1:, :4], torch.zeros(1, 2, dtype=torch.long)
    sides = (filler, short) if side == "left" else (short, filler)
    batch = torch.cat([IDS[:1], torch.cat(sides, dim=1)])
    mask = torch.ones_like(batch)
    mask[1] = torch.cat([torch.full_like(part, int(part is short)) for part in sides], dim=1)
    positions = (mask.cumsum(-1) - 1).clamp(min=0)
    with vector.attach(llama):
        together = logits_of(llama, batch, attention_mask=mask, position_ids=positions)
        alone = [logits_of(llama, ids) for ids in (IDS[:1], short)]
    unsteered = logits_of(llama, short)
    kept = slice(2, None) if side == "left" else slice(4)
    torch.testing.assert_close(together[:1], alone[0], atol=1e-4, rtol=1e-4)
    torch.testing.assert_close(together[1:, kept], alone[1], atol=1e-4, rtol=1e-4)
    assert (alone[1] - unsteered).abs().max() > 1e-2


def test_3_what_steers_one_model_does_not_steer_another(llama):
    other = build("llama")
    before = logits_of(other, IDS)
    with vector_for(llama).attach(llama):
        assert attached(other) == ()
        assert torch.equal(logits_of(other, IDS), before)


def test_4_the_last_block_is_read_before_the_final_norm(llama):
    text = [5, 17, 42, 8, 23, 61]
    whole = [Sample(text, ((0, len(text)),))]
    moments, _ = read_moments(llama, whole, whole, layers=[BLOCKS - 1])
    with torch.no_grad():
        output = llama(input_ids=torch.tensor([text]), output_hidden_states=True)
        seen = []
        handle = llama.model.norm.register_forward_pre_hook(
            lambda m, inputs: seen.append(inputs[0])
        )
        llama(input_ids=torch.tensor([text]))
        handle.remove()
    found = moments.mean[0, 0]
    np.testing.assert_allclose(found, seen[0][0].mean(dim=0).numpy(), atol=1e-5)
    assert np.abs(found - output.hidden_states[-1][0].mean(dim=0).numpy()).max() > 0.1


def test_5_a_vector_of_another_architecture_of_the_same_width_is_refused(llama):
    other = build("gpt2")
    assert find_blocks(other).hidden_size == find_blocks(llama).hidden_size == HIDDEN
    with pytest.raises(IncompatibleError) as caught:
        vector_for(llama).attach(other)
    assert "architecture" in {f.check for f in caught.value.findings if f.severity == "error"}
    assert attached(other) == ()


def test_6_block_0_is_steered_like_any_other(llama):
    vector = vector_for(llama, layers=(0,))
    expected = logits_of(by_hand(llama, 0, addend(vector)), IDS)
    with vector.attach(llama):
        torch.testing.assert_close(logits_of(llama, IDS), expected, atol=1e-5, rtol=1e-5)


OTHERS = {
    "qwen3_next": "Qwen3NextForCausalLM",
    "mpt": "MptForCausalLM",
    "falcon": "FalconForCausalLM",
    "gptj": "GPTJForCausalLM",
}


@pytest.mark.parametrize("name", [*CONFIGS, *OTHERS])
def test_7_the_blocks_are_found_and_steered(name):
    model = build(name) if name in CONFIGS else build_any(name, OTHERS[name])
    vector = vector_for(model, layers=(1,))
    named = {} if "mamba" in name else {"use_cache": False}
    states = [layer + (0 if name == "mamba" else 1) for layer in (0, 1)]

    def run():
        with torch.no_grad():
            return model(input_ids=IDS, output_hidden_states=True, **named).hidden_states

    before = run()
    with vector.attach(model):
        after = run()
    torch.testing.assert_close(after[states[0]], before[states[0]])
    moved = after[states[1]] - before[states[1]]
    torch.testing.assert_close(moved, addend(vector).expand_as(moved), atol=1e-4, rtol=1e-4)


def test_7_every_class_that_is_named_here_is_one_of_transformers():
    assert all(hasattr(transformers, name) for name in OTHERS.values())
