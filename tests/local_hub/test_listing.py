import pytest
from huggingface_hub.errors import BadRequestError, EntryNotFoundError
from huggingface_hub.hf_api import RepoFile, RepoFolder

from palrs_hub.local_hub import limits

CARD = """---
library_name: palrs-hub
license: mit
tags: [steering, {tag}]
base_model: lab/base
base_model_relation: adapter
---
# A vector for {word}
"""


@pytest.fixture
def shelf(owner, put, new_id):
    """Three models that share a tag of their own, in the order in which they were made."""
    made = [new_id() for _ in range(3)]
    tag = made[0].replace("/", "-")
    for number, repo_id in enumerate(made):
        owner.create_repo(repo_id)
        put(repo_id, "README.md", CARD.format(tag=tag, word=f"word{number} ZEBRA").encode())
    return tag, made


def found(models):
    return [model.id for model in models]


def test_all_filters_must_hold(owner, shelf):
    tag, made = shelf
    tags = [tag, "palrs-hub", "base_model:adapter:lab/base", "license:mit"]
    assert {*found(owner.list_models(filter=tags))} == {*made}
    assert found(owner.list_models(filter=[*tags, "absent"])) == []


def test_search_looks_at_names_tags_and_cards(owner, shelf):
    tag, made = shelf
    assert found(owner.list_models(filter=tag, search="zebra WORD1")) == [made[1]]
    assert found(owner.list_models(search=made[2])) == [made[2]]
    assert found(owner.list_models(filter=tag, search="%")) == []


def test_the_author_is_the_namespace(owner, shelf):
    tag, made = shelf
    assert {*found(owner.list_models(filter=tag, author="lab"))} == {*made}
    assert found(owner.list_models(filter=tag, author="eve")) == []


def test_the_order(owner, put, wire, shelf):
    tag, (first, second, third) = shelf
    put(first, "steering_config.json", b"{}")
    wire.get(f"/{second}/resolve/main/README.md")
    wire.get(f"/{first}/resolve/main/steering_config.json")
    assert found(owner.list_models(filter=tag, sort="created_at")) == [third, second, first]
    assert found(owner.list_models(filter=tag, sort="last_modified")) == [first, third, second]
    for sort in ("downloads", "trending_score"):
        assert found(owner.list_models(filter=tag, sort=sort))[0] == first


def test_pages_follow_each_other_until_the_limit(owner, shelf, monkeypatch):
    tag, made = shelf
    monkeypatch.setattr(limits, "LISTING_PAGE", 1)
    newest_first = made[::-1]
    assert found(owner.list_models(filter=tag, sort="created_at")) == newest_first
    assert found(owner.list_models(filter=tag, sort="created_at", limit=2)) == newest_first[:2]


def test_how_much_is_told_of_each(owner, shelf):
    tag, _ = shelf
    short = next(iter(owner.list_models(filter=tag, limit=1)))
    full = next(iter(owner.list_models(filter=tag, limit=1, full=True, cardData=True)))
    expanded = next(iter(owner.list_models(filter=tag, limit=1, expand=["cardData", "sha"])))
    assert (short.sha, short.card_data, short.library_name) == (None, None, "palrs-hub")
    assert full.sha
    assert [file.rfilename for file in full.siblings] == [".gitattributes", "README.md"]
    assert full.card_data.base_model == expanded.card_data.base_model == "lab/base"
    assert (expanded.tags, expanded.sha) == (None, full.sha)


def test_datasets_are_listed_apart(owner, put, new_id):
    made = new_id()
    owner.create_repo(made, repo_type="dataset")
    put(made, "README.md", b"---\nlanguage: en\n---\n", repo_type="dataset")
    assert made in found(owner.list_datasets(language="en", author="lab"))
    assert made not in found(owner.list_models(author="lab"))


def test_filters_that_are_not_served_are_refused(owner):
    with pytest.raises(BadRequestError, match="cannot filter by"):
        list(owner.list_models(apps="vllm"))
    with pytest.raises(BadRequestError, match="sort must be one of"):
        list(owner.list_models(sort="height"))


@pytest.fixture
def with_tree(put, repo_id):
    for path in ("a.txt", "folder/b.txt", "folder/deep/c.txt"):
        put(repo_id, path, path.encode(), commit_message=f"add {path}")
    return repo_id


def test_a_tree_shows_files_and_folders(owner, with_tree):
    def paths(**options):
        return [item.path for item in owner.list_repo_tree(with_tree, **options)]

    assert paths() == [".gitattributes", "a.txt", "folder"]
    assert paths(path_in_repo="folder") == ["folder/b.txt", "folder/deep"]
    assert paths(recursive=True) == [
        ".gitattributes", "a.txt", "folder", "folder/b.txt", "folder/deep", "folder/deep/c.txt",
    ]  # fmt: skip
    assert paths(path_in_repo="folder/deep", recursive=True) == ["folder/deep/c.txt"]
    for absent in ("no-such-folder", "a.txt"):
        with pytest.raises(EntryNotFoundError):
            paths(path_in_repo=absent)


def test_a_tree_comes_in_pages(owner, with_tree, monkeypatch):
    monkeypatch.setattr(limits, "TREE_PAGE", 2)
    assert len(list(owner.list_repo_tree(with_tree, recursive=True))) == 6


def test_a_tree_tells_who_changed_what_last(owner, put, with_tree):
    put(with_tree, "folder/b.txt", b"changed", commit_message="change b")
    items = {
        item.path: item.last_commit.title
        for item in owner.list_repo_tree(with_tree, recursive=True, expand=True)
    }
    assert items == {
        ".gitattributes": "initial commit",
        "a.txt": "add a.txt",
        "folder": "change b",
        "folder/b.txt": "change b",
        "folder/deep": "add folder/deep/c.txt",
        "folder/deep/c.txt": "add folder/deep/c.txt",
    }


def test_some_paths_are_described(owner, with_tree):
    file, folder = owner.get_paths_info(with_tree, ["a.txt", "folder", "absent"], expand=True)
    assert isinstance(file, RepoFile)
    assert isinstance(folder, RepoFolder)
    assert (file.size, file.last_commit.title) == (5, "add a.txt")


def test_paths_may_be_asked_for_in_json_too(wire, with_tree):
    answer = wire.post(f"/api/models/{with_tree}/paths-info/main", json={"paths": ["a.txt"]})
    assert [item["path"] for item in answer.json()] == ["a.txt"]
