"""What ``palrs-hub extract`` shows of the vector that it wrote."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path

    from palrs_hub.evidence import Selection
    from palrs_hub.vector import SteeringVector


def show_extracted(vector: SteeringVector, folder: Path, *, as_json: bool) -> None:
    """Show a vector and how it was chosen, for people or for machines."""
    from palrs_hub.card import chosen_diagnostics
    from palrs_hub.cli import output

    manifest = vector.manifest
    intervention = manifest.interventions[0]
    row = chosen_diagnostics(manifest)
    if as_json:
        output.show_json(
            {
                "output": str(folder),
                "layer": intervention.layer,
                "coefficient": intervention.coefficient,
                "unit": intervention.unit,
                "operation": intervention.operation,
                "tokens": str(intervention.tokens),
                "method": manifest.method.model_dump(),
                "diagnostics": row.model_dump() if row else None,
                "selection": manifest.selection.model_dump() if manifest.selection else None,
                "sha256": manifest.tensors.sha256,
            }
        )
        return
    facts: dict[str, object] = {
        "layer": f"{intervention.layer} (output of this block, from 0)",
        "position": manifest.method.switches["position"],
        "coefficient": f"{intervention.coefficient:g} ({intervention.unit})",
        "operation": f"{intervention.operation}, tokens {intervention.tokens}",
        "method": manifest.method.name,
        "pairs": manifest.data.pairs,
    }
    if row:
        facts["cosine of pairs"] = f"{row.cosine_mean:.2f} ± {row.cosine_std:.2f}"
        facts["separation"] = f"{row.separation:.2f} standard deviations"
    position = str(manifest.method.switches["position"])
    facts.update(
        _margins(manifest.selection, (position, intervention.layer, intervention.coefficient))
    )
    output.show_pairs(f"Vector written to {folder}", facts)


def _margins(selection: Selection | None, place: tuple[str, int, float]) -> dict[str, object]:
    if selection is None:
        return {"validation": "none: coefficient and layer are not evaluated"}
    cell = next(c for c in selection.cells if (c.position, c.layer, c.coefficient) == place)
    facts: dict[str, object] = {
        "validation margin": f"{selection.unsteered.margin:.3f} unsteered, {cell.margin:.3f} "
        f"steered, on {selection.pairs} pairs ({cell.worse:.0%} of them made worse)",
    }
    if cell.side_effect is not None:
        facts["side effect"] = f"{cell.side_effect:.3g} nats per token on neutral texts"
    if cell.accuracy is not None:
        facts["validation accuracy"] = f"{cell.accuracy:.1%} of {selection.problems} problems"
    return facts
