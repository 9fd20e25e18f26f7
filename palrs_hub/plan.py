"""What an extraction was asked for, checked against the method and the model."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Final, Self

from pydantic import TypeAdapter, ValidationError

from palrs_hub.errors import UsageError
from palrs_hub.methods import METHODS, AnyMethod, ReadMethod, Switches, TrainedMethod, Training
from palrs_hub.positions import read_positions

if TYPE_CHECKING:
    from collections.abc import Sequence

    from palrs_hub.inputs import InputFormat
    from palrs_hub.intervention import Unit
    from palrs_hub.methods import Choice
    from palrs_hub.positions import Positions

MIDDLE: Final = (0.4, 0.5, 0.6)
"""Depths that a trained method tries by default, as shares of the blocks."""


@dataclass(frozen=True)
class Plan:
    """A method with every switch.

    Attributes:
        method: The method.
        switches: Its switches, as they were given or are its own.
        training: Settings of a trained method.
    """

    method: AnyMethod
    switches: Switches
    training: Training | None

    @classmethod
    def made(
        cls,
        method: str,
        *,
        input_format: InputFormat | None = None,
        positions: Positions | None = None,
        choice: Choice | None = None,
        scale: Unit | None = None,
        drop_last_layers: float | None = None,
        training: Training | None = None,
    ) -> Self:
        """Complete what was given by the method's own.

        Raises:
            UsageError: No such method, or settings that it has no use for.
        """
        found = _method(method)
        switches = _switches(
            found,
            {
                "input_format": input_format,
                "positions": None if positions is None else read_positions(positions).name,
                "choice": choice,
                "scale": scale,
                "drop_last_layers": drop_last_layers,
            },
        )
        return cls(found, switches, _settings(found, training))

    @classmethod
    def recorded(cls, method: str, switches: dict[str, Any]) -> Self:
        """A plan as a file of sums records it.

        Raises:
            UsageError: It is not known, or not of a method that sums are enough for.
        """
        found = _method(method)
        if not isinstance(found, ReadMethod):
            raise UsageError(f"The method {method!r} trains its vector; sums are not enough.")
        try:
            known = TypeAdapter(Switches).validate_python(switches)
        except ValidationError as error:
            raise UsageError(f"The switches of these sums are not known: {error}") from error
        return cls(found, known, None)

    def layers(self, blocks: int, given: Sequence[int] | None) -> tuple[int, ...]:
        """The layers to find candidates for, of so many."""
        return _layers(self.method, blocks, given)


def _method(name: str) -> AnyMethod:
    if name not in METHODS:
        raise UsageError(f"No method {name!r}. Methods: {', '.join(METHODS)}.")
    return METHODS[name]


def _switches(method: AnyMethod, given: dict[str, Any]) -> Switches:
    changes = {name: value for name, value in given.items() if value is not None}
    return replace(method.preset, **changes)


def _settings(method: AnyMethod, given: Training | None) -> Training | None:
    match method:
        case TrainedMethod(training=preset):
            return given or preset
        case ReadMethod(name=name):
            if given is not None:
                raise UsageError(f"The method {name!r} is not trained: leave the settings out.")
            return None


def _layers(method: AnyMethod, blocks: int, given: Sequence[int] | None) -> tuple[int, ...]:
    if given is None:
        if isinstance(method, ReadMethod):
            return tuple(range(blocks))
        # Training costs minutes a layer, and middle layers are where it is known to work.
        return tuple(sorted({int(share * blocks) for share in MIDDLE}))
    beyond = [layer for layer in given if not 0 <= layer < blocks]
    if beyond or not given:
        raise UsageError(
            f"No candidate at {f'layer {beyond[-1]}' if beyond else 'no layer'}. This model has "
            f"layers: 0 to {blocks - 1}."
        )
    return tuple(sorted(set(given)))


def check_positions(method: AnyMethod, names: Sequence[str]) -> None:
    """Refuse more read positions than a method has a use for."""
    if isinstance(method, TrainedMethod) and len(names) > 1:
        raise UsageError(
            f"The method {method.name!r} steers with what it trained, wherever activations are "
            f"read for its diagnostics: one position is enough, not {len(names)}. Use "
            "'response_mean' or 'last'."
        )
