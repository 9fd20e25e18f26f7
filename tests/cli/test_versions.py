"""``versions``: the revisions of a vector, for people and for machines."""

import pytest

from tests.tiny_models import build
from tests.vectors import vector_for


@pytest.fixture(scope="module")
def commits(hub):
    """The commits of main, of a branch and of a pull request."""
    other = vector_for(build("llama"), seed=9)
    return (
        vector_for(build("llama")).push_to_hub("revisions/all", tag="v1.0").commit,
        other.push_to_hub("revisions/all", revision="stronger").commit,
        other.push_to_hub("revisions/all", create_pr=True, commit_message="[red]Mine[/]").commit,
    )


def test_every_revision_is_listed(run, commits, monkeypatch):
    monkeypatch.setenv("COLUMNS", "200")
    shown = run("versions", "revisions/all")
    assert shown.code == 0
    for text in (*commits, "main", "v1.0", "stronger", "refs/pr/1", "[red]Mine[/]"):
        assert text in shown.out


def test_as_json(run, commits):
    found = run("versions", "revisions/all@stronger", "--json").json
    assert found["tags"] == [{"name": "v1.0", "commit": commits[0]}]
    assert found["commits"][0]["commit"] == commits[1]
    assert found["pull_requests"][0]["revision"] == "refs/pr/1"


def test_what_is_listed_can_be_pulled(run, commits):
    found = run("versions", "revisions/all", "--json").json
    revisions = [item["name"] for item in found["branches"] + found["tags"]]
    revisions += [item["revision"] for item in found["pull_requests"]]
    for revision in revisions:
        assert run("pull", f"revisions/all@{revision}", "--json").json["commit"] in commits
