"""A running embedded Hub, and the real client of the Hub talking to it."""

from __future__ import annotations

import os

# The client reads these once, when it is imported.
os.environ["HF_HUB_DISABLE_TELEMETRY"] = "1"
os.environ["HF_HUB_DISABLE_PROGRESS_BARS"] = "1"

import itertools

import httpx2
import pytest
from huggingface_hub import HfApi

from palrs_hub.local_hub import Token, running_hub

OWNER = Token("hf_owner", "ada", "write", ("lab",))
READER = Token("hf_reader", "ada", "read", ("lab",))
STRANGER = Token("hf_stranger", "eve", "write")

_names = itertools.count()


@pytest.fixture(scope="session")
def hub(tmp_path_factory):
    """A hub with three tokens; tests keep apart by making repositories of their own."""
    folder = tmp_path_factory.mktemp("hub")
    with running_hub(folder, tokens=(OWNER, READER, STRANGER)) as running:
        yield running


@pytest.fixture
def owner(hub):
    return HfApi(endpoint=hub.url, token=OWNER.value)


@pytest.fixture
def reader(hub):
    return HfApi(endpoint=hub.url, token=READER.value)


@pytest.fixture
def stranger(hub):
    return HfApi(endpoint=hub.url, token=STRANGER.value)


@pytest.fixture
def anonymous(hub):
    return HfApi(endpoint=hub.url, token=False)


@pytest.fixture
def new_id():
    """Makes repository ids that no other test uses."""
    return lambda: f"lab/repository-{next(_names)}"


@pytest.fixture
def repo_id(owner, new_id):
    """A public model repository that has just been made."""
    made = new_id()
    owner.create_repo(made)
    return made


@pytest.fixture
def private_id(owner, new_id):
    made = new_id()
    owner.create_repo(made, private=True)
    return made


@pytest.fixture(scope="session")
def wire(hub):
    """Raw HTTP as the owner."""
    headers = {"authorization": f"Bearer {OWNER.value}"}
    with httpx2.Client(base_url=hub.url, headers=headers) as client:
        yield client


@pytest.fixture(scope="session")
def bare_wire(hub):
    """Raw HTTP without a token."""
    with httpx2.Client(base_url=hub.url) as client:
        yield client


@pytest.fixture
def put(owner):
    """Commits one file."""

    def commit_file(repo_id, path, content, **options):
        return owner.upload_file(
            path_or_fileobj=content, path_in_repo=path, repo_id=repo_id, **options
        )

    return commit_file
