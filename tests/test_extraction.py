"""Extraction and selection on the demonstration model: the paper's way, and what it leaves open."""

import dataclasses

import numpy as np
import pytest
import torch
from transformers import AutoModelForCausalLM

from palrs_hub.demo import model_folder, pairs_file
from palrs_hub.demo.domains import DOMAINS
from palrs_hub.errors import ExtractionError, UsageError
from palrs_hub.extraction import extract, scaled
from palrs_hub.methods import METHODS, ReadMethod
from palrs_hub.pairs import PreferencePair, read_pairs
from palrs_hub.selection import select
from palrs_hub.steer import attached
from tests.tiny_models import CONFIGS, build

READ = [name for name, method in METHODS.items() if isinstance(method, ReadMethod)]


@pytest.fixture(scope="module")
def pairs():
    return read_pairs(pairs_file())


@pytest.fixture(scope="module")
def extraction(demo_model, demo_tokenizer, pairs):
    return extract(demo_model, demo_tokenizer, pairs)


@pytest.fixture(scope="module")
def validation():
    return DOMAINS["sums"].pairs("validation", 16)


def test_the_preset_is_the_papers(extraction):
    switches = dataclasses.asdict(extraction.switches)
    assert switches == {
        "input_format": "response_as_user",
        "positions": "template_suffix",
        "choice": "alignment",
        "scale": "mean_chosen_norm",
        "drop_last_layers": 0.2,
    }
    assert extraction.positions == ("-3", "-2", "-1")
    assert extraction.layers == (0, 1, 2, 3, 4, 5)


def test_eq_4_every_candidate_is_as_long_as_the_mean_chosen_activation(extraction):
    for row in extraction.diagnostics:
        norm = np.linalg.norm(extraction.direction(row.position, row.layer))
        assert norm == pytest.approx(row.mean_chosen_norm)


def test_eq_3_takes_the_most_aligned_candidate_before_the_last_layers(extraction):
    position, layer = extraction.most_aligned()
    allowed = [row for row in extraction.diagnostics if row.layer + 1 < 0.8 * 6]
    best = max(allowed, key=lambda row: row.alignment)
    assert (position, layer) == (best.position, best.layer)
    assert layer < 4


def test_the_direction_is_the_difference_of_means_by_hand(demo_model, demo_tokenizer, pairs):
    """Eq. of step 4, with transformers' own hidden states and nothing of ours."""
    extraction = extract(demo_model, demo_tokenizer, pairs, scale="raw")
    means = []
    for side in ("chosen", "rejected"):
        states = []
        for pair in pairs:
            text = demo_tokenizer.apply_chat_template(
                [{"role": "user", "content": getattr(pair, side)}],
                tokenize=False,
                add_generation_prompt=True,
            )
            ids = demo_tokenizer(text, return_tensors="pt", add_special_tokens=False).input_ids
            with torch.no_grad():
                hidden = demo_model(input_ids=ids, output_hidden_states=True).hidden_states
            states.append(torch.stack(hidden[1:-1])[:, 0, -3:].double())
        means.append(torch.stack(states).mean(0).numpy())
    by_hand = (means[0] - means[1]).transpose(1, 0, 2)
    np.testing.assert_allclose(extraction.candidates[:, :5], by_hand, atol=1e-5)


@pytest.mark.parametrize("method", READ)
@pytest.mark.parametrize("batch_size", [1, 7, 64])
@pytest.mark.parametrize("padding_side", ["left", "right"])
def test_batching_and_padding_change_nothing(
    demo_model, demo_tokenizer, pairs, method, batch_size, padding_side
):
    reference = extract(demo_model, demo_tokenizer, pairs[:20], method)
    found = extract(
        demo_model,
        demo_tokenizer,
        pairs[:20],
        method,
        batch_size=batch_size,
        padding_side=padding_side,
    )
    np.testing.assert_allclose(found.candidates, reference.candidates, atol=1e-4)


@pytest.mark.parametrize("name", CONFIGS)
def test_every_architecture_can_be_extracted_from(name, demo_tokenizer, pairs):
    extraction = extract(build(name), demo_tokenizer, pairs[:6])
    assert extraction.candidates.shape == (3, 4, 32)
    assert np.isfinite(extraction.candidates).all()


def test_a_model_that_is_spread_over_devices_gives_the_same(
    demo_model, demo_tokenizer, pairs, extraction, validation, tmp_path
):
    """Blocks 0, 3 and the last are on disk, and come into memory when they run."""
    names = ["embed_tokens", "rotary_emb", "norm", *(f"layers.{layer}" for layer in range(6))]
    places = {f"model.{name}": "cpu" for name in names} | {"lm_head": "cpu"}
    places |= {f"model.layers.{layer}": "disk" for layer in (0, 3, 5)}
    spread = AutoModelForCausalLM.from_pretrained(
        model_folder(), device_map=places, offload_folder=tmp_path
    )
    assert {tensor.device.type for tensor in spread.parameters()} == {"cpu", "meta"}
    found = extract(spread, demo_tokenizer, pairs)
    np.testing.assert_allclose(found.candidates, extraction.candidates, atol=1e-5)
    assert found.ways == extraction.ways
    one, other = (
        select(model, demo_tokenizer, extraction, validation[:4], layer=3, coefficients=[0.5])
        for model in (demo_model, spread)
    )
    assert one.selection.cells[0].margin == pytest.approx(other.selection.cells[0].margin, abs=1e-5)


def test_scales():
    raw = np.array([[[3.0, 4.0], [0.0, 0.0]]])
    chosen = np.array([[[0.0, 10.0], [1.0, 0.0]]])
    assert np.array_equal(scaled(raw, chosen, "raw"), raw)
    assert np.allclose(scaled(raw, chosen, "unit_norm"), [[[0.6, 0.8], [0, 0]]])
    assert np.allclose(scaled(raw, chosen, "mean_chosen_norm"), [[[6.0, 8.0], [0, 0]]])


def test_positions_by_index_are_those_of_the_suffix(demo_model, demo_tokenizer, pairs, extraction):
    for positions, name in (((-3, -1), "-3,-1"), ("suffix:-3,-1", "suffix:-3,-1")):
        found = extract(demo_model, demo_tokenizer, pairs, positions=positions)
        assert found.positions == ("-3", "-1")
        assert found.switches.positions == name
        np.testing.assert_allclose(found.candidates, extraction.candidates[[0, 2]], atol=1e-5)


def test_some_layers_alone_give_what_all_give(demo_model, demo_tokenizer, pairs, extraction):
    found = extract(demo_model, demo_tokenizer, pairs, layers=[2, 0])
    assert found.layers == (0, 2)
    assert found.base_model.fingerprint.layers == (0, 2, 5)  # the last, beside those read
    np.testing.assert_allclose(found.candidates, extraction.candidates[:, [0, 2]], atol=1e-5)


def test_a_vector_carries_all_that_is_known(extraction, pairs):
    vector = extraction.vector(position="-2", layer=2, coefficient=0.5, name="n", task="t")
    manifest = vector.manifest
    assert manifest.base_model.fingerprint.layers == (2, 5)  # the steered one and the last
    assert manifest.data.pairs == 100
    assert manifest.data.name == "sums.jsonl"
    assert manifest.method.switches["position"] == "-2"
    assert {"torch", "transformers", "palrs-hub"} <= set(manifest.software)
    assert np.allclose(vector.arrays["layer_2"], extraction.direction("-2", 2), atol=1e-6)


def test_an_extracted_vector_fits_its_own_model(extraction, demo_model, demo_tokenizer):
    vector = extraction.vector(position="-2", layer=3, coefficient=0.5, name="n", task="t")
    with vector.attach(demo_model, tokenizer=demo_tokenizer) as steering:
        assert steering.findings == ()


def test_what_steers_the_model_is_not_extracted(demo_model, demo_tokenizer, pairs, extraction):
    vector = extraction.vector(position="-2", layer=1, coefficient=1.0, name="n", task="t")
    with vector.attach(demo_model) as steering:
        found = extract(demo_model, demo_tokenizer, pairs)
        assert attached(demo_model) == (steering,)
    np.testing.assert_array_equal(found.candidates, extraction.candidates)
    assert found.base_model == extraction.base_model


def test_wrong_words_are_refused(demo_model, demo_tokenizer, pairs, extraction):
    with pytest.raises(UsageError, match="Methods: palrs, mean_difference"):
        extract(demo_model, demo_tokenizer, pairs, "magic")
    with pytest.raises(ExtractionError, match="at least 2 pairs"):
        extract(demo_model, demo_tokenizer, pairs[:1])
    with pytest.raises(UsageError, match="layers: 0 to 5"):
        extraction.direction("-2", 9)


def test_pairs_that_differ_nowhere_that_is_read(demo_model, demo_tokenizer):
    # Characters that the tokenizer does not know are all one token.
    pairs = [PreferencePair("1+1=", "ä", "ö"), PreferencePair("2+2=", "ü", "ß")]
    with pytest.raises(ExtractionError, match="same activations"):
        extract(demo_model, demo_tokenizer, pairs)


def test_selection_finds_what_helps_and_keeps_the_grid(
    demo_model, demo_tokenizer, extraction, validation
):
    chosen = select(demo_model, demo_tokenizer, extraction, validation, position="-3", layer=5)
    cells = chosen.selection.cells
    best = max((c for c in cells if c.helps(chosen.selection.unsteered)), key=lambda c: c.margin)
    assert chosen.coefficient == best.coefficient
    assert {(cell.position, cell.layer) for cell in cells} == {("-3", 5)}
    assert attached(demo_model) == ()


def test_with_alignment_only_the_coefficient_is_chosen(
    demo_model, demo_tokenizer, extraction, validation
):
    with pytest.raises(ExtractionError, match="None of 2 cells"):
        # The paper's place does nothing for this model: it is left at the second coefficient.
        select(demo_model, demo_tokenizer, extraction, validation, coefficients=[-0.5, -1.0, -2.0])


def test_cells_that_disturb_neutral_text_are_out(
    demo_model, demo_tokenizer, extraction, validation
):
    neutral = DOMAINS["sums"].agreed_texts("validation", 8)
    chosen = select(
        demo_model,
        demo_tokenizer,
        extraction,
        validation,
        neutral=neutral,
        position="-3",
        layer=5,
        coefficients=[0.5, 4.0],
        patience=None,
    )
    gentle, violent = chosen.selection.cells
    assert gentle.side_effect < 0.1 < violent.side_effect
    assert chosen.coefficient == 0.5
    assert "neutral" in chosen.selection.rule


def test_selection_needs_validation_pairs(demo_model, demo_tokenizer, extraction):
    with pytest.raises(ExtractionError, match="hold some out"):
        select(demo_model, demo_tokenizer, extraction, [])
