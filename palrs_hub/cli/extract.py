"""``palrs-hub extract``: pairs and a model give a vector in a folder."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from palrs_hub.cli.extraction.evidence import EVIDENCE, evidence_options, read_evidence
from palrs_hub.cli.extraction.show import show_extracted
from palrs_hub.cli.extraction.training import SETTINGS, training_of, training_options
from palrs_hub.cli.options import (
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
from palrs_hub.manifest import MANIFEST_FILE
from palrs_hub.methods import CHOICES, METHODS, TrainedMethod
from palrs_hub.positions import SYNTAX

if TYPE_CHECKING:
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
    "position and layer until two in a row do not help.",
)
@click.option("--split", default="train", show_default=True, help="Split of a data set.")
@click.option("--pairs-revision", help="Branch, tag or commit of a data set.")
@click.option("--limit", type=click.IntRange(min=2), help="Use only the first so many pairs.")
@click.option("--batch-size", type=click.IntRange(min=1), help="Texts in a batch.")
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
@token_option
@local_option
@json_option
def command(**options: Any) -> None:  # noqa: ANN401 - click hands over what is declared above
    """Extract a steering vector from preference pairs (prompt, chosen, rejected).

    Part of the pairs is held out: position, layer and coefficient are those with the highest
    preference margin on them, and the whole grid is kept in the manifest.
    """
    training = {name: options.pop(name) for name in SETTINGS}
    evidence = {name: options.pop(name) for name in EVIDENCE}
    request = _Request(**options, training=training, evidence=evidence)
    request.refuse_to_overwrite()
    request.given()
    vector = _run(request)
    vector.save_pretrained(request.output)
    show_extracted(vector, request.output, as_json=request.as_json)


@dataclass(frozen=True)
class _Request:
    model: str
    pairs: str
    output: Path
    overwrite: bool
    method: str
    input_format: Any
    positions: Any
    choice: Any
    scale: Any
    drop_last_layers: float | None
    layer: int | None
    position: str | None
    coefficient: float | None
    validation: float
    seed: int
    whole_grid: bool
    split: str
    pairs_revision: str | None
    limit: int | None
    batch_size: int | None
    name: str | None
    task: str | None
    description: str
    license_id: str
    operation: Any
    tokens: str
    base_model: str | None
    base_revision: str | None
    dtype: str
    device: str
    token: str | None
    local_files_only: bool
    as_json: bool
    layers: tuple[int, ...] | None
    training: dict[str, Any]
    evidence: dict[str, Any]

    @property
    def candidate_layers(self) -> tuple[int, ...] | None:
        """Where to look: a method that is trained does not train what cannot be chosen."""
        trains = isinstance(METHODS[self.method], TrainedMethod)
        if self.layers is None and trains and self.layer is not None:
            return (self.layer,)
        return self.layers

    def refuse_to_overwrite(self) -> None:
        if (self.output / MANIFEST_FILE).exists() and not self.overwrite:
            raise click.UsageError(
                f"{self.output} holds a vector already. Give another --output, or --overwrite."
            )

    def given(self) -> tuple[str, int, float] | None:
        """Position, layer and coefficient, where validation, which adds, cannot choose them."""
        if self.operation == "add" and scope_of(self.tokens) == "all":
            return None
        if self.position is None or self.layer is None or self.coefficient is None:
            raise click.UsageError(
                "Validation measures adding to all tokens. With another --operation or other "
                "--tokens give --layer, --position and --coefficient yourself."
            )
        return self.position, self.layer, self.coefficient


def _run(request: _Request) -> SteeringVector:
    from palrs_hub.cli import output
    from palrs_hub.extraction import extract
    from palrs_hub.hub.names import split_model_name
    from palrs_hub.loading import load_model_and_tokenizer
    from palrs_hub.pairs import read_pairs, split_pairs

    training_settings = training_of(request.method, request.training, request.seed)
    evidence = read_evidence(**request.evidence)
    pairs = read_pairs(
        request.pairs,
        split=request.split,
        revision=request.pairs_revision,
        token=request.token,
        limit=request.limit,
    )
    training, held_out = split_pairs(pairs, validation=request.validation, seed=request.seed)
    name, revision = split_model_name(request.model)
    where: dict[str, Any] = {
        "revision": revision,
        "token": request.token,
        "local_files_only": request.local_files_only,
    }
    model, tokenizer = load_model_and_tokenizer(name, dtype=request.dtype, **where)
    model = placed(model, request.device)
    extraction = extract(
        model,
        tokenizer,
        training,
        request.method,
        input_format=request.input_format,
        positions=request.positions,
        choice=request.choice,
        scale=request.scale,
        drop_last_layers=request.drop_last_layers,
        layers=request.candidate_layers,
        training=training_settings,
        base_model=request.base_model,
        base_revision=request.base_revision,
        batch_size=request.batch_size,
        progress=output.wants_progress(),
    )
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


def _choose(
    request: _Request,
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
        if any(request.evidence[name] for name in ("neutral", "problems", "resume")):
            raise click.UsageError(
                "--neutral, --problems and --resume are for selection, which needs held-out pairs: "
                "raise --validation, or leave them out."
            )
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
