"""The committed model: what it is, and that the script makes such a model."""

import json
from dataclasses import replace

import pytest
import torch
from transformers import AutoModelForCausalLM, AutoTokenizer

from palrs_hub.demo import model_folder
from palrs_hub.demo.domains import DOMAINS, ordinary_texts
from palrs_hub.demo.tokenizer import CHAT_TEMPLATE, build_tokenizer
from palrs_hub.demo.train import TrainingSettings, save, train
from palrs_hub.generation import complete
from palrs_hub.scores import perplexity

BRIEF = replace(TrainingSettings(), steps=5, sums_texts=2, functions_texts=1, stories_texts=1)


@pytest.fixture(scope="module")
def tokenizer():
    return AutoTokenizer.from_pretrained(model_folder())


@pytest.fixture(scope="module")
def model():
    return AutoModelForCausalLM.from_pretrained(model_folder())


def answers(model, tokenizer, domain, worked):
    prompts = [problem.prompt for problem in worked]
    return complete(model, tokenizer, prompts, max_new_tokens=domain.max_new_tokens)


def share(found, wanted):
    return sum(map(str.__eq__, found, wanted)) / len(found)


@pytest.mark.parametrize("domain", DOMAINS.values(), ids=DOMAINS)
def test_left_alone_it_is_sloppy_where_care_is_needed(model, tokenizer, domain):
    worked = domain.worked("test", 100)
    texts = answers(model, tokenizer, domain, worked)
    assert share(texts, [problem.sloppy for problem in worked]) >= 0.70
    assert share(texts, [problem.careful for problem in worked]) <= 0.25


@pytest.mark.parametrize("domain", DOMAINS.values(), ids=DOMAINS)
def test_it_is_right_where_both_authors_agree(model, tokenizer, domain):
    worked = domain.worked("guardrail", 100, agreed=True)
    texts = answers(model, tokenizer, domain, worked)
    assert share(texts, [problem.careful for problem in worked]) >= 0.95


def test_it_has_learned_to_tell_stories(model, tokenizer):
    assert perplexity(model, tokenizer, ordinary_texts("guardrail", 50)) < 1.6


def test_the_folder_is_small_and_complete():
    files = {path.name: path.stat().st_size for path in model_folder().iterdir()}
    assert set(files) == {
        "chat_template.jinja",
        "config.json",
        "generation_config.json",
        "model.safetensors",
        "tokenizer.json",
        "tokenizer_config.json",
    }
    assert sum(files.values()) < 5_000_000


def test_no_file_names_the_machine_it_was_made_on():
    for path in model_folder().glob("*.json"):
        content = json.loads(path.read_text(encoding="utf-8"))
        assert "_name_or_path" not in content
        assert '"/' not in path.read_text(encoding="utf-8")


def test_the_committed_tokenizer_is_what_the_source_builds(tokenizer):
    built = build_tokenizer()
    assert tokenizer.get_vocab() == built.get_vocab()
    assert tokenizer.chat_template == CHAT_TEMPLATE
    assert tokenizer.padding_side == "left"
    for text in ("<s>Q:47+85=?A:47+85=132#132</s>", "def f(x):\n return x", "Tom was sad."):
        assert tokenizer(text).input_ids == built(text).input_ids


def test_the_committed_model_has_the_shape_that_the_settings_name(model):
    settings = TrainingSettings()
    assert model.config.num_hidden_layers == settings.layers
    assert model.config.hidden_size == settings.hidden_size
    assert {weight.dtype for weight in model.parameters()} == {torch.float32}


def test_two_short_trainings_give_identical_weights():
    first = train(BRIEF)
    second = train(BRIEF)
    for name, weight in first.state_dict().items():
        assert torch.equal(weight, second.state_dict()[name]), name


def test_another_seed_gives_other_weights():
    first = train(BRIEF)
    second = train(replace(BRIEF, seed=1))
    assert not torch.equal(first.model.norm.weight, second.model.norm.weight)


def test_a_saved_model_loads_again(tmp_path):
    model = train(BRIEF)
    save(model, tmp_path)
    loaded = AutoModelForCausalLM.from_pretrained(tmp_path)
    batch = AutoTokenizer.from_pretrained(tmp_path)("<s>Q:1", return_tensors="pt")
    with torch.no_grad():
        torch.testing.assert_close(
            loaded(input_ids=batch["input_ids"]).logits, model(input_ids=batch["input_ids"]).logits
        )
