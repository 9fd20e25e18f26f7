"""The group: help, version, exit codes, and what is imported for which command."""

import importlib
import json
import os
import subprocess
import sys
import warnings

import pytest

from palrs_hub import __version__
from palrs_hub.cli import COMMANDS
from palrs_hub.cli.main import FILES, INTERRUPTED, main
from palrs_hub.demo import model_folder


def test_every_command_of_the_table_has_help(run):
    listed = run("--help").out
    for name, summary in COMMANDS.items():
        assert name in listed
        assert summary in listed
        assert run(name, "--help").code == 0


def test_every_command_has_a_line_in_the_table():
    folder = importlib.resources.files("palrs_hub.cli")
    files = {path.name.removesuffix(".py") for path in folder.iterdir() if path.suffix == ".py"}
    assert files - {"__init__", "main", "output", "options"} == {
        FILES.get(name, name) for name in COMMANDS
    }


def test_version(run):
    assert run("--version").out.strip() == f"palrs-hub {__version__}"


def test_an_unknown_command_is_wrong_usage(run):
    found = run("extrakt")
    assert found.code == 2
    assert "No such command" in found.err


def test_an_interruption_ends_with_130(run, monkeypatch):
    def interrupted(*_, **__):
        raise KeyboardInterrupt

    monkeypatch.setattr("palrs_hub.vector.SteeringVector.from_pretrained", interrupted)
    found = run("info", "lab/any")
    assert found.code == INTERRUPTED
    assert found.err.strip() == "Interrupted."


@pytest.mark.filterwarnings("default:a doubt")
def test_a_warning_is_a_sentence_on_standard_error(run, monkeypatch):
    def doubtful(*_, **__):
        warnings.warn("a doubt \x1b[31m of ours", stacklevel=1)
        raise KeyboardInterrupt

    monkeypatch.setattr("palrs_hub.vector.SteeringVector.from_pretrained", doubtful)
    found = run("info", "lab/any")
    assert found.out == ""
    assert found.err.splitlines()[0] == "Warning: a doubt \N{REPLACEMENT CHARACTER}[31m of ours"


def test_a_defect_of_ours_is_not_dressed_up_as_the_users(monkeypatch):
    def broken(*_, **__):
        raise ZeroDivisionError

    monkeypatch.setattr("palrs_hub.vector.SteeringVector.from_pretrained", broken)
    with pytest.raises(ZeroDivisionError):
        main(["info", "lab/any"])


@pytest.mark.parametrize("command", ["info", "pull", "push", "check"])
def test_reading_checking_and_sending_import_no_torch(command, extracted, published, tmp_path):
    words = {
        "info": ["info", published],
        "pull": ["pull", published, "--output", str(tmp_path / "pulled")],
        "push": ["push", str(extracted), "lab/sent-without-torch"],
        "check": ["check", str(extracted), "--model", str(model_folder()), "--no-weights"],
    }[command]
    code = (
        "import json, sys\n"
        "from palrs_hub.cli import main\n"
        f"code = main({words!r})\n"
        "heavy = sorted({'torch', 'transformers'} & set(sys.modules))\n"
        "print(json.dumps([code, heavy]), file=sys.stderr)"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=False, env=os.environ
    )
    assert json.loads(done.stderr.splitlines()[-1]) == [0, []], done.stderr


def test_importing_the_package_imports_nothing_heavy():
    code = (
        "import sys, palrs_hub, palrs_hub.cli\n"
        "heavy = {'torch', 'transformers', 'huggingface_hub', 'numpy', 'pydantic', 'rich'}\n"
        "print(sorted(heavy & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
