"""``palrs-hub registry`` and ``palrs-hub card``: from a published vector to a gallery."""

import json
import shutil
import warnings

import pytest

from palrs_hub.registry import marks as marks_module


@pytest.fixture
def clone(tmp_path):
    """An empty registry's repository."""
    (tmp_path / "clone" / "registry").mkdir(parents=True)
    return tmp_path / "clone"


@pytest.fixture
def evaluated(run, extracted, tmp_path, hub):
    """The extracted vector with an evaluation, on the Hub: ``org/name@commit``."""
    from palrs_hub.demo import sums
    from palrs_hub.demo.domains import DOMAINS
    from palrs_hub.hub import push

    folder = tmp_path / "vector"
    shutil.copytree(extracted, folder)
    rows = [
        {"prompt": p.prompt, "answer": sums.final_answer(p.careful), "mark": "#"}
        for p in DOMAINS["sums"].worked("test", 3)
    ]
    problems = tmp_path / "sums.jsonl"
    problems.write_text("".join(json.dumps(row) + "\n" for row in rows))
    done = run(
        *("eval", folder, "--task", "problems", "--file", problems, "--random", "1"),
        *("--max-new-tokens", "24", "--write", folder),
    )
    assert done.code == 0, done.err
    pushed = push(folder, "lab/evaluated", force=True)
    return f"{pushed.repo_id}@{pushed.commit}"


def test_from_a_published_vector_to_a_gallery(run, clone, evaluated, tmp_path):
    printed = run(
        *("generate", evaluated, "--prompt", "478+356=", "--compare", "--json"),
        *("--max-new-tokens", "24"),
    )
    (tmp_path / "samples.json").write_text(printed.out)
    added = run(
        *("registry", "add", evaluated, "--root", clone, "--tag", "sums", "--json"),
        *("--samples", tmp_path / "samples.json"),
    )
    assert added.code == 0, added.out + added.err
    assert added.json["slug"] == "evaluated"
    assert "registry/evaluated.yaml" in added.json["written"]

    checked = run("registry", "check", "--root", clone, "--online", "--json")
    assert (checked.code, checked.json["entries"], checked.json["holds"]) == (0, 1, True)
    assert checked.json["faults"] == []

    built = run("registry", "build", "--root", clone, "--output", tmp_path / "site", "--json")
    assert built.code == 0
    page = (tmp_path / "site" / "vectors" / "evaluated.html").read_text()
    assert "478+356=" in page
    assert "lab/evaluated" in page


def test_a_vector_without_evidence_is_refused_with_every_reason(run, clone, published):
    refused = run("registry", "add", published, "--root", clone)
    assert refused.code == 3
    assert "expected at least one evaluation" in refused.out
    assert "Nothing was written." in refused.out
    assert not list(clone.glob("registry/*"))


def test_a_fault_fails_the_check_and_the_build(run, clone, evaluated, tmp_path):
    assert run("registry", "add", evaluated, "--root", clone).code == 0
    card = clone / "cards" / "evaluated.md"
    card.write_text(card.read_text() + "\n<script>alert(1)</script>\n")
    checked = run("registry", "check", "--root", clone, "--json")
    assert checked.code == 3
    assert [fault["check"] for fault in checked.json["faults"]] == ["card_content"]
    assert run("registry", "check", "--root", clone, "--only", "evaluated").code == 3
    assert run("registry", "build", "--root", clone, "--output", tmp_path / "site").code == 3
    assert not (tmp_path / "site").exists()


def test_a_folder_without_a_registry_says_so(run, tmp_path):
    refused = run("registry", "check", "--root", tmp_path)
    assert refused.code == 3
    assert "--root" in refused.err


def test_the_registry_of_this_repository_is_sound(run):
    from pathlib import Path

    checked = run("registry", "check", "--root", Path(__file__).parents[2])
    assert checked.code == 0, checked.out


def test_info_and_search_mark_a_withdrawn_vector(run, clone, evaluated, tmp_path, monkeypatch):
    assert run("registry", "add", evaluated, "--root", clone).code == 0
    entry = clone / "registry" / "evaluated.yaml"
    text = entry.read_text().replace("unreviewed", "withdrawn")
    entry.write_text(text.replace("Submitted with the", "Wrong signs in the"))
    assert run("registry", "build", "--root", clone, "--output", tmp_path / "site").code == 0
    monkeypatch.setenv("PALRS_HUB_REGISTRY", str(tmp_path / "site"))
    marks_module._places.cache_clear()
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("always")
            shown = run("info", evaluated, "--json")
        assert "Wrong signs" in shown.err
        assert shown.json["curated"]["verdict"] == "withdrawn"
        with warnings.catch_warnings():
            warnings.simplefilter("error")  # a listing attaches nothing
            found = run("search", "evaluated", "--json").json["vectors"]
            assert "withdrawn" in run("search", "evaluated").out
        (row,) = [item for item in found if item["repo_id"] == "lab/evaluated"]
        assert row["curated"]["exact"] is True
    finally:
        marks_module._places.cache_clear()


def test_card_prints_what_the_hub_shows(run, published):
    shown = run("card", published)
    assert shown.code == 0
    assert "library_name: palrs-hub" in shown.out
    assert "from_pretrained" in shown.out


def test_card_is_rendered_to_a_file(run, extracted, tmp_path):
    done = run("card", extracted, "--output", tmp_path / "card.html", "--json")
    assert (done.code, done.json["errors"]) == (0, [])
    page = (tmp_path / "card.html").read_text()
    assert "<h2>What it changes</h2>" in page
    assert "steering-vector" in page


def test_a_card_that_the_hub_would_refuse_says_why(run, extracted, tmp_path):
    shutil.copytree(extracted, tmp_path / "vector")
    card = tmp_path / "vector" / "README.md"
    card.write_text(card.read_text().replace("pipeline_tag: text-generation", "pipeline_tag: [1]"))
    refused = run("card", tmp_path / "vector", "--json")
    assert refused.code == 3
    assert "pipeline_tag" in refused.json["errors"][0]
    assert run("card", tmp_path / "vector", "--fresh").code == 0
