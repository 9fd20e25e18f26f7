"""The whole way on the demonstration model: pairs, vector, Hub, checks, steered generation."""

from __future__ import annotations

import contextlib
import shutil
import time
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass, field
from typing import TYPE_CHECKING, Any, Final

import torch

from palrs_hub import compatibility
from palrs_hub.auto import AutoSteeredModelForCausalLM
from palrs_hub.demo import model_folder, pairs_file, wrong_models
from palrs_hub.demo.evaluation import Measured, measure, test_problems
from palrs_hub.demo.search import Found, paper_preset, search
from palrs_hub.errors import IncompatibleError, SteeringError
from palrs_hub.generation import complete
from palrs_hub.hub import pull, push, push_model
from palrs_hub.loading import load_model_and_tokenizer, load_tokenizer
from palrs_hub.pairs import read_pairs
from palrs_hub.steer import attached, suspended
from palrs_hub.vector import SteeringVector

if TYPE_CHECKING:
    from pathlib import Path

    from palrs_hub.compatibility import Finding

BASE_REPO: Final = "palrs-hub/careful-sums"
VECTOR_REPO: Final = "palrs-hub/careful-sums-carry"
SHOWN: Final = 3

Say = Callable[[str], None]


@dataclass
class DemoResult:
    """What the demonstration measured, step by step.

    Attributes:
        found: The vector's switches, place and coefficient, chosen on validation problems.
        measured: Accuracies and side effects on test problems.
        repo_id: Where the vector was pushed.
        revision: The commit that was pulled again.
        findings: What the checks found on the right model.
        generations: (prompt, unsteered, steered) of a few test problems.
        refused: What the checks found on wrong models, by model.
        seconds: Wall-clock time of each step.
    """

    found: Found
    measured: Measured
    repo_id: str = VECTOR_REPO
    revision: str = ""
    findings: tuple[Finding, ...] = ()
    generations: list[tuple[str, str, str]] = field(default_factory=list)
    refused: dict[str, tuple[Finding, ...]] = field(default_factory=dict)
    seconds: dict[str, float] = field(default_factory=dict)

    def as_json(self) -> dict[str, Any]:
        """The facts for machines."""
        return {
            **self.measured.as_json(),
            "selected": {
                **asdict(self.found.extraction.switches),
                "position": self.found.selected.position,
                "layer": self.found.selected.layer,
                "coefficient": self.found.selected.coefficient,
                "operation": "add",
                "tokens": "all",
                "validation_accuracy": self.found.accuracy,
            },
            "repo_id": self.repo_id,
            "revision": self.revision,
            "refused": [
                {"model": model, **vars(finding)}
                for model, findings in self.refused.items()
                for finding in findings
            ],
            "seconds": self.seconds,
        }


def run_demo(workspace: Path, *, say: Say, progress: bool) -> DemoResult:
    """Run the demonstration against the Hub that ``HF_ENDPOINT`` names.

    Args:
        workspace: An empty folder for the vector and the second cache.
        say: Called with a line about each step.
        progress: Show progress bars.
    """
    # Threads of a model this small wait for each other more than they work.
    torch.set_num_threads(1)
    seconds: dict[str, float] = {}
    with _timed(seconds, "base_model", say, "Publishing the base model and loading it back"):
        base = push_model(model_folder(), BASE_REPO)
        model, tokenizer = load_model_and_tokenizer(BASE_REPO, revision=base.commit)
    pairs = read_pairs(pairs_file())
    with _timed(seconds, "extract_and_select", say, f"Extracting from {len(pairs)} pairs"):
        found = search(model, tokenizer, pairs, progress=progress)
        preset = paper_preset(model, tokenizer, pairs)
    with _timed(seconds, "evaluate", say, "Evaluating on unseen problems"):
        measured = measure(model, tokenizer, found, preset, progress=progress)
        vector = measured.vector
    result = DemoResult(found, measured, seconds=seconds)
    with _timed(seconds, "push", say, f"Pushing to {VECTOR_REPO}, deleting the local copy"):
        folder = vector.save_pretrained(workspace / "vector")
        result.revision = push(folder, VECTOR_REPO).commit
        shutil.rmtree(folder)
    with _timed(seconds, "pull_and_attach", say, "Pulling by commit, checking, attaching"):
        _pull_and_attach(result, workspace / "empty-cache")
    with _timed(seconds, "refuse", say, "Attaching to wrong models"):
        result.refused = _refusals(vector)
    return result


def _pull_and_attach(result: DemoResult, cache: Path) -> None:
    pulled = pull(VECTOR_REPO, revision=result.revision, cache_dir=cache)
    vector = SteeringVector.load(pulled.folder)
    recorded = vector.manifest.base_model
    where: dict[str, Any] = {"revision": recorded.revision, "cache_dir": cache}
    tokenizer = load_tokenizer(BASE_REPO, **where)
    model = AutoSteeredModelForCausalLM.from_pretrained(
        VECTOR_REPO, revision=result.revision, cache_dir=cache
    )
    (steering,) = attached(model)
    result.findings = steering.findings
    problems = test_problems()
    prompts = problems.prompts[:SHOWN]
    steered = complete(model, tokenizer, prompts, max_new_tokens=problems.max_new_tokens)
    with suspended(model):
        plain = complete(model, tokenizer, prompts, max_new_tokens=problems.max_new_tokens)
    result.generations = list(zip(map(str, prompts), plain, steered, strict=True))


def _refusals(vector: SteeringVector) -> dict[str, tuple[Finding, ...]]:
    refused = {}
    for name, model in wrong_models.build().items():
        try:
            vector.attach(model)
        except IncompatibleError as error:
            refused[name] = compatibility.refused(error.findings)
        else:
            raise SteeringError(f"The vector was attached to {name}: it should be refused.")
    return refused


@contextlib.contextmanager
def _timed(seconds: dict[str, float], step: str, say: Say, text: str) -> Iterator[None]:
    say(text)
    start = time.perf_counter()
    yield
    seconds[step] = round(time.perf_counter() - start, 2)
