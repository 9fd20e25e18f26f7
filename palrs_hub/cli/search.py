"""``palrs-hub search``: vectors on the Hub, and whether they fit a model that is at hand."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING

import click

from palrs_hub.cli.options import json_option, token_option

if TYPE_CHECKING:
    from collections.abc import Sequence

    from palrs_hub.compatibility import ModelFacts
    from palrs_hub.hub import Found
    from palrs_hub.registry.marks import Mark

_MOST_SHOWN = 4
_ANSWERS = {True: "yes", False: "no", None: "not known"}


@click.command("search")
@click.argument("words", nargs=-1)
@click.option("--base-model", metavar="ORG/NAME", help="Only vectors for this model.")
@click.option("--task", help="Only this task, by its exact name.")
@click.option("--method", help="Only this extraction method, for instance palrs.")
@click.option("--author", help="Only this user's or organisation's.")
@click.option(
    "--sort",
    type=click.Choice(["downloads", "likes", "recent"]),
    default="downloads",
    show_default=True,
    help="What comes first.",
)
@click.option("--limit", type=click.IntRange(1, 1000), default=20, show_default=True)
@click.option(
    "--model",
    help="A folder or org/name: check each vector against its configuration, no weights. This "
    "fetches the vectors' manifests.",
)
@token_option
@json_option
def command(
    words: tuple[str, ...],
    base_model: str | None,
    task: str | None,
    method: str | None,
    author: str | None,
    sort: str,
    limit: int,
    model: str | None,
    token: str | None,
    as_json: bool,
) -> None:
    """List the vectors on the Hub that match all WORDS and options.

    What is listed is what the cards say; info and check verify it.
    """
    from palrs_hub.cli import output
    from palrs_hub.hub import search
    from palrs_hub.registry.marks import marks_by_repo

    found = search(
        words,
        base_model=base_model,
        task=task,
        method=method,
        author=author,
        sort=sort,  # type: ignore[arg-type]
        limit=limit,
        token=token,
    )
    verdicts = _verdicts(found, model, token) if model and found else {}
    marks = marks_by_repo({item.repo_id: item.commit for item in found})
    if as_json:
        rows = [
            {**asdict(item), "model": model, **asdict(verdicts.get(item.repo_id, _Verdict()))}
            | {"curated": marks[item.repo_id].as_json() if item.repo_id in marks else None}
            for item in found
        ]
        output.show_json({"vectors": rows})
    elif found:
        _show(found, model, verdicts, marks)
    else:
        output.show_line("No vector matches. Fewer words or options find more.")


@dataclass(frozen=True)
class _Verdict:
    """Whether a vector fits a model by its configuration; None if that was or could not be told."""

    fits: bool | None = None
    why: str | None = None


def _verdicts(found: Sequence[Found], model: str, token: str | None) -> dict[str, _Verdict]:
    from palrs_hub.hub import config_facts

    facts = config_facts(model, token=token)
    return {item.repo_id: _verdict(item, facts, token) for item in found}


def _verdict(item: Found, facts: ModelFacts, token: str | None) -> _Verdict:
    from palrs_hub import compatibility
    from palrs_hub.errors import PalrsHubError
    from palrs_hub.hub import fetch_manifest
    from palrs_hub.manifest import MANIFEST_FILE, read_manifest

    try:
        fetched = fetch_manifest(item.repo_id, revision=item.commit, token=token)
        manifest = read_manifest((fetched.folder / MANIFEST_FILE).read_bytes())
    except PalrsHubError as error:
        return _Verdict(None, str(error))
    against = compatibility.refused(compatibility.check(manifest, facts))
    return _Verdict(not against, str(against[0]) if against else None)


def _show(
    found: Sequence[Found],
    model: str | None,
    verdicts: dict[str, _Verdict],
    marks: dict[str, Mark],
) -> None:
    from palrs_hub.cli import output

    columns = ["vector", "task", "layer: coefficient", "evaluation", "use"]
    rows = [
        [
            f"{item.repo_id}\nfor {item.base_model or '?'}{_curated(marks.get(item.repo_id))}",
            item.task or "not told",
            _changes(item),
            _evaluation(item),
            f"{item.downloads} downloads\n{item.likes} likes\n{(item.last_modified or '?')[:10]}",
            *([_ANSWERS[verdicts[item.repo_id].fits]] if model else []),
        ]
        for item in found
    ]
    output.show_table(
        f"{len(found)} found, as their cards tell", [*columns, *(["fits"] if model else [])], rows
    )
    for repo_id, verdict in verdicts.items():
        if verdict.why:
            output.show_line(f"{repo_id}: {verdict.why}")


def _curated(mark: Mark | None) -> str:
    return f"\ncurated: {mark}" if mark else ""


def _changes(item: Found) -> str:
    shown = [f"{change.layer}: {change.coefficient:g}" for change in item.changes[:_MOST_SHOWN]]
    more = ["..."] if len(item.changes) > _MOST_SHOWN else []
    return ", ".join([*shown, *more]) or "not told"


def _evaluation(item: Found) -> str:
    shown = [f"{m.task}: {m.metric} {m.value:.4g}" for m in item.evaluations[:2]]
    return "\n".join(shown) or "not reported"
