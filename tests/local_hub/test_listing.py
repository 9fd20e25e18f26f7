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


def next_link(answer):
    return answer.links["next"]["url"]


def test_a_page_skips_nothing_when_others_come_and_go(owner, wire, shelf):
    tag, (first, second, third) = shelf
    page = wire.get(f"/api/models?filter={tag}&sort=createdAt&limit=1")
    assert [item["id"] for item in page.json()] == [third]
    owner.delete_repo(third)
    after = wire.get(next_link(page))
    assert [item["id"] for item in after.json()] == [second]
    assert [item["id"] for item in wire.get(next_link(after)).json()] == [first]


@pytest.mark.parametrize("cursor", ["x", ":", "1:", "1", "-1:2", "1:x", "9" * 30 + ":1"])
def test_a_cursor_of_ones_own_making_is_refused(wire, cursor):
    assert wire.get("/api/models", params={"cursor": cursor}).status_code == 400


def test_words_are_found_inside_words(owner, shelf):
    tag, made = shelf
    assert {*found(owner.list_models(filter=tag, search="EBR"))} == {*made}
    assert {*found(owner.list_models(filter=tag, search="ze br"))} == {*made}
    assert found(owner.list_models(filter=tag, search='zebra"')) == []
    assert found(owner.list_models(filter=tag, search="zebra OR nothing*")) == []


@pytest.mark.parametrize("few", [0, 1_000])
@pytest.mark.parametrize("some", [0, 1_000])
def test_all_ways_to_search_find_the_same(owner, shelf, monkeypatch, few, some):
    tag, made = shelf
    monkeypatch.setattr("palrs_hub.local_hub.search._FEW", few)
    monkeypatch.setattr("palrs_hub.local_hub.search._SOME", some)
    for search in ("zebra", "zebra or", "palrs-hub", "word"):
        for sort in ("created_at", "last_modified"):
            models = owner.list_models(search=search, filter=tag, author="lab", sort=sort)
            assert found(models) == made[::-1]
    assert found(owner.list_models(search="zebra word2", filter=tag)) == [made[2]]
    # The index looks at the end of a long word only; its beginning decides all the same.
    assert found(owner.list_models(search=f"x{made[0]}", filter=tag)) == []


def test_what_is_no_longer_said_is_no_longer_found(owner, put, shelf):
    tag, made = shelf
    put(made[0], "README.md", CARD.format(tag=tag, word="quagga").encode())
    assert found(owner.list_models(filter=tag, search="word0")) == []
    assert found(owner.list_models(filter=tag, search="quagga")) == [made[0]]
    owner.delete_repo(made[0])
    assert found(owner.list_models(search="quagga", filter=tag)) == []


def test_a_search_has_bounds(wire):
    for params in ({"search": "word " * 30}, {"filter": ["tag"] * 60}):
        assert wire.get("/api/models", params=params).status_code == 413
    assert wire.get("/api/models", params={"search": "a\0bc"}).status_code == 400


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


def test_the_pages_of_a_tree_are_of_one_commit(owner, put, wire, with_tree, monkeypatch):
    monkeypatch.setattr(limits, "TREE_PAGE", 4)
    page = wire.get(f"/api/models/{with_tree}/tree/main?recursive=true")
    owner.delete_file("a.txt", with_tree)
    put(with_tree, "folder/between.txt", b"new")
    paths = [item["path"] for item in wire.get(next_link(page)).json()]
    assert paths == ["folder/deep", "folder/deep/c.txt"]


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


@pytest.mark.parametrize("digits", ["0" * 5_000, "0" * 12 + "9" * 30, "9" * 5_000])
def test_a_number_of_many_digits_is_answered(wire, digits):
    answer = wire.get(f"/api/models?limit={digits}")
    assert answer.status_code == (400 if "9" in digits else 200)
