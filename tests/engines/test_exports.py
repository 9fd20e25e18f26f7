"""Every row of EXPORTS is proven on its base model, and carries a self-test that can tell."""

import json

import pytest
import torch

from palrs_hub.cli.export import CHOICES
from palrs_hub.engines.exports import EXPORTS, Base, Options, export
from palrs_hub.engines.in_transformers import asked_of_export
from palrs_hub.engines.selftest import (
    read_selftest,
    record_selftest,
    require_steered,
    run_selftest,
)
from palrs_hub.errors import PackageError, SteeringError, UsageError
from palrs_hub.loading import load_model
from tests.engines.models import log_probabilities, tiny
from tests.vectors import vector_for

FILES = {"gguf": "v.gguf", "repeng": "v.gguf", "lm-eval": "v.pt", "tensor": "v.npy"}


@pytest.fixture(scope="module")
def base(tmp_path_factory):
    folder = tmp_path_factory.mktemp("base")
    tiny("llama").save_pretrained(folder)
    return Base(folder)


@pytest.fixture
def model(base):
    return load_model(base.folder)


@pytest.fixture
def vector(model):
    return vector_for(model)


@pytest.mark.parametrize("name", list(EXPORTS))
@pytest.mark.parametrize("fold", [False, True])
def test_each_export_steers_and_can_prove_it(name, fold, base, model, vector, tmp_path):
    path = tmp_path / FILES.get(name, "folder")
    written = export(vector, path, format=name, options=Options(fold=fold, base=base))
    test = read_selftest(path)
    assert test == read_selftest(written.selftest)
    assert (test.kind, test.layers) == (name, (2,))
    assert {entry.name for entry in tmp_path.iterdir()} <= {path.name, written.selftest.name}
    with asked_of_export(test, path, model=model) as ask:
        verdict = run_selftest(test, ask)
    assert verdict.is_steered
    assert verdict.from_steered < 1e-4
    assert verdict.effect > 0.05
    with vector.attach(model):
        steered = log_probabilities(model)
    with pytest.raises(AssertionError):
        torch.testing.assert_close(log_probabilities(model), steered)


def test_an_unsteered_model_fails_the_test_loudly(model, vector, tmp_path):
    """What SGLang does with a baked Llama: it loads, it answers, and nothing is steered."""
    test = record_selftest(vector, model, "baked")
    model.save_pretrained(tmp_path / "unsteered")
    with asked_of_export(test, tmp_path / "unsteered") as ask:
        verdict = run_selftest(test, ask)
    assert verdict.share == pytest.approx(0, abs=1e-4)
    with pytest.raises(SteeringError, match="did NOT take effect"):
        require_steered(verdict, "an engine")


@pytest.mark.parametrize(
    "wrong",
    [
        {"coefficient": 3.0},
        {"coefficient": -1.5},
        {"layers": (1,)},
    ],
)
def test_another_coefficient_or_layer_is_told(wrong, model, vector, tmp_path):
    test = record_selftest(vector, model, "package")
    array = vector.arrays["layer_2"]
    layers = wrong.get("layers", (2,))
    other = vector_for(model, layers=layers, arrays={f"layer_{layers[0]}": array}, coefficient=1.5)
    with other.attach(model, wrong.get("coefficient")):
        verdict = run_selftest(test, lambda prompt: answers(model, prompt))
    with pytest.raises(SteeringError, match="neither"):
        require_steered(verdict, "an engine")


def test_the_likeliest_tokens_are_enough(model, vector):
    """A server tells 20 log-probabilities, and not those of every token that is asked for."""
    test = record_selftest(vector, model, "vllm")

    def likeliest(prompt):
        every = answers(model, prompt)
        return dict(sorted(every.items(), key=lambda item: -item[1])[:20])

    with vector.attach(model):
        assert run_selftest(test, likeliest).is_steered
    assert not run_selftest(test, likeliest).is_steered
    with pytest.raises(SteeringError, match="too few"):
        run_selftest(test, lambda prompt: {})


def answers(model, prompt):
    rows = log_probabilities(model, torch.tensor([prompt]))[0, -1]
    return dict(enumerate(rows.tolist()))


def test_what_moves_nothing_cannot_be_tested(model):
    with pytest.raises(SteeringError, match="no self-test"):
        record_selftest(vector_for(model, coefficient=1e-6), model, "gguf")


def test_without_the_base_model_nothing_is_proven(vector, tmp_path):
    written = export(vector, tmp_path / "v.gguf", format="gguf")
    assert written.selftest is None
    with pytest.raises(PackageError, match="no self-test beside it"):
        read_selftest(tmp_path / "v.gguf")


def test_an_old_test_does_not_judge_a_new_file(base, vector, tmp_path):
    path = tmp_path / "v.gguf"
    written = export(vector, path, format="gguf", options=Options(base=base))
    export(vector, path, format="gguf", options=Options(fold=True))
    assert not written.selftest.exists()


def test_a_coefficient_can_be_chosen_where_it_is_multiplied_in(base, model, vector, tmp_path):
    options = Options(coefficient=-1.0, base=base)
    export(vector, tmp_path / "adapter", format="peft", options=options)
    test = read_selftest(tmp_path / "adapter")
    with vector.attach(model, -1.0):
        assert run_selftest(test, lambda prompt: answers(model, prompt)).is_steered
    with pytest.raises(UsageError, match="beside the direction"):
        export(vector, tmp_path / "v.gguf", format="gguf", options=options)


def test_what_cannot_be_written_leaves_nothing(base, vector, tmp_path):
    (tmp_path / "there").mkdir()
    with pytest.raises(UsageError, match="there already"):
        export(vector, tmp_path / "there", format="peft", options=Options(base=base))
    with pytest.raises(UsageError, match=r"npy or \.safetensors"):
        export(vector, tmp_path / "v.bin", format="tensor", options=Options(base=base))
    with pytest.raises(UsageError, match="No export"):
        export(vector, tmp_path / "v", format="nonsense")
    with pytest.raises(UsageError, match="--model"):
        export(vector, tmp_path / "baked", format="baked")
    assert [path.name for path in tmp_path.iterdir()] == ["there"]


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("{}", "not a self-test"),
        ("no JSON", "not a self-test"),
        (None, "different lengths"),
    ],
)
def test_a_strange_self_test_is_refused(text, reason, base, vector, tmp_path):
    written = export(vector, tmp_path / "v.gguf", format="gguf", options=Options(base=base))
    facts = json.loads(written.selftest.read_text())
    facts["questions"][0]["steered"] = facts["questions"][0]["steered"][1:]
    written.selftest.write_text(json.dumps(facts) if text is None else text)
    with pytest.raises(PackageError, match=reason):
        read_selftest(tmp_path / "v.gguf")


def test_the_command_offers_every_export():
    assert set(CHOICES) == set(EXPORTS)
