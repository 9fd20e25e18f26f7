"""What the demonstration found, as facts for machines."""

from __future__ import annotations

from dataclasses import asdict, dataclass, field
from typing import TYPE_CHECKING, Any

from palrs_hub.demo.evaluation import beside

if TYPE_CHECKING:
    from palrs_hub.compatibility import Finding
    from palrs_hub.demo.domains import Domain
    from palrs_hub.demo.evaluation import Measured, Together
    from palrs_hub.demo.search import Found


@dataclass
class DomainResult:
    """One domain's vector, step by step.

    Attributes:
        domain: What it steers.
        found: Its switches, place and coefficient, chosen on validation problems.
        measured: Accuracies and side effects on test problems.
        elsewhere: Accuracy on the test problems of other domains under this vector.
        revision: The commit that was pulled again.
        findings: What the checks found on the right model.
        generations: (prompt, unsteered, steered) of a few test problems.
        refused: What the checks found on wrong models, by model.
        seconds: Wall-clock time of each step.
    """

    domain: Domain
    found: Found
    measured: Measured
    elsewhere: dict[str, float] = field(default_factory=dict)
    revision: str = ""
    findings: tuple[Finding, ...] = ()
    generations: list[tuple[str, str, str]] = field(default_factory=list)
    refused: dict[str, tuple[Finding, ...]] = field(default_factory=dict)
    seconds: dict[str, float] = field(default_factory=dict)

    @property
    def repo_id(self) -> str:
        """Where the vector was pushed."""
        return self.domain.repo_id

    def as_json(self) -> dict[str, Any]:
        """The facts for machines."""
        return {
            **self.measured.as_json(),
            "elsewhere": self.elsewhere,
            "selected": {
                **asdict(self.found.extraction.switches),
                "position": self.found.selected.position,
                "layer": self.found.selected.layer,
                "coefficient": self.found.selected.coefficient,
                "operation": "add",
                "tokens": "all",
                "validation_accuracy": self.found.accuracy,
            },
            "repo_id": self.repo_id,
            "revision": self.revision,
            "refused": [
                {"model": model, **vars(finding)}
                for model, findings in self.refused.items()
                for finding in findings
            ],
            "seconds": self.seconds,
        }


@dataclass
class DemoResult:
    """The demonstration's domains, the first of which is sums.

    Attributes:
        domains: By name; without code where running it was not allowed.
        together: Each domain under all vectors at once; empty if there is only one.
        seconds: Wall-clock time of the steps that no domain has alone.
    """

    domains: dict[str, DomainResult]
    together: dict[str, Together] = field(default_factory=dict)
    seconds: dict[str, float] = field(default_factory=dict)

    @property
    def total_seconds(self) -> float:
        """Wall-clock time of all steps."""
        own = (sum(each.seconds.values()) for each in self.domains.values())
        return sum(self.seconds.values()) + sum(own)

    def as_json(self) -> dict[str, Any]:
        """The facts for machines: sums at the top, code and both vectors at once beneath."""
        sums, code = self.domains["sums"], self.domains.get("code")
        facts = sums.as_json()
        return {
            **facts,
            "code": code and code.as_json(),
            "both": {name: self._both(name) for name in self.together} or None,
            "seconds": {**facts["seconds"], **self.seconds, "all": round(self.total_seconds, 2)},
        }

    def _both(self, name: str) -> dict[str, Any]:
        measured, under = self.domains[name].measured, self.together[name]
        return {
            "accuracy": {"unsteered": measured.comparison.unsteered, "steered": under.accuracy},
            "guardrail": beside(measured.before, under.guardrail),
        }
