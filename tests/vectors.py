"""Vectors made to measure for a model, without extraction: for tests of what comes after it."""

from __future__ import annotations

import numpy as np

from palrs_hub.blocks import architecture_of, find_blocks, text_config
from palrs_hub.manifest import (
    BaseModelFacts,
    Data,
    Intervention,
    Manifest,
    Method,
    Task,
    TensorsFile,
)
from palrs_hub.model_facts import dtype_of
from palrs_hub.probe import measure_fingerprint
from palrs_hub.vector import SteeringVector

PROBE = tuple(range(3, 13))


def vector_for(
    model,
    *,
    layers=(2,),
    coefficient=1.5,
    seed=0,
    coefficient_range=None,
    arrays=None,
    operation="add",
    tokens="all",
    condition=None,
    condition_array=None,
):
    """A vector of random directions, a third as long as what it is added to."""
    width = find_blocks(model).hidden_size
    generator = np.random.default_rng(seed)
    read = {condition.layer} if condition else set()
    last = len(find_blocks(model)) - 1
    fingerprint = measure_fingerprint(model, PROBE, {*layers, *read, last})
    if arrays is None:
        arrays = {
            f"layer_{layer}": _direction(generator, width, np.mean(norms) / 3)
            for layer, norms in zip(fingerprint.layers, fingerprint.norms, strict=True)
            if layer in layers
        }
    if condition:
        arrays[condition.tensor] = np.asarray(condition_array, dtype=np.float32)
    manifest = Manifest(
        name="made to measure",
        task=Task(name="test", description=""),
        license="apache-2.0",
        base_model=BaseModelFacts(
            repo_id=None,
            revision=None,
            model_type=text_config(model).model_type,
            architecture=architecture_of(model),
            hidden_size=width,
            num_blocks=len(find_blocks(model)),
            tokenizer_sha256=None,
            chat_template_sha256=None,
            dtype=dtype_of(model),
            quantization=None,
            fingerprint=fingerprint,
        ),
        interventions=tuple(
            Intervention(
                layer=layer,
                operation=operation,
                tensor=f"layer_{layer}",
                coefficient=coefficient,
                coefficient_range=coefficient_range,
                unit="raw",
                tokens=tokens,
                condition=condition,
            )
            for layer in layers
        ),
        method=Method(name="test", switches={}),
        data=Data(name="none", revision=None, pairs=0, sha256="0" * 64),
        diagnostics=(),
        selection=None,
        evaluations=(),
        software={},
        tensors=TensorsFile(sha256="0" * 64),
    )
    return SteeringVector.build(manifest, arrays)


def _direction(generator, width, norm):
    drawn = generator.standard_normal(width)
    return (drawn / np.linalg.norm(drawn) * norm).astype(np.float32)
