"""``push`` and ``pull``: every option, every refusal and when progress is shown."""

import os
import pty
import subprocess
import sys
import termios

import pytest
from huggingface_hub import HfApi

from palrs_hub.hub.origin import ORIGIN_FILE
from palrs_hub.package_files import PACKAGE_FILES
from palrs_hub.vector import SteeringVector
from tests.tiny_models import build
from tests.vectors import vector_for

pytestmark = pytest.mark.usefixtures("hub")


@pytest.fixture
def folder(tmp_path):
    return vector_for(build("llama")).save_pretrained(tmp_path / "vector")


@pytest.fixture
def other(tmp_path):
    return vector_for(build("llama"), seed=9).save_pretrained(tmp_path / "other")


@pytest.fixture
def repo_id(request):
    return f"transfers/{request.node.name[:60].replace('[', '-').rstrip(']_')}"


def test_a_dry_run_shows_what_a_push_would_do(run, folder, repo_id):
    words = ("push", folder, repo_id, "--dry-run", "--private", "--tag", "v1")
    shown = run(*words)
    assert shown.code == 0
    for text in ("Nothing was sent", repo_id, *PACKAGE_FILES, "library_name: palrs-hub"):
        assert text in shown.out
    plan = run(*words, "--json").json
    assert (plan["dry_run"], plan["new_repository"], plan["private"]) == (True, True, True)
    assert [file["change"] for file in plan["files"]] == ["new"] * 3
    assert not HfApi().repo_exists(repo_id)
    assert not (folder / ORIGIN_FILE).exists()


def test_a_dry_run_tells_a_refusal(run, folder, other, repo_id):
    run("push", folder, repo_id)
    shown = run("push", other, repo_id, "--dry-run")
    assert shown.code == 0
    assert "was not made from it" in shown.out.replace("\n", " ")
    forced = run("push", other, repo_id, "--dry-run", "--force", "--json").json
    assert forced["refusal"] is None
    assert "made to measure" in forced["replaces"]


def test_another_vector_is_replaced_by_force_alone(run, folder, other, repo_id):
    first = run("push", folder, repo_id, "--json").json["commit"]
    refused = run("push", other, repo_id)
    assert refused.code == 5
    assert first in refused.err
    assert "--force" in refused.err
    forced = run("push", other, repo_id, "--force")
    assert forced.code == 0
    assert "replaced" in forced.out
    assert first in forced.out


def test_a_push_that_changes_nothing_says_so(run, folder, repo_id):
    first = run("push", folder, repo_id, "--json").json
    again = run("push", folder, repo_id)
    assert "has it all already" in again.out
    assert run("push", folder, repo_id, "--json").json["commit"] == first["commit"]


def test_pull_change_and_push_again(run, folder, other, repo_id, tmp_path):
    first = run("push", folder, repo_id, "--tag", "v1.0", "--json").json
    assert first["revision"] == "v1.0"
    copy = tmp_path / "copy"
    pulled = run("pull", f"{repo_id}@v1.0", "--output", copy)
    assert first["commit"] in pulled.out
    SteeringVector.load(other).save_pretrained(copy)
    second = run("push", copy, repo_id, "--json").json
    assert second["commit"] != first["commit"]
    stale = run("push", folder, repo_id)  # it remembers the first commit
    assert stale.code == 5
    assert f"newer than {first['commit']}" in stale.err.replace("\n", " ")


def test_a_branch_and_a_pull_request(run, folder, other, repo_id):
    run("push", folder, repo_id)
    branch = run("push", other, repo_id, "--revision", "stronger", "--message", "Stronger")
    assert "revision='stronger'" in branch.out
    request = run("push", other, repo_id, "--create-pr")
    assert "revision='refs/pr/1'" in request.out
    for revision in ("stronger", "refs/pr/1"):
        assert run("pull", repo_id, "--revision", revision).code == 0


def test_info_and_pull_say_which_commit_an_unpinned_name_got(run, folder, repo_id):
    commit = run("push", folder, repo_id, "--json").json["commit"]
    assert run("info", repo_id, "--json").json["source"] == f"{repo_id}@{commit}"
    assert commit in run("info", repo_id).out
    assert run("pull", repo_id, "--json").json["commit"] == commit


@pytest.mark.parametrize(
    ("words", "code", "text"),
    [
        (("pull", "lab/nowhere"), 5, "no repository lab/nowhere"),
        (("pull", "not a name"), 2, "org/name"),
        (("pull", "lab/nowhere", "--local-files-only"), 5, "not in the cache"),
        (("push", "{folder}", "lab/a@b", "--revision", "c"), 2, "Two revisions"),
        (("push", "{folder}", "lab/nowhere", "--create-pr"), 5, "no repository lab/nowhere"),
        (("push", "{folder}", "lab/nowhere", "--create-pr", "--tag", "v1"), 2, "cannot be tagged"),
        (("versions", "lab/nowhere"), 5, "no repository lab/nowhere"),
        (("diff", "{folder}", "lab/nowhere"), 5, "no repository lab/nowhere"),
        (("search", "--base-model", "a/b/c"), 2, "org/name"),
    ],
)
def test_every_mistake_has_its_words_and_its_code(run, folder, words, code, text):
    found = run(*(word.format(folder=folder) for word in words))
    assert found.code == code
    assert text in found.err.replace("\n", " ")


def command_line(words, folder, **streams):
    environment = {**os.environ, "HF_HOME": str(folder), "HF_HUB_CACHE": str(folder / "hub")}
    del environment["HF_HUB_DISABLE_PROGRESS_BARS"]
    command = [sys.executable, "-m", "palrs_hub", *words]
    return subprocess.run(command, env=environment, check=True, text=True, **streams)


def test_progress_is_shown_on_a_terminal_only(run, folder, repo_id, tmp_path):
    run("push", folder, repo_id)
    piped = command_line(["pull", repo_id], tmp_path / "piped", capture_output=True)
    assert piped.stderr == ""
    reader, terminal = pty.openpty()
    termios.tcsetwinsize(terminal, (24, 120))
    command_line(["pull", repo_id], tmp_path / "seen", stdout=subprocess.PIPE, stderr=terminal)
    os.close(terminal)
    shown = b""
    while chunk := _read(reader):
        shown += chunk
    os.close(reader)
    assert b"steering_vectors.safetensors" in shown
    assert b"100%" in shown


def _read(descriptor):
    try:
        return os.read(descriptor, 4096)
    except OSError:  # how Linux tells that nobody holds the other end any more
        return b""
