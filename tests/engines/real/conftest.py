"""Real engines, each in an environment of its own, which ``make test-engines`` sets up."""

from __future__ import annotations

import json
import subprocess
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import pytest

from tests.engines.real.page import write_page

ROOT = Path(__file__).parents[3]
PROGRAMS = Path(__file__).parent / "programs"
LLAMA_ENVIRONMENT = ROOT / ".venv-llama"
VLLM_ENVIRONMENT = ROOT / ".venv-vllm"


def pytest_collection_modifyitems(items):
    for item in items:
        if Path(__file__).parent in item.path.parents:
            item.add_marker(pytest.mark.engine)


@dataclass
class Figures:
    """What the tests measured, for the page that they write."""

    differences: list[tuple[str, str, str, float, float]] = field(default_factory=list)
    accuracies: list[tuple[str, float, float]] = field(default_factory=list)
    own: dict[tuple[str, str], float] = field(default_factory=dict)
    """What engines differ by on a model that is not steered, where that is not rounding."""

    @property
    def is_whole(self) -> bool:
        """Whether every engine was measured in every way: parts of a run write no page."""
        measured = {engine for engine, *_ in self.differences}
        return measured == {"llama.cpp", "transformers", "vLLM"} and len(self.accuracies) == 2

    def difference(self, engine, how, model, found, expected, plain):
        """Note the largest difference in log-probability, beside the vector's effect."""
        worst = float(np.abs(found - expected).max())
        self.differences.append((engine, how, model, worst, float(np.abs(expected - plain).max())))
        return worst


@pytest.fixture(scope="session")
def figures(request):
    found = Figures()
    yield found
    if not request.session.testsfailed and found.is_whole:
        write_page(ROOT / "docs" / "engines.md", found)


def run_in(environment: Path, *words: object, timeout: int = 1500) -> None:
    """Run a program in an engine's environment; what it says is shown when it fails."""
    done = subprocess.run(
        [str(environment / "bin" / "python"), *map(str, words)],
        capture_output=True, text=True, timeout=timeout, cwd=ROOT,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr[-4000:]


def run_jobs(environment: Path, program: str, jobs: list[dict], folder: Path) -> None:
    """Run one of the programs on a list of jobs."""
    path = folder / f"{program}.jobs.json"
    path.write_text(json.dumps(jobs), encoding="utf-8")
    run_in(environment, PROGRAMS / f"{program}.py", path)


def to_gguf(models: list[tuple[Path, Path]], folder: Path) -> None:
    """Checkpoints as GGUF files, by the conversion that comes with llama.cpp."""
    (llama_cpp,) = (LLAMA_ENVIRONMENT / "source").glob("llama_cpp_python-*/vendor/llama.cpp")
    jobs = folder / "conversions.json"
    jobs.write_text(json.dumps([[str(place) for place in pair] for pair in models]))
    run_in(LLAMA_ENVIRONMENT, PROGRAMS / "convert_to_gguf.py", llama_cpp, jobs)
