"""The evidence that a manifest carries: diagnostics, the selection grid, evaluations."""

from __future__ import annotations

from typing import Annotated, Final

from pydantic import Field

from palrs_hub.fields import Count, Finite, Layer, Line, Prose, Sha256, Strict

MAX_SIDE_EFFECT: Final = 0.1
"""Nats per token on neutral text; the bound of PaLRS's parent method (Arditi et al. 2024)."""


class LayerDiagnostics(Strict):
    """How promising a candidate was before any generation (Braun et al. 2025).

    Attributes:
        position: Read position, as the method names it.
        layer: Output of this decoder block.
        difference_norm: Norm of the mean difference, raw.
        mean_chosen_norm: Norm of the mean chosen activation.
        cosine_mean: Mean cosine of each pair's difference to the mean difference.
        cosine_std: Standard deviation of that cosine.
        separation: Distance of the classes along the direction, in pooled standard deviations.
        alignment: Cosine of the candidate to the mean chosen activation (PaLRS, eq. 3).
        pairs: Number of pairs that cosines and separation were measured on.
    """

    position: Line
    layer: Layer
    difference_norm: Finite
    mean_chosen_norm: Finite
    cosine_mean: Finite
    cosine_std: Finite
    separation: Finite
    alignment: Finite
    pairs: Count


class Cell(Strict):
    """One cell of the selection grid, measured on the validation split.

    Attributes:
        margin: Mean log-probability per token of chosen minus rejected, in nats.
        preferred: Share of pairs whose margin is positive.
        worse: Share of pairs whose margin fell below the unsteered model's.
        chosen_log_probability: Mean log-probability per token of the chosen responses.
        side_effect: Mean divergence of the next-token predictions on neutral texts from the
            unsteered model's, in nats per token; None if there were no such texts, or the cell is
            out for another reason.
        accuracy: Share of validation problems solved by greedy generation; None if not run.
    """

    position: Line
    layer: Layer
    coefficient: Finite
    margin: Finite
    preferred: Finite
    worse: Finite
    chosen_log_probability: Finite
    side_effect: Finite | None = None
    accuracy: Finite | None = None

    @property
    def place(self) -> tuple[str, int, float]:
        """Position, layer and coefficient."""
        return self.position, self.layer, self.coefficient

    def helps(self, unsteered: Cell) -> bool:
        """Whether it raises the margin, keeps the chosen responses likely and harms nothing."""
        return (
            self.margin > unsteered.margin
            and self.chosen_log_probability >= unsteered.chosen_log_probability
            and (self.side_effect is None or self.side_effect <= MAX_SIDE_EFFECT)
        )


class Selection(Strict):
    """How position, layer and coefficient were chosen: the rule in words and the cells of the grid.

    Attributes:
        unsteered: The cell of coefficient 0 (its layer and position say nothing).
    """

    rule: Prose
    split: Line
    pairs: Count
    problems: Count
    unsteered: Cell
    cells: tuple[Cell, ...] = Field(max_length=8_000)


class Gain(Strict):
    """Steered minus unsteered, and the interval that a paired bootstrap gives it.

    Attributes:
        difference: As observed; where lower is better, a negative one is an improvement.
        low: Lower end of the interval.
        high: Upper end.
        confidence: For instance 0.95.
    """

    difference: Finite
    low: Finite
    high: Finite
    confidence: Finite


class Settings(Strict):
    """All that a number depends on beside vector and model, so that it can be measured again.

    None means that it was not reported, or does not apply.

    Attributes:
        kind: What measured it: a task of ``TASKS``, ``neutral text`` or ``harness``.
        data_sha256: Of the bytes of the problems' file; of the harness, of its documents' hashes.
        limit: Only the first so many were used.
        max_new_tokens: Where completions were cut.
        instruction: The text of the prompt baseline.
        random_directions: Number of random directions.
        seed: Their seed.
        batch_size: Rows in a batch: another one may round otherwise and flip a near tie.
        dtype: Floating-point type of the model's weights.
        few_shot: Solved examples before each problem, as asked of the harness.
        chat_template: Whether the chat template was applied.
        version: Version of the harness, and of its task.
    """

    kind: Line
    data_sha256: Sha256 | None = None
    limit: Count | None = None
    max_new_tokens: Annotated[int, Field(ge=1, le=1_000_000)] | None = None
    instruction: Prose | None = None
    random_directions: Annotated[int, Field(ge=1, le=99)] | None = None
    seed: Count | None = None
    batch_size: Annotated[int, Field(ge=1, le=65_536)] | None = None
    dtype: Line | None = None
    few_shot: Annotated[int, Field(ge=0, le=1_000)] | None = None
    chat_template: bool | None = None
    version: Line | None = None


class Evaluation(Strict):
    """One measured number of the steered model, beside its baselines.

    Attributes:
        task: What was run, for instance ``two-digit sums with a carry``.
        metric: For instance ``accuracy`` or ``perplexity``.
        split: The split that it was measured on; never the one that selection used.
        higher_is_better: Which way is up.
        baselines: The same number for ``unsteered``, ``random``, ``negated`` and others.
        gain: Steered minus unsteered, with its interval; None if it was not reported.
        worse: Share of problems that the steered model does worse on than the unsteered one, for
            instance solved before and no longer; None if it was not reported.
        standard_error: Of the value, by the tool that measured it; None if it was not reported.
        settings: What measuring it again needs; None if it was not reported.
    """

    task: Line
    metric: Line
    split: Line
    samples: Count
    value: Finite
    higher_is_better: bool
    baselines: dict[Line, Finite] = Field(max_length=32)
    gain: Gain | None = None
    worse: Finite | None = None
    standard_error: Finite | None = None
    settings: Settings | None = None
