"""``palrs-hub vllm``: serve a steered model with vLLM."""

from __future__ import annotations

import os
import shutil
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from palrs_hub.cli.options import json_option, local_option, token_option

if TYPE_CHECKING:
    from palrs_hub.engines.vllm_command import ServeCommand
    from palrs_hub.vector import SteeringVector


@click.command("vllm")
@click.argument("vector_ids", metavar="ID...", nargs=-1, required=True)
@click.option("--model", help="Serve this model instead of the one that the vector names.")
@click.option("--active", help="Which vector steers at first; by default the first.")
@click.option("--coefficient", type=float, help="Of that vector, instead of its own.")
@click.option("--live", is_flag=True, help="Let the steering be changed over HTTP while it serves.")
@click.option("--run", is_flag=True, help="Run the command instead of printing it.")
@click.option("--extra", multiple=True, help="A further word for vLLM; repeat for several.")
@click.option(
    "--selftest",
    type=click.Path(path_type=Path, dir_okay=False),
    help="Also write a self-test, which loads the base model: for `palrs-hub selftest`.",
)
@token_option
@local_option
@json_option
def command(
    vector_ids: tuple[str, ...],
    model: str | None,
    active: str | None,
    coefficient: float | None,
    live: bool,
    run: bool,
    extra: tuple[str, ...],
    selftest: Path | None,
    token: str | None,
    local_files_only: bool,
    as_json: bool,
) -> None:
    """Print or run the command that serves the vectors ID with vLLM, where palrs-hub is installed.

    An ID is a folder, org/name or org/name@revision, or NAME=ID to give it a name of its own.
    """
    from palrs_hub.auto import base_of
    from palrs_hub.cli import output
    from palrs_hub.engines.vllm_command import serve_command
    from palrs_hub.hub import config_facts

    where: dict[str, Any] = {"token": token, "local_files_only": local_files_only}
    vectors, folders = _load(vector_ids, where)
    chosen = active if active in vectors else next(iter(vectors))
    base, revision = base_of(vectors[chosen], model)
    pinned = f"{base}@{revision}" if revision else base
    made = serve_command(
        vectors,
        folders,
        base,
        config_facts(pinned, **where),
        base_revision=revision,
        active=active,
        coefficient=coefficient,
        live=live,
        extra=extra,
    )
    if selftest:
        _write_selftest(vectors[chosen], pinned, coefficient, selftest, where)
    if run:
        _run(made)
    if as_json:
        output.show_json({"command": list(made.words), "environment": dict(made.environment)})
    else:
        output.show_line(made.as_text())


def _load(
    vector_ids: tuple[str, ...], where: dict[str, Any]
) -> tuple[dict[str, SteeringVector], dict[str, Path]]:
    from palrs_hub.errors import UsageError
    from palrs_hub.hub import pull
    from palrs_hub.vector import SteeringVector

    vectors, folders = {}, {}
    for words in vector_ids:
        given, named, place = words.partition("=")
        place = place if named else words
        folder = Path(place) if Path(place).is_dir() else pull(place, **where).folder
        vector = SteeringVector.load(folder)
        name = given if named else vector.manifest.name
        if not name or name in vectors:
            raise UsageError(f"Two vectors are called {name!r}. Name one: NAME={place}")
        vectors[name], folders[name] = vector, folder
    return vectors, folders


def _write_selftest(
    vector: SteeringVector, base: str, coefficient: float | None, path: Path, where: dict[str, Any]
) -> None:
    from palrs_hub.engines.selftest import FILE_SUFFIX, record_selftest
    from palrs_hub.errors import UsageError
    from palrs_hub.hub.names import split_model_name
    from palrs_hub.loading import load_model
    from palrs_hub.whole_file import write_whole

    if not path.name.endswith(FILE_SUFFIX):
        raise UsageError(f"A self-test's name ends in {FILE_SUFFIX}; found {path.name!r}.")
    name, revision = split_model_name(base)
    test = record_selftest(
        vector, load_model(name, revision=revision, **where), "vllm", coefficient=coefficient
    )
    try:
        write_whole(path, test.model_dump_json(indent=2) + "\n")
    except OSError as error:
        raise UsageError(f"Cannot write the self-test to {path}: {error}") from error


def _run(made: ServeCommand) -> None:
    from palrs_hub.errors import UsageError

    program = shutil.which(made.words[0])
    if program is None:
        raise UsageError(
            "vLLM is not installed here. Install palrs-hub into vLLM's environment and run this "
            "there, or leave --run away to see the command."
        )
    os.execve(program, list(made.words), {**os.environ, **made.environment})
