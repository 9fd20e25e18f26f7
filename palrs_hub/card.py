"""The model card: what a manifest says, for people and for the Hub's index."""

from __future__ import annotations

import functools
import re
from typing import TYPE_CHECKING, Any, Final

import jinja2
import yaml

from palrs_hub.manifest import PLOT_FILE

if TYPE_CHECKING:
    from palrs_hub.evidence import Evaluation, LayerDiagnostics
    from palrs_hub.manifest import Manifest

CARD_FILE: Final = "README.md"
LIBRARY_NAME: Final = "palrs-hub"
PLACEHOLDER_REPO: Final = "org/name"

# A dot only where it would number a list.
_MARKDOWN = re.compile(r"([\\`*_{}\[\]()#+!|~$=-]|(?<=\d)\.(?=\s|$))")
_INDENT = re.compile(r"^ +", re.MULTILINE)
_HTML = {"&": "&amp;", "<": "&lt;", ">": "&gt;"}
_UNITS: Final = {
    "raw": "the direction as the method found it",
    "unit_norm": "a vector of norm 1",
    "mean_chosen_norm": "a vector as long as the mean chosen activation",
}


def render_card(manifest: Manifest, *, repo_id: str | None = None) -> str:
    """The text of ``README.md``: YAML front matter for the Hub, Markdown for people.

    Every text that comes from the manifest is escaped.

    Args:
        manifest: The manifest.
        repo_id: The repository that the snippets shall load from.
    """
    front = yaml.safe_dump(front_matter(manifest), sort_keys=False, allow_unicode=True)
    body = markdown_environment().get_template("card.md.jinja")
    return f"---\n{front}---\n\n" + body.render(
        manifest=manifest,
        repo_id=repo_id or PLACEHOLDER_REPO,
        chosen=chosen_diagnostics(manifest),
        units=_UNITS,
        settings_of=settings_of,
        plot=PLOT_FILE,
    )


def front_matter(manifest: Manifest) -> dict[str, Any]:
    """What the Hub indexes: library, base model, tags, licence and the evaluations."""
    front: dict[str, Any] = {"library_name": LIBRARY_NAME, "license": manifest.license}
    if manifest.base_model.repo_id:
        front["base_model"] = manifest.base_model.repo_id
        front["base_model_relation"] = "adapter"
    front["pipeline_tag"] = "text-generation"
    front["tags"] = [
        "steering-vector",
        "activation-steering",
        LIBRARY_NAME,
        f"method:{manifest.method.name}",
        f"task:{manifest.task.name}",
    ]
    # For search: listings carry the front matter, so no file has to be fetched to show these.
    front[LIBRARY_NAME] = {
        "layers": [intervention.layer for intervention in manifest.interventions],
        "coefficients": [intervention.coefficient for intervention in manifest.interventions],
    }
    if manifest.evaluations:
        results = [_result(evaluation) for evaluation in manifest.evaluations]
        front["model-index"] = [{"name": manifest.name, "results": results}]
    return front


def chosen_diagnostics(manifest: Manifest) -> LayerDiagnostics | None:
    """The diagnostics of the candidate that became the vector, where there is one."""
    position, layer = manifest.method.switches.get("position"), manifest.interventions[0].layer
    return next(
        (row for row in manifest.diagnostics if (row.position, row.layer) == (position, layer)),
        None,
    )


def settings_of(evaluation: Evaluation) -> dict[str, object]:
    """What a number was measured with, in words; what was not reported or is not meant is absent.

    The instruction is left to the manifest: it may be long.
    """
    settings = evaluation.settings
    if settings is None:
        return {}
    named: dict[str, object] = {
        "by": settings.kind,
        "version": settings.version,
        "data sha256": settings.data_sha256 and settings.data_sha256[:16],
        "first": settings.limit,
        "examples": settings.few_shot,
        "new tokens at most": settings.max_new_tokens,
        "random directions": settings.random_directions,
        "seed": settings.seed,
        "rows in a batch": settings.batch_size,
        "weights": settings.dtype,
    }
    return {name: value for name, value in named.items() if value is not None}


def plain(text: object) -> str:
    """Text that Markdown and HTML show as it is."""
    escaped = _MARKDOWN.sub(r"\\\1", _INDENT.sub("", str(text)))
    return "".join(_HTML.get(character, character) for character in escaped)


def _result(evaluation: Evaluation) -> dict[str, Any]:
    values = {"steered": evaluation.value, **evaluation.baselines}
    return {
        "task": {"type": "text-generation", "name": "Text generation"},
        "dataset": {
            "name": evaluation.task,
            "type": re.sub(r"[\W_]+", "-", evaluation.task.lower()).strip("-") or "custom",
            "split": evaluation.split,
        },
        "metrics": [
            {
                "type": evaluation.metric.partition(" (")[0],
                "name": f"{evaluation.metric} ({name})",
                "value": value,
            }
            for name, value in values.items()
        ],
    }


@functools.cache
def markdown_environment() -> jinja2.Environment:
    """For templates of Markdown, with the filter ``plain`` for every text from elsewhere."""
    environment = jinja2.Environment(
        loader=jinja2.PackageLoader("palrs_hub"),
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
        autoescape=False,  # it is Markdown: the filter `plain` escapes
    )
    environment.filters["plain"] = plain
    return environment
