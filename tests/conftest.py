"""A session's own Hub: the real client talks to an embedded Hub on loopback, to nothing else."""

from __future__ import annotations

import atexit
import os
import shutil
import socket
import tempfile
from pathlib import Path

import pytest


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


# The client reads its settings once, when it is first imported: they are made before that.
_PORT = _free_port()
_FOLDER = Path(tempfile.mkdtemp(prefix="palrs-hub-tests-"))
atexit.register(shutil.rmtree, _FOLDER, ignore_errors=True)
os.environ.pop("HF_TOKEN", None)
os.environ.update(
    {
        "HF_ENDPOINT": f"http://127.0.0.1:{_PORT}",
        "HF_HOME": str(_FOLDER / "home"),
        "HF_HUB_CACHE": str(_FOLDER / "home" / "hub"),
        "HF_HUB_DISABLE_IMPLICIT_TOKEN": "1",
        "HF_HUB_DISABLE_PROGRESS_BARS": "1",
        "HF_HUB_DISABLE_TELEMETRY": "1",
        "HF_HUB_DISABLE_UPDATE_CHECK": "1",
        "TOKENIZERS_PARALLELISM": "false",
    }
)

# Not in this module: who imports it by its name runs it again, with another port.
from tests.shared_data import SHARED_DATA  # noqa: E402


@pytest.fixture(scope="session")
def hub():
    """The embedded Hub that ``HF_ENDPOINT`` names; without tokens, so everybody may write."""
    from palrs_hub.local_hub import running_hub

    with running_hub(_FOLDER / "hub", port=_PORT) as running:
        yield running


@pytest.fixture(scope="session")
def demo_model():
    """The demonstration model; a test that changes it takes a copy."""
    from palrs_hub.demo import model_folder
    from palrs_hub.loading import load_model

    return load_model(model_folder())


@pytest.fixture(scope="session")
def demo_tokenizer():
    from palrs_hub.demo import model_folder
    from palrs_hub.loading import load_tokenizer

    return load_tokenizer(model_folder())


@pytest.fixture
def shared_data() -> Path:
    """Real models and data made by others, which are not part of the project."""
    if not SHARED_DATA.is_dir():
        pytest.skip("needs the real model and data beside the checkout (../shared/data)")
    return SHARED_DATA
