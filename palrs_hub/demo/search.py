"""Which switches of PaLRS the demonstration uses: those that validation problems prefer."""

from __future__ import annotations

import itertools
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from palrs_hub.demo import problems as sums
from palrs_hub.errors import ExtractionError
from palrs_hub.evaluate import Problems
from palrs_hub.extraction import Extraction, extract
from palrs_hub.pairs import PreferencePair
from palrs_hub.selection import Selected, select

if TYPE_CHECKING:
    from collections.abc import Sequence

    import torch
    from transformers import PreTrainedTokenizerBase

    from palrs_hub.inputs import InputFormat
    from palrs_hub.positions import Positions

INPUT_FORMATS: Final[tuple[InputFormat, ...]] = ("response_as_user", "conversation")
# The last token is one of the template's suffix, which is read token by token.
POSITIONS: Final[tuple[Positions, ...]] = ("template_suffix", "response_mean")
MAX_NEW_TOKENS: Final = 40
VALIDATION_PAIRS: Final = 24
VALIDATION_PROBLEMS: Final = 40
NEUTRAL: Final = 12
FINALISTS: Final = 8


@dataclass(frozen=True)
class Found:
    """A candidate with its coefficient, and its accuracy on validation problems."""

    extraction: Extraction
    selected: Selected
    accuracy: float


def search(
    model: torch.nn.Module,
    tokenizer: PreTrainedTokenizerBase,
    pairs: Sequence[PreferencePair],
    *,
    progress: bool,
) -> Found:
    """Extract with every input format and read position; keep what solves most on validation.

    The scale stays the paper's: it only changes the unit in which the coefficient is written.
    """
    tried = [
        _select(
            model,
            tokenizer,
            extract(
                model,
                tokenizer,
                pairs,
                "palrs",
                input_format=input_format,
                positions=positions,
                choice="validation",
            ),
            progress=progress,
        )
        for input_format, positions in itertools.product(INPUT_FORMATS, POSITIONS)
    ]
    return max((found for found in tried if found is not None), key=lambda found: found.accuracy)


def paper_preset(
    model: torch.nn.Module, tokenizer: PreTrainedTokenizerBase, pairs: Sequence[PreferencePair]
) -> Found | None:
    """The paper's own switches; None if no coefficient of theirs helps on validation."""
    return _select(model, tokenizer, extract(model, tokenizer, pairs, "palrs"), progress=False)


def validation_problems() -> Problems:
    """Problems that need a carry, of the validation split."""
    return as_problems(sums.problems_for_validation(VALIDATION_PROBLEMS), "validation")


def as_problems(problems: Sequence[sums.Problem], split: str, name: str = "") -> Problems:
    """Sums as problems that a program judges: the final answer must be right."""

    def judge(problem: sums.Problem) -> sums.Judge:
        return lambda completion: sums.is_careful(problem, completion)

    return Problems(
        name=name or "sums of two-digit numbers that need a carry",
        split=split,
        prompts=tuple(problem.prompt for problem in problems),
        judges=tuple(judge(problem) for problem in problems),
        max_new_tokens=MAX_NEW_TOKENS,
    )


def _select(
    model: torch.nn.Module,
    tokenizer: PreTrainedTokenizerBase,
    extraction: Extraction,
    *,
    progress: bool,
) -> Found | None:
    held_out = sums.problems_for_validation(VALIDATION_PAIRS)
    try:
        selected = select(
            model,
            tokenizer,
            extraction,
            [PreferencePair(p.prompt, p.careful, p.sloppy) for p in held_out],
            problems=validation_problems(),
            neutral=[(p.prompt, p.careful) for p in sums.guardrail_for_validation(NEUTRAL)],
            finalists=FINALISTS,
            progress=progress,
        )
    except ExtractionError:
        # These switches make no chosen response likelier: the others decide.
        return None
    run = [cell.accuracy for cell in selected.selection.cells if cell.accuracy is not None]
    return Found(extraction, selected, max(run))
