"""``palrs-hub demo``: the whole way, on the model that comes along and a Hub on a free port."""

from __future__ import annotations

import json
import os
import sys
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

import click

from palrs_hub.errors import LocalHubError

if TYPE_CHECKING:
    from palrs_hub.demo.results import DemoResult, DomainResult


@click.command("demo")
@click.option(
    "--json",
    "json_file",
    type=click.Path(dir_okay=False, path_type=Path),
    help="Write the figures to this file.",
)
@click.option(
    "--allow-code-execution",
    is_flag=True,
    help="Include code: run the functions that the model writes, confined in a sandbox.",
)
def command(json_file: Path | None, allow_code_execution: bool) -> None:
    """Extract, select, evaluate, push, pull, check, attach, generate, refuse: all offline."""
    # The client reads its settings once, when it is first imported.
    if "huggingface_hub" in sys.modules:
        raise LocalHubError("The demonstration needs a process of its own: run `palrs-hub demo`.")
    from palrs_hub.cli import output
    from palrs_hub.local_hub import running_hub

    with (
        tempfile.TemporaryDirectory(prefix="palrs-hub-demo-") as folder,
        running_hub(Path(folder) / "hub") as hub,
    ):
        _use_only(hub.url, Path(folder) / "home")
        from palrs_hub.demo.run import run_demo

        output.show_line(f"A Hub of our own at {hub.url}")
        result = run_demo(
            Path(folder),
            run_code=allow_code_execution,
            say=output.show_line,
            progress=output.wants_progress(),
        )
    _show(result, run_code=allow_code_execution)
    if json_file:
        _keep(json_file, json.dumps(result.as_json(), indent=2) + "\n")
        output.show_line(f"Figures written to {json_file}")


def _keep(file: Path, figures: str) -> None:
    from palrs_hub.errors import UsageError
    from palrs_hub.whole_file import write_whole

    try:
        write_whole(file, figures)
    except OSError as error:
        raise UsageError(f"Cannot write the figures to {file}: {error}") from error


def _use_only(endpoint: str, home: Path) -> None:
    """Point the client at the embedded Hub; the user's cache and token stay out of it."""
    os.environ.update(
        {
            "HF_ENDPOINT": endpoint,
            "HF_HOME": str(home),
            "HF_HUB_CACHE": str(home / "hub"),
            "HF_HUB_OFFLINE": "0",
            "TRANSFORMERS_OFFLINE": "0",
            "HF_HUB_DISABLE_IMPLICIT_TOKEN": "1",
            "HF_HUB_DISABLE_TELEMETRY": "1",
            "HF_HUB_DISABLE_PROGRESS_BARS": "1",
        }
    )
    os.environ.pop("HF_TOKEN", None)


def _show(result: DemoResult, *, run_code: bool) -> None:
    from palrs_hub.cli import output

    for each in result.domains.values():
        _show_choice(each)
        _show_accuracies(each)
        _show_guardrail(each)
    if result.together:
        _show_together(result)
    if not run_code:
        output.show_line(
            "Code was left out: judging it runs what the model wrote, confined in a sandbox. "
            "Allow that with --allow-code-execution."
        )
    for each in result.domains.values():
        output.show_line(f"Pushed to {each.repo_id}, pulled again at commit {each.revision}.")
        output.show_findings(each.findings)
    for each in result.domains.values():
        for prompt, unsteered, steered in each.generations:
            output.show_line(f"> {prompt}")
            output.show_beside(("unsteered", unsteered), ("steered", steered))
    for model, findings in next(iter(result.domains.values())).refused.items():
        output.show_line(f"Refused on {model}:")
        output.show_findings(findings)
    output.show_line(f"{result.total_seconds:.0f} seconds in all.")


def _show_choice(each: DomainResult) -> None:
    from palrs_hub.cli import output

    selected, switches = each.found.selected, each.found.extraction.switches
    output.show_pairs(
        f"{each.domain.task.capitalize()}: chosen on validation problems",
        {
            "input format": switches.input_format,
            "read positions": f"{switches.positions} ({selected.position})",
            "layer": selected.layer,
            "coefficient": f"{selected.coefficient:g} x {switches.scale}",
            "validation accuracy": f"{each.found.accuracy:.1%}",
        },
    )


def _show_accuracies(each: DomainResult) -> None:
    from palrs_hub.cli import output

    comparison, preset = each.measured.comparison, each.measured.paper_preset
    spread = f"{min(comparison.random_each):.1%} to {max(comparison.random_each):.1%}"
    title = each.domain.title[0].upper() + each.domain.title[1:]
    output.show_table(
        f"{title}, {len(comparison.outcomes.steered)} unseen problems",
        ["", "accuracy"],
        [
            ("unsteered", f"{comparison.unsteered:.1%}"),
            ("steered", f"{comparison.steered:.1%}"),
            (
                f"{len(comparison.random_each)} random directions of the same norm",
                f"{comparison.random:.1%} ({spread})",
            ),
            ("negated vector", f"{comparison.negated:.1%}"),
            ("the paper's own preset", "no gain" if preset is None else f"{preset:.1%}"),
        ],
    )


def _show_guardrail(each: DomainResult) -> None:
    from palrs_hub.cli import output

    before, after = each.measured.before, each.measured.after
    texts = (before.ordinary_text_perplexity, after.ordinary_text_perplexity)
    output.show_table(
        f"Guardrail: {each.domain.agreed_title}, and stories",
        ["", "unsteered", "steered"],
        [
            ("accuracy", f"{before.accuracy:.1%}", f"{after.accuracy:.1%}"),
            ("perplexity", f"{before.perplexity:.4f}", f"{after.perplexity:.4f}"),
            ("perplexity of stories", *(f"{value:.4f}" for value in texts)),
        ],
    )


def _show_together(result: DemoResult) -> None:
    from palrs_hub.cli import output

    rows = []
    for name, each in result.domains.items():
        alone = [
            other.measured.comparison.steered if other is each else other.elsewhere[name]
            for other in result.domains.values()
        ]
        figures = [each.measured.comparison.unsteered, *alone, result.together[name].accuracy]
        rows.append((name, *(f"{figure:.1%}" for figure in figures)))
    output.show_table(
        "Accuracy under each vector and under both",
        ["", "unsteered", *(f"vector of {name}" for name in result.domains), "both"],
        rows,
    )
