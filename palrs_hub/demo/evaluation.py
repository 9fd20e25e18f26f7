"""What the demonstration's vectors do on problems that nothing was chosen with."""

from __future__ import annotations

import contextlib
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any, Final

from palrs_hub.demo.domains import ordinary_texts
from palrs_hub.evaluate import Comparison, accuracy, compare
from palrs_hub.evidence import Evaluation
from palrs_hub.scores import perplexity
from palrs_hub.steer import adding

if TYPE_CHECKING:
    from collections.abc import Iterable

    import torch
    from transformers import PreTrainedTokenizerBase

    from palrs_hub.demo.domains import Domain
    from palrs_hub.demo.search import Found
    from palrs_hub.vector import SteeringVector

GUARDED: Final = 100
RANDOM_DIRECTIONS: Final = 8


@dataclass(frozen=True)
class Guardrail:
    """What should not change.

    Attributes:
        accuracy: On problems of the domain that both authors answer alike.
        perplexity: Of the answers to them.
        ordinary_text_perplexity: Of stories.
    """

    accuracy: float
    perplexity: float
    ordinary_text_perplexity: float


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
            "guardrail": beside(self.before, self.after),
        }


@dataclass(frozen=True)
class Together:
    """A domain under several vectors at once."""

    accuracy: float
    guardrail: Guardrail


def beside(before: Guardrail, after: Guardrail) -> dict[str, dict[str, float]]:
    """Each figure of a guardrail, unsteered and steered."""
    steered = asdict(after)
    return {
        name: {"unsteered": value, "steered": steered[name]}
        for name, value in asdict(before).items()
    }


def measure(
    model: torch.nn.Module,
    tokenizer: PreTrainedTokenizerBase,
    domain: Domain,
    found: Found,
    preset: Found | None,
    *,
    progress: bool,
) -> Measured:
    """Evaluate a found vector beside its baselines, and write the numbers into its manifest."""
    comparison = compare(
        model,
        tokenizer,
        _vector(domain, found),
        domain.test_problems(domain.reported),
        random_directions=RANDOM_DIRECTIONS,
        progress=progress,
    )
    before = _guardrail(model, tokenizer, domain)
    with adding(model, found.selected.layer, found.addend):
        after = _guardrail(model, tokenizer, domain)
    preset_accuracy = None
    if preset is not None:
        with adding(model, preset.selected.layer, preset.addend):
            preset_accuracy = accuracy(model, tokenizer, domain.test_problems(domain.reported))
    evaluations = _evaluations(domain, comparison, preset_accuracy, before, after)
    vector = _vector(domain, found, evaluations)
    return Measured(vector, comparison, preset_accuracy, before, after)


def accuracy_under(
    model: torch.nn.Module, tokenizer: PreTrainedTokenizerBase, domain: Domain, vector: Found
) -> float:
    """What a vector of another domain does to the accuracy on a domain's test problems."""
    with adding(model, vector.selected.layer, vector.addend):
        return accuracy(model, tokenizer, domain.test_problems(domain.reported))


def measure_together(
    model: torch.nn.Module,
    tokenizer: PreTrainedTokenizerBase,
    domain: Domain,
    vectors: Iterable[Found],
) -> Together:
    """What several vectors at once do to a domain."""
    with contextlib.ExitStack() as stack:
        for found in vectors:
            stack.enter_context(adding(model, found.selected.layer, found.addend))
        return Together(
            accuracy=accuracy(model, tokenizer, domain.test_problems(domain.reported)),
            guardrail=_guardrail(model, tokenizer, domain),
        )


def _vector(
    domain: Domain, found: Found, evaluations: tuple[Evaluation, ...] = ()
) -> SteeringVector:
    return found.selected.vector(
        name=domain.repo_id.partition("/")[2],
        task=domain.task,
        description=domain.description,
        evaluations=evaluations,
    )


def _guardrail(
    model: torch.nn.Module, tokenizer: PreTrainedTokenizerBase, domain: Domain
) -> Guardrail:
    agreed = domain.agreed_texts("guardrail", GUARDED)
    told = ordinary_texts("guardrail", GUARDED)
    return Guardrail(
        accuracy=accuracy(model, tokenizer, domain.guardrail_problems(GUARDED)),
        perplexity=perplexity(model, tokenizer, agreed),
        ordinary_text_perplexity=perplexity(model, tokenizer, told),
    )


def _evaluations(
    domain: Domain,
    comparison: Comparison,
    preset: float | None,
    before: Guardrail,
    after: Guardrail,
) -> tuple[Evaluation, ...]:
    baselines = {
        "unsteered": comparison.unsteered,
        "random directions (mean)": comparison.random,
        "random directions (highest)": max(comparison.random_each),
        "negated": comparison.negated,
    }
    if preset is not None:
        baselines["paper's preset"] = preset
    guarded = (
        (domain.agreed_title, "accuracy", before.accuracy, after.accuracy),
        (domain.agreed_title, "perplexity", before.perplexity, after.perplexity),
        (
            "ordinary text",
            "perplexity",
            before.ordinary_text_perplexity,
            after.ordinary_text_perplexity,
        ),
    )
    return (
        Evaluation(
            task=domain.title,
            metric="accuracy",
            split="test",
            samples=domain.reported,
            value=comparison.steered,
            higher_is_better=True,
            baselines=baselines,
        ),
        *(
            Evaluation(
                task=f"{title} (guardrail)",
                metric=metric,
                split="test",
                samples=GUARDED,
                value=steered,
                higher_is_better=metric == "accuracy",
                baselines={"unsteered": unsteered},
            )
            for title, metric, unsteered, steered in guarded
        ),
    )
