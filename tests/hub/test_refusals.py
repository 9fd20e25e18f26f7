"""What a Hub with tokens refuses, and what it is told as."""

import pytest
from huggingface_hub import HfApi

from palrs_hub import hub as transfers
from palrs_hub.errors import HubAccessError, HubError, NotOnHubError
from palrs_hub.hub.client import RenamedWarning
from palrs_hub.local_hub import Token, running_hub
from palrs_hub.vector import SteeringVector

OWNER = Token("hf_owner", "ada", "write", ("lab",))
READER = Token("hf_reader", "ada", "read", ("lab",))
STRANGER = Token("hf_stranger", "eve", "write")


@pytest.fixture(scope="module")
def protected(tmp_path_factory):
    with running_hub(tmp_path_factory.mktemp("hub"), tokens=(OWNER, READER, STRANGER)) as running:
        yield running


@pytest.fixture(autouse=True)
def endpoint(protected, use_endpoint):
    use_endpoint(protected.url)


@pytest.fixture
def owner():
    return HfApi(token=OWNER.value)


def load(repo_id, token, tmp_path):
    return SteeringVector.from_pretrained(repo_id, token=token, cache_dir=tmp_path)


def test_a_repository_that_is_not_there(tmp_path):
    for token in (OWNER.value, False):
        with pytest.raises(NotOnHubError, match=r"no repository lab/nowhere.*Check the name"):
            load("lab/nowhere", token, tmp_path)


@pytest.mark.parametrize("token", [STRANGER.value, False])
def test_a_private_one_is_as_if_it_were_not_there(vector, repo_id, tmp_path, token):
    vector.push_to_hub(repo_id, private=True, token=OWNER.value)
    with pytest.raises(NotOnHubError, match=r"made private.*hf auth login"):
        load(repo_id, token, tmp_path)
    assert load(repo_id, READER.value, tmp_path).manifest == vector.manifest


@pytest.mark.parametrize("token", [STRANGER.value, False])
def test_a_gated_one(vector, repo_id, tmp_path, owner, token):
    vector.push_to_hub(repo_id, token=OWNER.value)
    owner.update_repo_settings(repo_id, gated="manual")
    with pytest.raises(HubAccessError, match="is gated: ask for access"):
        load(repo_id, token, tmp_path)


def test_a_bad_token(vector, repo_id, tmp_path):
    vector.push_to_hub(repo_id, token=OWNER.value)
    with pytest.raises(HubAccessError, match="does not accept the token"):
        load(repo_id, "hf_wrong", tmp_path)
    with pytest.raises(HubAccessError, match="does not accept the token"):
        vector.push_to_hub(repo_id, token="hf_wrong")
    with pytest.raises(HubAccessError, match="does not accept the token"):
        transfers.search(token="hf_wrong")


@pytest.mark.parametrize("token", [READER.value, STRANGER.value])
def test_a_token_that_may_not_write(vector, other, repo_id, token):
    vector.push_to_hub(repo_id, token=OWNER.value)
    with pytest.raises(HubAccessError, match="needs the role write"):
        other.push_to_hub(repo_id, token=token, force=True)
    with pytest.raises(HubAccessError, match="needs the role write"):
        vector.push_to_hub(f"{repo_id}-2", token=token)


def test_a_push_without_a_token(vector, repo_id):
    with pytest.raises(HubError, match="hf auth login"):
        vector.push_to_hub(repo_id, token=False)


def test_a_stranger_may_propose(vector, other, repo_id, tmp_path):
    vector.push_to_hub(repo_id, token=OWNER.value)
    done = other.push_to_hub(repo_id, create_pr=True, token=STRANGER.value)
    assert load(f"{repo_id}@{done.revision}", False, tmp_path).manifest == other.manifest


def test_one_that_was_deleted(vector, repo_id, tmp_path, owner):
    commit = vector.push_to_hub(repo_id, token=OWNER.value).commit
    load(repo_id, False, tmp_path)
    owner.delete_repo(repo_id)
    with pytest.raises(NotOnHubError, match="may have been deleted, renamed"):
        load(repo_id, False, tmp_path)
    assert load(f"{repo_id}@{commit}", False, tmp_path).manifest == vector.manifest


def test_one_that_was_renamed(vector, other, repo_id, tmp_path, owner):
    commit = vector.push_to_hub(repo_id, token=OWNER.value).commit
    owner.move_repo(repo_id, f"{repo_id}-new")
    with pytest.warns(RenamedWarning, match=f"was renamed to {repo_id}-new.*may be given to"):
        assert load(repo_id, False, tmp_path).source.endswith(commit)
    with pytest.raises(NotOnHubError, match=f"was renamed to {repo_id}-new"):
        other.push_to_hub(repo_id, token=OWNER.value)
