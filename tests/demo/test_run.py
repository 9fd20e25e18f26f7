"""``palrs-hub demo``: the whole way, as a new user runs it, with the goals that it has to reach."""

import json
import os
import re
import subprocess
import sys

import pytest

pytestmark = pytest.mark.slow

GAINS = {"sums": 0.5, "code": 0.3}


@pytest.fixture(scope="module")
def demonstration(tmp_path_factory):
    """The figures, and what was shown."""
    return run(tmp_path_factory.mktemp("demo"), "--allow-code-execution")


def run(folder, *options):
    file = folder / "figures.json"
    environment = {name: value for name, value in os.environ.items() if not name.startswith("HF_")}
    done = subprocess.run(
        [sys.executable, "-m", "palrs_hub", "demo", "--json", str(file), *options],
        capture_output=True,
        text=True,
        check=True,
        env=environment,
    )
    return json.loads(file.read_text()), done.stdout


def test_no_code_is_run_unasked(tmp_path):
    figures, shown = run(tmp_path)
    assert figures["code"] is None
    assert figures["both"] is None
    assert figures["accuracy"]["steered"] >= 0.75
    assert "--allow-code-execution" in shown
    assert "def f(x)" not in shown


def part(figures, name):
    return figures if name == "sums" else figures[name]


@pytest.mark.parametrize(("name", "gained"), GAINS.items())
def test_the_vector_gains_and_random_directions_do_not(demonstration, name, gained):
    accuracy = part(demonstration[0], name)["accuracy"]
    gain = accuracy["steered"] - accuracy["unsteered"]
    assert gain >= gained
    assert len(accuracy["random_each"]) >= 8
    assert accuracy["random"] - accuracy["unsteered"] < gain / 4
    assert accuracy["negated"] <= accuracy["unsteered"]
    assert "paper_preset" in accuracy


def test_sums_come_out_right(demonstration):
    accuracy = demonstration[0]["accuracy"]
    assert accuracy["unsteered"] <= 0.25
    assert accuracy["steered"] >= 0.75


@pytest.mark.parametrize("name", ["sums", "code"])
def test_the_guardrail_holds(demonstration, name):
    assert_guarded(part(demonstration[0], name)["guardrail"])


def test_both_vectors_at_once_help_both(demonstration):
    both = demonstration[0]["both"]
    for name, gained in GAINS.items():
        accuracy = both[name]["accuracy"]
        assert accuracy["steered"] >= accuracy["unsteered"] + gained
        text = both[name]["guardrail"]["ordinary_text_perplexity"]
        assert text["steered"] <= 1.05 * text["unsteered"]


def assert_guarded(guardrail):
    assert guardrail["accuracy"]["steered"] >= guardrail["accuracy"]["unsteered"] - 0.02
    for perplexity in (guardrail["perplexity"], guardrail["ordinary_text_perplexity"]):
        assert perplexity["steered"] <= 1.05 * perplexity["unsteered"]


def test_it_went_over_the_hub_and_back(demonstration):
    figures, shown = demonstration
    assert re.fullmatch(r"[0-9a-f]{40}", figures["revision"])
    assert re.fullmatch(r"[0-9a-f]{40}", figures["code"]["revision"])
    assert figures["repo_id"] in shown
    assert figures["code"]["repo_id"] in shown
    assert "Every check agrees." in shown


def test_every_switch_is_told(demonstration):
    wanted = {"input_format", "positions", "scale", "choice", "layer", "coefficient", "tokens"}
    for name in ("sums", "code"):
        assert wanted <= set(part(demonstration[0], name)["selected"])


def test_wrong_models_were_refused_with_findings(demonstration):
    for name in ("sums", "code"):
        refused = part(demonstration[0], name)["refused"]
        assert {finding["check"] for finding in refused} >= {"fingerprint", "architecture"}
        assert {finding["severity"] for finding in refused} == {"error"}


def test_it_asks_for_a_process_of_its_own():
    import huggingface_hub  # noqa: F401 - the client has read its settings now

    from palrs_hub.cli import main
    from palrs_hub.errors import LocalHubError

    assert main(["demo"]) == LocalHubError.exit_code
