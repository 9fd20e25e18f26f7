"""What the demonstration's vector does on problems that nothing was chosen with."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from palrs_hub.demo import problems as sums
from palrs_hub.demo.search import as_problems
from palrs_hub.evaluate import Comparison, accuracy, compare
from palrs_hub.evidence import Evaluation
from palrs_hub.scores import perplexity
from palrs_hub.steer import adding

if TYPE_CHECKING:
    import torch
    from transformers import PreTrainedTokenizerBase

    from palrs_hub.demo.search import Found
    from palrs_hub.evaluate import Problems
    from palrs_hub.vector import SteeringVector

TEST_PROBLEMS: Final = 200
RANDOM_DIRECTIONS: Final = 8
TASK: Final = "careful arithmetic"
DESCRIPTION: Final = (
    "Moves a model that learned sums from a careful and from a sloppy author towards the careful "
    "one, who does not forget the carries."
)


@dataclass(frozen=True)
class Guardrail:
    """Problems on which careful and sloppy agree, so that nothing should change."""

    accuracy: float
    perplexity: float


@dataclass(frozen=True)
class Measured:
    """The vector with its evaluations, and the numbers by name."""

    vector: SteeringVector
    comparison: Comparison
    paper_preset: float | None
    before: Guardrail
    after: Guardrail

    def as_json(self) -> dict[str, Any]:
        """The facts for machines."""
        return {
            "accuracy": {
                "unsteered": self.comparison.unsteered,
                "steered": self.comparison.steered,
                "random": self.comparison.random,
                "random_each": list(self.comparison.random_each),
                "negated": self.comparison.negated,
                "paper_preset": self.paper_preset,
            },
            "guardrail": {
                name: {
                    "unsteered": getattr(self.before, name),
                    "steered": getattr(self.after, name),
                }
                for name in ("accuracy", "perplexity")
            },
        }


def test_problems() -> Problems:
    """Problems that need a carry, of the test split."""
    return as_problems(sums.problems_for_test(TEST_PROBLEMS), "test")


def measure(
    model: torch.nn.Module,
    tokenizer: PreTrainedTokenizerBase,
    found: Found,
    preset: Found | None,
    *,
    progress: bool,
) -> Measured:
    """Evaluate a found vector beside its baselines, and write the numbers into its manifest."""
    comparison = compare(
        model,
        tokenizer,
        _vector(found),
        test_problems(),
        random_directions=RANDOM_DIRECTIONS,
        progress=progress,
    )
    before = _guardrail(model, tokenizer)
    with adding(model, found.selected.layer, _addend(found)):
        after = _guardrail(model, tokenizer)
    preset_accuracy = None
    if preset is not None:
        with adding(model, preset.selected.layer, _addend(preset)):
            preset_accuracy = accuracy(model, tokenizer, test_problems())
    evaluations = _evaluations(comparison, preset_accuracy, before, after)
    return Measured(_vector(found, evaluations), comparison, preset_accuracy, before, after)


def _vector(found: Found, evaluations: tuple[Evaluation, ...] = ()) -> SteeringVector:
    return found.extraction.vector(
        position=found.selected.position,
        layer=found.selected.layer,
        coefficient=found.selected.coefficient,
        name="careful-sums-carry",
        task=TASK,
        description=DESCRIPTION,
        selection=found.selected.selection,
        evaluations=evaluations,
    )


def _addend(found: Found) -> Any:  # noqa: ANN401 - a numpy array
    direction = found.extraction.direction(found.selected.position, found.selected.layer)
    return found.selected.coefficient * direction


def _guardrail(model: torch.nn.Module, tokenizer: PreTrainedTokenizerBase) -> Guardrail:
    agreed = sums.guardrail_for_test(TEST_PROBLEMS)
    return Guardrail(
        accuracy=accuracy(model, tokenizer, as_problems(agreed, "test", "sums without a carry")),
        perplexity=perplexity(model, tokenizer, [(p.prompt, p.careful) for p in agreed]),
    )


def _evaluations(
    comparison: Comparison, preset: float | None, before: Guardrail, after: Guardrail
) -> tuple[Evaluation, ...]:
    baselines = {
        "unsteered": comparison.unsteered,
        "random directions (mean)": comparison.random,
        "random directions (highest)": max(comparison.random_each),
        "negated": comparison.negated,
    }
    if preset is not None:
        baselines["paper's preset"] = preset
    return (
        Evaluation(
            task="sums of two-digit numbers that need a carry",
            metric="accuracy",
            split="test",
            samples=TEST_PROBLEMS,
            value=comparison.steered,
            higher_is_better=True,
            baselines=baselines,
        ),
        *(
            Evaluation(
                task="sums without a carry (guardrail)",
                metric=name,
                split="test",
                samples=TEST_PROBLEMS,
                value=getattr(after, name),
                higher_is_better=name == "accuracy",
                baselines={"unsteered": getattr(before, name)},
            )
            for name in ("accuracy", "perplexity")
        ),
    )
