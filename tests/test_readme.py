"""The README's examples, run word for word against the embedded Hub."""

import os
import re
import shlex
import shutil
from pathlib import Path

import click
import pytest

from palrs_hub.cli import main
from palrs_hub.demo import model_folder, pairs_file
from palrs_hub.hub import push, push_model
from palrs_hub.loading import load_model, load_tokenizer
from palrs_hub.steer import attached
from palrs_hub.vector import SteeringVector

README = (Path(__file__).parents[1] / "README.md").read_text(encoding="utf-8")
PYTHON = re.findall(r"```python\n(.*?)```", README, re.DOTALL)
SHELL = re.findall(r"```shell\n(.*?)```", README, re.DOTALL)


@pytest.fixture(autouse=True)
def _workplace(hub, tmp_path, monkeypatch):
    """A folder with the user's pairs, and the base model under the name that the page uses."""
    monkeypatch.chdir(tmp_path)
    shutil.copy(pairs_file(), "my-pairs.jsonl")
    push_model(model_folder(), "Qwen/Qwen3-0.6B")


def commands_of(beginning):
    """The commands of the shell example that begins so."""
    (block,) = (block for block in SHELL if block.startswith(beginning))
    return [line for line in block.splitlines() if line.strip()]


def test_the_shell_example(capsys):
    commands = commands_of("palrs-hub extract")
    assert len(commands) == 5
    commands += commands_of("palrs-hub vllm")
    for command in commands:
        program, *words = shlex.split(command)
        assert program == "palrs-hub"
        assert main(words) == 0, command
    assert "#834" in capsys.readouterr().out


def test_the_registrys_example(monkeypatch):
    root, base = Path(__file__).parents[1], "Qwen/Qwen3-0.6B"
    vector = SteeringVector.load(next((root / "registry" / "vectors").iterdir()))
    model = vector.manifest.base_model.model_copy(
        update={"repo_id": base, "revision": push_model(model_folder(), base).commit}
    )
    manifest = vector.manifest.model_copy(update={"base_model": model})
    push(SteeringVector.build(manifest, vector.arrays), "my-org/my-vector", force=True)
    Path("registry").mkdir()
    opened = []
    monkeypatch.setattr(click, "launch", opened.append)
    for command in commands_of("palrs-hub registry"):
        _, *words = shlex.split(command, comments=True)
        assert main(words) == 0, command
    assert Path("registry/my-vector.yaml").is_file()
    assert [address.partition(":")[0] for address in opened] == ["file"]


def test_the_python_examples():
    base = "Qwen/Qwen3-0.6B"
    names = {"model": load_model(base), "tokenizer": load_tokenizer(base)}
    first, second, third = PYTHON
    exec(first.replace("my-org/", "python-org/"), names)
    names["own_model"] = load_model(base)
    exec(second.replace("my-org/", "python-org/"), names)
    assert attached(names["model"])[0].coefficient == names["chosen"].coefficient
    assert names["steering"].coefficient == 0.3
    exec(third, names)
    assert names["steering"].rows[1:] == (None, names["Row"](0, (0.2,)))
    assert attached(names["own_model"]) == ()


def test_every_make_target_it_names_exists():
    makefile = (Path(__file__).parents[1] / "Makefile").read_text()
    for target in re.findall(r"^make (\w+)", "\n".join(SHELL), re.MULTILINE):
        assert re.search(rf"^{target}:", makefile, re.MULTILINE), target


def test_every_page_it_links_to_exists():
    for link in re.findall(r"\]\(((?!http)[^)#]+)\)", README):
        assert os.path.exists(Path(__file__).parents[1] / link), link
