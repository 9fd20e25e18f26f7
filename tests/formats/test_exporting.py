"""Exports are read back without loss, by ourselves and as the other tools read them."""

import gguf
import numpy as np
import pytest
import torch

from palrs_hub.conditional import conditioned
from palrs_hub.errors import MissingExtraError, PackageError, UsageError
from palrs_hub.formats import FORMATS, export_vector, import_vector, to_vector
from palrs_hub.intervention import Span
from palrs_hub.vector import SteeringVector
from tests.builders import a_base_model, a_fingerprint, a_vector, an_intervention
from tests.tiny_models import CONFIGS, build
from tests.vectors import vector_for

IDS = torch.tensor([[5, 10, 12, 8, 3, 11]])


@pytest.mark.parametrize(
    ("name", "file", "options"),
    [
        ("gguf", "v.gguf", {}),
        ("repeng", "v.gguf", {"format": "repeng"}),
        ("lm-eval", "v.pt", {}),
        ("tensor", "v.npy", {"layer": 2}),
        ("tensor", "v.safetensors", {"layer": 2}),
    ],
)
def test_a_round_trip_loses_nothing(name, file, options, demo_model, demo_tokenizer, tmp_path):
    vector = vector_for(demo_model, coefficient=0.1)
    path = export_vector(vector, tmp_path / file, format=name)
    imported = import_vector(path, **options)
    assert imported.format == name
    given = 0.1 if file.endswith(".npy") else None
    back = to_vector(imported, demo_model, demo_tokenizer, coefficient=given)
    np.testing.assert_array_equal(back.arrays["layer_2"], vector.arrays["layer_2"])
    (ours,), (theirs,) = vector.manifest.interventions, back.manifest.interventions
    assert (ours.layer, ours.coefficient) == (theirs.layer, theirs.coefficient)
    assert [entry.name for entry in tmp_path.iterdir()] == [file]


@pytest.mark.parametrize("name", ["gguf", "lm-eval"])
def test_several_layers_come_back(name, tmp_path):
    vector = a_vector((1, 2, 3))
    path = export_vector(vector, tmp_path / "v.pt", format=name)
    imported = import_vector(path)
    assert dict(imported.coefficients) == {1: 1.5, 2: 1.5, 3: 1.5}
    for layer, array in imported.directions.items():
        np.testing.assert_array_equal(array, vector.arrays[f"layer_{layer}"])


@pytest.mark.parametrize("name", [name for name, kind in FORMATS.items() if kind.write])
@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"operation": "project_out"}, "operation project_out"),
        ({"operation": "norm_preserving_add"}, "operation norm_preserving_add"),
        ({"operation": "clamp"}, "operation clamp"),
        ({"tokens": "generated"}, "tokens generated"),
        ({"tokens": Span(start=4, stop=None)}, "tokens 4:"),
    ],
    ids=str,
)
def test_what_only_we_can_carry_out_is_not_exported(name, change, reason, tmp_path):
    plain = a_vector()
    (intervention,) = plain.manifest.interventions
    changed = intervention.model_copy(update=change)
    manifest = plain.manifest.model_copy(update={"interventions": (changed,)})
    vector = SteeringVector.build(manifest, plain.arrays)
    with pytest.raises(UsageError, match=f"asks at layer 2 for {reason}"):
        export_vector(vector, tmp_path / "v.pt", format=name)
    assert list(tmp_path.iterdir()) == []


def test_a_condition_is_not_exported(demo_model, tmp_path):
    vector = conditioned(vector_for(demo_model), vector_for(demo_model, layers=(1,)), threshold=0.5)
    with pytest.raises(UsageError, match="a condition"):
        export_vector(vector, tmp_path / "v.gguf", format="gguf")


def test_every_export_is_covered():
    written = {name for name, kind in FORMATS.items() if kind.write}
    assert written == {"gguf", "lm-eval", "repeng", "tensor"}


def test_gguf_is_what_repeng_and_llama_cpp_read(tmp_path):
    vector = a_vector((1, 3))
    reader = gguf.GGUFReader(export_vector(vector, tmp_path / "v.gguf", format="gguf"))
    fields = {name: field.contents() for name, field in reader.fields.items()}
    assert fields["general.architecture"] == "controlvector"
    assert fields["controlvector.model_hint"] == "llama"
    assert fields["controlvector.layer_count"] == 2
    assert fields["palrs_hub.coefficient"] == 1.5
    assert [tensor.name for tensor in reader.tensors] == ["direction.1", "direction.3"]
    for tensor in reader.tensors:
        assert tensor.tensor_type == gguf.GGMLQuantizationType.F32
        np.testing.assert_array_equal(tensor.data, vector.arrays[f"layer_{tensor.name[-1]}"])


def test_folded_directions_need_the_coefficient_1(tmp_path):
    vector = a_vector()
    path = export_vector(vector, tmp_path / "v.gguf", format="gguf", fold=True)
    imported = import_vector(path)
    expected = (vector.arrays["layer_2"].astype(np.float64) * 1.5).astype(np.float32)
    np.testing.assert_array_equal(imported.directions[2], expected)
    assert dict(imported.coefficients) == {2: 1.0}


def test_gguf_has_one_coefficient_for_all(tmp_path):
    vector = a_vector(
        (1, 2),
        interventions=(an_intervention(layer=1), an_intervention(layer=2, coefficient=1.0)),
    )
    with pytest.raises(UsageError, match="--fold"):
        export_vector(vector, tmp_path / "v.gguf", format="gguf")
    export_vector(vector, tmp_path / "v.gguf", format="gguf", fold=True)
    imported = import_vector(export_vector(vector, tmp_path / "v.pt", format="lm-eval"))
    assert dict(imported.coefficients) == {1: 1.5, 2: 1.0}


def test_llama_cpp_has_no_layer_0(tmp_path):
    with pytest.raises(UsageError, match=r"direction\.0"):
        export_vector(a_vector((0, 1)), tmp_path / "v.gguf", format="gguf")
    assert not list(tmp_path.iterdir())


def test_repeng_has_one(tmp_path):
    path = export_vector(a_vector((0, 1)), tmp_path / "v.gguf", format="repeng")
    names = [tensor.name for tensor in gguf.GGUFReader(path).tensors]
    assert names == ["direction.0", "direction.1"]
    assert list(import_vector(path, format="repeng").directions) == [0, 1]


def test_a_coefficient_that_leaves_nothing_is_not_folded(tmp_path):
    vector = a_vector(interventions=(an_intervention(coefficient=1e-300),))
    with pytest.raises(UsageError, match="no usable direction"):
        export_vector(vector, tmp_path / "v.gguf", format="gguf", fold=True)


@pytest.mark.parametrize("name", ["llama", "gpt2", "gpt_neox", "opt", "bloom", "phi3"])
def test_lm_eval_steers_as_we_do(name, tmp_path):
    model = build(name)
    assert name in CONFIGS
    vector = vector_for(model, layers=(1,), coefficient=0.7)
    path = export_vector(vector, tmp_path / "v.pt", format="lm-eval")
    with torch.no_grad():
        with vector.attach(model):
            ours = model(IDS).logits
        with_lm_eval = steered_by_lm_eval(model, torch.load(path, weights_only=True))
    torch.testing.assert_close(with_lm_eval, ours)


def steered_by_lm_eval(model, config):
    """Hooks as lm_eval/models/hf_steered.py sets them: by name, relative to the base model."""
    handles = []
    for name, module in model.base_model.named_modules():
        if name in config:
            entry = config[name]
            added = entry["steering_vector"] * entry["steering_coefficient"]

            def hook(module, arguments, output, added=added):
                if isinstance(output, tuple):
                    return (output[0] + added, *output[1:])
                return output + added

            handles.append(module.register_forward_hook(hook))
    assert len(handles) == len(config)
    try:
        return model(IDS).logits
    finally:
        for handle in handles:
            handle.remove()


def test_an_unknown_architecture_has_no_hookpoint(tmp_path):
    base = a_base_model(architecture="OddForCausalLM", fingerprint=a_fingerprint())
    with pytest.raises(UsageError, match="OddForCausalLM"):
        export_vector(a_vector(base_model=base), tmp_path / "v.pt", format="lm-eval")


@pytest.mark.parametrize(
    ("layers", "name", "file", "expected"),
    [
        ((1, 2), "tensor", "v.npy", "one direction"),
        ((1,), "tensor", "v.bin", r"\.npy or \.safetensors"),
        ((1,), "lm-eval", "v.bin", r"\.pt and \.pth"),
        ((1,), "svec", "v.svec", "only be imported"),
        ((1,), "nonsense", "v", "Formats: gguf"),
    ],
)
def test_what_a_format_cannot_hold_is_refused(tmp_path, layers, name, file, expected):
    with pytest.raises(UsageError, match=expected):
        export_vector(a_vector(layers), tmp_path / file, format=name)
    assert not list(tmp_path.iterdir())


def test_a_bare_tensor_of_ours_knows_its_layer(tmp_path):
    path = export_vector(a_vector(), tmp_path / "v.safetensors", format="tensor")
    with pytest.raises(UsageError, match="belongs to layer 2"):
        import_vector(path, layer=1)


def test_a_folder_that_is_not_there(tmp_path):
    with pytest.raises(PackageError, match="Cannot write"):
        export_vector(a_vector(), tmp_path / "no" / "v.gguf", format="gguf")


def test_a_missing_extra_is_named(tmp_path, monkeypatch):
    monkeypatch.setitem(__import__("sys").modules, "gguf", None)
    with pytest.raises(MissingExtraError, match=r"palrs-hub\[gguf\]"):
        export_vector(a_vector(), tmp_path / "v.gguf", format="gguf")
