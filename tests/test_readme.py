"""The README's examples, run word for word against the embedded Hub."""

import os
import re
import shlex
import shutil
from pathlib import Path

import pytest

from palrs_hub.cli import main
from palrs_hub.demo import model_folder, pairs_file
from palrs_hub.hub import push_model
from palrs_hub.loading import load_model, load_tokenizer
from palrs_hub.steer import attached

README = (Path(__file__).parents[1] / "README.md").read_text(encoding="utf-8")
PYTHON = re.findall(r"```python\n(.*?)```", README, re.DOTALL)
SHELL = re.findall(r"```shell\n(.*?)```", README, re.DOTALL)


@pytest.fixture(autouse=True)
def _workplace(hub, tmp_path, monkeypatch):
    """A folder with the user's pairs, and the base model under the name that the page uses."""
    monkeypatch.chdir(tmp_path)
    shutil.copy(pairs_file(), "my-pairs.jsonl")
    push_model(model_folder(), "Qwen/Qwen3-0.6B")


def test_the_shell_example(capsys):
    commands = [line for block in SHELL[-2:] for line in block.splitlines() if line.strip()]
    assert len(commands) == 5 + 4
    for command in commands:
        program, *words = shlex.split(command)
        assert program == "palrs-hub"
        assert main(words) == 0, command
    assert "#834" in capsys.readouterr().out


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
