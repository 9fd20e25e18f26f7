"""A part of the survey on every run of the tests; ``make survey`` does the whole of it."""

import warnings

import pytest
import torch
import transformers

from palrs_hub import blocks
from tests.survey.__main__ import entries
from tests.survey.checks import (
    PASSES,
    REFUSED,
    Mismatch,
    check,
    recording,
    survey,
    survey_model,
)
from tests.survey.configs import BLOCKS, build
from tests.survey.page import listed, row

# Other families than tests/tiny_models.py has; below them, those that only just pass or do not.
QUICK = [
    ("bart", "BartForCausalLM"),
    ("bert", "BertLMHeadModel"),
    ("deepseek_v3", "DeepseekV3ForCausalLM"),
    ("falcon_h1", "FalconH1ForCausalLM"),
    ("gemma4", "Gemma4ForConditionalGeneration"),
    ("glm4v", "Glm4vForConditionalGeneration"),
    ("gpt_oss", "GptOssForCausalLM"),
    ("jamba", "JambaForCausalLM"),
    ("llava", "LlavaForConditionalGeneration"),
    ("mixtral", "MixtralForCausalLM"),
    ("mpt", "MptForCausalLM"),
    ("qwen3_5_moe_text", "Qwen3_5MoeForCausalLM"),
    ("rwkv", "RwkvForCausalLM"),
    ("openai-gpt", "OpenAIGPTLMHeadModel"),
    ("zamba", "ZambaForCausalLM"),
    ("cpmant", "CpmAntForCausalLM"),
    ("deepseek_v4", "DeepseekV4ForCausalLM"),
    ("florence2", "Florence2ForConditionalGeneration"),
    ("mllama", "MllamaForCausalLM"),
    ("prophetnet", "ProphetNetForCausalLM"),
    ("reformer", "ReformerModelWithLMHead"),
    ("xlm", "XLMWithLMHeadModel"),
    ("xlnet", "XLNetLMHeadModel"),
]


@pytest.fixture(autouse=True)
def _foreign_warnings():
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        yield


@pytest.fixture(scope="module")
def page_text():
    from tests.survey.page import PAGE

    if listed()[0] != transformers.__version__:
        pytest.skip("docs/models.md is of another version of transformers: make survey")
    return PAGE.read_text(encoding="utf-8")


def test_recording_leaves_no_hook_behind():
    linear = torch.nn.Linear(2, 2)
    with recording() as calls:
        linear(torch.ones(1, 2))
    assert [call.module for call in calls] == [linear]
    assert not torch.nn.modules.module._has_any_global_hook()


def test_the_page_lists_every_class(page_text):
    assert listed()[1] == set(entries())


@pytest.mark.parametrize("entry", QUICK, ids=lambda entry: entry[0])
def test_a_class_fares_as_the_page_says(entry, page_text):
    outcome = survey(*entry)
    assert outcome.kind in (PASSES, REFUSED)
    assert row(*entry, outcome) in page_text


def test_the_survey_sees_a_tower_in_place_of_the_decoder(monkeypatch):
    model = build("llava", "LlavaForConditionalGeneration")
    tower = "model.vision_tower.encoder.layers"
    monkeypatch.setitem(blocks.EXCEPTIONS, blocks.text_config(model).model_type, tower)
    with pytest.raises(Mismatch, match="not what makes hidden_states"):
        check(model, range(BLOCKS))


def test_the_survey_sees_blocks_in_another_order(monkeypatch):
    model = build("llama", "LlamaForCausalLM")
    model.decoys = torch.nn.ModuleList(reversed(model.model.layers))
    monkeypatch.setitem(blocks.EXCEPTIONS, "llama", "decoys")
    with pytest.raises(Mismatch, match="not what makes hidden_states"):
        check(model, range(BLOCKS))


def test_the_survey_sees_a_steering_that_takes_no_effect(monkeypatch):
    model = build("llama", "LlamaForCausalLM")
    monkeypatch.setattr("palrs_hub.steer.candidates.with_residual", lambda output, residual: output)
    outcome = survey_model(model)
    assert str(outcome) == "SILENTLY WRONG: adding at layer 0 leaves the logits as they were"
