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


def vector_for(model, *, layers=(2,), coefficient=1.5, seed=0, coefficient_range=None, arrays=None):
    """A vector of random directions, as long as the residual stream of a tiny model."""
    width = find_blocks(model).hidden_size
    generator = np.random.default_rng(seed)
    if arrays is None:
        arrays = {
            f"layer_{layer}": generator.standard_normal(width).astype(np.float32)
            for layer in layers
        }
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
            fingerprint=measure_fingerprint(model, PROBE, layers),
        ),
        interventions=tuple(
            Intervention(
                layer=layer,
                operation="add",
                tensor=f"layer_{layer}",
                coefficient=coefficient,
                coefficient_range=coefficient_range,
                unit="raw",
                tokens="all",
                condition=None,
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
