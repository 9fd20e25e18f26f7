"""Options of an extraction that several processes or machines share, or that may be interrupted."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import click

if TYPE_CHECKING:
    from collections.abc import Callable

    from palrs_hub.distributed import Team
    from palrs_hub.parts import PartFacts

SHARING: Final = ("checkpoint", "checkpoint_every", "part")

_OPTIONS: Final = (
    click.option(
        "--checkpoint",
        type=click.Path(dir_okay=False, path_type=Path),
        metavar="FILE",
        help="Keep sums in this file on the way, and go on from it if it is there.",
    ),
    click.option(
        "--checkpoint-every",
        type=click.IntRange(min=1),
        default=1024,
        show_default=True,
        help="Pairs after which it is written again.",
    ),
    click.option(
        "--part",
        metavar="I/N",
        help="Read only the I-th of N parts of the pairs, from 0, and write its sums to "
        "--checkpoint instead of a vector; see palrs-hub merge.",
    ),
)


def sharing_options(command: Callable[..., Any]) -> Callable[..., Any]:
    """Add the options, in this order, to a command."""
    for option in reversed(_OPTIONS):
        command = option(command)
    return command


@dataclass(frozen=True)
class Sharing:
    """What was given for SHARING."""

    checkpoint: Path | None
    checkpoint_every: int
    part: str | None

    def share(self) -> tuple[int, int] | None:
        """The part that is asked for, and of how many; None for the whole.

        Raises:
            click.UsageError: It is none, or there is no file to write it to.
        """
        if self.part is None:
            return None
        index, slash, of = self.part.partition("/")
        if not (slash and index.isdecimal() and of.isdecimal() and int(index) < int(of)):
            raise click.UsageError(
                f"--part should be I/N with I from 0 to N - 1, as 0/4; found {self.part!r}."
            )
        if not self.checkpoint:
            raise click.UsageError("--part needs --checkpoint: the file to write its sums to.")
        return int(index), int(of)

    def file_of(self, team: Team) -> Path | None:
        """The file of this process: each keeps sums of its own."""
        path, share = self.checkpoint, team.share
        if path is None or share.of == 1:
            return path
        return path.with_name(f"{path.stem}.{share.index}-of-{share.of}{path.suffix}")

    def show(self, facts: PartFacts, *, as_json: bool) -> None:
        """What the file of a part holds."""
        from palrs_hub.cli import output

        if as_json:
            path = str(self.checkpoint)
            output.show_json({"part": path, "pairs": facts.count, "of": facts.data.pairs})
        else:
            output.show_line(
                f"Sums of {facts.count} of {facts.data.pairs} pairs written to {self.checkpoint}."
            )
