"""``info``, ``check``, ``push``, ``pull`` and ``generate`` on one published vector."""

import json
import shutil

import pytest
from huggingface_hub import HfApi

from palrs_hub.demo import model_folder
from palrs_hub.manifest import MANIFEST_FILE, PLOT_FILE, TENSORS_FILE
from palrs_hub.package_files import PACKAGE_FILES
from palrs_hub.vector import SteeringVector
from tests.tiny_models import build

PROMPT = "478+356="


def test_info_shows_the_manifest(run, published):
    shown = run("info", published)
    assert shown.code == 0
    for text in ("careful arithmetic", "lab/base", "LlamaForCausalLM", "not reported"):
        assert text in shown.out
    manifest = run("info", published, "--json").json["manifest"]
    assert manifest["format"] == "palrs-hub"
    assert manifest["base_model"]["repo_id"] == "lab/base"


def test_push_and_pull_keep_every_byte(run, extracted, tmp_path):
    pushed = run("push", extracted, "lab/kept", "--json").json
    pulled = run("pull", "lab/kept", "--output", tmp_path / "v", "--json").json
    assert pulled["commit"] == pushed["commit"]
    for name in (MANIFEST_FILE, TENSORS_FILE):
        assert (tmp_path / "v" / name).read_bytes() == (extracted / name).read_bytes()
    shown = {path.name for path in (tmp_path / "v").iterdir() if not path.name.startswith(".")}
    assert shown == {*PACKAGE_FILES, PLOT_FILE}


def test_push_as_a_pull_request(run, extracted, tmp_path):
    run("push", extracted, "lab/reviewed")
    before = HfApi().model_info("lab/reviewed").sha
    vector = SteeringVector.load(extracted)
    renamed = vector.manifest.model_copy(update={"name": "stronger"})
    other = SteeringVector.build(renamed, vector.arrays).save_pretrained(tmp_path / "other")
    words = ("push", other, "lab/reviewed", "--create-pr", "--message", "Try", "--json")
    done = run(*words).json
    assert done["pull_request"]
    assert HfApi().model_info("lab/reviewed").sha == before
    assert (
        run("info", f"lab/reviewed@{done['commit']}", "--json").json["manifest"]["name"]
        == "stronger"
    )


def test_check_against_a_configuration_alone(run, published, base):
    found = run("check", published, "--model", base, "--json")
    assert (found.code, found.json["fits"], found.json["weights_checked"]) == (0, True, False)
    assert {f["severity"] for f in found.json["findings"]} == {"note"}


def test_check_with_the_weights(run, published, base):
    found = run("check", published, "--model", base, "--weights", "--json")
    assert (found.code, found.json["weights_checked"], found.json["findings"]) == (0, True, [])
    assert "Every check agrees." in run("check", published, "--model", base, "--weights").out


def test_check_loads_the_weights_of_a_folder_by_itself(run, published):
    found = run("check", published, "--model", model_folder(), "--json").json
    assert found["weights_checked"]
    assert found["fits"]


def test_check_refuses_with_every_finding_at_once(run, published, tmp_path):
    build("gpt2").save_pretrained(tmp_path)
    found = run("check", published, "--model", tmp_path, "--no-weights", "--json")
    assert found.code == 4
    errors = {f["check"] for f in found.json["findings"] if f["severity"] == "error"}
    assert {"architecture", "hidden_size"} <= errors
    shown = run("check", published, "--model", tmp_path, "--no-weights")
    assert shown.code == 4
    assert "does not fit" in shown.out


def test_generate_shows_steered_beside_unsteered(run, published):
    shown = run("generate", published, "--prompt", PROMPT, "--compare")
    assert shown.code == 0
    assert "unsteered" in shown.out
    found = run("generate", published, "--prompt", PROMPT, "--compare", "--json").json
    (generation,) = found["generations"]
    assert generation["unsteered"] != generation["steered"]
    assert generation["steered"].endswith("#834")


def test_generate_with_coefficient_0_is_the_unsteered_model(run, published):
    words = ("generate", published, "--prompt", PROMPT, "--coefficient", 0, "--compare", "--json")
    (generation,) = run(*words).json["generations"]
    assert generation["unsteered"] == generation["steered"]


def test_generate_refuses_a_wrong_model(run, published, tmp_path, demo_tokenizer):
    model = build("llama", vocab_size=len(demo_tokenizer))
    model.save_pretrained(tmp_path)
    demo_tokenizer.save_pretrained(tmp_path)
    found = run("generate", published, "--prompt", PROMPT, "--model", tmp_path)
    assert found.code == 4
    assert "does not fit" in found.err
    machine = run("generate", published, "--prompt", PROMPT, "--model", tmp_path, "--json")
    assert machine.json["error"] == "IncompatibleError"
    assert any(f["check"] == "hidden_size" for f in machine.json["findings"])


@pytest.mark.parametrize(
    ("damage", "text"),
    [
        (lambda folder: (folder / TENSORS_FILE).write_bytes(b"short"), "truncated or altered"),
        (lambda folder: (folder / TENSORS_FILE).unlink(), "holds no steering_vectors"),
        (lambda folder: (folder / MANIFEST_FILE).write_text("{"), "not readable JSON"),
        (
            lambda folder: (folder / MANIFEST_FILE).write_text(
                json.dumps({"format": "palrs-hub", "format_version": 99})
            ),
            "Upgrade palrs-hub",
        ),
    ],
    ids=["altered tensors", "no tensors", "broken manifest", "newer manifest"],
)
def test_a_damaged_package_is_refused_by_every_command(
    run, extracted, tmp_path, base, damage, text
):
    folder = tmp_path / "damaged"
    shutil.copytree(extracted, folder)
    damage(folder)
    for words in (
        ("info", folder),
        ("check", folder, "--model", base),
        ("push", folder, "lab/damaged"),
        ("generate", folder, "--prompt", PROMPT),
    ):
        found = run(*words)
        assert found.code == 3
        assert text in found.err.replace("\n", " ")
    assert not HfApi().repo_exists("lab/damaged")


def test_text_from_others_reaches_the_screen_as_text(run, extracted, tmp_path):
    vector = SteeringVector.load(extracted)
    task = vector.manifest.task.model_copy(update={"description": "[bold red]see[/] [link=x]me"})
    other = SteeringVector.build(vector.manifest.model_copy(update={"task": task}), vector.arrays)
    shown = run("info", other.save_pretrained(tmp_path / "v"))
    assert "[bold red]see[/]" in shown.out


def test_an_unreachable_repository_has_its_own_exit_code(run):
    found = run("info", "lab/nowhere", "--json")
    assert found.code == 5
    assert found.json["error"] == "NotOnHubError"
