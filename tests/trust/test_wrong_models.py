"""Every vector against every model: refused on the wrong ones, attached to the right one.

A warning counts: what ``fits`` was attached without a doubt. Copies that a library quantised are in
``tests/steer/test_numbers.py``.
"""

import warnings

import pytest
import torch

from palrs_hub.compatibility import CompatibilityWarning
from palrs_hub.errors import IncompatibleError
from palrs_hub.steer import attach
from tests.tiny_models import CONFIGS, build
from tests.trust.variants import COPIES, LAYER, TUNED, WRONG
from tests.vectors import vector_for

IDS = torch.arange(3, 13)[None]


@pytest.fixture(scope="module")
def models():
    """One model of each architecture; no two share their random numbers."""
    return {name: build(name, seed=10 + place) for place, name in enumerate(CONFIGS)}


@pytest.fixture(scope="module")
def vectors(models):
    return {name: vector_for(model, layers=(LAYER,)) for name, model in models.items()}


@pytest.fixture(scope="module")
def own():
    """A vector for the first build of each architecture, of which the variants are made."""
    return {name: vector_for(build(name), layers=(LAYER,)) for name in CONFIGS}


def verdict(model, vector, **settings):
    """What attaching comes to: ``fits``, ``doubted`` (a warning) or ``refused``."""
    with warnings.catch_warnings():
        warnings.simplefilter("error", CompatibilityWarning)
        try:
            attach(model, vector, **settings).detach()
        except CompatibilityWarning:
            return "doubted"
        except IncompatibleError:
            return "refused"
    return "fits"


def disguised(vector, as_if):
    """The vector, whose manifest says of its base model all that another's says but the weights."""
    told = as_if.manifest.base_model
    own = vector.manifest.base_model
    base = told.model_copy(update={"fingerprint": own.fingerprint})
    return type(vector).build(
        vector.manifest.model_copy(update={"base_model": base}), vector.arrays
    )


@pytest.mark.parametrize("name", CONFIGS)
def test_a_vector_fits_its_own_architecture_and_no_other(models, vectors, name):
    found = {other: verdict(model, vectors[name]) for other, model in models.items()}
    assert found == {other: "fits" if other == name else "refused" for other in CONFIGS}


@pytest.mark.parametrize("name", CONFIGS)
def test_the_weights_alone_tell_where_a_manifest_lies_about_the_architecture(models, vectors, name):
    found = {
        other: verdict(model, disguised(vectors[name], vectors[other]))
        for other, model in models.items()
    }
    assert found == {other: "fits" if other == name else "refused" for other in CONFIGS}


@pytest.mark.parametrize("name", CONFIGS)
@pytest.mark.parametrize("variant", COPIES)
def test_a_copy_of_the_model_is_not_refused_nor_doubted(own, name, variant):
    assert verdict(COPIES[variant](name), own[name]) == "fits"


@pytest.mark.parametrize("name", CONFIGS)
@pytest.mark.parametrize("variant", TUNED)
def test_a_little_fine_tuning_is_no_reason_to_refuse(own, name, variant):
    assert verdict(TUNED[variant](name), own[name]) in ("fits", "doubted")


@pytest.mark.parametrize("name", CONFIGS)
@pytest.mark.parametrize("variant", WRONG)
def test_what_is_no_copy_is_never_steered_in_silence(own, name, variant):
    model = WRONG[variant](name)
    assert verdict(model, own[name]) != "fits"
    with pytest.raises(IncompatibleError):
        attach(model, own[name], strict=True)


@pytest.mark.parametrize("name", CONFIGS)
@pytest.mark.parametrize("variant", ["another seed", "twice the width", "a block more"])
def test_what_has_other_weights_is_refused_without_strict(own, name, variant):
    assert verdict(WRONG[variant](name), own[name]) == "refused"


def test_a_refusal_leaves_the_model_as_it_was(own):
    model = build("llama", seed=1)
    before = model(IDS).logits
    assert verdict(model, own["llama"]) == "refused"
    assert torch.equal(model(IDS).logits, before)
