"""Steering: the handle of vectors at work on a model."""

from __future__ import annotations

import contextlib
import warnings
import weakref
from collections.abc import Sequence
from typing import TYPE_CHECKING, Self

import torch

from palrs_hub.compatibility import CompatibilityWarning
from palrs_hub.compiled import forget_graphs
from palrs_hub.errors import SteeringError
from palrs_hub.steer.rows import Doses, Row, check_rows, doses
from palrs_hub.steer.setup import set_up
from palrs_hub.steer.strength import strength_findings
from palrs_hub.steer.tokens import Needs
from palrs_hub.steer.watch import transformers_model, watch

if TYPE_CHECKING:
    from collections.abc import Iterator
    from types import TracebackType

    from palrs_hub.compatibility import Finding
    from palrs_hub.steer.prompt import Prompt
    from palrs_hub.vector import SteeringVector

_ATTACHED: weakref.WeakKeyDictionary[torch.nn.Module, list[Steering]] = weakref.WeakKeyDictionary()


def attached(model: torch.nn.Module) -> tuple[Steering, ...]:
    """What steers a model now, in the order of attachment, which is the order of their effects."""
    return tuple(_ATTACHED.get(transformers_model(model), ()))


@contextlib.contextmanager
def suspended(model: torch.nn.Module) -> Iterator[None]:
    """Within, the model computes as if nothing were attached."""
    steerings = [steering for steering in attached(model) if not steering.is_suspended]
    for steering in steerings:
        steering.is_suspended = True
    try:
        yield
    finally:
        for steering in steerings:
            steering.is_suspended = False


class Steering:
    """Vectors at work on a model.

    Attributes:
        vectors: The vectors, in the order in which they take effect.
        findings: What the compatibility checks found, warnings and notes included.
        is_suspended: Whether it stands still for now; see ``suspended``.
    """

    def __init__(
        self,
        vectors: Sequence[SteeringVector],
        model: torch.nn.Module,
        given: Doses,
        findings: Sequence[Finding],
    ) -> None:
        self.vectors = tuple(vectors)
        self.findings = tuple(findings)
        self.is_suspended = False
        self._doses = given
        self._model = weakref.ref(transformers_model(model))
        self._watch = watch(model)
        places = set_up(self.vectors, model, self._watch.tokens, self)
        self._actions = [action for place in places for action in place.entry.actions]
        self._needs = _needs(self.vectors)
        for action in self._actions:
            action.set(given)
        with contextlib.ExitStack() as undo:
            # Everything is ready: from here on only hooks are added.
            for place in places:
                place.site.add(place.entry)
                undo.callback(place.site.remove, place.entry)
            if self._needs or given.rows is not None:
                self._watch.add(self)
                undo.callback(self._watch.remove, self)
            forget_graphs()
            self._undo: contextlib.ExitStack | None = undo.pop_all()
        _ATTACHED.setdefault(transformers_model(model), []).append(self)

    def __repr__(self) -> str:
        names = ", ".join(map(repr, self.vectors))
        return f"Steering({names}, {self._state() if self.is_attached else 'detached'})"

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
    def vector(self) -> SteeringVector:
        """The vector; the first one where several were attached together."""
        return self.vectors[0]

    @property
    def is_attached(self) -> bool:
        """Whether the model is steered by this handle."""
        return self._undo is not None

    @property
    def coefficient(self) -> float | tuple[float, ...]:
        """The coefficient in force: one number, or one for each intervention where they differ.

        Setting it takes effect with the next forward pass, in the middle of a generation too, and
        compiles nothing anew. With rows, it is the rows that have coefficients: see ``rows``.

        Raises:
            SteeringError: The value is not a finite number, or not one for each intervention.
        """
        if self._doses.rows is not None:
            raise SteeringError("Each row has its own coefficient: see `steering.rows`.")
        values = tuple(value for each in self._doses.each for value in each)
        return values[0] if len(set(values)) == 1 else values

    @coefficient.setter
    def coefficient(self, value: float | Sequence[float]) -> None:
        if self._doses.rows is not None:
            raise SteeringError("Each row has its own coefficient: set `steering.rows`.")
        self._take(doses(self.vectors, value))

    @property
    def rows(self) -> tuple[Row | None, ...] | None:
        """What steers each row of the batch; None if all rows are steered alike.

        Setting it takes effect with the next forward pass and compiles nothing anew, as long as
        there are as many rows as before.

        Raises:
            SteeringError: An entry names no vector of this handle, a coefficient is not finite, or
                rows were not given when it was attached.
        """
        if self._doses.rows is None:
            return None
        return tuple(row and Row(row[0], row[1]) for row in self._doses.rows)

    @rows.setter
    def rows(self, value: Sequence[int | Row | None]) -> None:
        if self._doses.rows is None:
            raise SteeringError("All rows are steered alike: give rows when you attach.")
        given = doses(self.vectors, None, value)
        assert given.rows is not None
        check_rows(len(self._doses.rows), len(given.rows))
        self._take(given)

    def _take(self, given: Doses) -> None:
        for number, vector in enumerate(self.vectors):
            for finding in strength_findings(number, vector, given):
                warnings.warn(str(finding), CompatibilityWarning, stacklevel=3)
        self._doses = given
        for action in self._actions:
            action.set(given)

    def detach(self) -> None:
        """Remove the steering; the model computes exactly as before. Doing it twice is no error."""
        if self._undo is not None:
            self._undo.close()
            self._undo = None
        model = self._model()
        if model is not None and self in _ATTACHED.get(model, ()):
            _ATTACHED[model].remove(self)

    @property
    def needs(self) -> Needs:
        """What it has to know of tokens now."""
        return Needs() if self.is_suspended else self._needs

    def check_batch(self, prompt: Prompt) -> None:
        """Refuse a batch of another size than it was attached for.

        Raises:
            SteeringError: The batch has not one text for each entry of ``rows``.
        """
        if self._doses.rows is not None and not self.is_suspended:
            check_rows(len(self._doses.rows), prompt.rows)

    def _state(self) -> str:
        rows = self._doses.rows
        return f"coefficient {self.coefficient}" if rows is None else f"{len(rows)} rows"


def _needs(vectors: Sequence[SteeringVector]) -> Needs:
    changes = [change for vector in vectors for change in vector.manifest.interventions]
    return Needs(
        prompt=any(change.tokens in ("prompt", "generated") for change in changes),
        positions=any(not isinstance(change.tokens, str) for change in changes),
        conditions=any(change.condition is not None for change in changes),
    )
