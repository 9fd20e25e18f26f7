"""``palrs-hub selftest``: does an engine steer as an export says?"""

from __future__ import annotations

import contextlib
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from palrs_hub.cli.options import json_option, local_option, token_option

if TYPE_CHECKING:
    from collections.abc import Iterator

    from palrs_hub.engines.selftest import Ask, SelfTest


@click.command("selftest")
@click.argument("export", type=click.Path(path_type=Path, exists=True))
@click.option("--engine", type=click.Choice(["transformers", "llama.cpp", "vllm"]), required=True)
@click.option(
    "--model",
    help="The base model that the export is applied to; for llama.cpp a GGUF file, of the base "
    "model or of the baked checkpoint.",
)
@click.option("--url", help="Address of a running server of vLLM.")
@click.option("--served-model", help="Its name of the model, where it serves several.")
@click.option("--api-key", envvar="VLLM_API_KEY", help="The server's key.")
@click.option(
    "--tolerance",
    type=click.FloatRange(min=0, max=1),
    default=0.1,
    show_default=True,
    help="How far from the vector's whole effect the engine may be; more for coarse quantisation.",
)
@token_option
@local_option
@json_option
def command(
    export: Path,
    engine: str,
    model: str | None,
    url: str | None,
    served_model: str | None,
    api_key: str | None,
    tolerance: float,
    token: str | None,
    local_files_only: bool,
    as_json: bool,
) -> None:
    """Run the self-test of EXPORT, and fail if steering did not take effect.

    EXPORT is the file or folder that `palrs-hub export` wrote, or a self-test of its own.
    """
    from palrs_hub.cli import output
    from palrs_hub.engines.selftest import read_selftest, require_steered, run_selftest
    from palrs_hub.errors import SteeringError

    test = read_selftest(export)
    where = {"token": token, "local_files_only": local_files_only}
    server = {"url": url, "model": served_model, "api_key": api_key}
    with _asked(engine, test, export, model, server, where) as ask:
        verdict = run_selftest(test, ask, tolerance=tolerance)
    if as_json:
        output.show_json({"engine": engine, "steered": verdict.is_steered, **vars(verdict)})
        if not verdict.is_steered:
            raise click.exceptions.Exit(SteeringError.exit_code)
        return
    require_steered(verdict, engine)
    output.show_pairs(
        f"{engine} steers as {test.vector_name!r} says",
        {
            "share of its effect": f"{verdict.share:.4f}",
            "largest difference in log-probability": f"{verdict.from_steered:.2g}",
            "its effect": f"{verdict.effect:.2g}",
            "compared": f"{verdict.tokens} log-probabilities",
        },
    )


@contextlib.contextmanager
def _asked(
    engine: str,
    test: SelfTest,
    export: Path,
    model: str | None,
    server: dict[str, Any],
    where: dict[str, Any],
) -> Iterator[Ask]:
    if engine == "vllm":
        from palrs_hub.engines.in_vllm import asked_of_server

        if not server["url"]:
            raise click.UsageError("vLLM is asked over HTTP: give its address, --url URL.")
        yield asked_of_server(**server)
    elif engine == "llama.cpp":
        from palrs_hub.engines.in_llama_cpp import asked_of_llama_cpp

        if not model:
            raise click.UsageError("llama.cpp needs the model's GGUF file: --model FILE.")
        with asked_of_llama_cpp(test, export, Path(model)) as ask:
            yield ask
    else:
        from palrs_hub.engines.in_transformers import asked_of_export
        from palrs_hub.hub.names import split_model_name
        from palrs_hub.loading import load_model

        loaded = None
        if model:
            name, revision = split_model_name(model)
            loaded = load_model(name, revision=revision, **where)
        with asked_of_export(test, export, model=loaded) as ask:
            yield ask
