"""Vectors to send, a name of its own for each test, and a Hub that fails on demand."""

from __future__ import annotations

import hashlib
import re
import time

import pytest

from tests.hub.faults import proxy
from tests.tiny_models import build
from tests.vectors import vector_for


@pytest.fixture(scope="session")
def vector():
    return vector_for(build("llama"))


@pytest.fixture(scope="session")
def other():
    return vector_for(build("llama"), seed=9)


@pytest.fixture
def repo_id(request):
    name = request.node.name
    short = re.sub(r"[^A-Za-z0-9]+", "-", name)[:50].strip("-")
    return f"lab/{short}-{hashlib.sha256(name.encode()).hexdigest()[:8]}"


@pytest.fixture
def slept(monkeypatch):
    """The back-off's waits, which are recorded instead of waited for."""
    waits = []
    monkeypatch.setattr(time, "sleep", waits.append)
    return waits


@pytest.fixture
def use_endpoint(monkeypatch):
    """Let the client take another address for the Hub."""
    from huggingface_hub import constants

    def use(url):
        template = constants.HUGGINGFACE_CO_URL_TEMPLATE.replace(constants.ENDPOINT, url)
        monkeypatch.setattr(constants, "HUGGINGFACE_CO_URL_TEMPLATE", template)
        monkeypatch.setattr(constants, "ENDPOINT", url)

    return use


@pytest.fixture
def faults(hub, use_endpoint, slept):
    """A proxy that the client takes for the Hub."""
    with proxy(hub.url) as running:
        use_endpoint(running.url)
        yield running
