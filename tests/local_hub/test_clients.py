"""Libraries above the Hub's client: they need no more than the hub serves."""

import json
import os
import subprocess
import sys

import pytest
from huggingface_hub import HfApi, HfFileSystem, snapshot_download


def run_client(program, hub, folder, *arguments, **environment):
    settings = {"HF_ENDPOINT": hub.url, "HF_HOME": str(folder), "HF_HUB_DISABLE_TELEMETRY": "1"}
    # The settings of this process's own client must not reach the other one.
    inherited = {key: value for key, value in os.environ.items() if not key.startswith("HF_")}
    done = subprocess.run(
        [sys.executable, "-c", program, *arguments],
        env=inherited | settings | environment,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_a_model_folder_makes_the_round_trip(hub, owner, repo_id, tmp_path):
    source = tmp_path / "source"
    (source / "nested").mkdir(parents=True)
    files = {
        "README.md": b"---\nlicense: mit\n---\n",
        "config.json": json.dumps({"model_type": "llama", "hidden_size": 8}).encode(),
        "model.safetensors": b"\x02\0\0\0\0\0\0\0{}",
        "nested/tokenizer.json": b"{}",
    }
    for path, content in files.items():
        (source / path).write_bytes(content)
    owner.upload_folder(repo_id=repo_id, folder_path=source)
    cache = tmp_path / "cache"
    folder = snapshot_download(repo_id, endpoint=hub.url, cache_dir=cache)
    for path, content in files.items():
        with open(os.path.join(folder, path), "rb") as file:
            assert file.read() == content
    verified = HfApi(endpoint=hub.url, token=False).verify_repo_checksums(repo_id, cache_dir=cache)
    assert not verified.mismatches


def test_transformers_reads_a_configuration(hub, put, repo_id, tmp_path):
    put(repo_id, "config.json", b'{"model_type": "llama", "hidden_size": 96}')
    program = (
        "import sys, transformers\n"
        "config = transformers.AutoConfig.from_pretrained(sys.argv[1])\n"
        "sys.stdout.write(str(config.hidden_size))\n"
    )
    assert run_client(program, hub, tmp_path, repo_id) == "96"


def test_datasets_loads_a_jsonl_file(hub, owner, put, new_id, tmp_path):
    pytest.importorskip("datasets")
    made = new_id()
    owner.create_repo(made, repo_type="dataset", private=True)
    lines = "".join(json.dumps({"prompt": "p", "chosen": str(n)}) + "\n" for n in range(3))
    put(made, "train.jsonl", lines.encode(), repo_type="dataset")
    program = (
        "import sys, datasets\n"
        "loaded = datasets.load_dataset(sys.argv[1], split='train')\n"
        "sys.stdout.write(','.join(loaded['chosen']))\n"
    )
    assert run_client(program, hub, tmp_path, made, HF_TOKEN=owner.token) == "0,1,2"


def test_the_file_system_of_the_client_lists_and_reads(hub, put, repo_id):
    put(repo_id, "folder/a.txt", b"a")
    files = HfFileSystem(endpoint=hub.url, token=False, skip_instance_cache=True)
    assert files.find(repo_id) == [f"{repo_id}/.gitattributes", f"{repo_id}/folder/a.txt"]
    assert files.read_bytes(f"{repo_id}/folder/a.txt") == b"a"
