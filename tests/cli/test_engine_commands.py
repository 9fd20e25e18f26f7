"""``palrs-hub export`` with its self-test, ``selftest`` and ``vllm``: as a user gives them."""

import json

import pytest
from transformers import AutoModelForCausalLM

from palrs_hub.engines.vllm_plugin.settings import KEY, read_settings


@pytest.mark.parametrize(("name", "file"), [("baked", "model"), ("peft", "adapter"), ("gguf", "v")])
def test_an_export_is_proven_and_can_be_tested_again(run, published, base, tmp_path, name, file):
    path = tmp_path / file
    found = run("export", published, "--format", name, "--output", path, "--json")
    assert found.code == 0, found.err
    assert found.json["selftest"]
    words = ("selftest", path, "--engine", "transformers")
    words += () if name == "baked" else ("--model", base)
    tested = run(*words, "--json")
    assert (tested.code, tested.json["steered"]) == (0, True)
    assert tested.json["from_steered"] < 1e-4
    assert "steers as" in run(*words).out


def test_an_engine_that_does_not_steer_fails(run, published, demo_model, tmp_path):
    path = tmp_path / "baked"
    assert run("export", published, "--format", "baked", "--output", path).code == 0
    demo_model.save_pretrained(tmp_path / "unsteered")
    test = tmp_path / "unsteered" / "palrs_hub.selftest.json"
    test.write_text((path / "palrs_hub.selftest.json").read_text())
    words = ("selftest", tmp_path / "unsteered", "--engine", "transformers")
    found = run(*words)
    assert found.code == 4
    assert "did NOT take effect" in found.err.replace("\n", " ")
    assert (run(*words, "--json").code, run(*words, "--json").json["steered"]) == (4, False)


def test_the_baked_model_is_an_ordinary_one(run, published, tmp_path):
    path = tmp_path / "model"
    assert run("export", published, "--format", "baked", "--output", path).code == 0
    model = AutoModelForCausalLM.from_pretrained(path)
    assert model.config.mlp_bias
    assert (path / "tokenizer.json").is_file()
    facts = json.loads((path / "palrs_hub_baked.json").read_text())
    repo_id, _, commit = published.partition("@")
    assert facts["vector"]["source"] == f"{repo_id}@{commit}"
    assert facts["base_model"]["repo_id"] == "lab/base"
    found = run("export", published, "--format", "baked", "--output", path, "--overwrite")
    assert (found.code, "there already" in found.err) == (2, True)


def test_without_the_base_model_it_says_that_nothing_was_proven(run, extracted, tmp_path):
    words = ("export", extracted, "--format", "gguf", "--output", tmp_path / "v.gguf")
    assert "nothing was proven" in run(*words, "--no-selftest").out
    assert [path.name for path in tmp_path.iterdir()] == ["v.gguf"]
    assert run("selftest", tmp_path / "v.gguf", "--engine", "transformers").code == 3


def test_the_servers_command_is_printed(run, published, extracted, base, tmp_path):
    words = ("vllm", f"one={published}", f"two={extracted}", "--active", "two", "--live")
    test = tmp_path / "v.selftest.json"
    found = run(*words, "--extra", "--port", "--extra", 8001, "--selftest", test, "--json")
    assert found.code == 0, found.err
    command = found.json["command"]
    repo_id, _, commit = base.partition("@")
    assert command[:5] == ["vllm", "serve", repo_id, "--revision", commit]
    assert command[-2:] == ["--port", "8001"]
    settings = json.loads(command[command.index("--hf-overrides") + 1])
    assert settings["architectures"] == ["PalrsHubLlamaForCausalLM"]
    read = read_settings(settings[KEY])
    assert (set(read.vectors), read.active) == ({"one", "two"}, "two")
    assert found.json["environment"] == {"VLLM_PLUGINS": "palrs_hub"}
    assert run("selftest", test, "--engine", "vllm").code == 2
    assert "vllm serve lab/base" in run(*words).out


@pytest.mark.parametrize(
    ("words", "code", "text"),
    [
        (("--active", "quiet"), 2, "No vector"),
        (("--coefficient", "0"), 2, "steer nothing"),
        (("--selftest", "v.json"), 2, "ends in"),
        (("--model", "lab/nowhere"), 5, "no repository"),
    ],
)
def test_a_server_that_could_not_be_is_not_printed(run, extracted, words, code, text):
    found = run("vllm", extracted, *words)
    assert (found.code, text in found.err.replace("\n", " ")) == (code, True), found.err


def test_a_server_that_is_not_there(run, published, tmp_path):
    test = tmp_path / "v.selftest.json"
    assert run("vllm", published, "--selftest", test).code == 0
    found = run("selftest", test, "--engine", "vllm", "--url", "http://127.0.0.1:9")
    assert (found.code, "No server" in found.err) == (2, True)
