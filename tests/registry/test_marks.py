"""What users of a curated vector see: marks, warnings, and never a vector that cannot be loaded."""

import warnings

import pytest
from huggingface_hub import HfApi

from palrs_hub.hub import pull
from palrs_hub.registry import CuratorWarning, index_of, mark_of, marks_by_repo, read_shelf
from palrs_hub.registry import marks as marks_module
from palrs_hub.registry.marks import load_index
from palrs_hub.vector import SteeringVector

REASON = "It answers in another language on long prompts."


@pytest.fixture(autouse=True)
def _forget():
    """An index is read once in a process; here once in a test."""
    marks_module._places.cache_clear()
    yield
    marks_module._places.cache_clear()


@pytest.fixture
def listed(registry, hub, monkeypatch):
    """``lab/listed`` with a verdict, and the index of its registry in use."""

    def listed(verdict, repo="lab/listed", successor=""):
        record = registry.add("listed", repo=repo)
        old = f"verdict: unreviewed\n  date: '{record.entry.curator.date}'\n  reason: "
        new = f"verdict: {verdict}{successor}\n  date: '2026-01-02'\n  reason: "
        registry.change("registry/listed.yaml", old, new)
        registry.change("registry/listed.yaml", record.entry.curator.reason, REASON)
        index = index_of(read_shelf(registry.root))
        file = registry.root / "index.json"
        file.write_text(index.to_json())
        monkeypatch.setenv("PALRS_HUB_REGISTRY", str(file))
        return record

    return listed


def test_a_withdrawn_vector_warns_with_the_curators_reason(listed):
    record = listed("withdrawn")
    with pytest.warns(CuratorWarning, match=f"withdrawn .* on 2026-01-02: {REASON}"):
        SteeringVector.from_pretrained(str(record.entry.source))


def test_a_superseded_vector_names_its_successor(listed):
    record = listed("superseded", successor="\n  superseded_by: better-one")
    with pytest.warns(CuratorWarning, match="Use better-one instead"):
        SteeringVector.from_pretrained(str(record.entry.source))


def test_a_withdrawn_vector_is_known_under_another_name(listed):
    record = listed("withdrawn")
    with pytest.warns(CuratorWarning):
        vector = SteeringVector.from_pretrained(str(record.entry.source))
    done = vector.push_to_hub("stranger/reupload", force=True)
    with pytest.warns(CuratorWarning, match="withdrawn"):
        SteeringVector.from_pretrained("stranger/reupload", revision=done.commit)


def test_a_withdrawn_vector_is_known_in_a_folder(listed, tmp_path):
    record = listed("withdrawn")
    pull(str(record.entry.source)).copy_to(tmp_path / "copy")
    with pytest.warns(CuratorWarning, match="withdrawn"):
        SteeringVector.from_pretrained(tmp_path / "copy")


@pytest.mark.parametrize("verdict", ["recommended", "accepted", "experimental", "unreviewed"])
def test_a_curated_vector_is_marked_and_loads_without_a_warning(listed, verdict):
    record = listed(verdict)
    vector = SteeringVector.from_pretrained(str(record.entry.source))
    mark = mark_of(vector)
    assert (mark.entry.verdict, mark.exact) == (verdict, True)


def test_a_listing_tells_whether_the_same_commit_is_meant(listed):
    record = listed("accepted")
    commit = record.entry.source.commit
    assert marks_by_repo({"lab/listed": commit})["lab/listed"].exact
    other = marks_by_repo({"Lab/Listed": "f" * 40, "lab/unlisted": None})
    assert list(other) == ["Lab/Listed"]
    assert not other["Lab/Listed"].exact
    assert "of another commit" in str(other["Lab/Listed"])


@pytest.mark.parametrize("content", [b"", b"{}", b"[]", None])
def test_a_broken_index_warns_once_and_blocks_nothing(listed, registry, content):
    record = listed("withdrawn")
    file = registry.root / "index.json"
    file.unlink() if content is None else file.write_bytes(content)
    with pytest.warns(CuratorWarning, match="cannot be used"):
        SteeringVector.from_pretrained(str(record.entry.source))
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        SteeringVector.from_pretrained(str(record.entry.source))


def test_an_index_is_found_in_a_space_and_kept_for_times_without_one(listed, registry):
    record = listed("withdrawn")
    api = HfApi()
    api.create_repo("lab/gallery", repo_type="space", space_sdk="static", exist_ok=True)
    api.upload_file(
        path_or_fileobj=(registry.root / "index.json").read_bytes(),
        path_in_repo="index.json",
        repo_id="lab/gallery",
        repo_type="space",
    )
    index = load_index("spaces/lab/gallery")
    assert index.entries[0].sha256 == record.entry.sha256
    assert load_index("spaces/lab/gallery", offline=True) == index


def test_an_index_is_found_at_an_address_and_kept(listed, hub, registry):
    listed("accepted", repo="lab/addressed")
    HfApi().create_repo("lab/site", exist_ok=True)
    HfApi().upload_file(
        path_or_fileobj=(registry.root / "index.json").read_bytes(),
        path_in_repo="index.json",
        repo_id="lab/site",
    )
    address = f"{hub.url}/lab/site/resolve/main/index.json"
    index = load_index(address)
    assert load_index(address, offline=True) == index
    HfApi().delete_repo("lab/site")
    assert load_index(address) == index  # the server has it no more; what was fetched last is used


def test_an_address_that_nobody_answers_at_blocks_nothing(listed, monkeypatch):
    record = listed("withdrawn")
    monkeypatch.setenv("PALRS_HUB_REGISTRY", "http://127.0.0.1:9/index.json")
    with pytest.warns(CuratorWarning, match="cannot be used"):
        SteeringVector.from_pretrained(str(record.entry.source))


def test_the_index_that_comes_along_is_sound(monkeypatch):
    monkeypatch.delenv("PALRS_HUB_REGISTRY", raising=False)
    index = load_index(marks_module._location())
    assert index.entries
