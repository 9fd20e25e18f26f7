"""What ``generate`` was asked to continue: where the prompt ends and where its padding is."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import torch

from palrs_hub.errors import SteeringError

if TYPE_CHECKING:
    from collections.abc import Mapping


@dataclass(frozen=True)
class Prompt:
    """The prompt of one call of ``generate``.

    Attributes:
        rows: Number of texts, before beams or returned sequences multiply them.
        width: Columns of the prompt, padding included; the tokens after them are generated.
        real: Bool ``[rows, width]``, False at padding; None where that cannot be known.
        device: Where the prompt is.
        is_guided: Whether classifier-free guidance runs other texts through the model as well.
    """

    rows: int
    width: int
    real: torch.Tensor | None
    device: torch.device
    is_guided: bool


def prompt_of(model: Any, given: Mapping[str, Any]) -> Prompt:  # noqa: ANN401 - its config differs
    """Read the prompt off the arguments of ``generate``.

    Args:
        model: The model that generates.
        given: The arguments by name.

    Raises:
        SteeringError: A cache was given and the arguments do not tell what it holds.
    """
    embeds, ids = given.get("inputs_embeds"), given.get("input_ids")
    ids = given.get("inputs") if ids is None else ids
    tokens = ids if embeds is None else embeds
    if tokens is None:  # generate begins with one token of its own
        return Prompt(
            1, 1, torch.ones(1, 1, dtype=torch.bool), model.device, _is_guided(model, given)
        )
    rows, width = tokens.shape[:2]
    mask = given.get("attention_mask")
    if mask is not None and mask.dim() == 2:
        width = max(width, mask.shape[1])
    elif _holds_as_many(given.get("past_key_values"), width):
        raise SteeringError(
            "Which tokens are the prompt cannot be told: generate was given a cache with tokens in "
            "it and no attention_mask. Pass the attention_mask of the whole text."
        )
    real = _real(model, given, ids if embeds is None else None, mask, (rows, width))
    return Prompt(rows, width, real, tokens.device, _is_guided(model, given))


def setting(model: Any, given: Mapping[str, Any], name: str) -> Any:  # noqa: ANN401
    """A generation setting: an argument, else the given configuration's, else the model's."""
    configurations = (given.get("generation_config"), getattr(model, "generation_config", None))
    values = (given.get(name), *(getattr(each, name, None) for each in configurations))
    return next((value for value in values if value is not None), None)


def _real(
    model: Any,  # noqa: ANN401
    given: Mapping[str, Any],
    ids: torch.Tensor | None,
    mask: torch.Tensor | None,
    shape: tuple[int, int],
) -> torch.Tensor | None:
    if mask is not None:
        return mask.bool() if mask.dim() == 2 and mask.shape == shape else None
    # Without a mask, transformers guesses padding from the padding token: not relied upon here.
    pad = setting(model, given, "pad_token_id")
    if ids is not None and pad is not None and ids.dtype == torch.long and (ids == pad).any():
        return None
    return torch.ones(shape, dtype=torch.bool)


def holds_tokens(cache: Any) -> bool:  # noqa: ANN401
    """Whether a cache, of whatever family, has seen tokens."""
    if cache is None or not hasattr(cache, "get_seq_length"):
        return cache is not None
    try:
        return bool(cache.get_seq_length())
    except ValueError:  # a state without a length, as Mamba's
        return bool(cache.has_previous_state())


def _holds_as_many(cache: Any, width: int) -> bool:  # noqa: ANN401
    """Whether a cache holds so much that what was given beside it cannot be the whole text."""
    if not holds_tokens(cache):
        return False
    try:
        return bool(cache.get_seq_length() >= width)
    except (AttributeError, ValueError):
        return True


def _is_guided(model: Any, given: Mapping[str, Any]) -> bool:  # noqa: ANN401
    return setting(model, given, "guidance_scale") not in (None, 1, 1.0)
