"""Search over the Hub's list, versions of a repository, and the difference of two vectors."""

import json

import numpy as np
import pytest
from huggingface_hub import HfApi

from palrs_hub import hub as transfers
from palrs_hub.errors import HubError, HubUnreachableError, NotOnHubError, UsageError
from palrs_hub.evidence import Evaluation
from palrs_hub.hub.listing import Change, Measured
from palrs_hub.vector import SteeringVector
from tests.hub.faults import proxy
from tests.tiny_models import build
from tests.vectors import vector_for

pytestmark = pytest.mark.usefixtures("hub")


def described(vector, *, task="t", method="palrs", base="lab/tiny", evaluations=()):
    manifest = vector.manifest
    changes = {
        "task": manifest.task.model_copy(update={"name": task}),
        "method": manifest.method.model_copy(update={"name": method}),
        "base_model": manifest.base_model.model_copy(update={"repo_id": base}),
        "evaluations": evaluations,
    }
    return SteeringVector.build(manifest.model_copy(update=changes), vector.arrays)


@pytest.fixture(scope="module")
def shelf(hub, vector):
    """Vectors of an author of their own."""
    measured = Evaluation(
        task="sums",
        metric="accuracy",
        split="test",
        samples=10,
        value=0.9,
        higher_is_better=True,
        baselines={"unsteered": 0.4},
    )
    made = {
        "finders/sums": described(vector, task="careful sums", evaluations=(measured,)),
        "finders/verse": described(vector, task="verse, rhymed", method="mean_difference"),
        "finders/other-base": described(vector, base="lab/huge"),
        "finders/two-layers": vector_for(build("llama"), layers=(1, 3), coefficient=-2.0),
    }
    commits = {name: item.push_to_hub(name).commit for name, item in made.items()}
    HfApi().create_repo("finders/no-vector", exist_ok=True)
    return commits


def names(found):
    return {item.repo_id.removeprefix("finders/") for item in found}


@pytest.mark.parametrize(
    ("query", "expected"),
    [
        ({}, {"sums", "verse", "other-base", "two-layers"}),
        ({"base_model": "lab/tiny"}, {"sums", "verse"}),
        ({"base_model": "lab/tiny@v1"}, {"sums", "verse"}),
        ({"task": "careful sums"}, {"sums"}),
        ({"task": "verse, rhymed"}, {"verse"}),
        ({"task": "verse"}, set()),
        ({"method": "mean_difference"}, {"verse"}),
        ({"method": "palrs", "base_model": "lab/tiny"}, {"sums"}),
        ({"words": "careful"}, {"sums"}),
        ({"words": ["careful", "sums"]}, {"sums"}),
        ({"words": ["careful", "verse"]}, set()),
    ],
)
def test_everything_that_is_given_must_match(shelf, query, expected):
    assert names(transfers.search(author="finders", **query)) == expected


def test_what_is_told_of_each(shelf):
    (found,) = transfers.search(author="finders", task="careful sums")
    assert (found.repo_id, found.commit) == ("finders/sums", shelf["finders/sums"])
    assert (found.base_model, found.task, found.method) == ("lab/tiny", "careful sums", "palrs")
    assert found.changes == (Change(2, 1.5),)
    assert found.evaluations == (
        Measured("sums", "accuracy (steered)", 0.9),
        Measured("sums", "accuracy (unsteered)", 0.4),
    )
    assert found.last_modified.startswith("20")
    (two,) = transfers.search("two-layers", author="finders")
    assert two.changes == (Change(1, -2.0), Change(3, -2.0))


def test_the_order_and_the_limit(shelf):
    recent = [item.repo_id for item in transfers.search(author="finders", sort="recent")]
    assert recent == [*reversed(shelf)]
    for _ in range(3):
        HfApi().hf_hub_download("finders/verse", "steering_config.json", force_download=True)
    first = transfers.search(author="finders", sort="downloads", limit=1)
    assert names(first) == {"verse"}
    assert len(transfers.search(author="finders", sort="likes", limit=2)) == 2


def test_pages_are_followed_in_one_request_each(shelf, faults, monkeypatch):
    from palrs_hub.local_hub import limits

    monkeypatch.setattr(limits, "LISTING_PAGE_LARGEST", 1)
    assert len(transfers.search(author="finders", limit=3)) == 3
    assert len(faults.seen) == 3
    assert all(seen.path.startswith("/api/models?") for seen in faults.seen)


def test_a_search_that_cannot_be_right():
    with pytest.raises(UsageError, match="sort must be one of"):
        transfers.search(sort="height")
    with pytest.raises(UsageError, match="limit at least 1"):
        transfers.search(limit=0)
    with pytest.raises(UsageError, match="org/name"):
        transfers.search(base_model="no model")


HOSTILE = [
    {"id": "a/self", "tags": ["palrs-hub"], "cardData": {"self": 1, "tags": 5, "palrs-hub": []}},
    {"id": "a/types", "tags": ["palrs-hub", 7], "cardData": [], "downloads": "x", "sha": 3},
    {"id": "a/index", "tags": ["palrs-hub"], "cardData": {"model-index": [1, {"results": {}}]}},
    {
        "id": "a/numbers",
        "tags": ["palrs-hub"],
        "cardData": {
            "palrs-hub": {"layers": ["x", 1, 2], "coefficients": [1, 10**400, "y"]},
            "model-index": [{"results": [{"metrics": [{"type": "m", "value": 10**400}, 4]}]}],
        },
    },
    {"id": "a/other-library", "tags": ["something"]},
    {"no": "id"},
    "text",
]


def test_a_hostile_card_does_not_end_the_listing(faults):
    faults.add("GET /api/models", status=200, body=json.dumps(HOSTILE).encode())
    found = transfers.search()
    assert [item.repo_id for item in found] == ["a/self", "a/types", "a/index", "a/numbers"]
    assert all(item.changes == item.evaluations == () for item in found)


@pytest.mark.parametrize("body", [b"{}", b"<html>", b"[" * 100_000])
def test_an_answer_that_is_no_list(faults, body):
    faults.add("GET /api/models", status=200, body=body)
    with pytest.raises(HubError, match="something else than a list"):
        transfers.search()


def test_the_token_is_sent_to_the_hub_alone(faults, hub):
    with proxy(hub.url) as elsewhere:
        link = {"Link": f'<{elsewhere.url}/api/models?cursor=1>; rel="next"'}
        faults.add("GET /api/models", status=200, body=b"[]", headers=link)
        with pytest.raises(HubError, match="goes on at another address"):
            transfers.search(token="hf_secret")
        assert elsewhere.seen == []
    assert faults.seen[0].headers["authorization"] == "Bearer hf_secret"


def test_a_search_waits_for_a_busy_hub(shelf, faults, slept):
    faults.add("GET /api/models", status=503, times=2)
    assert transfers.search(author="finders")
    assert slept == [1.0, 2.0]
    faults.add("GET /api/models", status=503, times=10**6)
    with pytest.raises(HubUnreachableError, match=r"fails \(503"):
        transfers.search()


def test_versions_of_a_repository(vector, other, repo_id):
    first = vector.push_to_hub(repo_id, tag="v1.0").commit
    branch = other.push_to_hub(repo_id, revision="stronger").commit
    other.push_to_hub(repo_id, create_pr=True, commit_message="Closed one")
    second = other.push_to_hub(repo_id, create_pr=True, commit_message="Open one")
    HfApi().change_discussion_status(repo_id, 1, "closed")
    found = transfers.versions(repo_id)
    assert {item.name: item.commit for item in found.branches} == {
        "main": first,
        "stronger": branch,
    }
    assert [(item.name, item.commit) for item in found.tags] == [("v1.0", first)]
    (opened,) = found.pull_requests
    assert (opened.revision, opened.title, opened.commit) == (
        "refs/pr/2",
        "Open one",
        second.commit,
    )
    assert found.commits[0].commit == first
    assert all(item.date.startswith("20") for item in found.commits)
    assert transfers.versions(f"{repo_id}@stronger").commits[0].commit == branch
    with pytest.raises(NotOnHubError, match="no branch, tag or commit 'v9'"):
        transfers.versions(f"{repo_id}@v9")
    with pytest.raises(NotOnHubError, match="no repository"):
        transfers.versions("lab/nowhere")


def test_a_vector_does_not_differ_from_itself(vector):
    found = transfers.diff(vector, vector)
    assert found.fields == ()
    (tensor,) = found.tensors
    assert (tensor.layer, tensor.left, tensor.right) == (2, "layer_2", "layer_2")
    assert tensor.cosine == pytest.approx(1)
    assert (
        tensor.left_norm
        == tensor.right_norm
        == pytest.approx(np.linalg.norm(vector.arrays["layer_2"]))
    )


def test_the_cosine_is_that_of_the_tensors(vector):
    array = vector.arrays["layer_2"]
    orthogonal = np.roll(array, 1) - array * (array @ np.roll(array, 1)) / (array @ array)
    for other, expected in ((-2 * array, -1.0), (orthogonal, 0.0)):
        changed = SteeringVector.build(vector.manifest, {"layer_2": other})
        (tensor,) = transfers.diff(vector, changed).tensors
        assert tensor.cosine == pytest.approx(expected, abs=1e-6)


def test_fields_and_layers_that_only_one_has(vector):
    two = vector_for(build("llama"), layers=(1, 2), coefficient=3.0)
    found = transfers.diff(vector, two)
    fields = {field.field: (field.left, field.right) for field in found.fields}
    assert fields["interventions.0.coefficient"] == ("1.5", "3.0")
    assert fields["interventions.1.layer"] == (None, "2")
    assert [(t.layer, t.left, t.right, t.cosine is None) for t in found.tensors] == [
        (1, None, "layer_1", True),
        (2, "layer_2", "layer_2", False),
    ]


def test_long_values_are_summarised_and_still_told_apart(vector):
    same = transfers.diff(vector, vector_for(build("llama", seed=5)))
    fingerprints = {
        field.field: (field.left, field.right)
        for field in same.fields
        if field.field.startswith("base_model.fingerprint")
    }
    assert fingerprints
    for left, right in fingerprints.values():
        assert left != right
        assert len(left) < 250


def test_vectors_of_other_widths_have_no_angle(vector):
    wide = vector_for(build("gpt2", n_embd=48))
    (tensor,) = transfers.diff(vector, wide).tensors
    assert tensor.cosine is None
