"""The same model, pairs, seed and versions give the same bytes, and a wrong claim is found out."""

import dataclasses
import json

import numpy as np
import pytest

from palrs_hub.cli import main
from palrs_hub.demo import model_folder, pairs_file
from palrs_hub.errors import IncompatibleError, PairsError, UsageError
from palrs_hub.extraction import extract
from palrs_hub.methods import Training
from palrs_hub.pairs import read_pairs, split_pairs
from palrs_hub.reproduction import reproduce
from palrs_hub.vector import SteeringVector
from tests.builders import a_vector

LAYER = 4


@pytest.fixture(scope="module")
def pairs():
    return read_pairs(str(pairs_file()), limit=30)


def extracted(model, tokenizer, pairs, method="mean_difference", **settings):
    found = extract(model, tokenizer, pairs, method, **settings)
    position = found.positions[-1]
    return found.vector(position=position, layer=LAYER, coefficient=1.0, name="n", task="t")


@pytest.fixture(scope="module")
def published(demo_model, demo_tokenizer, pairs):
    """Extracted from what a split left, as the command does."""
    return extracted(demo_model, demo_tokenizer, split_pairs(pairs, validation=0.2, seed=3)[0])


@pytest.mark.parametrize("method", ["palrs", "mean_difference", "pca", "probe"])
def test_the_same_of_everything_gives_the_same_bytes(demo_model, demo_tokenizer, pairs, method):
    vector = extracted(demo_model, demo_tokenizer, pairs, method)
    found = reproduce(vector, demo_model, demo_tokenizer, pairs)
    assert found.identical
    assert found.holds
    assert (found.cosine, found.length) == (pytest.approx(1), pytest.approx(1))
    assert (found.pairs, found.software) == (30, {})


def test_a_trained_vector_too(demo_model, demo_tokenizer, pairs):
    training = Training(
        epochs=1, learning_rate=1e-2, beta=0.1, pairs_per_step=10, weight_decay=0.0, seed=5
    )
    vector = extracted(
        demo_model, demo_tokenizer, pairs, "bipo", layers=(LAYER,), training=training
    )
    assert reproduce(vector, demo_model, demo_tokenizer, pairs).identical


def test_the_pairs_that_were_held_out_are_found_by_the_hash(
    demo_model, demo_tokenizer, published, pairs
):
    found = reproduce(published, demo_model, demo_tokenizer, pairs, seed=3)
    assert found.identical
    assert found.pairs == 24
    with pytest.raises(PairsError, match="--seed"):
        reproduce(published, demo_model, demo_tokenizer, pairs, seed=4)


def test_other_numbers_than_the_pairs_give_are_found_out(
    demo_model, demo_tokenizer, published, pairs
):
    forged = np.random.default_rng(0).standard_normal(
        published.manifest.base_model.hidden_size, dtype=np.float32
    )
    vector = SteeringVector.build(published.manifest, {f"layer_{LAYER}": forged})
    found = reproduce(vector, demo_model, demo_tokenizer, pairs, seed=3)
    assert not found.identical
    assert not found.holds
    assert abs(found.cosine) < 0.7


def test_another_model_is_refused(demo_tokenizer, published, pairs):
    from palrs_hub.demo.wrong_models import build

    for model in build().values():
        with pytest.raises(IncompatibleError):
            reproduce(published, model, demo_tokenizer, pairs, seed=3)


@pytest.mark.parametrize("switches", [{}, {"position": "-1"}, {"position": "-1", "scale": "x"}])
def test_switches_that_nobody_knows_are_refused(published, switches):
    method = published.manifest.method.model_copy(update={"switches": switches})
    manifest = published.manifest.model_copy(update={"method": method})
    vector = dataclasses.replace(published, manifest=manifest)
    with pytest.raises(UsageError):
        reproduce(vector, None, None, ())


def test_an_imported_vector_cannot_be_extracted_again():
    imported = a_vector().manifest.method.model_copy(update={"name": "repeng"})
    with pytest.raises(UsageError, match="imported"):
        reproduce(
            dataclasses.replace(
                a_vector(), manifest=a_vector().manifest.model_copy(update={"method": imported})
            ),
            None,
            None,
            (),
        )


def test_the_command_tells_cosine_and_bytes(published, tmp_path, capsys):
    folder = published.save_pretrained(tmp_path / "vector")
    words = ["reproduce", str(folder), "--pairs", str(pairs_file()), "--limit", "30"]
    words += ["--model", str(model_folder())]
    assert main([*words, "--seed", "3", "--json"]) == 0
    told = json.loads(capsys.readouterr().out)
    assert told["identical"]
    assert told["holds"]
    assert main([*words, "--seed", "3"]) == 0
    assert "bytes   identical" in capsys.readouterr().out
    assert main(words) == 3  # the split of another seed
