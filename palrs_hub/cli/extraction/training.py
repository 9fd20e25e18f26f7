"""Options of the methods that train their vector."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING, Any, Final

import click

from palrs_hub.methods import METHODS, TrainedMethod

if TYPE_CHECKING:
    from collections.abc import Callable

    from palrs_hub.methods import Training

SETTINGS: Final = ("epochs", "learning_rate", "beta", "pairs_per_step", "weight_decay")
_TRAINED: Final = [name for name, method in METHODS.items() if isinstance(method, TrainedMethod)]
_PRESET: Final = "the method's own"
_ONLY: Final = f"of {', '.join(_TRAINED)}"

_OPTIONS: Final = (
    click.option(
        "--epochs",
        type=click.IntRange(min=1),
        show_default=_PRESET,
        help=f"How often training sees every pair ({_ONLY}).",
    ),
    click.option(
        "--learning-rate",
        type=click.FloatRange(min=0, min_open=True),
        show_default=_PRESET,
        help=f"The highest one of training ({_ONLY}).",
    ),
    click.option(
        "--beta",
        type=click.FloatRange(min=0, min_open=True),
        show_default=_PRESET,
        help=f"Weight of what steering changed, as in DPO ({_ONLY}).",
    ),
    click.option(
        "--pairs-per-step",
        type=click.IntRange(min=1),
        show_default=_PRESET,
        help=f"Pairs in a training step ({_ONLY}).",
    ),
    click.option(
        "--weight-decay",
        type=click.FloatRange(min=0),
        show_default=_PRESET,
        help=f"Of AdamW ({_ONLY}).",
    ),
)


def training_options(command: Callable[..., Any]) -> Callable[..., Any]:
    """Add the options, in this order, to a command."""
    for option in reversed(_OPTIONS):
        command = option(command)
    return command


def training_of(method: str, settings: dict[str, Any], seed: int) -> Training | None:
    """The settings of a trained method; None for one that is not.

    Args:
        method: A name of METHODS.
        settings: What was given for SETTINGS, None where nothing was.
        seed: Seed of the training.
    """
    given = {name: value for name, value in settings.items() if value is not None}
    match METHODS[method]:
        case TrainedMethod(training=preset):
            return dataclasses.replace(preset, seed=seed, **given)
        case _:
            if given:
                option = "--" + next(iter(given)).replace("_", "-")
                raise click.UsageError(
                    f"The method {method!r} is not trained: leave out {option}, or choose "
                    f"--method {_TRAINED[0]}."
                )
            return None
