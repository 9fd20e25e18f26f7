import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from palrs_hub.local_hub import cards


def readme(front_matter):
    return f"---\n{front_matter}\n---\n# Title\n"


def test_the_front_matter_is_read():
    verdict = cards.judge(readme("library_name: palrs-hub\ntags: [one, two]"))
    assert verdict.card == {"library_name": "palrs-hub", "tags": ["one", "two"]}
    assert not verdict.errors
    assert not verdict.warnings


@pytest.mark.parametrize("text", ["", "# no front matter", "---\nunclosed: yes", readme("")])
def test_a_card_without_front_matter_is_a_warning(text):
    verdict = cards.judge(text)
    assert verdict.card is None
    assert not verdict.errors
    assert verdict.warnings


@pytest.mark.parametrize(
    ("front_matter", "told"),
    [
        ("- a\n- b", "must be a mapping"),
        ("a: [", "not valid YAML"),
        ("tags: 5", '"tags" must be a list of strings'),
        ("tags: one", '"tags" must be a list of strings'),
        ("tags: [1]", '"tags" must be a list of strings'),
        ("license: {a: b}", '"license" must be a string or a list'),
        ("base_model: 7", '"base_model" must be a string or a list'),
        ("base_model: a/b\nbase_model_relation: cousin", '"base_model_relation" must be one of'),
        ("library_name: [a]", '"library_name" must be a string'),
        ("model-index: {}", '"model-index" must be a list'),
        ("a: &a [1]\nb: *a", "aliases"),
        ("a: " + "[" * 5000, "nested more than"),
        ("a: !!python/object/apply:os.getcwd []", "not valid YAML"),
        ("a: " + "x" * 300_000, "over"),
    ],
)
def test_front_matter_that_the_hub_cannot_use_is_an_error(front_matter, told):
    verdict = cards.judge(readme(front_matter))
    assert verdict.card is None
    assert told in verdict.errors[0]


@pytest.mark.parametrize(
    "value",
    [".nan", ".inf", "2024-01-01", "0x" + "f" * 5000, '"\\ud800"', "!!set {a, b}", "{1: 2}"],
)
def test_all_that_yaml_can_say_comes_out_as_json(value):
    verdict = cards.judge(readme(f"key: {value}"))
    json.dumps(verdict.card, allow_nan=False, ensure_ascii=False).encode()
    assert verdict.card or verdict.errors


@given(st.text(max_size=200))
def test_no_front_matter_makes_the_judge_fail(text):
    cards.judge(readme(text))


def test_a_models_tags():
    card = {
        "library_name": "palrs-hub",
        "pipeline_tag": "text-generation",
        "tags": ["steering", "steering"],
        "license": "mit",
        "language": ["en"],
        "datasets": ["lab/pairs"],
        "base_model": "lab/base",
        "base_model_relation": "adapter",
    }
    assert cards.derive_tags("model", card, ["v.safetensors"]) == (
        "safetensors",
        "palrs-hub",
        "text-generation",
        "en",
        "dataset:lab/pairs",
        "base_model:lab/base",
        "base_model:adapter:lab/base",
        "steering",
        "license:mit",
        "region:local",
    )


def test_a_base_model_without_relation_counts_as_finetuned():
    assert "base_model:finetune:a/b" in cards.derive_tags("model", {"base_model": ["a/b"]}, [])


def test_a_datasets_tags_name_their_field():
    card = {"task_categories": ["text-generation"], "language": "en", "tags": ["pairs"]}
    tags = cards.derive_tags("dataset", card, [])
    assert {"task_categories:text-generation", "language:en", "pairs"} <= {*tags}
