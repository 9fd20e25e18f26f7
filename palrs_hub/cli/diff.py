"""``palrs-hub diff``: two vectors, or two versions of one, side by side."""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING

import click

from palrs_hub.cli.options import json_option, local_option, token_option

if TYPE_CHECKING:
    from palrs_hub.hub import Difference


@click.command("diff")
@click.argument("left", metavar="A")
@click.argument("right", metavar="B")
@token_option
@local_option
@json_option
def command(
    left: str, right: str, token: str | None, local_files_only: bool, as_json: bool
) -> None:
    """Compare the vectors A and B: folders, org/name or org/name@revision.

    Fields of the manifests that differ stand side by side; tensors of one layer are compared by the
    cosine of the angle between them.
    """
    from palrs_hub.cli import output
    from palrs_hub.hub import diff
    from palrs_hub.vector import SteeringVector

    a, b = (
        SteeringVector.from_pretrained(name, token=token, local_files_only=local_files_only)
        for name in (left, right)
    )
    found = diff(a, b)
    if as_json:
        output.show_json({"left": a.source, "right": b.source, **asdict(found)})
    else:
        _show(found, str(a.source), str(b.source))


def _show(found: Difference, left: str, right: str) -> None:
    from palrs_hub.cli import output

    output.show_pairs("Compared", {"A": left, "B": right})
    if found.fields:
        rows = [(f.field, _cell(f.left), _cell(f.right)) for f in found.fields]
        output.show_table("Fields that differ", ["field", "A", "B"], rows)
    else:
        output.show_line("The manifests are the same.")
    output.show_table(
        "Tensors",
        ["layer", "A", "B", "cosine", "norm of A", "norm of B"],
        [
            (
                t.layer,
                _cell(t.left),
                _cell(t.right),
                *map(_number, (t.cosine, t.left_norm, t.right_norm)),
            )
            for t in found.tensors
        ],
    )


def _cell(text: str | None) -> str:
    return "-" if text is None else text


def _number(value: float | None) -> str:
    return "-" if value is None else f"{value:.4f}"
