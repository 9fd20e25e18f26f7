"""One operation at one block, with what it needs kept in fixed buffers."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import torch

from palrs_hub.errors import SteeringError
from palrs_hub.intervention import Span
from palrs_hub.operations import OPERATIONS
from palrs_hub.steer.rows import check_rows

if TYPE_CHECKING:
    from collections.abc import Sequence

    from palrs_hub.intervention import Intervention
    from palrs_hub.operations import Constants
    from palrs_hub.steer.gate import Gate
    from palrs_hub.steer.rows import Doses
    from palrs_hub.steer.tokens import Tokens

_ADD: Final = "add"


@dataclass(frozen=True)
class Part:
    """One intervention of one vector.

    Attributes:
        vector: Which vector, from 0.
        index: Which of its interventions, from 0.
        change: The intervention.
        direction: Its tensor, float64 ``[hidden]``.
    """

    vector: int
    index: int
    change: Intervention
    direction: torch.Tensor


def joined(parts: Sequence[Part]) -> list[list[Part]]:
    """Parts at one block in order, what is added to the same tokens at one go together."""
    groups: list[list[Part]] = []
    for part in parts:
        last = groups[-1][-1].change if groups else None
        change = part.change
        same = last is not None and (last.operation, last.tokens, last.condition) == (
            _ADD,
            change.tokens,
            change.condition,
        )
        # Conditions of different vectors name different tensors by the same name.
        same = same and (change.condition is None or groups[-1][-1].vector == part.vector)
        if same and change.operation == _ADD:
            groups[-1].append(part)
        else:
            groups.append([part])
    return groups


class Action:
    """What becomes of the residual stream at one block, in one step."""

    def __init__(
        self,
        parts: Sequence[Part],
        gate: Gate | None,
        tokens: Tokens | None,
        *,
        device: torch.device,
        dtype: torch.dtype,
    ) -> None:
        self.parts = tuple(parts)
        self.gate = gate
        self.operation = OPERATIONS[parts[0].change.operation]
        self.scope = parts[0].change.tokens
        self._tokens = tokens
        self._device = device
        self._dtype = dtype if self.operation.in_model_dtype else torch.float32
        self._constants: Constants = ()
        self._active: torch.Tensor | None = None
        self._rows: int | None = None
        self._elsewhere: dict[tuple[torch.dtype, torch.device, int], Constants] = {}

    def set(self, doses: Doses) -> None:
        """Take coefficients; in place, for a compiled model goes on reading these very tensors."""
        first = self.parts[0]
        values = [
            self.operation.constants(part.direction, doses.of(part.vector, part.index))
            for part in self.parts
        ]
        constants = values[0] if len(values) == 1 else (torch.stack([v[0] for v in values]).sum(0),)
        self._rows = None if doses.rows is None else len(doses.rows)
        # What is added to a row that is left alone is zero; other operations need a mask.
        active = None if self.operation.name == _ADD else doses.active(first.vector)
        if not self._constants:
            self._constants = tuple(self._placed(constant) for constant in constants)
            self._active = None if active is None else active.to(self._device)
        else:
            for buffer, constant in zip(self._constants, constants, strict=True):
                buffer.copy_(constant)
            if self._active is not None and active is not None:
                self._active.copy_(active)
        self._elsewhere.clear()

    def _placed(self, constant: torch.Tensor) -> torch.Tensor:
        return constant.to(device=self._device, dtype=self._dtype)

    def __call__(self, hidden: torch.Tensor) -> torch.Tensor:
        """The new residual stream, ``[batch, tokens, hidden]``."""
        repeats = 1 if self._rows is None else self._repeats(hidden.shape[0], self._rows)
        steered = self.operation.apply(hidden, *self._like(hidden, repeats))
        where = self._where(hidden, repeats)
        return steered if where is None else torch.where(where, steered, hidden)

    def _like(self, hidden: torch.Tensor, repeats: int) -> Constants:
        """The constants where the residual stream is, and as many rows as it has."""
        dtype = hidden.dtype if self.operation.in_model_dtype else torch.float32
        if repeats == 1 and dtype == self._dtype and hidden.device == self._device:
            return self._constants
        if torch.compiler.is_compiling():  # a graph makes them anew each time, from the buffers
            return self._made(hidden.device, dtype, repeats)
        key = (dtype, hidden.device, repeats)
        if key not in self._elsewhere:
            self._elsewhere[key] = self._made(hidden.device, dtype, repeats)
        return self._elsewhere[key]

    def _made(self, device: torch.device, dtype: torch.dtype, repeats: int) -> Constants:
        return tuple(
            repeated(constant, repeats).to(device=device, dtype=dtype)
            for constant in self._constants
        )

    def _where(self, hidden: torch.Tensor, repeats: int) -> torch.Tensor | None:
        """Where to steer, bool that broadcasts to the residual stream; None for everywhere."""
        where = None
        if self._active is not None:
            where = repeated(self._active, repeats).to(hidden.device)
        if self.scope != "all":
            chosen = self._chosen(hidden).to(hidden.device).unsqueeze(-1)
            where = chosen if where is None else where & chosen
        if self.gate is not None:
            rows = self.gate.rows(hidden)
            where = rows if where is None else where & rows
        return where

    def _chosen(self, hidden: torch.Tensor) -> torch.Tensor:
        tokens = self._tokens
        assert tokens is not None
        found = tokens.positions if isinstance(self.scope, Span) else tokens.is_prompt
        if found is None or found.shape[-1] != hidden.shape[1]:
            raise SteeringError(
                f"Which tokens to steer (tokens {self.scope}) cannot be told: a block ran outside "
                "of a call of the model. Call the model itself, not its decoder or its forward."
            )
        if isinstance(self.scope, Span):
            chosen = found >= self.scope.start
            return chosen if self.scope.stop is None else chosen & (found < self.scope.stop)
        return found if self.scope == "prompt" else ~found

    def _repeats(self, batch: int, rows: int) -> int:
        prompt = None if self._tokens is None else self._tokens.prompt
        if prompt is None or batch % rows:
            check_rows(rows, batch)
        # Within generate, beams and returned sequences of a text stand side by side.
        return batch // rows


def repeated(tensor: torch.Tensor, repeats: int) -> torch.Tensor:
    """Each row as often as ``repeats``, where a tensor has rows."""
    return tensor.repeat_interleave(repeats, dim=0) if repeats > 1 and tensor.dim() == 3 else tensor
