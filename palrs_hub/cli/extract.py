"""``palrs-hub extract``: pairs and a model give a vector in a folder."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from palrs_hub.cli.extraction.evidence import EVIDENCE, evidence_options, read_evidence
from palrs_hub.cli.extraction.request import Request
from palrs_hub.cli.extraction.sharing import SHARING, Sharing, sharing_options
from palrs_hub.cli.extraction.show import show_extracted
from palrs_hub.cli.extraction.training import SETTINGS, training_of, training_options
from palrs_hub.cli.options import (
    device_map_option,
    device_option,
    dtype_option,
    json_option,
    local_option,
    operation_option,
    placed,
    token_option,
    tokens_option,
)
from palrs_hub.inputs import INPUT_FORMATS
from palrs_hub.intervention import UNITS, scope_of
from palrs_hub.methods import CHOICES, METHODS
from palrs_hub.positions import SYNTAX

if TYPE_CHECKING:
    from palrs_hub.distributed import Team
    from palrs_hub.evidence import Selection
    from palrs_hub.extraction import Extraction
    from palrs_hub.vector import SteeringVector

_PRESET = "the method's own"


def _layers(
    context: click.Context, parameter: click.Parameter, value: str | None
) -> tuple[int, ...] | None:
    if value is None:
        return None
    words = value.replace(" ", "").split(",")
    if not all(word.isdecimal() and len(word) < 6 for word in words):
        raise click.BadParameter(f"expected block numbers such as 10,14,18; found {value!r}")
    return tuple(int(word) for word in words)


@click.command("extract")
@click.option("--model", required=True, help="Model: a folder, org/name or org/name@revision.")
@click.option("--pairs", required=True, help="Pairs: JSONL, JSON, Parquet or a data set's id.")
@click.option(
    "--output",
    type=click.Path(path_type=Path),
    default=Path("steering-vector"),
    show_default=True,
    help="Folder to write.",
)
@click.option("--overwrite", is_flag=True, help="Replace a vector that is there already.")
@click.option("--method", type=click.Choice(list(METHODS)), default="palrs", show_default=True)
@click.option("--input-format", type=click.Choice(INPUT_FORMATS), show_default=_PRESET)
@click.option("--positions", show_default=_PRESET, help=f"Tokens to read: {SYNTAX}.")
@click.option(
    "--choice",
    type=click.Choice(CHOICES),
    show_default=_PRESET,
    help="How position and layer are chosen.",
)
@click.option(
    "--scale",
    type=click.Choice(UNITS),
    show_default=_PRESET,
    help="Norm of the vector: the unit of the coefficient.",
)
@click.option(
    "--drop-last-layers",
    type=click.FloatRange(0, 0.9),
    show_default=_PRESET,
    help="Share of the last layers that alignment does not choose from.",
)
@training_options
@click.option(
    "--layers",
    callback=_layers,
    show_default="all; of a trained method three in the middle",
    help="Find candidates at these blocks: numbers with commas between.",
)
@click.option("--layer", type=click.IntRange(min=0), help="Steer this block, choose no other.")
@click.option("--position", help="Read position by name, choose no other.")
@click.option("--coefficient", type=float, help="Use this coefficient, choose no other.")
@click.option(
    "--validation",
    type=click.FloatRange(0, 0.9),
    default=0.2,
    show_default=True,
    help="Share of the pairs that is held out to choose with.",
)
@click.option(
    "--seed", type=int, default=0, show_default=True, help="Seed of that split and of training."
)
@evidence_options
@click.option(
    "--whole-grid",
    is_flag=True,
    help="Score every cell. By default coefficients are tried from the gentlest up, at each "
    "position and layer until two in a row do not help, and nowhere beyond the gentlest where it "
    "gains less than a quarter of what it gains at the best place.",
)
@click.option("--split", default="train", show_default=True, help="Split of a data set.")
@click.option("--pairs-revision", help="Branch, tag or commit of a data set.")
@click.option("--limit", type=click.IntRange(min=2), help="Use only the first so many pairs.")
@click.option("--batch-size", type=click.IntRange(min=1), help="Rows in a batch.")
@sharing_options
@click.option("--name", help="A short name for the vector.")
@click.option("--task", help="What it does, in a word or two.")
@click.option("--description", default="", help="What it does, in a sentence.")
@click.option("--license", "license_id", default="apache-2.0", show_default=True)
@operation_option
@tokens_option
@click.option("--base-model", help="Name on the Hub of a model that is read from a folder.")
@click.option("--base-revision", help="Its commit.")
@dtype_option
@device_option
@device_map_option
@token_option
@local_option
@json_option
def command(**options: Any) -> None:  # noqa: ANN401 - click hands over what is declared above
    """Extract a steering vector from preference pairs (prompt, chosen, rejected).

    Part of the pairs is held out: position, layer and coefficient are those with the highest
    preference margin on them, and every cell that was scored is kept in the manifest.

    Started by torchrun or accelerate launch, the processes share the pairs; the first one chooses,
    writes and prints.
    """
    from palrs_hub.distributed import team

    training = {name: options.pop(name) for name in SETTINGS}
    evidence = {name: options.pop(name) for name in EVIDENCE}
    sharing = Sharing(**{name: options.pop(name) for name in SHARING})
    request = Request(**options, training=training, evidence=evidence, sharing=sharing)
    request.refuse_to_overwrite()
    request.given()
    with team() as work:
        vector = _run(request, work)
    if vector is not None:
        vector.save_pretrained(request.output)
        show_extracted(vector, request.output, as_json=request.as_json)


def _run(request: Request, team: Team) -> SteeringVector | None:
    """The vector, in the process that chooses it; the others have done their part."""
    from palrs_hub.cli import output
    from palrs_hub.distributed import Team
    from palrs_hub.extraction import extract, read_part
    from palrs_hub.pairs import read_pairs, split_pairs
    from palrs_hub.plan import Plan
    from palrs_hub.reading import Share

    share = request.sharing.share()
    evidence = read_evidence(**request.evidence)
    pairs = read_pairs(
        request.pairs,
        split=request.split,
        revision=request.pairs_revision,
        token=request.token,
        limit=request.limit,
    )
    training, held_out = split_pairs(pairs, validation=request.validation, seed=request.seed)
    if share or not held_out or request.given():
        request.refuse_what_selection_needs()
    switches: dict[str, Any] = {
        "input_format": request.input_format,
        "positions": request.positions,
        "choice": request.choice,
        "scale": request.scale,
        "drop_last_layers": request.drop_last_layers,
        "training": training_of(request.method, request.training, request.seed),
    }
    settings: dict[str, Any] = {
        "layers": request.candidate_layers,
        "base_model": request.base_model,
        "base_revision": request.base_revision,
        "batch_size": request.batch_size,
        "checkpoint": request.sharing.file_of(team),
        "checkpoint_every": request.sharing.checkpoint_every,
        "progress": output.wants_progress(),
    }
    model, tokenizer = _load(request)
    if share:
        plan, alone = Plan.made(request.method, **switches), Team(Share(*share))
        part, _ = read_part(model, tokenizer, training, plan, team=alone, **settings)
        request.sharing.show(part.facts, as_json=request.as_json)
        return None
    extraction = extract(
        model, tokenizer, training, request.method, team=team, **switches, **settings
    )
    if not team.is_first:
        return None
    position, layer, coefficient, selection = _choose(
        request, model, tokenizer, extraction, held_out, evidence
    )
    return extraction.vector(
        position=position,
        layer=layer,
        coefficient=coefficient,
        name=request.name or request.output.name,
        task=request.task or Path(request.pairs).name.split(".")[0],
        description=request.description,
        license=request.license_id,
        operation=request.operation,
        tokens=scope_of(request.tokens),
        selection=selection,
    )


def _load(request: Request) -> tuple[Any, Any]:
    from palrs_hub.distributed import local_device
    from palrs_hub.hub.names import split_model_name
    from palrs_hub.loading import load_model_and_tokenizer

    name, revision = split_model_name(request.model)
    where: dict[str, Any] = {
        "revision": revision,
        "token": request.token,
        "local_files_only": request.local_files_only,
        "dtype": request.dtype,
    }
    if request.device_map:
        return load_model_and_tokenizer(name, device_map=request.device_map, **where)
    model, tokenizer = load_model_and_tokenizer(name, **where)
    return placed(model, local_device(request.device)), tokenizer


def _choose(
    request: Request,
    model: Any,  # noqa: ANN401
    tokenizer: Any,  # noqa: ANN401
    extraction: Extraction,
    held_out: Any,  # noqa: ANN401
    evidence: dict[str, Any],
) -> tuple[str, int, float, Selection | None]:
    from palrs_hub.cli import output
    from palrs_hub.selection import PATIENCE, select

    if given := request.given():
        return (*given, None)
    if not held_out:
        if extraction.switches.choice == "validation" and None in (request.layer, request.position):
            raise click.UsageError(
                "The choice 'validation' needs held-out pairs: raise --validation, give --layer "
                "and --position, or use --choice alignment."
            )
        position, layer = extraction.most_aligned()
        return (
            request.position or position,
            layer if request.layer is None else request.layer,
            1.0 if request.coefficient is None else request.coefficient,
            None,
        )
    chosen = select(
        model,
        tokenizer,
        extraction,
        held_out,
        position=request.position,
        layer=request.layer,
        coefficients=None if request.coefficient is None else [request.coefficient],
        patience=None if request.whole_grid else PATIENCE,
        progress=output.wants_progress(),
        **evidence,
    )
    return chosen.position, chosen.layer, chosen.coefficient, chosen.selection
