"""The whole way on the demonstration model: pairs, vectors, Hub, checks, steered generation."""

from __future__ import annotations

import contextlib
import shutil
import time
from collections.abc import Callable, Iterator, Sequence
from typing import TYPE_CHECKING, Any, Final

import torch

from palrs_hub import compatibility
from palrs_hub.auto import AutoSteeredModelForCausalLM
from palrs_hub.demo import model_folder, wrong_models
from palrs_hub.demo.domains import DOMAINS
from palrs_hub.demo.evaluation import accuracy_under, measure, measure_together
from palrs_hub.demo.results import DemoResult, DomainResult
from palrs_hub.demo.search import paper_preset, search
from palrs_hub.errors import IncompatibleError, SteeringError
from palrs_hub.generation import complete
from palrs_hub.hub import pull, push, push_model
from palrs_hub.loading import load_model_and_tokenizer, load_tokenizer
from palrs_hub.pairs import read_pairs
from palrs_hub.steer import attached, suspended
from palrs_hub.vector import SteeringVector

if TYPE_CHECKING:
    from pathlib import Path

    from transformers import PreTrainedTokenizerBase

    from palrs_hub.compatibility import Finding
    from palrs_hub.demo.domains import Domain

BASE_REPO: Final = "palrs-hub/careful-sums"
SHOWN: Final = 2

Say = Callable[[str], None]


def run_demo(workspace: Path, *, run_code: bool, say: Say, progress: bool) -> DemoResult:
    """Run the demonstration against the Hub that ``HF_ENDPOINT`` names.

    Args:
        workspace: An empty folder for the vectors and the second cache.
        run_code: Include the domains whose judging runs what the model wrote.
        say: Called with a line about each step.
        progress: Show progress bars.
    """
    # Threads of a model this small wait for each other more than they work.
    torch.set_num_threads(1)
    seconds: dict[str, float] = {}
    with _timed(seconds, "base_model", say, "Publishing the base model and loading it back"):
        base = push_model(model_folder(), BASE_REPO)
        model, tokenizer = load_model_and_tokenizer(BASE_REPO, revision=base.commit)
    chosen = {name: domain for name, domain in DOMAINS.items() if run_code or not domain.runs_code}
    domains = {
        name: _find_and_measure(name, domain, model, tokenizer, say=say, progress=progress)
        for name, domain in chosen.items()
    }
    result = DemoResult(domains, seconds=seconds)
    if len(domains) > 1:
        with _timed(seconds, "together", say, "Evaluating each on the other, and both together"):
            _measure_together(result, model, tokenizer)
    for each in domains.values():
        with _timed(each.seconds, "push", say, f"Pushing to {each.repo_id}, deleting the copy"):
            folder = each.measured.vector.save_pretrained(workspace / "vector")
            each.revision = push(folder, each.repo_id).commit
            shutil.rmtree(folder)
    with _timed(seconds, "pull_and_attach", say, "Pulling by commit, checking, attaching"):
        _pull_and_attach(list(domains.values()), workspace / "empty-cache")
    with _timed(seconds, "refuse", say, "Attaching to wrong models"):
        for each in domains.values():
            each.refused = _refusals(each.measured.vector)
    return result


def _find_and_measure(
    name: str,
    domain: Domain,
    model: torch.nn.Module,
    tokenizer: PreTrainedTokenizerBase,
    *,
    say: Say,
    progress: bool,
) -> DomainResult:
    seconds: dict[str, float] = {}
    pairs = read_pairs(domain.pairs_file)
    extracting = f"Extracting from {len(pairs)} pairs: {domain.task}"
    with _timed(seconds, "extract_and_select", say, extracting):
        found = search(model, tokenizer, domain, pairs, progress=progress)
        preset = paper_preset(model, tokenizer, domain, pairs)
    with _timed(seconds, "evaluate", say, f"Evaluating on unseen problems: {name}"):
        measured = measure(model, tokenizer, domain, found, preset, progress=progress)
    return DomainResult(domain, found, measured, seconds=seconds)


def _measure_together(
    result: DemoResult, model: torch.nn.Module, tokenizer: PreTrainedTokenizerBase
) -> None:
    everything = [each.found for each in result.domains.values()]
    for name, each in result.domains.items():
        result.together[name] = measure_together(model, tokenizer, each.domain, everything)
        for other, its in result.domains.items():
            if other != name:
                its.elsewhere[name] = accuracy_under(model, tokenizer, each.domain, its.found)


def _pull_and_attach(results: Sequence[DomainResult], cache: Path) -> None:
    first, *others = results
    vector = _pulled(first, cache)
    recorded = vector.manifest.base_model
    tokenizer = load_tokenizer(BASE_REPO, revision=recorded.revision, cache_dir=cache)
    model = AutoSteeredModelForCausalLM.from_pretrained(
        first.repo_id, revision=first.revision, cache_dir=cache
    )
    for other in others:
        _pulled(other, cache).attach(model, tokenizer=tokenizer)
    for result, steering in zip(results, attached(model), strict=True):
        result.findings = steering.findings
    for result in results:
        problems = result.domain.test_problems(SHOWN)
        asked: dict[str, Any] = {"max_new_tokens": problems.max_new_tokens}
        steered = complete(model, tokenizer, problems.prompts, **asked)
        with suspended(model):
            plain = complete(model, tokenizer, problems.prompts, **asked)
        result.generations = list(zip(map(str, problems.prompts), plain, steered, strict=True))


def _pulled(result: DomainResult, cache: Path) -> SteeringVector:
    pulled = pull(result.repo_id, revision=result.revision, cache_dir=cache)
    return SteeringVector.load(pulled.folder)


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
