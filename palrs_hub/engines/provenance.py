"""What a baked checkpoint says of itself: which vector is in it, and how it got there."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

    from palrs_hub.vector import SteeringVector

PROVENANCE_FILE: Final = "palrs_hub_baked.json"

_README: Final = """---
{base}tags:
- steering-vector
- palrs-hub
---

# A steered model

This checkpoint is its base model with a steering vector inside the weights, as a bias: it computes
what the steered model computes, up to rounding. It was made by
`palrs-hub export --format baked`. The base model's licence applies.

The vector cannot be taken away or turned here. An engine that ignores this bias serves the
unsteered model without an error (SGLang does, for Llama). `palrs-hub selftest` tells.

```json
{facts}
```
"""


def write_provenance(
    folder: Path,
    vector: SteeringVector,
    layers: Iterable[int],
    how: str,
    base_name: str | None,
    base_revision: str | None,
    coefficient: float | None,
) -> None:
    """Write the facts beside the weights, as JSON and as a note for people.

    Args:
        folder: The checkpoint.
        vector: The vector in it.
        layers: The steered layers.
        how: Where the bias is.
        base_name: The base model on the Hub, None for one from a folder.
        base_revision: Its commit.
        coefficient: The coefficient that was used instead of the vector's own.
    """
    from palrs_hub import __version__

    manifest = vector.manifest
    facts = {
        "format": "palrs-hub-baked",
        "vector": {
            "name": manifest.name,
            "source": vector.source,
            "sha256": manifest.tensors.sha256,
            "license": manifest.license,
        },
        "base_model": {
            "repo_id": base_name,
            "revision": base_revision,
            "model_type": manifest.base_model.model_type,
        },
        "layers": sorted(layers),
        "coefficients": [
            change.coefficient if coefficient is None else coefficient
            for change in manifest.interventions
        ],
        "how": how,
        "palrs_hub": __version__,
    }
    text = json.dumps(facts, indent=2) + "\n"
    (folder / PROVENANCE_FILE).write_text(text, encoding="utf-8")
    base = f"base_model: {json.dumps(base_name)}\n" if base_name else ""
    (folder / "README.md").write_text(_README.format(base=base, facts=text), encoding="utf-8")
