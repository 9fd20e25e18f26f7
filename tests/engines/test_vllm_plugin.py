"""vLLM's plugin without vLLM: what it reads, what it adds, what it imports."""

import json
import subprocess
import sys

import pytest
import torch

from palrs_hub.engines.vllm_command import serve_command
from palrs_hub.engines.vllm_plugin.architectures import ARCHITECTURES, plain_name, steered_name
from palrs_hub.engines.vllm_plugin.live import LiveSteering, blocks_of
from palrs_hub.engines.vllm_plugin.settings import KEY, load_vectors, overrides, read_settings
from palrs_hub.errors import IncompatibleError, ModelError, TensorsError, UsageError
from palrs_hub.model_facts import facts_of
from tests.engines.models import log_probabilities, tiny
from tests.vectors import vector_for


@pytest.fixture
def model():
    return tiny("llama")


@pytest.fixture
def vectors(model):
    return {
        "calm": vector_for(model, layers=(1, 2)),
        "loud": vector_for(model, layers=(2, 3), seed=1),
    }


@pytest.fixture
def folders(vectors, tmp_path):
    return {name: str(vector.save_pretrained(tmp_path / name)) for name, vector in vectors.items()}


def test_one_of_several_vectors_steers_and_it_can_be_changed(model, vectors):
    plain = log_probabilities(model)
    expected = {}
    for name, vector in vectors.items():
        with vector.attach(model):
            expected[name] = log_probabilities(model)
    steering = LiveSteering(blocks_of(model, "model.layers"), vectors, torch.float32)
    assert (log_probabilities(model) == plain).all()
    for name in ("calm", "loud", "calm"):
        state = steering.choose(name)
        torch.testing.assert_close(log_probabilities(model), expected[name])
        assert (state.active, state.coefficients) == (name, (1.5, 1.5))
    steering.choose(None)
    assert (log_probabilities(model) == plain).all()
    assert steering.state.as_json() == {
        "vectors": ("calm", "loud"), "active": None, "coefficients": (), "layers": (),
    }  # fmt: skip


def test_a_coefficient_is_changed_without_compiling_again(model, vectors):
    with vectors["calm"].attach(model, -0.5):
        expected = log_probabilities(model)
    steering = LiveSteering(blocks_of(model, "model.layers"), vectors, torch.float32)
    steering.choose("calm")
    compiled = torch.compile(model, backend="eager", fullgraph=True)
    before = log_probabilities(compiled)
    with torch.compiler.set_stance("fail_on_recompile"):
        steering.choose("calm", -0.5)
        torch.testing.assert_close(log_probabilities(compiled), expected)
    assert not torch.allclose(before, expected)


def test_a_choice_that_is_refused_changes_nothing(model, vectors):
    steering = LiveSteering(blocks_of(model, "model.layers"), vectors, torch.float32)
    before = steering.choose("calm")
    expected = log_probabilities(model)
    for arguments in (("quiet",), ("calm", 0.0), ("calm", float("nan"))):
        with pytest.raises(UsageError):
            steering.choose(*arguments)
    assert steering.state == before
    assert (log_probabilities(model) == expected).all()


def test_the_loader_of_weights_does_not_see_the_buffers(model, vectors):
    before = set(model.state_dict())
    LiveSteering(blocks_of(model, "model.layers"), vectors, torch.float32)
    assert set(model.state_dict()) == before


def test_a_block_of_two_parts_is_steered_in_their_sum(model, vectors):
    """vLLM's blocks return the last addition and the rest of the stream."""

    class Block(torch.nn.Module):
        def __init__(self):
            super().__init__()
            self.weight = torch.nn.Parameter(torch.zeros(32))

        def forward(self, hidden):
            return hidden, torch.ones_like(hidden)

    block = Block()
    steering = LiveSteering({2: block}, vectors, torch.float32)
    steering.choose("calm")
    first, rest = block(torch.zeros(1, 4, 32))
    added = torch.tensor(vectors["calm"].arrays["layer_2"]) * 1.5
    torch.testing.assert_close(first + rest, 1 + added.expand(1, 4, 32))


def test_the_settings_come_back(vectors, folders):
    architecture = steered_name("LlamaForCausalLM")
    data = overrides(architecture, vectors, folders, active="loud", coefficient=2)
    data = json.loads(json.dumps(data))
    assert data["architectures"] == ["PalrsHubLlamaForCausalLM"]
    settings = read_settings(data[KEY])
    assert (settings.active, settings.coefficient) == ("loud", 2)
    assert set(load_vectors(settings)) == {"calm", "loud"}


@pytest.mark.parametrize(
    "change",
    [
        lambda data: data.pop("vectors"),
        lambda data: data.update(active="quiet"),
        lambda data: data.update(coefficient=float("inf")),
        lambda data: data.update(unknown=1),
        lambda data: data.update(vectors={}),
    ],
)
def test_settings_that_are_not_valid_are_refused(change, vectors, folders):
    data = overrides("X", vectors, folders, active="calm", coefficient=None)[KEY]
    change(data)
    with pytest.raises(UsageError, match="palrs_hub"):
        read_settings(data)


def test_another_vector_in_the_folder_is_refused(model, vectors, folders):
    data = overrides("X", vectors, folders, active="calm", coefficient=None)[KEY]
    vector_for(model, seed=7).save_pretrained(folders["calm"])
    with pytest.raises(UsageError, match="sha256"):
        load_vectors(read_settings(data))


def test_altered_tensors_are_refused(vectors, folders, tmp_path):
    data = overrides("X", vectors, folders, active="calm", coefficient=None)[KEY]
    place = tmp_path / "calm" / "steering_vectors.safetensors"
    place.write_bytes(place.read_bytes()[:-1] + b"\x00")
    with pytest.raises(TensorsError):
        load_vectors(read_settings(data))


def test_names_of_architectures_go_there_and_back():
    for architecture in ARCHITECTURES:
        assert plain_name(steered_name(architecture)) == architecture
    assert plain_name("LlamaForCausalLM") is None
    assert plain_name("PalrsHubMixtralForCausalLM") is None
    with pytest.raises(ModelError, match="--format baked"):
        steered_name("BloomForCausalLM")


def test_the_command_names_everything(model, vectors, folders):
    made = serve_command(
        vectors, folders, "org/base", facts_of(model), base_revision="a" * 40, live=True,
        extra=("--port", "8001"),
    )  # fmt: skip
    words = list(made.words)
    assert words[:3] == ["vllm", "serve", "org/base"]
    assert words[-2:] == ["--port", "8001"]
    assert words[words.index("--revision") + 1] == "a" * 40
    settings = json.loads(words[words.index("--hf-overrides") + 1])
    assert read_settings(settings[KEY]).active == "calm"
    assert "VLLM_PLUGINS=palrs_hub vllm serve" in made.as_text()


def test_the_command_refuses_what_the_server_would(model, vectors, folders):
    other = facts_of(tiny("llama", hidden_size=64))
    with pytest.raises(IncompatibleError, match="hidden size"):
        serve_command(vectors, folders, "org/base", other)
    with pytest.raises(UsageError, match="No vector"):
        serve_command(vectors, folders, "org/base", facts_of(model), active="quiet")


def test_it_imports_neither_transformers_nor_click():
    script = (
        "import sys, torch\n"
        "import palrs_hub.engines.vllm_plugin.models, palrs_hub.engines.vllm_plugin.worker\n"
        "loaded = {'transformers', 'click', 'huggingface_hub'} & set(sys.modules)\n"
        "assert not loaded, loaded\n"
    )
    subprocess.run([sys.executable, "-c", script], check=True)


def test_blocks_that_are_elsewhere_are_refused(model):
    with pytest.raises(ModelError, match="no blocks"):
        blocks_of(model, "transformer.h")
    with pytest.raises(ModelError, match="no list"):
        blocks_of(model, "model.norm")
