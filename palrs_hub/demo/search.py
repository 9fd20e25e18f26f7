"""Which switches of PaLRS the demonstration uses: those that validation problems prefer."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from palrs_hub.demo.domains import ordinary_texts
from palrs_hub.errors import ExtractionError
from palrs_hub.extraction import Extraction, extract
from palrs_hub.selection import Selected, select

if TYPE_CHECKING:
    from collections.abc import Sequence

    import torch
    from transformers import PreTrainedTokenizerBase

    from palrs_hub.demo.domains import Domain
    from palrs_hub.inputs import InputFormat
    from palrs_hub.moments import Array
    from palrs_hub.pairs import PreferencePair
    from palrs_hub.positions import Positions

# Where to read: the paper's way, and that of contrastive activation addition over a whole response.
READINGS: Final[tuple[tuple[InputFormat, Positions], ...]] = (
    ("response_as_user", "template_suffix"),
    ("conversation", "response_mean"),
)
# In units of the mean chosen activation's norm; fewer than a user would try, to be quick.
COEFFICIENTS: Final = (0.4, 0.8, 1.2, 1.6)
VALIDATION_PAIRS: Final = 16
VALIDATION_PROBLEMS: Final = 40
NEUTRAL: Final = 8
FINALISTS: Final = 5


@dataclass(frozen=True)
class Found:
    """A candidate with its coefficient, and its accuracy on validation problems."""

    extraction: Extraction
    selected: Selected
    accuracy: float

    @property
    def addend(self) -> Array:
        """What the candidate adds at its layer, ``[hidden]``."""
        direction = self.extraction.direction(self.selected.position, self.selected.layer)
        return self.selected.coefficient * direction


def search(
    model: torch.nn.Module,
    tokenizer: PreTrainedTokenizerBase,
    domain: Domain,
    pairs: Sequence[PreferencePair],
    *,
    progress: bool,
) -> Found:
    """Extract in each way of reading; keep what solves most on validation.

    The scale stays the paper's: it only changes the unit in which the coefficient is written.
    """
    tried = [
        _select(
            model,
            tokenizer,
            domain,
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
        for input_format, positions in READINGS
    ]
    return max((found for found in tried if found is not None), key=lambda found: found.accuracy)


def paper_preset(
    model: torch.nn.Module,
    tokenizer: PreTrainedTokenizerBase,
    domain: Domain,
    pairs: Sequence[PreferencePair],
) -> Found | None:
    """The paper's own switches; None if no coefficient of theirs helps on validation."""
    extraction = extract(model, tokenizer, pairs, "palrs")
    return _select(model, tokenizer, domain, extraction, progress=False)


def _select(
    model: torch.nn.Module,
    tokenizer: PreTrainedTokenizerBase,
    domain: Domain,
    extraction: Extraction,
    *,
    progress: bool,
) -> Found | None:
    neutral = domain.agreed_texts("validation", NEUTRAL) + ordinary_texts("validation", NEUTRAL)
    try:
        selected = select(
            model,
            tokenizer,
            extraction,
            domain.pairs("validation", VALIDATION_PAIRS),
            problems=domain.validation_problems(VALIDATION_PROBLEMS),
            neutral=neutral,
            coefficients=COEFFICIENTS,
            finalists=FINALISTS,
            progress=progress,
        )
    except ExtractionError:
        # These switches make no chosen response likelier: the others decide.
        return None
    run = [cell.accuracy for cell in selected.selection.cells if cell.accuracy is not None]
    return Found(extraction, selected, max(run))
