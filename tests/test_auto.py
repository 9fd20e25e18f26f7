"""AutoSteeredModelForCausalLM: one call from a vector's name to a steered model."""

import pytest
import torch

from palrs_hub import loading
from palrs_hub.auto import AutoSteeredModelForCausalLM, base_of
from palrs_hub.demo import model_folder
from palrs_hub.errors import IncompatibleError, ModelError, UsageError
from palrs_hub.hub import push_model
from palrs_hub.loading import load_model, load_tokenizer
from palrs_hub.model_config import chat_template_sha256
from palrs_hub.steer import attached
from palrs_hub.vector import SteeringVector
from tests.tiny_models import build
from tests.vectors import vector_for

IDS = torch.tensor([[1, 9, 12, 7]])


@pytest.fixture(scope="module")
def base(hub):
    return push_model(model_folder(), "lab/auto-base")


@pytest.fixture(scope="module")
def vector_id(base):
    model = load_model(base.repo_id, revision=base.commit)
    vector = vector_for(model, layers=(1,))
    template = chat_template_sha256(load_tokenizer(model_folder()).chat_template)
    recorded = vector.manifest.base_model.model_copy(
        update={
            "repo_id": base.repo_id,
            "revision": base.commit,
            "chat_template_sha256": template,
        }
    )
    manifest = vector.manifest.model_copy(update={"base_model": recorded})
    SteeringVector.build(manifest, vector.arrays).push_to_hub("lab/auto-vector")
    return "lab/auto-vector"


def test_the_model_comes_at_the_recorded_commit_and_steered(vector_id, base, tmp_path):
    model = AutoSteeredModelForCausalLM.from_pretrained(vector_id, cache_dir=tmp_path)
    (steering,) = attached(model)
    assert type(model).__name__ == "LlamaForCausalLM"
    assert model.config._commit_hash == base.commit
    steered = model(input_ids=IDS).logits
    steering.detach()
    plain = load_model(base.repo_id, revision=base.commit)(input_ids=IDS).logits
    assert torch.equal(model(input_ids=IDS).logits, plain)
    assert not torch.allclose(steered, plain)


def test_the_base_models_own_settings_are_handed_on(vector_id):
    model = AutoSteeredModelForCausalLM.from_pretrained(
        vector_id, dtype=torch.bfloat16, coefficient=0.25
    )
    assert model.dtype == torch.bfloat16
    assert attached(model)[0].coefficient == 0.25


def test_another_base_model_is_checked_and_refused(vector_id, tmp_path, demo_tokenizer):
    build("llama", vocab_size=len(demo_tokenizer)).save_pretrained(tmp_path)
    demo_tokenizer.save_pretrained(tmp_path)
    with pytest.raises(IncompatibleError, match="hidden_size"):
        AutoSteeredModelForCausalLM.from_pretrained(vector_id, base_model=tmp_path)


def test_a_vector_of_a_model_in_a_folder_asks_for_one(tmp_path):
    folder = vector_for(build("llama")).save_pretrained(tmp_path)
    with pytest.raises(ModelError, match="base_model="):
        AutoSteeredModelForCausalLM.from_pretrained(folder)


def test_the_recorded_commit_belongs_to_the_recorded_repository(vector_id, base):
    vector = SteeringVector.from_pretrained(vector_id)
    assert base_of(vector) == (base.repo_id, base.commit)
    assert base_of(vector, base.repo_id) == (base.repo_id, base.commit)
    assert base_of(vector, "lab/other") == ("lab/other", None)
    assert base_of(vector, "lab/other@v2") == ("lab/other", "v2")


def test_it_is_no_class_to_make_objects_of():
    with pytest.raises(UsageError, match="from_pretrained"):
        AutoSteeredModelForCausalLM()


def test_model_and_tokenizer_come_from_the_commit_that_was_asked_for_once(base, monkeypatch):
    asked = []

    def commit_of(repo_id, *, revision, **_):
        asked.append(revision)
        # The branch moves on: who asks again would get something else.
        return base.commit if len(asked) == 1 or revision == base.commit else "f" * 40

    monkeypatch.setattr(loading, "commit_of", commit_of)
    model, _ = loading.load_model_and_tokenizer(base.repo_id)
    assert model.config._commit_hash == base.commit
    assert asked.count(None) == 1
