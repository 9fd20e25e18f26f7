"""``diff``: folders and revisions, side by side."""

import pytest

from tests.tiny_models import build
from tests.vectors import vector_for


@pytest.fixture
def folder(tmp_path):
    return vector_for(build("llama")).save_pretrained(tmp_path / "vector")


@pytest.fixture
def other(tmp_path):
    vector = vector_for(build("llama"), seed=9, coefficient=-0.5)
    return vector.save_pretrained(tmp_path / "other")


def test_two_folders(run, folder, other, monkeypatch):
    monkeypatch.setenv("COLUMNS", "200")
    shown = run("diff", folder, other)
    assert shown.code == 0
    for text in ("interventions.0.coefficient", "1.5", "-0.5", "tensors.sha256", "layer_2"):
        assert text in shown.out
    found = run("diff", folder, other, "--json").json
    (tensor,) = found["tensors"]
    assert tensor["layer"] == 2
    assert -1 < tensor["cosine"] < 1


def test_a_folder_and_a_revision(run, hub, folder, other):
    commit = run("push", folder, "compared/one", "--json").json["commit"]
    found = run("diff", folder, "compared/one", "--json").json
    assert (found["fields"], found["right"]) == ([], f"compared/one@{commit}")
    assert found["tensors"][0]["cosine"] == pytest.approx(1)
    assert "The manifests are the same." in run("diff", folder, f"compared/one@{commit}").out


def test_two_revisions_of_one_vector(run, hub, folder, other):
    first = run("push", folder, "compared/two", "--json").json["commit"]
    second = run("push", other, "compared/two", "--force", "--json").json["commit"]
    found = run("diff", f"compared/two@{first}", f"compared/two@{second}", "--json").json
    fields = {item["field"]: (item["left"], item["right"]) for item in found["fields"]}
    assert fields["interventions.0.coefficient"] == ("1.5", "-0.5")


def test_what_is_no_vector(run, folder, tmp_path):
    (tmp_path / "empty").mkdir()
    found = run("diff", folder, tmp_path / "empty")
    assert found.code == 3
    assert "is not a palrs-hub vector" in found.err.replace("\n", " ")
