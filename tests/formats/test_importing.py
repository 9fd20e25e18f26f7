"""What an import takes from a file, what it asks for, and real files made by others."""

import numpy as np
import pytest
import torch
from safetensors.torch import save_file

from palrs_hub.errors import IncompatibleError, PackageError, UsageError
from palrs_hub.formats import FORMATS, import_vector, to_vector
from tests.formats import tool_files as tools
from tests.formats.tool_files import some_direction


def test_what_the_file_says_is_kept(tmp_path, demo_model, demo_tokenizer):
    imported = import_vector(tools.steering_lite_file(tmp_path, {1: some_direction()}))
    assert (imported.method, dict(imported.coefficients)) == ("mean_diff", {1: 2.5})
    manifest = to_vector(imported, demo_model, demo_tokenizer, task="calm").manifest
    assert manifest.interventions[0].coefficient == 2.5
    assert manifest.interventions[0].unit == "raw"
    assert manifest.method.switches["imported_from"] == "steering-lite"
    assert len(manifest.method.switches["file_sha256"]) == 64
    assert (manifest.license, manifest.selection, manifest.evaluations) == ("unknown", None, ())
    assert manifest.data.pairs == 0


def test_a_vector_made_of_a_file_is_a_package(tmp_path, demo_model, demo_tokenizer):
    from palrs_hub.vector import SteeringVector

    directions = {k: some_direction(seed=k) for k in (1, 2)}
    imported = import_vector(tools.gguf_file(tmp_path, directions))
    vector = to_vector(imported, demo_model, demo_tokenizer, coefficient=-0.5)
    vector.save_pretrained(tmp_path / "package")
    loaded = SteeringVector.load(tmp_path / "package")
    assert loaded.manifest == vector.manifest
    for layer, array in directions.items():
        np.testing.assert_array_equal(loaded.arrays[f"layer_{layer}"], array)


def test_norm_1_is_the_unit(tmp_path, demo_model, demo_tokenizer):
    array = some_direction()
    imported = import_vector(tools.gguf_file(tmp_path, {1: array / np.linalg.norm(array)}))
    vector = to_vector(imported, demo_model, demo_tokenizer, coefficient=4)
    assert vector.manifest.interventions[0].unit == "unit_norm"


def test_only_the_wanted_layer_comes(tmp_path):
    path = tools.gguf_file(tmp_path, {k: some_direction(seed=k) for k in (1, 2, 3)})
    assert list(import_vector(path).directions) == [1, 2, 3]
    assert list(import_vector(path, layer=2).directions) == [2]
    with pytest.raises(UsageError, match="Layers: 1, 2, 3"):
        import_vector(path, layer=0)


def test_arrays_cannot_be_changed(tmp_path):
    imported = import_vector(tools.gguf_file(tmp_path, {1: some_direction()}))
    with pytest.raises(ValueError, match="read-only"):
        imported.directions[1][0] = 1


@pytest.mark.parametrize(
    ("make", "name", "options", "asked"),
    [
        (tools.bare_tensor, None, {}, "--layer"),
        (tools.stacked_rows, "hidden-directions", {}, "--layer"),
        (tools.sae_folder, None, {}, "--row"),
        (tools.sae_folder, None, {"row": 6}, "--row"),
        (tools.stacked_rows, None, {}, "--format"),
    ],
)
def test_what_the_file_cannot_say_is_asked_for(tmp_path, make, name, options, asked):
    path = make(tmp_path, {2: some_direction()})
    with pytest.raises(UsageError, match=asked):
        import_vector(path, format=name, **options)


def test_a_missing_coefficient_is_asked_for(tmp_path, demo_model, demo_tokenizer):
    imported = import_vector(tools.gguf_file(tmp_path, {1: some_direction()}))
    with pytest.raises(UsageError, match="--coefficient"):
        to_vector(imported, demo_model, demo_tokenizer)
    with pytest.raises(UsageError, match="finite"):
        to_vector(imported, demo_model, demo_tokenizer, coefficient=float("nan"))


@pytest.mark.parametrize(
    ("directions", "hint", "expected"),
    [
        ({6: some_direction()}, "llama", "blocks 0 to 5"),
        ({1: some_direction(95)}, "llama", "width 128"),
        ({1: some_direction()}, "qwen2", "'qwen2'"),
    ],
)
def test_a_wrong_model_is_refused(tmp_path, demo_model, demo_tokenizer, directions, hint, expected):
    tools.write_gguf(tmp_path / "v.gguf", directions, hint=hint)
    imported = import_vector(tmp_path / "v.gguf")
    with pytest.raises(IncompatibleError, match=expected):
        to_vector(imported, demo_model, demo_tokenizer, coefficient=1)


def test_what_the_manifest_cannot_hold_is_wrong_usage(tmp_path, demo_model, demo_tokenizer):
    imported = import_vector(tools.gguf_file(tmp_path, {1: some_direction()}))
    with pytest.raises(UsageError, match="cannot hold this name"):
        to_vector(imported, demo_model, demo_tokenizer, coefficient=1, task="a\nb")
    with pytest.raises(UsageError, match="cannot hold this repo_id"):
        to_vector(imported, demo_model, demo_tokenizer, coefficient=1, base_model="no name")


def test_a_file_name_cannot_speak_to_the_terminal(tmp_path, demo_model, demo_tokenizer):
    path = tools.gguf_file(tmp_path, {1: some_direction()}).rename(tmp_path / "a\x1b[31m.gguf")
    manifest = to_vector(import_vector(path), demo_model, demo_tokenizer, coefficient=1).manifest
    assert manifest.name.isprintable()
    assert manifest.method.switches["file"].isprintable()


def test_a_direction_of_zeros_is_refused(tmp_path, demo_model, demo_tokenizer):
    imported = import_vector(tools.gguf_file(tmp_path, {1: np.zeros(128, dtype=np.float32)}))
    with pytest.raises(UsageError, match="steer nothing"):
        to_vector(imported, demo_model, demo_tokenizer, coefficient=1)


def test_the_last_row_after_the_final_norm_is_refused(tmp_path):
    path = tools.stacked_rows(tmp_path, {2: some_direction()})
    with pytest.raises(PackageError, match="final norm"):
        import_vector(path, format="hidden-directions", layer=3)


def test_mean_activations_are_no_direction(tmp_path):
    path = tmp_path / "pirate.safetensors"
    save_file({"activations": torch.randn(4, 128)}, path)
    with pytest.raises(PackageError, match="no direction"):
        import_vector(path)


def test_directions_of_other_hooks_are_refused(tmp_path):
    path = tools.sae_folder(tmp_path, {2: some_direction()}, hook="mlp_out")
    with pytest.raises(PackageError, match="hook_resid_post"):
        import_vector(path, row=1)


def test_bipo(shared_data):
    file = shared_data / "vectors" / "bipo" / "hallucination_llama-2_vec_ep20_layer15.pt"
    imported = import_vector(file, layer=15)
    assert imported.format == "tensor"
    np.testing.assert_array_equal(
        imported.directions[15], torch.load(file, weights_only=True).numpy()
    )


@pytest.mark.parametrize(
    ("name", "method"), [("happy_diffmean", "diffmean"), ("style-probe", "linear_probe")]
)
def test_easysteer(shared_data, name, method):
    import gguf

    file = shared_data / "vectors" / "easysteer" / f"{name}.gguf"
    imported = import_vector(file)
    assert (imported.format, imported.method) == ("gguf", method)
    assert list(imported.directions) == list(range(28))
    reference = {tensor.name: tensor.data for tensor in gguf.GGUFReader(file).tensors}
    for layer, array in imported.directions.items():
        np.testing.assert_array_equal(array, reference[f"direction.{layer}"])


def test_a_pickle_that_wants_more_than_tensors_is_refused(shared_data):
    file = shared_data / "vectors" / "vllm_hook" / "phi3_format.pt"
    for name in (None, "tensor", "lm-eval", "hidden-directions"):
        with pytest.raises(PackageError, match="pickle that is not read"):
            import_vector(file, format=name, layer=1)


def test_the_table_of_the_documentation_is_that_of_the_code():
    from pathlib import Path

    text = (Path(__file__).parents[2] / "docs" / "formats.md").read_text(encoding="utf-8")
    rows = [line for line in text.splitlines() if line.startswith("| `") and line.count("|") == 10]
    assert rows == [documented(kind) for kind in FORMATS.values()]


def documented(kind):
    shift = f"n {'-' if kind.shift < 0 else '+'} {abs(kind.shift)}" if kind.shift else "n"
    imports = ("yes" if kind.recognises else "by name") if kind.read else "no"
    asks = ", ".join(f"`--{option}`" for option in kind.asks) or "-"
    exports = "yes" if kind.write else "no"
    cells = [kind.tools, kind.files, kind.site, shift, kind.norm, imports, exports, asks]
    return f"| `{kind.name}` | {' | '.join(cells)} |"
