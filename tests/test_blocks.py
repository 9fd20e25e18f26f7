"""Finding the decoder blocks: the text decoder's or a refusal, never a tower's, never a guess."""

import warnings

import pytest
import torch
import transformers

from palrs_hub.blocks import EXCEPTIONS, find_blocks, residual_of, with_residual
from palrs_hub.errors import ModelError
from palrs_hub.probe import measure_fingerprint
from tests.survey.configs import BLOCKS, HIDDEN, settings
from tests.survey.configs import build as build_class
from tests.tiny_models import build

TOKENS = tuple(range(5, 17))


@pytest.mark.parametrize(
    ("model_type", "class_name", "path"),
    [
        ("gpt_neox", "GPTNeoXForCausalLM", "gpt_neox.layers"),
        ("mamba", "MambaForCausalLM", "backbone.layers"),
        ("mpt", "MptForCausalLM", "transformer.blocks"),
        ("opt", "OPTForCausalLM", "model.decoder.layers"),
    ],
)
def test_blocks_are_found(model_type, class_name, path):
    model = build_class(model_type, class_name)
    blocks = find_blocks(model)
    assert (blocks.path, len(blocks), blocks.hidden_size) == (path, BLOCKS, HIDDEN)
    assert blocks.modules == tuple(model.get_submodule(path))


@pytest.mark.parametrize(
    ("model_type", "class_name"),
    [
        ("gemma3", "Gemma3ForConditionalGeneration"),
        ("internvl", "InternVLForConditionalGeneration"),
        ("llava", "LlavaForConditionalGeneration"),
        ("mistral3", "Mistral3ForConditionalGeneration"),
        ("qwen2_vl", "Qwen2VLForConditionalGeneration"),
        ("qwen3_vl", "Qwen3VLForConditionalGeneration"),
    ],
)
def test_a_tower_as_deep_and_as_wide_is_never_taken(model_type, class_name):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        model = build_class(model_type, class_name)
    blocks = find_blocks(model)
    assert blocks.path == "model.language_model.layers"
    others = [
        name
        for name, module in model.named_modules()
        if isinstance(module, torch.nn.ModuleList) and len(module) == BLOCKS
    ]
    assert len(others) > 1, "the tower should be a candidate"


@pytest.mark.parametrize("place", ["model.blocks", "decoys"])
def test_a_row_for_the_wrong_list_is_refused_by_the_probe(place, monkeypatch):
    model = build("llama")
    parent, _, name = place.rpartition(".")
    copies = torch.nn.ModuleList(torch.nn.Linear(32, 32) for _ in range(BLOCKS))
    setattr(model.get_submodule(parent), name, copies)
    monkeypatch.setitem(EXCEPTIONS, "llama", place)
    with pytest.raises(ModelError, match="did not run its hooks"):
        measure_fingerprint(model, TOKENS, [1])


def test_a_row_is_taken_where_the_rule_cannot_tell(monkeypatch):
    model = two_lists()
    monkeypatch.setitem(EXCEPTIONS, "llama", "model.layers")
    assert find_blocks(model).path == "model.layers"


def two_lists():
    model = build("llama")
    model.model.blocks = torch.nn.ModuleList(torch.nn.Linear(32, 32) for _ in range(BLOCKS))
    return model


def test_two_equally_plausible_lists_are_refused():
    with pytest.raises(ModelError, match="several lists of 4 modules"):
        find_blocks(two_lists())


def test_a_decoder_that_cannot_be_told_is_not_replaced_by_what_is_around_it():
    model = two_lists()
    model.tower = torch.nn.ModuleList(torch.nn.Linear(32, 32) for _ in range(BLOCKS))
    with pytest.raises(ModelError, match="several lists of 4 modules"):
        find_blocks(model)


def test_a_model_without_such_a_list_is_refused():
    model = build("llama")
    model.model.layers = model.model.layers[:2]
    with pytest.raises(ModelError, match="no list of 4 modules"):
        find_blocks(model)


def test_a_module_that_is_not_of_transformers_is_refused():
    with pytest.raises(ModelError, match="no transformers config"):
        find_blocks(torch.nn.Linear(2, 2))


def test_an_encoder_with_a_decoder_is_refused():
    model = build_class("bart", "BartForConditionalGeneration")
    with pytest.raises(ModelError, match="has an encoder"):
        find_blocks(model)


def test_a_config_with_two_text_decoders_is_refused():
    model = build("llama")
    model.config.text_config = model.config.decoder = build("llama").config
    with pytest.raises(ModelError, match="does not tell one text decoder"):
        find_blocks(model)


@pytest.mark.parametrize("kind", [tuple, list])
def test_what_comes_with_the_residual_is_kept(kind):
    residual = torch.ones(1, 2, 3)
    output = kind([residual, "weights"])
    assert residual_of(output, 3, 0) is residual
    replaced = with_residual(output, residual + 1)
    assert type(replaced) is kind
    assert replaced[1] == "weights"
    assert torch.equal(replaced[0], residual + 1)


@pytest.mark.parametrize("model_type", ["reformer", "xlnet", "cpmant", "prophetnet"])
def test_what_is_not_one_stream_over_the_tokens_is_refused(model_type):
    classes = {
        "reformer": "ReformerModelWithLMHead",
        "xlnet": "XLNetLMHeadModel",
        "cpmant": "CpmAntForCausalLM",
        "prophetnet": "ProphetNetForCausalLM",
    }
    model = build_class(model_type, classes[model_type])
    for layer in range(BLOCKS):
        with pytest.raises(ModelError, match="not supported"):
            measure_fingerprint(model, TOKENS, [layer])


def test_a_model_that_reads_both_ways_is_measured_the_same_with_any_layers():
    config = transformers.BertConfig(**{**settings(transformers.BertConfig), "is_decoder": False})
    torch.manual_seed(0)
    model = transformers.BertLMHeadModel(config)
    for parameter in model.parameters():
        torch.nn.init.normal_(parameter, std=0.3)
    alone = measure_fingerprint(model, TOKENS, [2]).norms[0]
    together = measure_fingerprint(model, TOKENS, range(BLOCKS)).norms[2]
    assert alone == pytest.approx(together, rel=1e-5)
