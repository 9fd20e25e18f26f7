"""``search``: what the table tells, and whether the vectors fit a model."""

import pytest
from huggingface_hub import HfApi

from palrs_hub.evidence import Evaluation
from palrs_hub.hub import push_model
from palrs_hub.vector import SteeringVector
from tests.tiny_models import build
from tests.vectors import vector_for


@pytest.fixture(scope="module")
def shelf(hub, tmp_path_factory):
    """One vector that fits ``lab/searched`` and one that does not."""
    folder = tmp_path_factory.mktemp("model")
    build("llama").save_pretrained(folder)
    push_model(folder, "lab/searched")
    for name, model in (("fitting", build("llama")), ("wide", build("gpt2"))):
        manifest = vector_for(model).manifest
        measured = Evaluation(
            task="sums",
            metric="accuracy",
            split="test",
            samples=10,
            value=0.875,
            higher_is_better=True,
            baselines={"unsteered": 0.25},
        )
        changes = {
            "task": manifest.task.model_copy(update={"name": "[bold]shelf[/] sums"}),
            "base_model": manifest.base_model.model_copy(update={"repo_id": "lab/searched"}),
            "evaluations": (measured,),
        }
        vector = SteeringVector.build(manifest.model_copy(update=changes), vector_for(model).arrays)
        vector.push_to_hub(f"shelf/{name}")
    return folder


def test_the_table(run, shelf, monkeypatch):
    monkeypatch.setenv("COLUMNS", "300")
    shown = run("search", "--base-model", "lab/searched", "--author", "shelf")
    assert shown.code == 0
    for text in ("shelf/fitting", "shelf/wide", "2: 1.5", "accuracy (steered) 0.875", "0.25"):
        assert text in shown.out
    assert "[bold]shelf[/] sums" in shown.out  # text of others is shown, not obeyed


def test_words_and_options_narrow_it(run, shelf):
    found = run("search", "fitting", "--task", "[bold]shelf[/] sums", "--json").json["vectors"]
    assert [item["repo_id"] for item in found] == ["shelf/fitting"]
    assert found[0]["changes"] == [{"layer": 2, "coefficient": 1.5}]
    assert run("search", "--author", "shelf", "--limit", 1, "--json").json["vectors"][1:] == []
    for sort in ("downloads", "likes", "recent"):
        assert run("search", "--author", "shelf", "--sort", sort).code == 0


@pytest.mark.parametrize("model", ["a folder", "lab/searched"])
def test_whether_they_fit_a_model(run, shelf, model, monkeypatch):
    monkeypatch.setenv("COLUMNS", "300")
    words = ("search", "--author", "shelf", "--model", shelf if model == "a folder" else model)
    found = {item["repo_id"]: item for item in run(*words, "--json").json["vectors"]}
    assert found["shelf/fitting"]["fits"] is True
    assert found["shelf/wide"]["fits"] is False
    assert "model type 'gpt2'" in found["shelf/wide"]["why"]
    shown = run(*words)
    assert "yes" in shown.out
    assert "shelf/wide: error (architecture): expected model type 'gpt2'" in shown.out


def test_one_that_cannot_be_read_does_not_hide_the_others(run, shelf):
    card = b"---\nlibrary_name: palrs-hub\ntags: [palrs-hub]\n---\n# None"
    HfApi().create_repo("shelf/hollow", exist_ok=True)
    HfApi().upload_file(path_or_fileobj=card, path_in_repo="README.md", repo_id="shelf/hollow")
    found = run("search", "--author", "shelf", "--model", shelf, "--json").json["vectors"]
    fits = {item["repo_id"]: item["fits"] for item in found}
    assert fits == {"shelf/hollow": None, "shelf/fitting": True, "shelf/wide": False}
    shown = run("search", "--author", "shelf", "--model", shelf).out
    assert "shelf/hollow: shelf/hollow has no steering_config.json" in shown
    HfApi().delete_repo("shelf/hollow")


def test_nothing_found(run, shelf):
    found = run("search", "--author", "nobody")
    assert (found.code, found.out.strip()) == (
        0,
        "No vector matches. Fewer words or options find more.",
    )
    assert run("search", "--author", "nobody", "--json").json == {"vectors": []}
