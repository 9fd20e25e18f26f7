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
    from palrs_hub.demo.run import DemoResult


@click.command("demo")
@click.option(
    "--json",
    "json_file",
    type=click.Path(dir_okay=False, path_type=Path),
    help="Write the figures to this file.",
)
def command(json_file: Path | None) -> None:
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
        result = run_demo(Path(folder), say=output.show_line, progress=output.wants_progress())
    _show(result)
    if json_file:
        json_file.write_text(json.dumps(result.as_json(), indent=2) + "\n", encoding="utf-8")
        output.show_line(f"Figures written to {json_file}")


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


def _show(result: DemoResult) -> None:
    from palrs_hub.cli import output

    selected, switches = result.found.selected, result.found.extraction.switches
    output.show_pairs(
        "Chosen on validation problems",
        {
            "input format": switches.input_format,
            "read positions": f"{switches.positions} ({selected.position})",
            "layer": selected.layer,
            "coefficient": f"{selected.coefficient:g} x {switches.scale}",
            "validation accuracy": f"{result.found.accuracy:.1%}",
        },
    )
    _show_accuracies(result)
    output.show_line(f"Pushed to {result.repo_id}, pulled again at commit {result.revision}.")
    output.show_findings(result.findings)
    for prompt, unsteered, steered in result.generations:
        output.show_line(f"> {prompt}")
        output.show_beside(("unsteered", unsteered), ("steered", steered))
    for model, findings in result.refused.items():
        output.show_line(f"Refused on {model}:")
        output.show_findings(findings)
    total = sum(result.seconds.values())
    output.show_line(f"{total:.0f} seconds in all.")


def _show_accuracies(result: DemoResult) -> None:
    from palrs_hub.cli import output

    comparison, before, after = (
        result.measured.comparison,
        result.measured.before,
        result.measured.after,
    )
    preset = result.measured.paper_preset
    spread = f"{min(comparison.random_each):.1%} to {max(comparison.random_each):.1%}"
    output.show_table(
        "Sums that need a carry, 200 unseen problems",
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
    output.show_table(
        "Guardrail: sums without a carry",
        ["", "unsteered", "steered"],
        [
            ("accuracy", f"{before.accuracy:.1%}", f"{after.accuracy:.1%}"),
            ("perplexity", f"{before.perplexity:.4f}", f"{after.perplexity:.4f}"),
        ],
    )
