"""The playground as a Space, and what is said where it cannot be opened."""

import ast
import importlib.util
from pathlib import Path

import pytest
import yaml

from palrs_hub.app.space import write_space
from palrs_hub.cli import main
from palrs_hub.errors import UsageError


def test_a_space_is_three_files(tmp_path, capsys):
    place = tmp_path / "space"
    assert main(["app", "lab/first", "lab/second@v1.0", "--space", str(place)]) == 0
    assert {path.name for path in place.iterdir()} == {"README.md", "app.py", "requirements.txt"}
    front = yaml.safe_load((place / "README.md").read_text().split("---")[1])
    assert (front["sdk"], front["app_file"]) == ("gradio", "app.py")
    call = ast.parse((place / "app.py").read_text()).body[-1].value
    assert ast.literal_eval(call.args[0]) == ["lab/first", "lab/second@v1.0"]
    assert (place / "requirements.txt").read_text().startswith("palrs-hub[app]==")
    assert "hf upload" in capsys.readouterr().out


@pytest.mark.parametrize("name", ["registry/vectors/careful-code", "careful-code"])
def test_a_space_holds_what_is_on_the_hub_alone(tmp_path, name):
    with pytest.raises(UsageError, match="of the Hub"):
        write_space(tmp_path / "space", [name])
    assert not (tmp_path / "space").exists()


def test_a_folder_with_something_in_it_stays(tmp_path):
    (tmp_path / "mine").write_text("")
    with pytest.raises(UsageError, match="not an empty folder"):
        write_space(tmp_path, ["lab/first"])


@pytest.mark.skipif(importlib.util.find_spec("gradio") is not None, reason="Gradio is installed")
def test_without_gradio_the_extra_is_named(capsys):
    folder = Path(__file__).parents[2] / "registry" / "vectors" / "careful-code"
    assert main(["app", str(folder)]) == 7
    assert "palrs-hub[app]" in capsys.readouterr().err
