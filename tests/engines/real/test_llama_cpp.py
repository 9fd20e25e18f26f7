"""llama.cpp steers as transformers does: by a control vector, and by a baked checkpoint.

Everything is prepared and asked in one run of each program, for their start is what takes time.
"""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import gguf
import numpy as np
import pytest
import torch
import transformers

from palrs_hub.demo import model_folder
from palrs_hub.engines.baked import bake
from palrs_hub.engines.exports import Base, Options, export
from palrs_hub.errors import UsageError
from palrs_hub.formats import export_vector, import_vector, to_vector
from palrs_hub.inputs import encode_prompt
from palrs_hub.loading import load_tokenizer
from tests.engines.models import IDS, log_probabilities
from tests.engines.real.cases import make_case
from tests.engines.real.conftest import LLAMA_ENVIRONMENT, run_in, run_jobs, to_gguf
from tests.engines.real.demonstration import (
    accuracy_of,
    demonstration_problems,
    demonstration_vector,
)
from tests.shared_data import SHARED_DATA

LIMIT = 1e-4
CONTROLLED = ("llama", "qwen2", "qwen3", "gemma2", "phi3", "gpt2")
BAKED = ("llama", "mistral", "granite", "gpt2")
LAYERS = ((1, 3), (1,), (2,), (3,))
# ggml looks GELU up in a table of half precision, so that these models differ unsteered already.
# Steered they may differ as much again, and no more.
BY_TABLE = {"gemma2": 2e-3, "gpt2": 2e-3}


@dataclass
class Asked:
    """What is asked of llama.cpp, and then what it answered, by name."""

    folder: Path
    models: list[tuple[Path, Path]] = field(default_factory=list)
    jobs: list[dict[str, Any]] = field(default_factory=list)
    expected: dict[str, tuple[np.ndarray, np.ndarray]] = field(default_factory=dict)

    def model(self, checkpoint: Path, name: str) -> Path:
        output = self.folder / f"{name}.gguf"
        self.models.append((checkpoint, output))
        self.jobs.append({"model": str(output), "steps": []})
        return output

    def steer(self, path: Path | None) -> None:
        self.jobs[-1]["steps"].append({"steer": str(path) if path else None})

    def prompt(self, name: str, expected: np.ndarray, plain: np.ndarray) -> None:
        self.expected[name] = (expected, plain)
        step = {"ids": IDS[0].tolist(), "output": str(self.folder / f"{name}.npy")}
        self.jobs[-1]["steps"].append(step)

    def answer(self, name: str) -> np.ndarray:
        return np.load(self.folder / f"{name}.npy")

    def worst(self, name: str) -> float:
        return float(np.abs(self.answer(name) - self.expected[name][0]).max())

    def limit(self, model: str) -> float:
        """What llama.cpp may differ by on a steered model."""
        if model not in BY_TABLE:
            return LIMIT
        before = self.worst(f"{model} before")
        assert before < BY_TABLE[model]
        return 2 * before


@pytest.fixture(scope="module")
def asked(tmp_path_factory) -> Asked:
    found = Asked(tmp_path_factory.mktemp("llama_cpp"))
    for prepare in (
        _controlled,
        _layer_by_layer,
        _baked,
        _self_tests,
        _demonstration,
        _real_file,
    ):
        prepare(found)
    to_gguf(found.models, found.folder)
    run_jobs(LLAMA_ENVIRONMENT, "llama_cpp_answers", found.jobs, found.folder)
    return found


def _controlled(asked: Asked) -> None:
    for name in CONTROLLED:
        case = make_case(name, asked.folder)
        path = export_vector(case.vector, asked.folder / f"{name}-v.gguf", format="gguf")
        asked.model(case.folder, f"{name}-plain")
        asked.prompt(f"{name} before", case.plain(), case.plain())
        asked.steer(path)
        asked.prompt(f"{name} steered", case.steered(), case.plain())
        asked.steer(None)
        asked.prompt(f"{name} after", case.plain(), case.plain())


def _layer_by_layer(asked: Asked) -> None:
    base = make_case("llama", asked.folder)
    asked.model(base.folder, "layers")
    for layers in LAYERS:
        case = make_case("llama", asked.folder, layers=layers, seed=layers[0])
        path = asked.folder / f"layers-{layers}.gguf"
        asked.steer(export_vector(case.vector, path, format="gguf"))
        asked.prompt(f"layers {layers}", case.steered(), base.plain())


def _baked(asked: Asked) -> None:
    for name in BAKED:
        case = make_case(name, asked.folder)
        bake(case.vector, case.folder, asked.folder / f"{name}-baked")
        asked.model(asked.folder / f"{name}-baked", f"{name}-baked")
        asked.prompt(f"{name} baked", case.steered(), case.plain())


def _self_tests(asked: Asked) -> None:
    case = make_case("llama", asked.folder)
    options = Options(base=Base(case.folder))
    export(case.vector, asked.folder / "exported.gguf", format="gguf", options=options)
    export(case.vector, asked.folder / "exported", format="baked", options=options)


def _demonstration(asked: Asked) -> None:
    problems, tokenizer = demonstration_problems(), load_tokenizer(model_folder())
    path = asked.folder / "demonstration-v.gguf"
    export_vector(demonstration_vector(), path, format="gguf")
    ask = {
        "prompts": [encode_prompt(tokenizer, prompt) for prompt in problems.prompts],
        "max_new_tokens": problems.max_new_tokens,
        "end": tokenizer.eos_token_id,
    }
    asked.model(model_folder(), "demonstration")
    for name, vector in (("unsteered", None), ("steered", path)):
        asked.steer(vector)
        output = str(asked.folder / f"demonstration {name}.json")
        asked.jobs[-1]["steps"].append({**ask, "output": output})


def _real_file(asked: Asked) -> None:
    file = SHARED_DATA / "vectors" / "easysteer" / "happy_diffmean.gguf"
    if not file.is_file():
        return
    model, tokenizer = _of_its_shape(), load_tokenizer(model_folder())
    model.save_pretrained(asked.folder / "shape")
    vector = to_vector(import_vector(file), model, tokenizer, layers=[5, 14, 20], coefficient=4.0)
    plain = log_probabilities(model)[0].numpy()
    with vector.attach(model):
        steered = log_probabilities(model)[0].numpy()
    asked.model(asked.folder / "shape", "shape")
    asked.steer(export_vector(vector, asked.folder / "happy.gguf", format="gguf"))
    asked.prompt("happy", steered, plain)


@pytest.mark.parametrize("name", CONTROLLED)
def test_a_control_vector_is_exact_and_leaves_nothing(name, asked, figures):
    expected, plain = asked.expected[f"{name} steered"]
    found = asked.answer(f"{name} steered")
    figures.difference("llama.cpp", "control vector", f"tiny {name}", found, expected, plain)
    if name in BY_TABLE:
        figures.own["llama.cpp", f"tiny {name}"] = asked.worst(f"{name} before")
    assert np.abs(expected - plain).max() > 0.5
    for moment in ("before", "steered", "after"):
        assert asked.worst(f"{name} {moment}") < asked.limit(name)
    np.testing.assert_array_equal(asked.answer(f"{name} after"), asked.answer(f"{name} before"))


@pytest.mark.parametrize("layers", LAYERS)
def test_each_layer_is_the_same_layer(layers, asked, figures):
    """direction.N is added at the output of block N; what one vector left does not stay."""
    expected, plain = asked.expected[f"layers {layers}"]
    which = " and ".join(map(str, layers))
    name = f"tiny llama, layer {which} of 0 to 3"
    found = asked.answer(f"layers {layers}")
    assert figures.difference("llama.cpp", "control vector", name, found, expected, plain) < LIMIT


@pytest.mark.parametrize("name", BAKED)
def test_a_baked_checkpoint_is_exact_after_conversion(name, asked, figures):
    expected, plain = asked.expected[f"{name} baked"]
    found = asked.answer(f"{name} baked")
    worst = figures.difference(
        "llama.cpp", "baked checkpoint", f"tiny {name}", found, expected, plain
    )
    assert worst < asked.limit(name)


def test_the_self_test_passes_and_tells_an_unsteered_model(asked):
    selftest, engine = ("-m", "palrs_hub", "selftest"), ("--engine", "llama.cpp", "--model")
    plain, baked = asked.folder / "llama-plain.gguf", asked.folder / "llama-baked.gguf"
    exported = asked.folder / "exported"
    run_in(LLAMA_ENVIRONMENT, *selftest, asked.folder / "exported.gguf", *engine, plain)
    run_in(LLAMA_ENVIRONMENT, *selftest, exported, *engine, baked)
    with pytest.raises(AssertionError, match="did NOT take effect"):
        run_in(LLAMA_ENVIRONMENT, *selftest, exported, *engine, plain)


def test_the_demonstrations_gain_is_there(asked, figures):
    problems, tokenizer = demonstration_problems(), load_tokenizer(model_folder())
    before, after = (
        accuracy_of(
            problems,
            [str(tokenizer.decode(row, skip_special_tokens=True)) for row in json.loads(text)],
        )
        for text in (
            (asked.folder / f"demonstration {name}.json").read_text()
            for name in ("unsteered", "steered")
        )
    )
    figures.accuracies.append(("llama.cpp, a control vector", before, after))
    assert after >= before + 0.3


def test_a_real_file_goes_through(tmp_path, shared_data):
    """EasySteer's vector for Qwen2.5-1.5B: read, exported, and read by llama.cpp's own rules."""
    found = import_vector(shared_data / "vectors" / "easysteer" / "happy_diffmean.gguf")
    assert (len(found.directions), found.directions[1].size) == (28, 1536)
    layers = list(range(1, 28))
    model, tokenizer = _of_its_shape(), load_tokenizer(model_folder())
    vector = to_vector(found, model, tokenizer, layers=layers, coefficient=2.0)
    path = export_vector(vector, tmp_path / "happy.gguf", format="gguf")
    tensors = {tensor.name: tensor for tensor in gguf.GGUFReader(path).tensors}
    # What llama.cpp's loader takes: 1-D float32 tensors named direction.N, N from 1.
    assert set(tensors) == {f"direction.{layer}" for layer in layers}
    for layer in layers:
        tensor = tensors[f"direction.{layer}"]
        assert tensor.tensor_type == gguf.GGMLQuantizationType.F32
        assert tensor.data.shape == (1536,)
        np.testing.assert_array_equal(tensor.data, found.directions[layer])
    whole = to_vector(found, model, tokenizer, coefficient=2.0)
    with pytest.raises(UsageError, match=r"direction\.0"):
        export_vector(whole, tmp_path / "whole.gguf", format="gguf")


def test_a_real_file_steers_llama_cpp(asked, figures):
    """The same file on a random model of its shape: the effect is the one in transformers."""
    if "happy" not in asked.expected:
        pytest.skip("needs the real vector beside the checkout (../shared/data)")
    expected, plain = asked.expected["happy"]
    name = "random Qwen2, 28 blocks of width 1536, EasySteer's vector"
    answer = asked.answer("happy")
    worst = figures.difference("llama.cpp", "control vector", name, answer, expected, plain)
    assert worst < LIMIT


def _of_its_shape() -> transformers.PreTrainedModel:
    torch.manual_seed(0)
    config = transformers.Qwen2Config(
        vocab_size=96,
        hidden_size=1536,
        intermediate_size=64,
        num_hidden_layers=28,
        num_attention_heads=24,
        num_key_value_heads=2,
        max_position_embeddings=128,
        tie_word_embeddings=True,
    )
    return transformers.Qwen2ForCausalLM(config).eval()
