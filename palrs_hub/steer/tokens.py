"""Which tokens a forward pass computes: their positions, and whether they belong to the prompt.

A hook on a block sees hidden states alone. So a hook on the model looks at every forward pass
before it runs: at how many tokens its cache holds, its attention mask and its position ids. Where
the prompt ends, only ``generate`` knows, so that is watched while something that needs to know is
attached. A column is a place in the batch, padding included; a position counts the tokens of a text
from 0. All of it are tensors, so that a compiled forward pass can compute it too.
"""

from __future__ import annotations

import contextlib
import inspect
import weakref
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import torch

from palrs_hub.errors import SteeringError
from palrs_hub.steer.prompt import holds_tokens

if TYPE_CHECKING:
    from collections.abc import Iterator

    from palrs_hub.steer.prompt import Prompt

_CACHES = ("past_key_values", "cache_params", "state")


@dataclass
class Needs:
    """What the steering that is attached has to know of tokens."""

    prompt: bool = False
    positions: bool = False
    conditions: bool = False

    def __or__(self, other: Needs) -> Needs:
        return Needs(
            self.prompt or other.prompt,
            self.positions or other.positions,
            self.conditions or other.conditions,
        )

    def __bool__(self) -> bool:
        return self.prompt or self.positions or self.conditions


class Tokens:
    """What is known of the tokens of the forward pass that runs now.

    Attributes:
        is_prompt: Bool ``[batch or 1, tokens]``; None where nobody needs it.
        positions: Int ``[batch or 1, tokens]``; None where nobody needs it.
        is_read: Bool ``[batch or 1, tokens]``, the prompt's tokens without padding, in a pass that
            holds the whole prompt; None in others, and where nobody needs it.
        prompt: The prompt of the ``generate`` that runs now; None outside.
        round: Counts calls of ``generate`` and stated prompts: a condition holds within one.
    """

    def __init__(self, model: torch.nn.Module) -> None:
        self.model = weakref.ref(model)
        self.names = tuple(inspect.signature(model.forward).parameters)
        self.is_prompt: torch.Tensor | None = None
        self.positions: torch.Tensor | None = None
        self.is_read: torch.Tensor | None = None
        self.prompt: Prompt | None = None
        self.stated: torch.Tensor | None = None
        self.round = 0
        self._was_read = False
        # Fixed buffers, changed in place: a compiled pass goes on reading these very tensors.
        self._width = torch.zeros((), dtype=torch.long)
        self._counted = torch.zeros((), dtype=torch.long)

    @contextlib.contextmanager
    def generating(self, prompt: Prompt) -> Iterator[None]:
        """Within, forward passes continue a prompt."""
        if self._width.device != prompt.device:
            self._width, self._counted = (
                buffer.to(prompt.device) for buffer in (self._width, self._counted)
            )
        self._width.fill_(prompt.width)
        self._counted.zero_()
        self.prompt = prompt
        self._begin()
        try:
            yield
        finally:
            self.prompt = None

    @contextlib.contextmanager
    def stating(self, number: int | Sequence[int]) -> Iterator[None]:
        """Within, forward passes outside ``generate`` have prompts of so many tokens."""
        before, self.stated = self.stated, torch.as_tensor(number, dtype=torch.long)
        self._begin()
        try:
            yield
        finally:
            self.stated = before

    def _begin(self) -> None:
        self.round += 1
        self._was_read = False

    def start(self, needs: Needs, arguments: tuple[Any, ...], named: dict[str, Any]) -> None:
        """Find out what is needed of the forward pass that begins.

        Raises:
            SteeringError: It cannot be told.
        """
        given = {**dict(zip(self.names, arguments, strict=False)), **named}
        self.is_prompt = self.positions = self.is_read = None
        tokens = given.get("inputs_embeds")
        tokens = given.get("input_ids") if tokens is None else tokens
        if tokens is None:
            raise SteeringError("Which tokens to steer cannot be told: the model was given none.")
        if (needs.prompt or needs.conditions) and self.prompt is None and self.stated is None:
            raise SteeringError(_NO_PROMPT)
        if needs.positions or self.prompt is None:
            self.positions = self._positions(given, tokens)
        if needs.prompt or needs.conditions:
            self.is_prompt = self._prompt(given, tokens)
        if needs.conditions:
            self.is_read = self._read(given, tokens)
        if self.prompt is not None:
            self._counted.add_(tokens.shape[1])

    def stop(self) -> None:
        """The forward pass has ended."""
        self.is_prompt = self.positions = self.is_read = None

    def _columns(self, given: dict[str, Any], tokens: torch.Tensor) -> torch.Tensor:
        number = tokens.shape[1]
        columns = torch.arange(number, device=tokens.device)
        cache = _cache(given)
        if cache is None:
            return columns
        try:
            found: torch.Tensor = columns + cache.get_seq_length()
            return found
        except (AttributeError, ValueError):  # a state without a length, as Mamba's
            mask = given.get("attention_mask")
        if mask is not None and mask.dim() == 2:
            return columns + int(mask.shape[1] - number)
        if self.prompt is not None:  # such a state cannot be cut, so counting is right
            return columns + self._counted
        raise SteeringError(
            "Where these tokens stand in their text cannot be told: the cache has no length, and "
            "no attention_mask was given. Pass the attention_mask of the whole text."
        )

    def _positions(self, given: dict[str, Any], tokens: torch.Tensor) -> torch.Tensor:
        """As the model was told; else from the mask; else every column is a token of the text."""
        number = tokens.shape[1]
        stated, mask = given.get("position_ids"), given.get("attention_mask")
        if stated is not None and stated.dim() == 2:
            return stated  # type: ignore[no-any-return]
        if mask is not None and mask.dim() == 2:
            counted: torch.Tensor = (mask.long().cumsum(-1) - 1).clamp(min=0)[:, -number:]
            return counted
        columns = self._columns(given, tokens)[None]
        if self.prompt is None:
            return columns
        real = self._real().to(tokens.device)
        real = real.repeat_interleave(tokens.shape[0] // real.shape[0], dim=0)
        before = (real.long().cumsum(-1) - 1).clamp(min=0)
        within = before.gather(1, columns.clamp(max=real.shape[1] - 1).expand(len(real), -1))
        padding = real.shape[1] - real.sum(dim=-1, keepdim=True)
        return torch.where(columns < real.shape[1], within, columns - padding)

    def _prompt(self, given: dict[str, Any], tokens: torch.Tensor) -> torch.Tensor:
        if self.prompt is not None:
            return (self._columns(given, tokens) < self._width)[None]
        assert self.stated is not None
        assert self.positions is not None
        lengths = self.stated.to(tokens.device)
        if lengths.dim() and len(lengths) != tokens.shape[0]:
            raise SteeringError(
                f"The prompts of {len(lengths)} texts were stated; the batch has {tokens.shape[0]}."
            )
        return self.positions < lengths[..., None] if lengths.dim() else self.positions < lengths

    def _read(self, given: dict[str, Any], tokens: torch.Tensor) -> torch.Tensor | None:
        cache = _cache(given)
        if self._was_read and cache is not None and (self.prompt or holds_tokens(cache)):
            return None
        if holds_tokens(cache) or not self._is_whole(tokens):
            raise SteeringError(
                "A condition is read from the whole prompt in one forward pass; this one holds a "
                "part of it. Generate without prefill_chunk_size and from an empty cache."
            )
        self._was_read = True
        mask, number = given.get("attention_mask"), tokens.shape[1]
        if mask is not None and mask.dim() == 2:
            real: torch.Tensor = mask[:, -number:].bool()
        elif self.prompt is not None:
            real = self._real().to(tokens.device)
            real = real.repeat_interleave(tokens.shape[0] // real.shape[0], dim=0)
            real = torch.nn.functional.pad(real, (0, number - real.shape[1]))
        else:
            real = torch.ones(1, number, dtype=torch.bool, device=tokens.device)
        assert self.is_prompt is not None
        return real & self.is_prompt

    def _is_whole(self, tokens: torch.Tensor) -> bool:
        if self.prompt is not None:
            return tokens.shape[1] >= self.prompt.width
        return self.stated is not None and tokens.shape[1] >= int(self.stated.max())

    def _real(self) -> torch.Tensor:
        assert self.prompt is not None
        if self.prompt.real is None:
            raise SteeringError(
                "Which columns are padding cannot be told: pass generate the attention_mask."
            )
        return self.prompt.real


_NO_PROMPT = (
    "Steering depends on where the prompt ends, and outside generate a forward pass does not tell. "
    "State it: `with palrs_hub.prompt_tokens(model, number): model(...)`."
)


def _cache(given: dict[str, Any]) -> Any:  # noqa: ANN401 - each family has its own
    return next((given[name] for name in _CACHES if given.get(name) is not None), None)
