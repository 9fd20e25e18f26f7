"""The arms of a comparison, one beside the other, as they are shown."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

from palrs_hub.bootstrap import Interval, paired_difference

if TYPE_CHECKING:
    from palrs_hub.evaluate import Comparison, Solved


@dataclass(frozen=True)
class Arm:
    """One way to run the model.

    Attributes:
        name: For instance ``steered``.
        solved: Whether each problem was solved.
        beyond: Its share minus the unsteered model's; None for the unsteered model itself.
    """

    name: str
    solved: Solved
    beyond: Interval | None

    @property
    def share(self) -> float:
        """Share of problems that it solved."""
        return sum(self.solved) / len(self.solved)

    def as_json(self) -> dict[str, Any]:
        """The facts for machines."""
        return {
            "share": self.share,
            "beyond_unsteered": None if self.beyond is None else asdict(self.beyond),
            "solved": list(self.solved),
        }


def arms_of(comparison: Comparison) -> list[Arm]:
    """Every arm that was run: unsteered, steered, prompted, negated, then the random ones."""
    outcomes = comparison.outcomes
    others = {"steered": outcomes.steered}
    if outcomes.prompted is not None:
        others["prompted"] = outcomes.prompted
    others["negated"] = outcomes.negated
    others |= {f"random {number}": solved for number, solved in enumerate(outcomes.random, 1)}
    return [
        Arm("unsteered", outcomes.unsteered, None),
        *(
            Arm(name, solved, paired_difference(solved, outcomes.unsteered))
            for name, solved in others.items()
        ),
    ]


def rows_of(comparison: Comparison) -> list[tuple[str, str, str]]:
    """Name, share and difference of each arm, for people; the random ones in one row."""
    rows = [
        (arm.name, f"{arm.share:.1%}", "" if arm.beyond is None else _signed(arm.beyond))
        for arm in arms_of(comparison)
        if not arm.name.startswith("random ")
    ]
    if comparison.prompted is None:
        rows.append(("prompted", "not run", "give --instruction TEXT to run this baseline"))
    each = comparison.random_each
    spread = f"{comparison.random:.1%} ({min(each):.1%} to {max(each):.1%})"
    rows.append((f"{len(each)} random directions of the same norm", spread, ""))
    return rows


def _signed(interval: Interval) -> str:
    return f"{interval.difference:+.1%} ({interval.low:+.1%} to {interval.high:+.1%})"
