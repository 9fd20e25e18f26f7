"""The self-test of an export: what a steered engine must answer, and what an unsteered one would.

An engine that ignores a vector goes on as if nothing were wrong. So every export carries the
next-token log-probabilities of a fixed prompt, steered and unsteered, at the tokens where the two
say most; whoever serves it can ask the engine for the same and see which of the two it gives.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Final, Literal

import numpy as np
from pydantic import Field, ValidationError

from palrs_hub.errors import PackageError, SteeringError
from palrs_hub.fields import Finite, Layer, Line, Sha256, Strict

if TYPE_CHECKING:
    import torch

    from palrs_hub.vector import SteeringVector

FORMAT: Final = "palrs-hub-selftest"
FOLDER_FILE: Final = "palrs_hub.selftest.json"
FILE_SUFFIX: Final = ".selftest.json"
TOP_TOKENS: Final = 8
PREFIXES: Final = 4
MAX_BYTES: Final = 1024 * 1024
# How far an engine may be from the whole effect: a neighbouring layer is farther.
TOLERANCE: Final = 0.1
# What two engines may differ by, in nats; of 16 bits the order of rounding makes more.
_ROUNDING: Final = {"float32": 0.02}
_ROUNDING_16_BITS: Final = 0.1
FEWEST_TOKENS: Final = 3

# Token ids -> log-probabilities of the next token, by token id; perhaps only of the likeliest.
Ask = Callable[[Sequence[int]], Mapping[int, float]]

_Token = Annotated[int, Field(ge=0, le=2**31)]
_Row = tuple[Finite, ...]


class Question(Strict):
    """A prompt and what the model says comes next.

    Attributes:
        prompt: Its token ids.
        tokens: The likeliest next tokens, steered and unsteered.
        steered: Their log-probabilities, in nats, under the vector.
        unsteered: And without it.
    """

    prompt: tuple[_Token, ...] = Field(min_length=1, max_length=64)
    tokens: tuple[_Token, ...] = Field(min_length=1, max_length=2 * TOP_TOKENS)
    steered: _Row = Field(max_length=2 * TOP_TOKENS)
    unsteered: _Row = Field(max_length=2 * TOP_TOKENS)


class SelfTest(Strict):
    """What an export's self-test file holds.

    Attributes:
        kind: The format of the export.
        vector_name: The vector's name.
        vector_sha256: Hash of its tensors.
        layers: The steered layers.
        coefficients: Their coefficients.
        dtype: The floating-point type in which the answers were computed.
        questions: The prompts.
    """

    format: Literal["palrs-hub-selftest"] = FORMAT
    format_version: Literal[1] = 1
    kind: Line
    vector_name: Line
    vector_sha256: Sha256
    layers: tuple[Layer, ...] = Field(min_length=1, max_length=512)
    coefficients: tuple[Finite, ...] = Field(min_length=1, max_length=512)
    dtype: Line
    questions: tuple[Question, ...] = Field(min_length=1, max_length=16)


@dataclass(frozen=True)
class Verdict:
    """How an engine answered, in nats.

    Attributes:
        share: How much of the vector's effect is there: 1 all of it, 0 nothing.
        from_steered: Largest difference from the steered log-probabilities.
        from_unsteered: Largest difference from the unsteered ones.
        effect: Largest difference between the two.
        tolerance: How far the share may be from 1.
        allowed: How large the difference from the steered ones may be.
        tokens: How many log-probabilities were compared.
    """

    share: float
    from_steered: float
    from_unsteered: float
    effect: float
    tolerance: float
    allowed: float
    tokens: int

    @property
    def is_steered(self) -> bool:
        """Whether the engine steers as the vector says."""
        return self.from_steered <= self.allowed and abs(self.share - 1) <= self.tolerance


def record_selftest(
    vector: SteeringVector, model: torch.nn.Module, kind: str, *, coefficient: float | None = None
) -> SelfTest:
    """Measure what a steered and an unsteered engine must answer.

    Args:
        vector: The vector.
        model: Its base model, loaded by transformers; the vector's checks run on it.
        kind: The format of the export.
        coefficient: Instead of the vector's own.

    Raises:
        IncompatibleError: The vector was not made for this model.
        SteeringError: The vector changes too little here for a test to tell.
    """
    from palrs_hub.model_facts import dtype_of
    from palrs_hub.steer import suspended

    prompt = vector.manifest.base_model.fingerprint.token_ids
    lengths = sorted({max(1, len(prompt) * k // PREFIXES) for k in range(1, PREFIXES + 1)})
    with suspended(model):
        plain = _next_tokens(model, prompt)
        with vector.attach(model, coefficient):
            steered = _next_tokens(model, prompt)
    questions = tuple(_question(prompt[:n], steered[n - 1], plain[n - 1]) for n in lengths)
    own = tuple(change.coefficient for change in vector.manifest.interventions)
    test = SelfTest(
        kind=kind,
        vector_name=vector.manifest.name,
        vector_sha256=vector.manifest.tensors.sha256,
        layers=tuple(change.layer for change in vector.manifest.interventions),
        coefficients=own if coefficient is None else (coefficient,) * len(own),
        dtype=dtype_of(model),
        questions=questions,
    )
    effect = max(abs(a - b) for q in questions for a, b in zip(q.steered, q.unsteered, strict=True))
    if effect < 2 * _rounding(test):
        raise SteeringError(
            f"This vector moves log-probabilities by {effect:.2g} on the probe's text: no "
            "self-test could tell whether an engine applies it. Take a larger coefficient, or "
            "`--no-selftest`."
        )
    return test


def read_selftest(path: Path) -> SelfTest:
    """Read an export's self-test: the file itself, or the one that belongs to an export.

    Raises:
        PackageError: There is none, or it is not valid.
    """
    place = selftest_path(path) if path.is_dir() or not path.name.endswith(FILE_SUFFIX) else path
    try:
        data = place.read_bytes() if place.stat().st_size <= MAX_BYTES else b""
    except OSError as error:
        raise PackageError(
            f"{path} has no self-test beside it ({place.name}). Export it again with the base "
            "model at hand: `palrs-hub export ID --model MODEL`."
        ) from error
    try:
        test = SelfTest.model_validate_json(data)
    except ValidationError as error:
        fault = error.errors(include_input=False, include_url=False)[0]
        raise PackageError(f"{place} is not a self-test: {fault['msg']}.") from error
    if any(not len(q.tokens) == len(q.steered) == len(q.unsteered) for q in test.questions):
        raise PackageError(f"{place} is not a self-test: its rows have different lengths.")
    return test


def selftest_path(export: Path) -> Path:
    """Where the self-test of an export stands: within a folder, beside a file."""
    return export / FOLDER_FILE if export.is_dir() else export.with_name(export.name + FILE_SUFFIX)


def run_selftest(test: SelfTest, ask: Ask, *, tolerance: float = TOLERANCE) -> Verdict:
    """Ask an engine the questions.

    Args:
        test: The self-test.
        ask: The engine.
        tolerance: How far it may be from the whole effect, as a share of it; a quantised engine
            needs more than the default.

    Raises:
        SteeringError: It does not tell the log-probabilities of enough of the tokens.
    """
    rows: list[tuple[float, float, float]] = []
    for question in test.questions:
        answer = ask(question.prompt)
        known = zip(question.tokens, question.steered, question.unsteered, strict=True)
        found = [(answer[token], s, u) for token, s, u in known if token in answer]
        if len(found) < min(FEWEST_TOKENS, len(question.tokens)):
            raise SteeringError(
                f"The engine told {len(found)} of {len(question.tokens)} log-probabilities that "
                "were asked for: too few to judge by. Is it another model, or does its server "
                "allow fewer than 20 log-probabilities?"
            )
        rows += found
    engine, steered, unsteered = np.array(rows, dtype=np.float64).T
    moved = steered - unsteered
    size = float(moved @ moved)
    return Verdict(
        share=float((engine - unsteered) @ moved) / size if size else 0.0,
        from_steered=float(np.abs(engine - steered).max()),
        from_unsteered=float(np.abs(engine - unsteered).max()),
        effect=float(np.abs(moved).max()),
        tolerance=tolerance,
        allowed=max(tolerance * float(np.abs(moved).max()), _rounding(test)),
        tokens=len(rows),
    )


def require_steered(verdict: Verdict, engine: str) -> None:
    """Refuse an engine that does not steer as the vector says.

    Raises:
        SteeringError: With the verdict's figures, and what they mean.
    """
    if verdict.is_steered:
        return
    if verdict.from_unsteered <= verdict.allowed:
        found = "Steering did NOT take effect: this engine answers as the unsteered model does."
    else:
        found = (
            "This engine answers neither as the steered nor as the unsteered model: another model, "
            "layer or coefficient, or a coarse quantisation (`--tolerance`)."
        )
    raise SteeringError(
        f"{engine}: {found} Share of the vector's effect: {verdict.share:.2f} (1 expected); "
        f"largest difference from the steered log-probabilities {verdict.from_steered:.3g}, from "
        f"the unsteered {verdict.from_unsteered:.3g}, the vector's effect {verdict.effect:.3g}."
    )


def _rounding(test: SelfTest) -> float:
    return _ROUNDING.get(test.dtype, _ROUNDING_16_BITS)


def _next_tokens(model: torch.nn.Module, prompt: Sequence[int]) -> torch.Tensor:
    import torch

    from palrs_hub.activations import inference, run_padded

    with inference(model):
        logits = run_padded(model, [prompt]).logits[0]  # type: ignore[attr-defined]
    rows: torch.Tensor = logits.to(torch.float32).log_softmax(dim=-1).cpu()
    return rows


def _question(prompt: Sequence[int], steered: torch.Tensor, plain: torch.Tensor) -> Question:
    number = min(TOP_TOKENS, len(plain))
    tops = (row.topk(number).indices.tolist() for row in (steered, plain))
    tokens = sorted({token for top in tops for token in top})
    return Question(
        prompt=tuple(prompt),
        tokens=tuple(tokens),
        steered=tuple(float(steered[token]) for token in tokens),
        unsteered=tuple(float(plain[token]) for token in tokens),
    )
