"""Choosing the coefficient of a finished vector again, on other validation pairs."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from palrs_hub import compatibility
from palrs_hub.candidates import Extraction, usable_range
from palrs_hub.card import chosen_diagnostics
from palrs_hub.errors import UsageError
from palrs_hub.manifest import Manifest
from palrs_hub.methods import Switches
from palrs_hub.model_facts import facts_of
from palrs_hub.selection.choose import Selected, select
from palrs_hub.steer import suspended

if TYPE_CHECKING:
    import os
    from collections.abc import Sequence

    import torch
    from transformers import PreTrainedTokenizerBase

    from palrs_hub.evaluate import Problems
    from palrs_hub.pairs.pair import PreferencePair, Text
    from palrs_hub.vector import SteeringVector

_UNKNOWN = "unknown"


def select_coefficient(
    model: torch.nn.Module,
    tokenizer: PreTrainedTokenizerBase,
    vector: SteeringVector,
    validation: Sequence[PreferencePair],
    *,
    neutral: Sequence[tuple[Text, Text]] = (),
    problems: Problems | None = None,
    coefficients: Sequence[float] | None = None,
    finalists: int = 8,
    resume: str | os.PathLike[str] | None = None,
    progress: bool = False,
) -> Selected:
    """Choose the coefficient of a vector; its direction and layer stay.

    Args:
        model: The vector's model, which is checked.
        tokenizer: Its tokenizer.
        vector: A vector of one intervention.
        validation: Pairs that it was not extracted from.
        neutral: Prompts and responses that steering should leave alone.
        problems: A validation split of problems to generate answers to.
        coefficients: Coefficients to try, in the vector's unit.
        finalists: How many coefficients are run on the problems.
        resume: See ``palrs_hub.selection.select``.
        progress: Show a progress bar.

    Raises:
        UsageError: The vector has several interventions, or it is not known what to try.
        IncompatibleError: The vector was not made for this model.
        ExtractionError: No coefficient helps.
    """
    manifest = vector.manifest
    if len(manifest.interventions) != 1:
        raise UsageError("Selection is for vectors of one intervention; this one has several.")
    if beyond := manifest.interventions[0].beyond_adding:
        raise UsageError(
            f"Selection measures adding to every token; this vector asks for {beyond}. Choose its "
            "coefficient by what the attached model writes."
        )
    extraction = _as_extraction(vector)
    if coefficients is None and not extraction.diagnostics:
        raise UsageError(
            "The manifest has no diagnostics to take coefficients from: give the coefficients."
        )
    with suspended(model):
        facts = facts_of(model, tokenizer, probe=manifest.base_model.fingerprint)
    compatibility.enforce(manifest, facts, compatibility.check(manifest, facts), strict=False)
    return select(
        model,
        tokenizer,
        extraction,
        validation,
        problems=problems,
        neutral=neutral,
        position=extraction.positions[0],
        layer=extraction.layers[0],
        coefficients=coefficients,
        finalists=finalists,
        patience=None,  # a single row of the grid is cheap, and drawn as a curve
        resume=resume,
        progress=progress,
    )


def with_selection(manifest: Manifest, chosen: Selected) -> Manifest:
    """The manifest with another coefficient, its usable range and the grid it was chosen from.

    Evaluations are left out if the coefficient changed: they were measured with the old one.
    """
    (intervention,) = manifest.interventions
    same = intervention.coefficient == chosen.coefficient
    changed = intervention.model_copy(
        update={
            "coefficient": chosen.coefficient,
            "coefficient_range": usable_range(chosen.selection, chosen.position, chosen.layer),
        }
    )
    return manifest.model_copy(
        update={
            "interventions": (changed,),
            "selection": chosen.selection,
            "evaluations": manifest.evaluations if same else (),
        }
    )


def _as_extraction(vector: SteeringVector) -> Extraction:
    """An extraction with the vector as its only candidate."""
    manifest = vector.manifest
    (intervention,) = manifest.interventions
    row = chosen_diagnostics(manifest)
    position = row.position if row else str(manifest.method.switches.get("position") or _UNKNOWN)
    candidate = vector.arrays[intervention.tensor].astype(np.float64)
    return Extraction(
        method=manifest.method.name,
        switches=Switches(
            input_format="conversation",
            positions="last",
            choice="validation",
            scale=intervention.unit,
            drop_last_layers=0.0,
        ),
        positions=(position,),
        layers=(intervention.layer,),
        candidates=candidate[None, None],
        diagnostics=(row,) if row else (),
        base_model=manifest.base_model,
        data=manifest.data,
    )
