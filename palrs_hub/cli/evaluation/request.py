"""What ``palrs-hub eval`` was asked, checked, and the model that it is asked of."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import click

from palrs_hub.cli.options import placed

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from palrs_hub.compatibility import Finding
    from palrs_hub.vector import SteeringVector


@dataclass(frozen=True)
class Request:
    """The command's options, under their own names."""

    task: str | None
    file: Path | None
    refusal_set: Path | None
    neutral: Path | None
    harness: str | None
    harness_tasks: Path | None
    few_shot: int | None
    model: str | None
    name: str | None
    split: str | None
    limit: int | None
    random: int | None
    instruction: str | None
    max_new_tokens: int | None
    batch_size: int | None
    allow_code_execution: bool
    write: Path | None
    plot: Path | None
    dtype: str
    device: str
    where: dict[str, Any]
    as_json: bool

    @property
    def harness_names(self) -> tuple[str, ...]:
        """Tasks of the harness, one by one."""
        names = (name.strip() for name in (self.harness or "").split(","))
        return tuple(dict.fromkeys(name for name in names if name))

    def check(self, *, verify: bool) -> None:
        """Refuse options that contradict each other.

        Raises:
            click.UsageError: They do.
        """
        if verify:
            self._check_verify()
            return
        if (self.task is None) != (self.file is None):
            raise click.UsageError("--task and --file belong together: give both.")
        if not (self.file or self.refusal_set or self.neutral or self.harness_names):
            raise click.UsageError(
                "Nothing to evaluate on: give --task and --file, --harness, --neutral or "
                "--refusal-set, or several of them."
            )
        if not self.harness_names and (self.harness_tasks or self.few_shot is not None):
            raise click.UsageError("--harness-tasks and --few-shot belong to --harness.")
        if self.plot is not None and not self.plot.absolute().parent.is_dir():
            raise click.UsageError(f"There is no folder {self.plot.parent} for --plot.")

    def _check_verify(self) -> None:
        stated = {
            "--task": self.task,
            "--name": self.name,
            "--split": self.split,
            "--limit": self.limit,
            "--random": self.random,
            "--instruction": self.instruction,
            "--max-new-tokens": self.max_new_tokens,
            "--batch-size": self.batch_size,
            "--few-shot": self.few_shot,
            "--write": self.write,
            "--plot": self.plot,
        }
        if given := [option for option, value in stated.items() if value is not None]:
            raise click.UsageError(
                "--verify measures with the settings that the manifest states and writes nothing: "
                f"leave out {', '.join(given)}."
            )


def load_model(
    vector: SteeringVector, request: Request, dtype: str
) -> tuple[Any, Any, Sequence[Finding]]:
    """Model and tokenizer that the checks allow the vector for, and what they found."""
    from palrs_hub.auto import base_of
    from palrs_hub.loading import load_model_and_tokenizer

    name, pinned = base_of(vector, request.model)
    model, tokenizer = load_model_and_tokenizer(name, dtype=dtype, revision=pinned, **request.where)
    model = placed(model, request.device)
    # Attaching checks the vector against the model; each arm adds what it needs itself.
    with vector.attach(model, tokenizer=tokenizer) as steering:
        findings = steering.findings
    return model, tokenizer, findings
