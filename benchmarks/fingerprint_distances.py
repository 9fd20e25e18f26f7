"""Distances of the functional fingerprint between models that are and are not the same.

Tiny random models of many architectures, and the demonstration model as a trained one. Random
models magnify every change, so they are the hard case for accepting casts and quantised copies.
Prints one JSON line, and with ``--markdown`` the table of docs/fingerprint.md.
"""

from __future__ import annotations

import argparse
import copy
import json
import sys
from collections.abc import Callable

import torch

from palrs_hub.blocks import find_blocks
from palrs_hub.demo import model_folder
from palrs_hub.fingerprint import distance
from palrs_hub.loading import load_model
from palrs_hub.probe import measure_fingerprint
from tests.tiny_models import CONFIGS, build
from tests.trust.variants import rounded, trained

TOKENS = tuple(range(3, 19))

Change = Callable[[torch.nn.Module], torch.nn.Module]


def main() -> int:
    """Measure every model under every change; the exit code is 0."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--markdown", action="store_true", help="print a table instead")
    markdown = parser.parse_args().markdown
    models = {name: build(name) for name in CONFIGS}
    models["demonstration model"] = load_model(model_folder())
    others = {name: build(name, seed=1) for name in CONFIGS}
    others["demonstration model"] = _reinitialised(models["demonstration model"])
    rows = {name: measure(model, others[name]) for name, model in models.items()}
    if markdown:
        _print_markdown(rows)
    else:
        print(json.dumps({"row": "fingerprint_distances", "models": rows}))
    return 0


def measure(model: torch.nn.Module, other: torch.nn.Module) -> dict[str, float]:
    """Distance of a model to changed copies of itself, and to one with other weights."""
    layers = range(len(find_blocks(model)))
    expected = measure_fingerprint(model, TOKENS, layers)
    found = {
        name: distance(expected, measure_fingerprint(change(copy.deepcopy(model)), TOKENS, layers))
        for name, change in CHANGES.items()
    }
    found["other weights"] = distance(expected, measure_fingerprint(other, TOKENS, layers))
    return {name: round(value, 4) for name, value in found.items()}


def _moved_by(share: float) -> Change:
    """Every weight matrix moved at random by a share of its standard deviation."""

    def change(model: torch.nn.Module) -> torch.nn.Module:
        generator = torch.Generator().manual_seed(0)
        with torch.no_grad():
            for parameter in model.parameters():
                if parameter.dim() > 1:
                    noise = torch.randn(parameter.shape, generator=generator)
                    parameter.add_(noise * parameter.std() * share)
        return model

    return change


def _reinitialised(model: torch.nn.Module) -> torch.nn.Module:
    torch.manual_seed(1)
    return type(model)(model.config).eval()  # type: ignore[operator]


CHANGES: dict[str, Change] = {
    "itself": lambda model: model,
    "bfloat16": lambda model: model.to(torch.bfloat16),
    "8 bits": lambda model: rounded(model, 8),
    "4 bits": lambda model: rounded(model, 4),
    "moved 1 %": _moved_by(0.01),
    "moved 5 %": _moved_by(0.05),
    "moved 20 %": _moved_by(0.2),
    "1 step": lambda model: trained(model, steps=1, rate=1e-4),
    "5 steps": lambda model: trained(model, steps=5, rate=1e-4),
    "30 steps": lambda model: trained(model, steps=30, rate=1e-3),
    "30 steps, fast": lambda model: trained(model, steps=30, rate=1e-2),
}


def _print_markdown(rows: dict[str, dict[str, float]]) -> None:
    names = list(next(iter(rows.values())))
    print("| model | " + " | ".join(names) + " |")
    print("|---" * (len(names) + 1) + "|")
    for model, row in rows.items():
        print(f"| {model} | " + " | ".join(f"{row[name]:.3f}" for name in names) + " |")


if __name__ == "__main__":
    sys.exit(main())
