import httpx2
import pytest
from huggingface_hub import CommitOperationAdd, HfApi, hf_hub_download
from huggingface_hub.errors import GatedRepoError, HfHubHTTPError, RepositoryNotFoundError


def test_whoami_tells_user_organisations_and_role(owner, reader):
    told = owner.whoami()
    assert (told["name"], [org["name"] for org in told["orgs"]]) == ("ada", ["lab"])
    assert told["auth"]["accessToken"]["role"] == "write"
    assert reader.whoami()["auth"]["accessToken"]["role"] == "read"


def test_an_unknown_token_is_not_taken_for_a_missing_repository(hub, repo_id):
    api = HfApi(endpoint=hub.url, token="hf_unknown")
    with pytest.raises(HfHubHTTPError, match="Invalid user token"):
        api.whoami()
    with pytest.raises(HfHubHTTPError) as refused:
        api.model_info(repo_id)
    assert not isinstance(refused.value, RepositoryNotFoundError)


def test_everybody_reads_public_repositories(anonymous, stranger, repo_id):
    for api in (anonymous, stranger):
        assert api.model_info(repo_id).id == repo_id
        assert api.list_repo_files(repo_id) == [".gitattributes"]


def test_a_private_repository_is_to_others_as_if_it_were_not_there(
    anonymous, stranger, owner, reader, private_id
):
    for api in (owner, reader):
        assert api.model_info(private_id).private
    missing = "lab/never-made"
    for api, status in ((anonymous, 401), (stranger, 404)):
        told = []
        for repo_id in (private_id, missing):
            with pytest.raises(RepositoryNotFoundError) as refused:
                api.model_info(repo_id)
            assert refused.value.response.status_code == status
            told.append(refused.value.response.text.replace(repo_id, ""))
        assert told[0] == told[1]


def test_a_private_repository_is_in_its_owners_listings_only(owner, stranger, private_id):
    assert private_id in {model.id for model in owner.list_models(author="lab")}
    assert private_id not in {model.id for model in stranger.list_models(author="lab")}


@pytest.mark.parametrize("who", ["anonymous", "stranger", "reader"])
def test_others_change_nothing(request, who, repo_id):
    api = request.getfixturevalue(who)
    for change in (
        lambda: api.create_commit(
            repo_id, [CommitOperationAdd("a", b"a")], commit_message="change"
        ),
        lambda: api.create_tag(repo_id, tag="v1"),
        lambda: api.create_branch(repo_id, branch="b"),
        lambda: api.update_repo_settings(repo_id, private=True),
        lambda: api.delete_repo(repo_id),
        lambda: api.move_repo(repo_id, f"{repo_id}-moved"),
    ):
        with pytest.raises(HfHubHTTPError) as refused:
            change()
        assert refused.value.response.status_code == (401 if who == "anonymous" else 403)


def test_nobody_makes_a_repository_in_a_namespace_of_others(stranger, new_id):
    with pytest.raises(HfHubHTTPError, match="does not own the namespace"):
        stranger.create_repo(new_id())


def test_a_bare_name_is_in_the_users_own_namespace(stranger):
    assert stranger.create_repo("mine").repo_id == "eve/mine"


def test_a_gated_repository_shows_itself_but_not_its_files(
    hub, owner, stranger, anonymous, repo_id, tmp_path
):
    owner.update_repo_settings(repo_id, gated="manual")
    assert stranger.model_info(repo_id).gated == "manual"
    for api in (stranger, anonymous):
        with pytest.raises(GatedRepoError):
            api.auth_check(repo_id)
        with pytest.raises(GatedRepoError):
            hf_hub_download(
                repo_id, ".gitattributes", endpoint=hub.url, token=api.token, cache_dir=tmp_path
            )
    owner.auth_check(repo_id)
    owner.auth_check(repo_id, write=True)


def ask(hub, api, repo_id):
    headers = {"authorization": f"Bearer {api.token}"} if api.token else {}
    return httpx2.post(f"{hub.url}/{repo_id}/ask-access", headers=headers)


def users(requests):
    return [(request.username, request.status) for request in requests]


def test_who_is_accepted_may_read(hub, owner, stranger, anonymous, repo_id, tmp_path):
    owner.update_repo_settings(repo_id, gated="manual")
    assert ask(hub, anonymous, repo_id).status_code == 401
    for _ in range(2):
        assert ask(hub, stranger, repo_id).json()["status"] == "pending"
    with pytest.raises(GatedRepoError, match="waits for a decision"):
        stranger.auth_check(repo_id)
    assert users(owner.list_pending_access_requests(repo_id)) == [("eve", "pending")]
    owner.accept_access_request(repo_id, "eve")
    assert users(owner.list_accepted_access_requests(repo_id)) == [("eve", "accepted")]
    assert not [*owner.list_pending_access_requests(repo_id)]
    stranger.auth_check(repo_id)
    hf_hub_download(
        repo_id, ".gitattributes", endpoint=hub.url, token=stranger.token, cache_dir=tmp_path
    )
    owner.cancel_access_request(repo_id, "eve")
    (request,) = owner.list_pending_access_requests(repo_id)
    owner.reject_access_request(repo_id, request_id=request.request_id, rejection_reason="no")
    assert users(owner.list_rejected_access_requests(repo_id)) == [("eve", "rejected")]
    ask(hub, stranger, repo_id)
    with pytest.raises(GatedRepoError, match="rejected"):
        stranger.auth_check(repo_id)


def test_an_automatic_gate_opens_to_who_asks(hub, owner, stranger, repo_id):
    owner.update_repo_settings(repo_id, gated="auto")
    with pytest.raises(GatedRepoError, match="ask-access"):
        stranger.auth_check(repo_id)
    assert ask(hub, stranger, repo_id).json()["status"] == "accepted"
    stranger.auth_check(repo_id)


def test_access_is_granted_unasked(owner, stranger, repo_id):
    with pytest.raises(HfHubHTTPError, match="not gated"):
        owner.grant_access(repo_id, "eve")
    owner.update_repo_settings(repo_id, gated="manual")
    owner.grant_access(repo_id, "EVE")
    stranger.auth_check(repo_id)
    with pytest.raises(HfHubHTTPError, match="already"):
        owner.grant_access(repo_id, "eve")
    with pytest.raises(HfHubHTTPError, match="no user"):
        owner.grant_access(repo_id, "nobody")
    with pytest.raises(HfHubHTTPError, match="no such request"):
        owner.accept_access_request(repo_id, "nobody")


def test_only_owners_decide_on_requests(hub, owner, stranger, reader, wire, repo_id):
    owner.update_repo_settings(repo_id, gated="manual")
    ask(hub, stranger, repo_id)
    for api in (stranger, reader):
        for decide in (
            lambda api=api: [*api.list_pending_access_requests(repo_id)],
            lambda api=api: api.accept_access_request(repo_id, "eve"),
            lambda api=api: api.grant_access(repo_id, "eve"),
        ):
            with pytest.raises(HfHubHTTPError) as refused:
                decide()
            assert refused.value.response.status_code == 403
    assert wire.get(f"/api/models/{repo_id}/user-access-request/odd").status_code == 404
    odd = {"user": "eve", "status": "odd"}
    route = f"/api/models/{repo_id}/user-access-request/handle"
    assert wire.post(route, json=odd).status_code == 400


def test_a_missing_repository_says_so_in_the_header_even_when_the_status_is_401(hub):
    # Over plain http the client does not recognise a bare 401.
    answer = httpx2.get(f"{hub.url}/api/models/lab/never-made")
    assert answer.status_code == 401
    assert answer.headers["x-error-code"] == "RepoNotFound"
    assert answer.headers["x-error-message"] == answer.json()["error"]
    assert answer.headers["x-request-id"]
