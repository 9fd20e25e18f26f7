"""Attaches vectors to a loaded model, and detaches them without a trace."""

from __future__ import annotations

import contextlib
import math
import warnings
import weakref
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Self

import torch

from palrs_hub import compatibility
from palrs_hub.blocks import find_blocks, residual_of, with_residual
from palrs_hub.compatibility import CompatibilityWarning, Finding
from palrs_hub.errors import SteeringError
from palrs_hub.model_facts import facts_of

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from types import TracebackType

    from torch.utils.hooks import RemovableHandle
    from transformers import PreTrainedTokenizerBase

    from palrs_hub.blocks import DecoderBlocks
    from palrs_hub.manifest import Intervention, Manifest
    from palrs_hub.moments import Array
    from palrs_hub.vector import SteeringVector

_ATTACHED: weakref.WeakKeyDictionary[torch.nn.Module, list[Steering]] = weakref.WeakKeyDictionary()


def attach(
    vector: SteeringVector,
    model: torch.nn.Module,
    coefficient: float | Sequence[float] | None = None,
    *,
    tokenizer: PreTrainedTokenizerBase | None = None,
    strict: bool = False,
) -> Steering:
    """Check a vector against a loaded model and add it to the residual stream from now on.

    Every token is steered, of the prompt and of the generation, in every row. Vectors that are
    attached at once add up. Nothing of the model changes but hooks, which ``detach`` removes.

    Args:
        vector: The vector.
        model: A transformers model, on any device, in any floating-point type.
        coefficient: Instead of the manifest's: one number for all interventions, or one each.
        tokenizer: The model's tokenizer, to have vocabulary and chat template checked too.
        strict: Refuse on warnings as on errors.

    Returns:
        A handle, which is also a context manager that detaches on leaving.

    Raises:
        IncompatibleError: The vector was not made for this model.
        ModelError: The model's blocks cannot be found, or steering them would do nothing.
        SteeringError: The coefficient is not a finite number, or not one for each intervention.
    """
    coefficients = _coefficients(vector.manifest, coefficient)
    with suspended(model):
        facts = facts_of(model, tokenizer, probe=vector.manifest.base_model.fingerprint)
    findings = compatibility.check(vector.manifest, facts)
    findings += tuple(_range_findings(vector.manifest, coefficients))
    compatibility.enforce(vector.manifest, facts, findings, strict=strict)
    return Steering(vector, model, coefficients, findings)


def attached(model: torch.nn.Module) -> tuple[Steering, ...]:
    """What steers a model now, in the order of attachment."""
    return tuple(_ATTACHED.get(model, ()))


@contextlib.contextmanager
def suspended(model: torch.nn.Module) -> Iterator[None]:
    """Within, the model computes as if nothing were attached."""
    steerings = [steering for steering in attached(model) if not steering._suspended]
    for steering in steerings:
        steering._suspended = True
    try:
        yield
    finally:
        for steering in steerings:
            steering._suspended = False


@contextlib.contextmanager
def adding(model: torch.nn.Module, layer: int, addend: Array) -> Iterator[None]:
    """Within, an array is added at the output of one block: for candidates and random directions.

    No checks: the array must come from this very model.

    Args:
        model: A transformers model.
        layer: Output of this decoder block.
        addend: ``[hidden]``, multiplied by its coefficient already.
    """
    blocks = find_blocks(model)
    product = torch.tensor(addend, dtype=torch.float32)

    def hook(module: torch.nn.Module, arguments: object, output: object) -> object:
        hidden = residual_of(output, blocks.hidden_size, layer)
        return with_residual(output, hidden + product.to(hidden))

    handle = blocks.modules[layer].register_forward_hook(hook, prepend=True)
    try:
        yield
    finally:
        handle.remove()


@dataclass
class _Addition:
    """One intervention's vector, and the product that its hook adds."""

    intervention: Intervention
    direction: torch.Tensor
    coefficient: float
    product: torch.Tensor

    def set(self, coefficient: float) -> None:
        self.coefficient = coefficient
        # In place: a compiled model goes on reading this very tensor.
        self.product.copy_(self.direction * coefficient)


class Steering:
    """A vector at work on a model.

    Attributes:
        vector: The vector.
        findings: What the compatibility checks found, warnings and notes included.
    """

    def __init__(
        self,
        vector: SteeringVector,
        model: torch.nn.Module,
        coefficients: Sequence[float],
        findings: Sequence[Finding],
    ) -> None:
        self.vector = vector
        self.findings = tuple(findings)
        self._model = weakref.ref(model)
        self._suspended = False
        self._handles: list[RemovableHandle] = []
        blocks = find_blocks(model)
        self._additions = _additions(vector, blocks, coefficients)
        with contextlib.ExitStack() as undo:
            for addition in self._additions:
                layer = addition.intervention.layer
                # Before transformers' own capture hooks, so that hidden_states show the steering.
                block = blocks.modules[layer]
                handle = block.register_forward_hook(
                    self._hook(addition, block, blocks.hidden_size), prepend=True
                )
                undo.callback(handle.remove)
                self._handles.append(handle)
            _ATTACHED.setdefault(model, []).append(self)
            undo.pop_all()

    def __repr__(self) -> str:
        state = f"coefficient {self.coefficient}" if self.is_attached else "detached"
        return f"Steering({self.vector!r}, {state})"

    def __enter__(self) -> Self:
        if not self.is_attached:
            raise SteeringError("This steering was detached. Attach the vector again.")
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.detach()

    @property
    def is_attached(self) -> bool:
        """Whether the model is steered by this handle."""
        return bool(self._handles)

    @property
    def coefficient(self) -> float | tuple[float, ...]:
        """The coefficient in force: one number, or one for each intervention where they differ.

        Setting it takes effect with the next forward pass, in the middle of a generation too.

        Raises:
            SteeringError: The value is not a finite number, or not one for each intervention.
        """
        values = tuple(addition.coefficient for addition in self._additions)
        return values[0] if len(set(values)) == 1 else values

    @coefficient.setter
    def coefficient(self, value: float | Sequence[float]) -> None:
        coefficients = _coefficients(self.vector.manifest, value)
        for finding in _range_findings(self.vector.manifest, coefficients):
            warnings.warn(str(finding), CompatibilityWarning, stacklevel=2)
        for addition, coefficient in zip(self._additions, coefficients, strict=True):
            addition.set(coefficient)

    def detach(self) -> None:
        """Remove the steering; the model computes exactly as before. Doing it twice is no error."""
        for handle in self._handles:
            handle.remove()
        self._handles.clear()
        model = self._model()
        if model is not None and self in _ATTACHED.get(model, ()):
            _ATTACHED[model].remove(self)

    def _hook(
        self, addition: _Addition, block: torch.nn.Module, hidden_size: int
    ) -> Callable[[torch.nn.Module, object, object], object]:
        layer = addition.intervention.layer

        def hook(module: torch.nn.Module, arguments: object, output: object) -> object:
            # A deep copy of the model takes its hooks along, but no handle could ever detach them.
            if self._suspended or module is not block:
                return output
            hidden = residual_of(output, hidden_size, layer)
            return with_residual(output, hidden + addition.product.to(hidden))

        return hook


def _additions(
    vector: SteeringVector, blocks: DecoderBlocks, coefficients: Sequence[float]
) -> list[_Addition]:
    additions = []
    for intervention, coefficient in zip(vector.manifest.interventions, coefficients, strict=True):
        device = next((p.device for p in blocks.modules[intervention.layer].parameters()), None)
        if device is None or device.type == "meta":  # offloaded: weights arrive with the call
            device = torch.device("cpu")
        direction = torch.tensor(vector.arrays[intervention.tensor], device=device)
        addition = _Addition(intervention, direction, 0.0, torch.zeros_like(direction))
        addition.set(coefficient)
        additions.append(addition)
    return additions


def _coefficients(
    manifest: Manifest, coefficient: float | Sequence[float] | None
) -> tuple[float, ...]:
    number = len(manifest.interventions)
    if coefficient is None:
        values = [intervention.coefficient for intervention in manifest.interventions]
    elif isinstance(coefficient, Sequence):
        values = [float(value) for value in coefficient]
    else:
        values = [float(coefficient)] * number
    if len(values) != number or not all(math.isfinite(value) for value in values):
        raise SteeringError(
            f"Expected one finite coefficient, or one for each of {number} interventions; "
            f"found {coefficient!r}."
        )
    return tuple(values)


def _range_findings(manifest: Manifest, coefficients: Sequence[float]) -> Iterator[Finding]:
    for intervention, value in zip(manifest.interventions, coefficients, strict=True):
        if intervention.coefficient_range is None:
            continue
        low, high = intervention.coefficient_range
        if not low <= value <= high:
            yield Finding(
                "coefficient_range",
                "warning",
                f"a coefficient from {low:g} to {high:g}, where validation found it to help",
                f"{value:g}",
                "Beyond that the model may break: measure it.",
            )
