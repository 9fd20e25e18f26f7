"""palrs-hub: the home of steering vectors.

Importing this package imports neither torch nor transformers: the public names are loaded when
they are first used.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from palrs_hub.auto import AutoSteeredModelForCausalLM
    from palrs_hub.compatibility import CompatibilityWarning, Finding
    from palrs_hub.conditional import conditioned
    from palrs_hub.errors import PalrsHubError
    from palrs_hub.evaluate import Problems, compare
    from palrs_hub.extraction import Extraction, extract
    from palrs_hub.hub import pull, push
    from palrs_hub.manifest import Manifest
    from palrs_hub.pairs import PairSet, PreferencePair, read_pairs, split_pairs
    from palrs_hub.registry import CuratorWarning
    from palrs_hub.selection import Selected, select
    from palrs_hub.steer import Row, Steering, attach, attached, prompt_tokens
    from palrs_hub.vector import SteeringVector

__version__ = "0.1.0"

_HOME = {
    "AutoSteeredModelForCausalLM": "auto",
    "CompatibilityWarning": "compatibility",
    "CuratorWarning": "registry",
    "Extraction": "extraction",
    "Finding": "compatibility",
    "Manifest": "manifest",
    "PairSet": "pairs",
    "PalrsHubError": "errors",
    "PreferencePair": "pairs",
    "Problems": "evaluate",
    "Row": "steer",
    "Selected": "selection",
    "Steering": "steer",
    "SteeringVector": "vector",
    "attach": "steer",
    "attached": "steer",
    "compare": "evaluate",
    "conditioned": "conditional",
    "extract": "extraction",
    "prompt_tokens": "steer",
    "pull": "hub",
    "push": "hub",
    "read_pairs": "pairs",
    "select": "selection",
    "split_pairs": "pairs",
}

__all__ = [
    "AutoSteeredModelForCausalLM",
    "CompatibilityWarning",
    "CuratorWarning",
    "Extraction",
    "Finding",
    "Manifest",
    "PairSet",
    "PalrsHubError",
    "PreferencePair",
    "Problems",
    "Row",
    "Selected",
    "Steering",
    "SteeringVector",
    "attach",
    "attached",
    "compare",
    "conditioned",
    "extract",
    "prompt_tokens",
    "pull",
    "push",
    "read_pairs",
    "select",
    "split_pairs",
]


def __getattr__(name: str) -> object:
    if name not in _HOME:
        raise AttributeError(f"module 'palrs_hub' has no attribute {name!r}")
    return getattr(importlib.import_module(f"palrs_hub.{_HOME[name]}"), name)


def __dir__() -> list[str]:
    return [*__all__, "__version__"]
