"""vLLM steers as transformers does: by the plugin, eager and compiled, and by a baked checkpoint.

Everything is prepared and asked in one run of the program, for its start is what takes time.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from palrs_hub.engines.baked import bake
from palrs_hub.engines.vllm_plugin.architectures import ARCHITECTURES, steered_name
from palrs_hub.engines.vllm_plugin.settings import overrides
from tests.engines.real.cases import Case, make_case
from tests.engines.real.conftest import VLLM_ENVIRONMENT, run_jobs

LIMIT = 1e-4
TYPES = {
    "gemma": "GemmaForCausalLM",
    "gemma2": "Gemma2ForCausalLM",
    "gemma3_text": "Gemma3ForCausalLM",
    "gpt2": "GPT2LMHeadModel",
    "granite": "GraniteForCausalLM",
    "llama": "LlamaForCausalLM",
    "mistral": "MistralForCausalLM",
    "olmo2": "Olmo2ForCausalLM",
    "phi3": "Phi3ForCausalLM",
    "qwen2": "Qwen2ForCausalLM",
    "qwen3": "Qwen3ForCausalLM",
    "smollm3": "SmolLM3ForCausalLM",
}
BAKED = ("llama", "granite", "gpt2", "mistral")
COMPILED = ("llama", "gemma2")


@dataclass
class Asked:
    """What is asked of vLLM, and then what it answered, by name."""

    folder: Path
    jobs: list[dict[str, Any]] = field(default_factory=list)
    expected: dict[str, tuple[np.ndarray, np.ndarray]] = field(default_factory=dict)

    def model(self, place: Path, case: Case, settings: dict[str, Any], *, compiled: bool) -> None:
        self.jobs.append(
            {
                "model": str(place),
                "overrides": settings,
                "compiled": compiled,
                "vocabulary": case.model.config.vocab_size,
                "steps": [],
            }
        )

    def prompt(self, name: str, ids: list[int], expected: np.ndarray, plain: np.ndarray) -> None:
        self.expected[name] = (expected, plain)
        step = {"ids": ids, "output": str(self.folder / f"{name}.npy")}
        self.jobs[-1]["steps"].append(step)

    def choose(self, name: str | None, coefficient: float | None = None) -> None:
        self.jobs[-1]["steps"].append({"choose": [name, coefficient]})

    def check(self, name: str, figures: Any, how: str, model: str) -> None:
        found = np.load(self.folder / f"{name}.npy")
        expected, plain = self.expected[name]
        assert figures.difference("vLLM", how, model, found, expected, plain) < LIMIT


@pytest.fixture(scope="module")
def asked(tmp_path_factory) -> Asked:
    found = Asked(tmp_path_factory.mktemp("vllm"))
    for name in TYPES:
        _plugin(found, name, compiled=False)
    for name in COMPILED:
        _plugin(found, name, compiled=True)
    for name in BAKED:
        _baked(found, name, compiled=False)
    _baked(found, "llama", compiled=True)
    _refused(found)
    run_jobs(VLLM_ENVIRONMENT, "vllm_log_probabilities", found.jobs, found.folder)
    return found


def _plugin(asked: Asked, name: str, *, compiled: bool) -> None:
    """Two vectors in one server: the first steers, then the other, then none, then the first."""
    first = make_case(name, asked.folder, layers=(1, 2))
    other = make_case(name, asked.folder, layers=(0, 3), seed=1)
    mode = "compiled" if compiled else "eager"
    settings = overrides(
        steered_name(TYPES[name]),
        {"first": first.vector, "other": other.vector},
        {"first": str(first.vector_folder), "other": str(other.vector_folder)},
        active="first",
        coefficient=None,
    )
    plain = first.plain()
    asked.model(first.folder, first, settings, compiled=compiled)
    asked.prompt(f"{name} {mode}", first.ids, first.steered(), plain)
    asked.choose("other")
    asked.prompt(f"{name} {mode} other", first.ids, other.steered(), plain)
    asked.choose(None)
    asked.prompt(f"{name} {mode} none", first.ids, plain, plain)
    asked.choose("first", -0.5)
    asked.prompt(f"{name} {mode} negated", first.ids, first.steered(-0.5), plain)


def _baked(asked: Asked, name: str, *, compiled: bool) -> None:
    case = make_case(name, asked.folder)
    place = asked.folder / f"{name}-baked"
    if not place.exists():
        bake(case.vector, case.folder, place)
    mode = "compiled" if compiled else "eager"
    asked.model(place, case, {}, compiled=compiled)
    asked.prompt(f"{name} baked {mode}", case.ids, case.steered(), case.plain())


def _refused(asked: Asked) -> None:
    """A vector of another model: a server must not start."""
    case, other = make_case("llama", asked.folder), make_case("gpt2", asked.folder)
    settings = overrides(
        steered_name("LlamaForCausalLM"),
        {"other": other.vector},
        {"other": str(other.vector_folder)},
        active="other",
        coefficient=None,
    )
    asked.model(case.folder, case, settings, compiled=False)
    asked.jobs[-1]["refusal"] = str(asked.folder / "refusal.txt")


def test_every_architecture_of_the_plugin_is_tested():
    assert set(TYPES.values()) == set(ARCHITECTURES)


@pytest.mark.parametrize("name", TYPES)
def test_the_plugin_is_exact(name, asked, figures):
    asked.check(f"{name} eager", figures, "plugin, eager", f"tiny {name}")


@pytest.mark.parametrize("name", COMPILED)
def test_the_plugin_is_exact_when_compiled(name, asked, figures):
    asked.check(f"{name} compiled", figures, "plugin, torch.compile", f"tiny {name}")


@pytest.mark.parametrize(("name", "mode"), [*((n, "eager") for n in TYPES), ("llama", "compiled")])
@pytest.mark.parametrize("choice", ["other", "none", "negated"])
def test_the_steering_changes_while_it_runs(name, mode, choice, asked):
    found = np.load(asked.folder / f"{name} {mode} {choice}.npy")
    assert np.abs(found - asked.expected[f"{name} {mode} {choice}"][0]).max() < LIMIT


@pytest.mark.parametrize(("name", "mode"), [*((n, "eager") for n in BAKED), ("llama", "compiled")])
def test_a_baked_checkpoint_is_exact(name, mode, asked, figures):
    how = f"baked checkpoint, {'torch.compile' if mode == 'compiled' else 'eager'}"
    asked.check(f"{name} baked {mode}", figures, how, f"tiny {name}")


def test_a_vector_of_another_model_is_refused_at_start(asked):
    reason = (asked.folder / "refusal.txt").read_text()
    assert "model type 'gpt2'" in reason
