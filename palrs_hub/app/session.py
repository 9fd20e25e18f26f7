"""What the playground does, without the page: both rows generated at once, the knobs live."""

from __future__ import annotations

import contextlib
import threading
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np
import torch

from palrs_hub.app.stream import streamed
from palrs_hub.blocks import find_blocks, residual_of
from palrs_hub.errors import UsageError
from palrs_hub.inputs import encode_prompt
from palrs_hub.steer import Row, attach, suspended
from palrs_hub.vector import SteeringVector

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from transformers import PreTrainedTokenizerBase

    from palrs_hub.steer import Steering

UNSTEERED, STEERED = 0, 1


@dataclass
class Knobs:
    """The coefficients that one user has set; read anew before every token.

    Attributes:
        values: One for each vector; of a vector with several interventions, the first one's. The
            others keep their proportion to it.
    """

    values: list[float] = field(default_factory=list)


@dataclass(frozen=True)
class Shown:
    """Both texts as far as they are.

    Attributes:
        token_ids: Of the unsteered and of the steered row, without the prompt.
        texts: The same as text.
    """

    token_ids: tuple[tuple[int, ...], tuple[int, ...]]
    texts: tuple[str, str]


class Session:
    """A model with vectors to try on it.

    Attributes:
        vectors: The vectors, in the order in which they take effect.
    """

    def __init__(
        self,
        model: Any,  # noqa: ANN401 - transformers types generate() on a mixin
        tokenizer: PreTrainedTokenizerBase,
        vectors: Sequence[SteeringVector],
    ) -> None:
        """Check that every vector fits the model.

        Raises:
            IncompatibleError: One of them was not made for this model.
            UsageError: There is none.
        """
        if not vectors:
            raise UsageError("The playground needs at least one vector; none was given.")
        self.vectors = tuple(vectors)
        self._model = model
        self._tokenizer = tokenizer
        self._lock = threading.Lock()  # one model, and hooks on it: one generation at a time
        attach(model, self.vectors, tokenizer=tokenizer).detach()

    def knobs(self) -> Knobs:
        """The vectors' own coefficients."""
        return Knobs([v.manifest.interventions[0].coefficient for v in self.vectors])

    def stream(self, prompt: str, knobs: Knobs, *, max_new_tokens: int) -> Iterator[Shown]:
        """Generate greedily, steered beside unsteered in one batch of two rows.

        Args:
            prompt: What to answer; a chat template is applied where the tokenizer has one.
            knobs: Changing its values takes effect with the next token.
            max_new_tokens: Where to stop if the model does not.

        Yields:
            Both texts after every token; what was not steered is the same with every coefficient.
        """
        ids = torch.tensor([encode_prompt(self._tokenizer, prompt)] * 2)
        rows: tuple[list[int], list[int]] = ([], [])
        ends = _ends(self._model, self._tokenizer)
        with self._lock, self._attached(knobs) as steerings:
            in_force = list(knobs.values)

            def before_a_token() -> None:
                for number, steering in enumerate(steerings):
                    value = knobs.values[number]
                    if value != in_force[number]:
                        steering.rows = [None, self._row(number, value)]
                        in_force[number] = value

            for tokens in streamed(
                self._model, ids, max_new_tokens=max_new_tokens, between=before_a_token
            ):
                for row, token in zip(rows, tokens, strict=True):
                    if not (row and row[-1] in ends):
                        row.append(token)
                yield self._shown(rows)

    def presence(
        self, prompt: str, shown: Shown, number: int
    ) -> tuple[list[tuple[str, float]], ...]:
        """How strongly a vector's direction is present at each token of both texts.

        The unsteered model reads them, so that what steering adds itself does not count.

        Args:
            prompt: The prompt that they answer.
            shown: The texts.
            number: Which vector.

        Returns:
            For each row, each token's text and the residual stream's component along the unit
            vector, at the output of the first intervention's block.
        """
        vector = self.vectors[number]
        change = vector.manifest.interventions[0]
        direction = vector.arrays[change.tensor].astype(np.float64)
        unit = torch.tensor(direction / np.linalg.norm(direction), dtype=torch.float32)
        before = encode_prompt(self._tokenizer, prompt)
        with self._lock:
            return tuple(
                [
                    (str(self._tokenizer.decode([token])), along)
                    for token, along in zip(
                        row,
                        self._along((*before, *row), change.layer, unit)[len(before) :],
                        strict=True,
                    )
                ]
                for row in shown.token_ids
            )

    def _along(self, ids: tuple[int, ...], layer: int, unit: torch.Tensor) -> list[float]:
        blocks = find_blocks(self._model)
        read: list[torch.Tensor] = []

        def hook(module: torch.nn.Module, arguments: object, output: object) -> None:
            hidden = residual_of(output, blocks.hidden_size, layer)
            read.append(hidden[0].to("cpu", torch.float32) @ unit)

        handle = blocks.modules[layer].register_forward_hook(hook)
        try:
            with torch.inference_mode(), suspended(self._model):
                device = self._model.get_input_embeddings().weight.device
                self._model(input_ids=torch.tensor([ids], device=device), use_cache=False)
        finally:
            handle.remove()
        return [float(value) for value in read[0]]

    @contextlib.contextmanager
    def _attached(self, knobs: Knobs) -> Iterator[list[Steering]]:
        """Each vector by itself, for a row takes one vector of a handle, and here takes all."""
        with contextlib.ExitStack() as undo:
            yield [
                undo.enter_context(
                    attach(
                        self._model,
                        vector,
                        rows=[None, self._row(number, knobs.values[number])],
                        tokenizer=self._tokenizer,
                    )
                )
                for number, vector in enumerate(self.vectors)
            ]

    def _row(self, number: int, value: float) -> Row:
        return Row(0, coefficients_at(self.vectors[number], value))

    def _shown(self, rows: tuple[list[int], list[int]]) -> Shown:
        plain, steered = (
            str(self._tokenizer.decode(row, skip_special_tokens=True)) for row in rows
        )
        return Shown((tuple(rows[UNSTEERED]), tuple(rows[STEERED])), (plain, steered))


def coefficients_at(vector: SteeringVector, value: float) -> list[float]:
    """The coefficients of all interventions where the first one's is ``value``."""
    own = [change.coefficient for change in vector.manifest.interventions]
    return [value if each == own[0] else each * value / own[0] for each in own]


def with_coefficients(vector: SteeringVector, value: float) -> SteeringVector:
    """The vector with the coefficient that a knob is at, to be saved.

    Evaluations are left out if it changed: they were measured with the old one.
    """
    manifest = vector.manifest
    values = coefficients_at(vector, value)
    changes = tuple(
        change.model_copy(update={"coefficient": each})
        for change, each in zip(manifest.interventions, values, strict=True)
    )
    same = changes == manifest.interventions
    update = {"interventions": changes, "evaluations": manifest.evaluations if same else ()}
    return SteeringVector.build(manifest.model_copy(update=update), vector.arrays)


def _ends(model: Any, tokenizer: PreTrainedTokenizerBase) -> set[int]:  # noqa: ANN401
    """Tokens after which a row of a batch is only filled up."""
    configured = model.generation_config.eos_token_id
    several = configured if isinstance(configured, list) else [configured]
    return {int(end) for end in (*several, tokenizer.eos_token_id) if end is not None}
