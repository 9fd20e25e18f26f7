"""Small valid manifests and vectors, made without a model: tests change what they are about."""

from __future__ import annotations

import numpy as np

from palrs_hub.evidence import Cell, Evaluation, Gain, LayerDiagnostics, Selection, Settings
from palrs_hub.fingerprint import summarise
from palrs_hub.manifest import (
    BaseModelFacts,
    Data,
    Intervention,
    Manifest,
    Method,
    Task,
    TensorsFile,
)
from palrs_hub.vector import SteeringVector

HIDDEN = 8
BLOCKS = 4
LAYER = 2
TOKENS = (3, 14, 15, 9)


def a_fingerprint(layers=(LAYER,), *, seed=0, hidden=HIDDEN):
    """The fingerprint of random activations."""
    generator = np.random.default_rng(seed)
    return summarise(TOKENS, {k: generator.standard_normal((len(TOKENS), hidden)) for k in layers})


def a_base_model(**changes):
    facts = {
        "repo_id": "org/base",
        "revision": "a" * 40,
        "model_type": "llama",
        "architecture": "LlamaForCausalLM",
        "hidden_size": HIDDEN,
        "num_blocks": BLOCKS,
        "tokenizer_sha256": "b" * 64,
        "chat_template_sha256": "c" * 64,
        "dtype": "bfloat16",
        "quantization": None,
        "fingerprint": a_fingerprint(),
    }
    return BaseModelFacts(**{**facts, **changes})


def an_intervention(**changes):
    fields = {
        "layer": LAYER,
        "operation": "add",
        "tensor": f"layer_{changes.get('layer', LAYER)}",
        "coefficient": 1.5,
        "coefficient_range": (0.5, 2.0),
        "unit": "raw",
        "tokens": "all",
        "condition": None,
    }
    return Intervention(**{**fields, **changes})


def an_evaluation(**changes):
    fields = {
        "task": "two-digit sums",
        "metric": "accuracy",
        "split": "test",
        "samples": 200,
        "value": 0.75,
        "higher_is_better": True,
        "baselines": {"unsteered": 0.25, "random": 0.26},
        "gain": Gain(difference=0.5, low=0.4, high=0.6, confidence=0.95),
        "worse": 0.02,
        "settings": Settings(kind="problems", data_sha256="e" * 64, max_new_tokens=40, seed=0),
    }
    return Evaluation(**{**fields, **changes})


def a_cell(**changes):
    fields = {
        "position": "response_mean",
        "layer": LAYER,
        "coefficient": 1.5,
        "margin": 0.4,
        "preferred": 0.9,
        "worse": 0.1,
        "chosen_log_probability": -1.2,
        "accuracy": 0.75,
    }
    return Cell(**{**fields, **changes})


def a_manifest(**changes):
    """A manifest with every part filled; ``changes`` replace whole top-level fields."""
    fields = {
        "name": "careful sums",
        "task": Task(name="arithmetic", description="Adds with care."),
        "license": "apache-2.0",
        "base_model": a_base_model(),
        "interventions": (an_intervention(),),
        "method": Method(name="mean_difference", switches={"position": "response_mean"}),
        "data": Data(name="sums.jsonl", revision=None, pairs=100, sha256="d" * 64),
        "diagnostics": (
            LayerDiagnostics(
                position="response_mean",
                layer=LAYER,
                difference_norm=2.0,
                mean_chosen_norm=4.0,
                cosine_mean=0.5,
                cosine_std=0.1,
                separation=3.0,
                alignment=0.2,
                pairs=100,
            ),
        ),
        "selection": Selection(
            rule="The highest margin.",
            split="validation",
            pairs=20,
            problems=10,
            unsteered=a_cell(coefficient=0.0, margin=-0.1),
            cells=(a_cell(),),
        ),
        "evaluations": (an_evaluation(),),
        "software": {"palrs-hub": "0.1.0"},
        "tensors": TensorsFile(sha256="e" * 64),
    }
    return Manifest(**{**fields, **changes})


def a_vector(layers=(LAYER,), *, seed=0, **changes):
    """A vector that steers the given layers; ``changes`` go to its manifest."""
    generator = np.random.default_rng(seed)
    arrays = {f"layer_{k}": generator.standard_normal(HIDDEN, dtype=np.float32) for k in layers}
    steered = {
        "base_model": a_base_model(fingerprint=a_fingerprint(layers)),
        "interventions": tuple(an_intervention(layer=k) for k in layers),
    }
    return SteeringVector.build(a_manifest(**{**steered, **changes}), arrays)
