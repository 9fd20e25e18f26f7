"""The registry's page on signatures, followed word for word with OpenSSH."""

import re
import shutil
import subprocess
from pathlib import Path

import pytest

from palrs_hub.registry import index_of, read_shelf
from palrs_hub.registry.index import Index, digest_of

ROOT = Path(__file__).parents[2]
SECTION = (ROOT / "docs" / "registry.md").read_text(encoding="utf-8").partition("### Signatures")[2]
(SIGN,) = re.findall(r"^```shell\n(.*?)^```", SECTION, re.DOTALL | re.MULTILINE)
(READ,) = re.findall(r"^```python\n(.*?)^```", SECTION, re.DOTALL | re.MULTILINE)


@pytest.fixture
def site(tmp_path, monkeypatch):
    """A registry's index, signed by the publisher whose key the reader keeps."""
    for program in ("ssh-keygen", "jq"):
        if shutil.which(program) is None:
            pytest.skip(f"needs {program}")
    monkeypatch.chdir(tmp_path)
    Path("site").mkdir()
    Path("site/index.json").write_text(index_of(read_shelf(ROOT)).to_json(), encoding="utf-8")
    make_key("KEY")
    Path("allowed_signers").write_text(f"publisher {Path('KEY.pub').read_text()}")
    sign()
    return Path("site")


def make_key(name):
    command = ["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", name]
    subprocess.run(command, check=True, stdin=subprocess.DEVNULL)


def sign(key="KEY"):
    subprocess.run(["bash", "-ec", SIGN.replace("KEY", key)], check=True, capture_output=True)


def read():
    found = {}
    exec(READ, found)
    return found["index"]


def test_an_index_that_the_publisher_signed_is_read(site):
    assert len(read().entries) == 2


def test_an_index_that_somebody_else_signed_is_refused(site):
    make_key("other")
    sign("other")
    with pytest.raises(subprocess.CalledProcessError):
        read()


def test_another_index_under_the_same_signature_is_refused(site):
    index = index_of(read_shelf(ROOT))
    fewer = Index(digest=digest_of(index.entries[:1]), entries=index.entries[:1])
    (site / "index.json").write_text(fewer.to_json(), encoding="utf-8")
    with pytest.raises(subprocess.CalledProcessError):
        read()
