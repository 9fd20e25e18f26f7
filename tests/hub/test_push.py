"""Push: what is sent, what stays, and what is never overwritten."""

import re
from pathlib import Path

import pytest
from huggingface_hub import HfApi, ModelCard
from huggingface_hub.hf_api import RepoFile

from palrs_hub import hub as transfers
from palrs_hub.card import CARD_FILE
from palrs_hub.errors import HubError, NotOnHubError, PackageError, TensorsError, UsageError
from palrs_hub.hub.origin import ORIGIN_FILE, read_origin
from palrs_hub.manifest import MANIFEST_FILE, PLOT_FILE, TENSORS_FILE
from palrs_hub.package_files import PACKAGE_FILES
from palrs_hub.plots import selection_plot
from palrs_hub.vector import SteeringVector
from tests.builders import a_vector

pytestmark = pytest.mark.usefixtures("hub")

OWN_FILES = {".gitattributes"}  # every new repository's


@pytest.fixture
def api():
    return HfApi()


@pytest.fixture
def pulled(vector, repo_id, tmp_path):
    """A folder that a vector was pulled to, and its commit."""
    commit = vector.push_to_hub(repo_id).commit
    folder = transfers.pull(repo_id, cache_dir=tmp_path / "cache").copy_to(tmp_path / "pulled")
    return folder, commit


def named(vector, name):
    return SteeringVector.build(vector.manifest.model_copy(update={"name": name}), vector.arrays)


def tree(api, repo_id, revision=None):
    return {
        item.path: item.lfs.sha256 if item.lfs else item.blob_id
        for item in api.list_repo_tree(repo_id, revision=revision, recursive=True)
        if isinstance(item, RepoFile)
    }


def test_only_the_packages_files_are_sent(vector, repo_id, tmp_path, api):
    folder = vector.save_pretrained(tmp_path / "vector")
    (folder / "secrets.env").write_text("TOKEN=1")
    transfers.push(folder, repo_id)
    assert (folder / ORIGIN_FILE).is_file()
    assert set(api.list_repo_files(repo_id)) - OWN_FILES == set(PACKAGE_FILES)


def test_a_card_that_was_edited_is_sent_as_it_is(vector, repo_id, tmp_path):
    folder = vector.save_pretrained(tmp_path / "vector")
    card = folder / CARD_FILE
    card.write_text(card.read_text() + "\nA word from the author.\n")
    transfers.push(folder, repo_id)
    assert "A word from the author." in transfers.pull(repo_id, cache_dir=tmp_path).card()


def test_a_generated_card_names_its_repository_and_the_hub_indexes_it(vector, repo_id, api):
    vector.push_to_hub(repo_id)
    assert f'from_pretrained("{repo_id}")' in ModelCard.load(repo_id).text
    info = api.model_info(repo_id)
    assert info.library_name == "palrs-hub"
    assert "steering-vector" in info.tags


@pytest.mark.parametrize("private", [True, False])
def test_visibility_of_a_new_repository(vector, repo_id, api, private):
    vector.push_to_hub(repo_id, private=private)
    assert api.model_info(repo_id).private is private


def test_a_vector_meant_to_be_private_is_not_sent_to_a_public_repository(
    vector, other, repo_id, api
):
    before = vector.push_to_hub(repo_id).commit
    with pytest.raises(UsageError, match="is there already and is public, not private"):
        other.push_to_hub(repo_id, private=True, force=True)
    assert api.model_info(repo_id).sha == before


def test_a_branch_begins_at_main_and_main_stays(vector, other, repo_id, api):
    main = vector.push_to_hub(repo_id).commit
    branch = other.push_to_hub(repo_id, revision="stronger")
    assert branch.revision == "stronger"
    refs = {ref.name: ref.target_commit for ref in api.list_repo_refs(repo_id).branches}
    assert refs == {"main": main, "stronger": branch.commit}
    titles = [commit.title for commit in api.list_repo_commits(repo_id, revision="stronger")]
    assert len(titles) == 3


def test_a_new_repository_with_a_branch(vector, repo_id, api):
    vector.push_to_hub(repo_id, revision="draft")
    assert MANIFEST_FILE in tree(api, repo_id, "draft")
    assert MANIFEST_FILE not in tree(api, repo_id)


def test_a_pull_request_says_how_to_try_it(vector, other, repo_id, api):
    main = vector.push_to_hub(repo_id).commit
    done = other.push_to_hub(repo_id, create_pr=True, commit_message="Stronger")
    assert (done.revision, api.model_info(repo_id).sha) == ("refs/pr/1", main)
    details = api.get_discussion_details(repo_id, 1)
    text = "\n".join(event.content for event in details.events if event.type == "comment")
    assert f'from_pretrained("{repo_id}", revision="refs/pr/1")' in text
    loaded = SteeringVector.from_pretrained(repo_id, revision="refs/pr/1")
    assert loaded.manifest == other.manifest


def test_a_pull_request_can_be_pushed_to(vector, other, repo_id):
    vector.push_to_hub(repo_id)
    first = other.push_to_hub(repo_id, create_pr=True)
    loaded = SteeringVector.from_pretrained(repo_id, revision="refs/pr/1")
    better = SteeringVector(
        named(loaded, "better").manifest, loaded.arrays, source=f"{repo_id}@{first.commit}"
    )
    done = better.push_to_hub(repo_id, revision="refs/pr/1")
    assert done.commit == transfers.pull(f"{repo_id}@refs/pr/1").commit != first.commit


def test_pull_requests_that_cannot_be(vector, repo_id):
    with pytest.raises(NotOnHubError, match=r"no repository .* to open a pull request in"):
        vector.push_to_hub(repo_id, create_pr=True)
    vector.push_to_hub(repo_id)
    with pytest.raises(NotOnHubError, match="no pull request refs/pr/7"):
        vector.push_to_hub(repo_id, revision="refs/pr/7")
    with pytest.raises(NotOnHubError, match="no branch 'absent' to propose to"):
        vector.push_to_hub(repo_id, revision="absent", create_pr=True)
    with pytest.raises(UsageError, match="cannot be tagged"):
        vector.push_to_hub(repo_id, create_pr=True, tag="v1")


def test_a_tag_names_the_commit(vector, other, repo_id, tmp_path):
    done = vector.push_to_hub(repo_id, tag="v1.0")
    assert done.revision == "v1.0"
    other.push_to_hub(repo_id, force=True, tag="v2.0")
    pulled = transfers.pull(f"{repo_id}@v1.0", cache_dir=tmp_path)
    assert pulled.commit == done.commit


def test_a_tag_never_moves(vector, other, repo_id, api):
    first = vector.push_to_hub(repo_id, tag="v1.0").commit
    assert vector.push_to_hub(repo_id, tag="v1.0").commit == first
    with pytest.raises(UsageError, match=f"'v1.0' already, on commit {first}"):
        other.push_to_hub(repo_id, force=True, tag="v1.0")
    assert api.model_info(repo_id).sha == first


def test_a_tag_can_be_added_to_what_is_there(vector, repo_id, api):
    first = vector.push_to_hub(repo_id)
    done = vector.push_to_hub(repo_id, tag="v1.0")
    assert (done.commit, done.changed) == (first.commit, False)
    assert [ref.name for ref in api.list_repo_refs(repo_id).tags] == ["v1.0"]


@pytest.mark.parametrize("kind", ["tag", "commit"])
def test_nothing_is_pushed_to_what_never_changes(vector, repo_id, kind):
    done = vector.push_to_hub(repo_id, tag="v1.0")
    with pytest.raises(UsageError, match="is a tag or a commit"):
        vector.push_to_hub(repo_id, revision={"tag": "v1.0", "commit": done.commit}[kind])


def test_the_picture_that_is_sent_is_drawn_and_not_the_folders(repo_id, tmp_path, api):
    vector = a_vector()
    folder = vector.save_pretrained(tmp_path / "vector")
    (folder / PLOT_FILE).write_text("<svg onload='alert(1)'/>")
    transfers.push(folder, repo_id)
    sent = api.hf_hub_download(repo_id, PLOT_FILE, cache_dir=tmp_path / "cache")
    assert Path(sent).read_text() == selection_plot(vector.manifest)
    card = api.hf_hub_download(repo_id, CARD_FILE, cache_dir=tmp_path / "cache")
    assert f"]({PLOT_FILE})" in Path(card).read_text()


def test_files_that_are_not_ours_stay(vector, other, repo_id, api):
    api.create_repo(repo_id)
    api.upload_file(path_or_fileobj=b"notes", path_in_repo="notes/a.txt", repo_id=repo_id)
    before = tree(api, repo_id)
    vector.push_to_hub(repo_id)
    other.push_to_hub(repo_id, force=True)
    after = tree(api, repo_id)
    assert {path: after[path] for path in before} == before
    assert set(after) - set(before) == set(PACKAGE_FILES)


def test_a_card_of_others_is_not_replaced(vector, repo_id, api):
    api.create_repo(repo_id)
    card = b"---\nlicense: mit\n---\n# Mine"
    api.upload_file(path_or_fileobj=card, path_in_repo=CARD_FILE, repo_id=repo_id)
    with pytest.raises(HubError, match=r"README.md of commit \w+, which is no vector"):
        vector.push_to_hub(repo_id)
    assert ModelCard.load(repo_id).text.strip() == "# Mine"
    assert "README.md" in vector.push_to_hub(repo_id, force=True).replaced


def test_the_same_again_makes_no_commit(vector, repo_id, tmp_path, api):
    first = vector.push_to_hub(repo_id)
    assert first.changed
    folder = vector.save_pretrained(tmp_path / "vector")
    for again in (vector.push_to_hub(repo_id), transfers.push(folder, repo_id)):
        assert (again.commit, again.changed) == (first.commit, False)
    assert vector.push_to_hub(repo_id, create_pr=True).pull_request is None
    assert len(api.list_repo_commits(repo_id)) == 2


def test_another_vector_is_not_replaced(vector, other, repo_id, tmp_path, api):
    first = vector.push_to_hub(repo_id).commit
    for package in (other, other.save_pretrained(tmp_path / "vector")):
        with pytest.raises(HubError) as refusal:
            transfers.push(package, repo_id)
        assert f"the vector 'made to measure' of commit {first}" in str(refusal.value)
        assert "--force" in str(refusal.value)
    assert api.model_info(repo_id).sha == first
    done = other.push_to_hub(repo_id, force=True)
    assert f"the vector 'made to measure' of commit {first}" in done.replaced


def test_a_folder_can_be_pushed_again_and_again(other, pulled, repo_id):
    folder, first = pulled
    assert read_origin(folder).commit == first
    other.save_pretrained(folder)
    second = transfers.push(folder, repo_id).commit
    assert read_origin(folder).commit == second
    named(other, "third").save_pretrained(folder)
    assert transfers.push(folder, repo_id).commit not in (first, second)


def test_a_vector_that_was_loaded_knows_its_commit(vector, repo_id):
    vector.push_to_hub(repo_id)
    loaded = SteeringVector.from_pretrained(repo_id)
    changed = SteeringVector(
        loaded.manifest.model_copy(update={"name": "renamed"}), loaded.arrays, loaded.source
    )
    assert changed.push_to_hub(repo_id).changed


def test_a_newer_commit_is_not_replaced(vector, other, pulled, repo_id, api):
    folder, first = pulled
    second = other.push_to_hub(repo_id, force=True).commit
    named(vector, "mine").save_pretrained(folder)
    with pytest.raises(HubError) as refusal:
        transfers.push(folder, repo_id)
    for text in (f"at commit {second}, newer than {first}", MANIFEST_FILE, "--force would replace"):
        assert text in str(refusal.value)
    assert api.model_info(repo_id).sha == second
    assert second in transfers.push(folder, repo_id, force=True).replaced


def test_a_newer_commit_of_other_files_does_not_matter(vector, pulled, repo_id, api):
    folder, _ = pulled
    api.upload_file(path_or_fileobj=b"x", path_in_repo="plot.svg", repo_id=repo_id)
    named(vector, "mine").save_pretrained(folder)
    assert transfers.push(folder, repo_id).changed
    assert "plot.svg" in api.list_repo_files(repo_id)


def test_a_copy_of_another_repository_may_not_replace(vector, other, pulled, repo_id):
    folder, _ = pulled
    other.push_to_hub(f"{repo_id}-2")
    with pytest.raises(HubError, match="was not made from it"):
        transfers.push(folder, f"{repo_id}-2")


@pytest.mark.parametrize("text", ["", "[]", "{", '{"commit": 1}', '{"endpoint": "https://else"}'])
def test_a_memory_that_cannot_be_read_allows_nothing(other, pulled, repo_id, text):
    folder, _ = pulled
    (folder / ORIGIN_FILE).write_text(text)
    other.save_pretrained(folder)
    with pytest.raises(HubError, match="was not made from it"):
        transfers.push(folder, repo_id)


def test_a_dry_run_changes_nothing_and_shows_all(vector, other, repo_id, faults, api):
    plan = transfers.plan_push(vector, repo_id, private=True)
    assert {(file.path, file.change) for file in plan.files} == {
        (name, "new") for name in PACKAGE_FILES
    }
    assert f'from_pretrained("{repo_id}")' in plan.card
    assert (plan.remote.exists, plan.private, plan.refusal) == (False, True, None)
    vector.push_to_hub(repo_id)
    faults.seen.clear()
    plan = transfers.plan_push(other, repo_id)
    assert {file.path: file.change for file in plan.files}[TENSORS_FILE] == "changed"
    assert "made to measure" in plan.refusal
    assert faults.seen
    assert not [seen for seen in faults.seen if seen.changes]


def test_a_broken_folder_is_never_sent(vector, repo_id, tmp_path, api):
    folder = vector.save_pretrained(tmp_path / "vector")
    data = (folder / TENSORS_FILE).read_bytes()
    (folder / TENSORS_FILE).write_bytes(data[:-4])
    with pytest.raises(TensorsError, match="truncated or altered"):
        transfers.push(folder, repo_id)
    with pytest.raises(UsageError, match="There is no folder"):
        transfers.push(tmp_path / "absent", repo_id)
    assert not api.repo_exists(repo_id)


@pytest.mark.parametrize("front", ["a: [", "tags: 5"])
def test_a_card_that_the_hub_would_not_take_is_named(vector, repo_id, tmp_path, front):
    folder = vector.save_pretrained(tmp_path / "vector")
    (folder / CARD_FILE).write_text(f"---\n{front}\n---\n# Broken\n")
    with pytest.raises(PackageError, match=r"refuses README.md"):
        transfers.push(folder, repo_id)


def test_every_request_names_the_library(vector, repo_id, faults, tmp_path):
    vector.push_to_hub(repo_id)
    transfers.pull(repo_id, cache_dir=tmp_path)
    transfers.search()
    assert len(faults.seen) > 8
    agents = {seen.headers["user-agent"] for seen in faults.seen}
    assert all(re.match(r"palrs-hub/\d+\.\d+\.\d+; hf_hub/", agent) for agent in agents), agents


@pytest.mark.filterwarnings("ignore:Use 'content")  # the client's own way to send by LFS
@pytest.mark.parametrize("transport", ["xet", "lfs"])
def test_large_files_go_their_own_way(
    vector, other, repo_id, tmp_path, monkeypatch, api, transport
):
    """What the Hub wants as a large file is sent, recognised and checked by its sha256."""
    from huggingface_hub import constants

    from palrs_hub.local_hub import limits

    monkeypatch.setattr(limits, "REGULAR_FILE_BYTES", 100)
    monkeypatch.setattr(constants, "HF_HUB_DISABLE_XET", transport == "lfs")
    first = vector.push_to_hub(repo_id)
    (info,) = api.get_paths_info(repo_id, [TENSORS_FILE])
    assert info.lfs.sha256 == vector.manifest.tensors.sha256
    assert vector.push_to_hub(repo_id).commit == first.commit
    with pytest.raises(HubError, match="was not made from it"):
        other.push_to_hub(repo_id)
    pulled = transfers.pull(repo_id, cache_dir=tmp_path)
    assert SteeringVector.load(pulled.folder).manifest == vector.manifest
    blob = (pulled.folder / TENSORS_FILE).resolve()
    blob.write_bytes(blob.read_bytes()[:-1] + b"?")
    assert SteeringVector.from_pretrained(repo_id, cache_dir=tmp_path).manifest == vector.manifest


def test_two_that_make_the_same_repository(vector, other, repo_id, faults, api, tmp_path):
    def first():
        api.create_repo(repo_id)
        folder = other.save_pretrained(tmp_path)
        api.upload_folder(repo_id=repo_id, folder_path=folder)

    faults.add("POST /api/repos/create", first=first)
    with pytest.raises(HubError, match="Somebody else has just pushed"):
        vector.push_to_hub(repo_id)
    assert SteeringVector.from_pretrained(repo_id).manifest == other.manifest
