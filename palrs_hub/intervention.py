"""One change to the residual stream, as a manifest states it: where, how, on which tokens, when.

What each operation computes stands in ``palrs_hub.operations``; this is only what may be said.
"""

from __future__ import annotations

import re
from typing import Annotated, Final, Literal, Self, get_args

from pydantic import Field, model_validator

from palrs_hub.errors import UsageError
from palrs_hub.fields import Finite, Layer, Strict, TensorName

Operation = Literal["add", "norm_preserving_add", "project_out", "clamp"]
OPERATION_NAMES: Final[tuple[Operation, ...]] = get_args(Operation)

Unit = Literal["raw", "unit_norm", "mean_chosen_norm"]
UNITS: Final[tuple[Unit, ...]] = get_args(Unit)

MAX_POSITION: Final = 10**9

Position = Annotated[int, Field(ge=0, le=MAX_POSITION)]


class Span(Strict):
    """The tokens of a text from one position to another, counted from 0; padding does not count.

    Attributes:
        start: The first position that is steered.
        stop: The first one after it that is not; None for no end.
    """

    start: Position
    stop: Position | None

    @model_validator(mode="after")
    def _is_not_empty(self) -> Self:
        if self.stop is not None and self.stop <= self.start:
            raise ValueError("stop must be greater than start")
        return self

    def __str__(self) -> str:
        return f"{self.start}:{'' if self.stop is None else self.stop}"


Scope = Literal["all", "prompt", "generated"] | Span
"""Which tokens: all, those of the prompt, those that the model generates, or from-to a position."""


def scope_of(text: str) -> Scope:
    """Read a scope as the command line writes it: ``all``, ``generated``, ``3:`` or ``3:9``.

    Raises:
        UsageError: It is none of these.
    """
    if text in ("all", "prompt", "generated"):
        return text  # type: ignore[return-value]
    found = re.fullmatch(r"([0-9]{1,9}):([0-9]{1,9})?", text)
    start, stop = (int(found[1]), found[2] and int(found[2])) if found else (0, 0)
    if found is None or (stop is not None and int(stop) <= start):
        raise UsageError(
            "Expected tokens all, prompt, generated, START: or START:STOP with positions from 0; "
            f"found {text!r:.40}."
        )
    return Span(start=start, stop=None if stop is None else int(stop))


class Condition(Strict):
    """When to steer a row: CAST, conditional activation steering (Lee et al. 2024).

    The similarity is ``cos(h, proj_c h) = |cos(h, c)|``, where ``h`` is the mean over the row's
    prompt tokens of the output of a block. It is read once, at the prompt, and holds for the row.

    Attributes:
        layer: Output of this decoder block, from 0; at most the layer that is steered.
        tensor: Name of the condition vector ``c`` in the tensors' file.
        threshold: The similarity to compare with, from 0 to 1.
        comparison: Steer where the similarity is ``above`` or where it is ``below``.
    """

    layer: Layer
    tensor: TensorName
    threshold: Annotated[float, Field(ge=0, le=1)]
    comparison: Literal["above", "below"]

    def __str__(self) -> str:
        return (
            f"if the prompt's similarity to {self.tensor} at layer {self.layer} is "
            f"{self.comparison} {self.threshold:g}"
        )


class Intervention(Strict):
    """One change to the residual stream.

    Attributes:
        layer: Output of this decoder block, from 0.
        operation: What is done with the tensor and the coefficient, a key of OPERATIONS.
        tensor: Name of the tensor in the tensors' file.
        coefficient: The coefficient to use unless the caller gives one.
        coefficient_range: Lowest and highest coefficient that validation found to help; None if
            nothing was validated.
        unit: What a coefficient of 1 adds: the direction as the method found it, a vector of norm
            1, or one of the mean chosen activation's norm (PaLRS, eq. 4).
        tokens: Which tokens are steered.
        condition: When a row is steered; None for always.
    """

    layer: Layer
    operation: Operation
    tensor: TensorName
    coefficient: Finite
    coefficient_range: tuple[Finite, Finite] | None
    unit: Unit
    tokens: Scope
    condition: Condition | None

    @model_validator(mode="after")
    def _range_is_ordered(self) -> Self:
        if self.coefficient_range and self.coefficient_range[0] > self.coefficient_range[1]:
            raise ValueError("coefficient_range must be (lowest, highest)")
        return self

    @model_validator(mode="after")
    def _condition_is_known_in_time(self) -> Self:
        if self.condition and self.condition.layer > self.layer:
            raise ValueError(
                f"the condition is read at layer {self.condition.layer}, after layer {self.layer} "
                "is steered"
            )
        return self

    @property
    def beyond_adding(self) -> str | None:
        """What it asks for beyond adding to every token; None if that is all."""
        if self.operation != "add":
            return f"operation {self.operation}"
        if self.tokens != "all":
            return f"tokens {self.tokens}"
        return None if self.condition is None else "a condition"
