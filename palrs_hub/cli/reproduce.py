"""``palrs-hub reproduce``: a published vector is extracted again, and the two are compared."""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING, Any

import click

from palrs_hub.cli.options import (
    device_option,
    json_option,
    local_option,
    placed,
    revision_option,
    token_option,
)

if TYPE_CHECKING:
    from palrs_hub.reproduction import Reproduction
    from palrs_hub.vector import SteeringVector

DIFFERS = 3


@click.command("reproduce")
@click.argument("vector_id", metavar="ID")
@click.option("--pairs", required=True, help="Its pairs: JSONL, JSON, Parquet or a data set's id.")
@click.option("--model", help="Use this model instead of the one that the vector names.")
@click.option("--split", default="train", show_default=True, help="Split of a data set.")
@click.option("--pairs-revision", help="Branch, tag or commit of a data set.")
@click.option("--limit", type=click.IntRange(min=2), help="Use only the first so many pairs.")
@click.option(
    "--seed", type=int, default=0, show_default=True, help="That of the extraction's split."
)
@click.option("--batch-size", type=click.IntRange(min=1), help="That of the extraction, if given.")
@revision_option
@device_option
@token_option
@local_option
@json_option
def command(vector_id: str, as_json: bool, **options: Any) -> int:  # noqa: ANN401
    """Extract the vector ID again, by its manifest, and compare. Exit code 3 if it is another.

    The same model, pairs, seed and versions give the same bytes on the same machine; elsewhere the
    cosine tells.
    """
    from palrs_hub.vector import SteeringVector

    vector = SteeringVector.from_pretrained(
        vector_id,
        revision=options["revision"],
        token=options["token"],
        local_files_only=options["local_files_only"],
    )
    found = _again(vector, **options)
    _show(vector, found, as_json=as_json)
    return 0 if found.holds else DIFFERS


def _again(vector: SteeringVector, **options: Any) -> Reproduction:  # noqa: ANN401
    from palrs_hub.auto import base_of
    from palrs_hub.cli import output
    from palrs_hub.loading import load_model_and_tokenizer
    from palrs_hub.pairs import read_pairs
    from palrs_hub.reproduction import reproduce, used_pairs

    pairs = read_pairs(
        options["pairs"],
        split=options["split"],
        revision=options["pairs_revision"],
        token=options["token"],
        limit=options["limit"],
    )
    used_pairs(vector, pairs, seed=options["seed"])  # before a model is loaded for nothing
    name, pinned = base_of(vector, options["model"])
    where: dict[str, Any] = {
        "revision": pinned,
        "token": options["token"],
        "local_files_only": options["local_files_only"],
    }
    model, tokenizer = load_model_and_tokenizer(
        name, dtype=vector.manifest.base_model.dtype, **where
    )
    return reproduce(
        vector,
        placed(model, options["device"]),
        tokenizer,
        pairs,
        seed=options["seed"],
        batch_size=options["batch_size"],
        progress=output.wants_progress(),
    )


def _show(vector: SteeringVector, found: Reproduction, *, as_json: bool) -> None:
    from palrs_hub.cli import output

    if as_json:
        output.show_json({"source": vector.source, **asdict(found), "holds": found.holds})
        return
    output.show_pairs(
        f"{vector.manifest.name} {'was reproduced' if found.holds else 'was not reproduced'}",
        {
            "cosine": f"{found.cosine:.6f}",
            "length": f"{found.length:.4f} of the published one's",
            "bytes": "identical" if found.identical else "not identical",
            "pairs": found.pairs,
            "other versions": ", ".join(
                f"{name} {now} instead of {then}" for name, (then, now) in found.software.items()
            ),
        },
    )
