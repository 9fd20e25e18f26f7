"""No package of the corpus gets in, runs anything, writes anything or speaks to the terminal."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

from palrs_hub.package_files import PACKAGE_FILES, SIGNATURE_FILE
from palrs_hub.vector import SteeringVector
from tests.hostile.corpus import HARMLESS, REFUSED
from tests.hostile.package import Package

UNUSABLE, DOES_NOT_FIT = 3, 4


@pytest.fixture(scope="module")
def met():
    """What became of each package, in a process with little memory and an audit hook."""
    done = subprocess.run(
        [sys.executable, "-m", "tests.hostile.meet"],
        cwd=Path(__file__).parents[2],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr[-2000:]
    return {found["name"]: found for found in map(json.loads, done.stdout.splitlines())}


def test_the_corpus_has_sixty_packages_and_more():
    assert len(REFUSED) >= 60


def test_what_the_forgers_begin_with_is_sound(tmp_path):
    SteeringVector.load(Package().write(tmp_path))


@pytest.mark.parametrize("name", REFUSED)
def test_it_ends_in_an_error_of_ours(met, name):
    assert met[name]["error"] in {
        "ManifestError",
        "NewerFormatError",
        "SignatureError",
        "TensorsError",
    }
    assert met[name]["codes"] == [UNUSABLE] * 3


@pytest.mark.parametrize("name", HARMLESS)
def test_it_loads_and_what_is_bad_in_it_has_no_effect(met, name):
    assert met[name]["error"] is None, met[name]["message"]
    assert met[name]["codes"] == [0, 0, DOES_NOT_FIT]


@pytest.mark.parametrize("name", {**REFUSED, **HARMLESS})
def test_nothing_is_written_run_or_unpickled(met, name):
    assert met[name]["touched"] == []


@pytest.mark.parametrize("name", {**REFUSED, **HARMLESS})
def test_no_escape_reaches_the_terminal(met, name):
    shown = met[name]["screen"]
    assert shown
    assert all(character.isprintable() or character == "\n" for character in shown)
    assert "Traceback" not in shown


@pytest.mark.filterwarnings("ignore:Warnings while validating metadata")
@pytest.mark.parametrize("name", HARMLESS)
def test_only_the_packages_own_files_come_from_the_hub(hub, tmp_path, name):
    from huggingface_hub import CommitOperationAdd, HfApi

    from palrs_hub.hub import pull

    repo_id = f"lab/hostile-{list(HARMLESS).index(name)}"
    api = HfApi()
    api.create_repo(repo_id)
    files = HARMLESS[name]().files
    try:
        operations = [CommitOperationAdd(path, data) for path, data in files.items()]
        api.create_commit(repo_id, operations, commit_message="hostile")
    except (ValueError, RuntimeError):
        return  # the Hub itself, or its client, refuses such a card or such a path
    SteeringVector.load(pull(repo_id, cache_dir=tmp_path).folder)
    fetched = {path.name for path in tmp_path.rglob("snapshots/*/*")}
    assert fetched <= {*PACKAGE_FILES, SIGNATURE_FILE}
