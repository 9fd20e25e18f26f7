"""Push and pull by every transport: regular, LFS and xet give the same bytes back.

The client chooses its transport when it is imported, so each runs in processes of its own.
"""

import json
import os
import subprocess
import sys

import numpy as np
import pytest

from palrs_hub.local_hub import limits
from palrs_hub.manifest import MANIFEST_FILE, TENSORS_FILE
from palrs_hub.vector import SteeringVector
from tests.builders import a_base_model, a_fingerprint, a_manifest, a_vector, an_intervention

WIDE = 1_000_000
LAYERS = (0, 1, 2)


@pytest.fixture(scope="module")
def large_vector():
    """More than a regular upload may have: three layers of a very wide model."""
    generator = np.random.default_rng(0)
    arrays = {f"layer_{k}": generator.standard_normal(WIDE, dtype=np.float32) for k in LAYERS}
    manifest = a_manifest(
        base_model=a_base_model(hidden_size=WIDE, fingerprint=a_fingerprint(LAYERS)),
        interventions=tuple(an_intervention(layer=k) for k in LAYERS),
    )
    return SteeringVector.build(manifest, arrays)


def palrs_hub(home, settings, *words):
    """Run the command line with the client's settings, and a cache of its own."""
    done = subprocess.run(
        [sys.executable, "-m", "palrs_hub", *map(str, words), "--json"],
        env={**os.environ, "HF_HOME": str(home), "HF_HUB_CACHE": str(home / "hub"), **settings},
        capture_output=True,
        text=True,
        check=True,
        timeout=120,
    )
    return json.loads(done.stdout)


@pytest.mark.parametrize(
    ("mode", "settings"),
    [("regular", {}), ("lfs", {"HF_HUB_DISABLE_XET": "1"}), ("xet", {"HF_HUB_DISABLE_XET": "0"})],
)
def test_the_same_bytes_come_back(hub, tmp_path, large_vector, mode, settings):
    vector = a_vector() if mode == "regular" else large_vector
    sent = vector.save_pretrained(tmp_path / "sent")
    size = (sent / TENSORS_FILE).stat().st_size
    assert (size > limits.REGULAR_FILE_BYTES) == (mode != "regular")
    repo_id = f"transports/{mode}"
    pushed = palrs_hub(tmp_path / "pusher", settings, "push", sent, repo_id, "--tag", "v1.0")
    again = palrs_hub(tmp_path / "pusher", settings, "push", sent, repo_id)
    assert (pushed["changed"], again["changed"]) == (True, False)
    came = tmp_path / "came"
    pulled = palrs_hub(tmp_path / "puller", settings, "pull", f"{repo_id}@v1.0", "--output", came)
    assert pulled["commit"] == pushed["commit"]
    for name in (TENSORS_FILE, MANIFEST_FILE):
        assert (came / name).read_bytes() == (sent / name).read_bytes()
