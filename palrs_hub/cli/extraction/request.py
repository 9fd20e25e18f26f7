"""What ``palrs-hub extract`` was asked for."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import click

from palrs_hub.intervention import scope_of
from palrs_hub.manifest import MANIFEST_FILE
from palrs_hub.methods import METHODS, TrainedMethod

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from palrs_hub.cli.extraction.sharing import Sharing


@dataclass(frozen=True)
class Request:
    """What was asked of ``palrs-hub extract``, option by option."""

    model: str
    pairs: str
    output: Path
    overwrite: bool
    method: str
    input_format: Any
    positions: Any
    choice: Any
    scale: Any
    drop_last_layers: float | None
    layer: int | None
    position: str | None
    coefficient: float | None
    validation: float
    seed: int
    whole_grid: bool
    split: str
    pairs_revision: str | None
    limit: int | None
    batch_size: int | None
    name: str | None
    task: str | None
    description: str
    license_id: str
    operation: Any
    tokens: str
    base_model: str | None
    base_revision: str | None
    dtype: str
    device: str
    device_map: str | None
    token: str | None
    local_files_only: bool
    as_json: bool
    layers: tuple[int, ...] | None
    training: dict[str, Any]
    evidence: dict[str, Any]
    sharing: Sharing

    @property
    def candidate_layers(self) -> Sequence[int] | None:
        """Where to look: a method that is trained does not train what cannot be chosen."""
        if self.layers is not None or self.layer is None:
            return self.layers
        if isinstance(METHODS[self.method], TrainedMethod):
            return (self.layer,)
        # Reading the blocks below costs next to nothing; those above need not run.
        return range(self.layer + 1)

    def refuse_to_overwrite(self) -> None:
        """Leave a vector that is there alone.

        Raises:
            click.UsageError: There is one, and it was not asked to be replaced.
        """
        if (self.output / MANIFEST_FILE).exists() and not (self.overwrite or self.sharing.part):
            raise click.UsageError(
                f"{self.output} holds a vector already. Give another --output, or --overwrite."
            )

    def given(self) -> tuple[str, int, float] | None:
        """Position, layer and coefficient, where validation, which adds, cannot choose them."""
        if self.operation == "add" and scope_of(self.tokens) == "all":
            return None
        if self.position is None or self.layer is None or self.coefficient is None:
            raise click.UsageError(
                "Validation measures adding to all tokens. With another --operation or other "
                "--tokens give --layer, --position and --coefficient yourself."
            )
        return self.position, self.layer, self.coefficient

    def refuse_what_selection_needs(self) -> None:
        """Accept nothing that would be ignored where nothing is selected.

        Raises:
            click.UsageError: Something was given that is for selection alone.
        """
        if self.whole_grid or any(
            self.evidence[name] for name in ("neutral", "problems", "resume")
        ):
            raise click.UsageError(
                "--neutral, --problems, --resume and --whole-grid are for selection, which needs "
                "held-out pairs, all parts together, and adding to all tokens: raise --validation "
                "and leave --part, --operation and --tokens alone, or leave them out."
            )
