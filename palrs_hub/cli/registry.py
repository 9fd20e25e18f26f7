"""``palrs-hub registry``: add to a curated registry, check it, and publish it as a site."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import click

from palrs_hub.cli.options import json_option, revision_option, token_option

if TYPE_CHECKING:
    from palrs_hub.registry.checks import Fault
    from palrs_hub.registry.facts import Sample
    from palrs_hub.registry.shelf import Shelf

FAULTY: Final = 3

_root_option = click.option(
    "--root",
    type=click.Path(exists=True, file_okay=False, path_type=Path),
    default=Path(),
    help="The registry's repository, which holds registry/ and cards/.  [default: here]",
)


@click.group("registry")
def command() -> None:
    """Add to a curated registry, check it, and build its index and gallery."""


@command.command("add")
@click.argument("vector_id", metavar="ID[@REV]")
@click.option("--slug", help="Name of the entry.  [default: the repository's name]")
@click.option("--tag", "tags", multiple=True, help="A word to find it by; repeat for several.")
@click.option(
    "--base-model",
    metavar="MODEL",
    help="ORG/NAME@COMMIT, or a folder of the registry.  [default: the recorded one]",
)
@click.option(
    "--samples",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    help="What `palrs-hub generate ID --prompt ... --compare --json` printed, to show beside it.",
)
@click.option(
    "--problems",
    multiple=True,
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    help="A file that it was measured on, to keep for --rerun; repeat for several.",
)
@click.option("--replace", is_flag=True, help="Replace the entry that is there; its card stays.")
@_root_option
@revision_option
@token_option
@json_option
def add(
    vector_id: str,
    slug: str | None,
    tags: tuple[str, ...],
    base_model: str | None,
    samples: Path | None,
    problems: tuple[Path, ...],
    replace: bool,
    root: Path,
    revision: str | None,
    token: str | None,
    as_json: bool,
) -> int:
    """Write an entry and a card for the vector ID (org/name, or a folder of the registry).

    Everything is checked first; exit code 3, and nothing written, if something speaks against it.
    """
    from palrs_hub.cli import output
    from palrs_hub.registry.add import Wanted, draft, faults_of, write

    shown = _samples(samples)
    wanted = Wanted(slug=slug, base_model=base_model, tags=tags, samples=shown, problems=problems)
    record = draft(root, vector_id, wanted, revision=revision, token=token)
    faults = faults_of(record)
    failed = _failed(faults)
    written = () if failed else write(record, over=replace)
    names = [path.relative_to(root).as_posix() for path in written]
    if as_json:
        output.show_json(
            {
                "slug": record.slug,
                "source": str(record.entry.source),
                "written": names,
                "faults": [fault.as_json() for fault in faults],
            }
        )
    elif failed:
        _show(faults)
        output.show_line("Nothing was written.")
    else:
        for name in names:
            output.show_line(f"Wrote {name}")
        output.show_line(
            f"Now complete cards/{record.slug}.md, run `palrs-hub registry check`, and send all of "
            "it as a pull request."
        )
    return FAULTY if failed else 0


@command.command("check")
@click.option("--only", "only", multiple=True, metavar="SLUG", help="Repeat for several.")
@click.option("--online", is_flag=True, help="Also ask the Hub for every package and base model.")
@click.option("--rerun", is_flag=True, help="Also run evaluations again; loads the models.")
@_root_option
@json_option
def check(only: tuple[str, ...], online: bool, rerun: bool, root: Path, as_json: bool) -> int:
    """Check every entry and card; all findings at once. Exit code 3 if there are errors."""
    from palrs_hub.cli import output
    from palrs_hub.registry import read_shelf
    from palrs_hub.registry.checks import check_shelf

    # All are read: names and directions are compared with every other entry's.
    shelf = read_shelf(root)
    wanted = set(only) or None
    if wanted:
        read_shelf(root, wanted)
    faults = check_shelf(shelf, online=online, only=wanted)
    if rerun:
        faults = (*faults, *_rerun(shelf, wanted))
    failed = _failed(faults)
    total = len(wanted or shelf.records)
    if as_json:
        facts: dict[str, Any] = {"entries": total, "holds": not failed}
        output.show_json({**facts, "faults": [fault.as_json() for fault in faults]})
        return FAULTY if failed else 0
    _show(faults)
    errors = sum(fault.finding.severity == "error" for fault in faults)
    entries = f"{total} {'entry' if total == 1 else 'entries'}"
    output.show_line(
        f"{entries}; {errors or 'no'} error{'' if errors == 1 else 's'}."
        + ("" if online else " Nothing was asked of the Hub: see --online.")
    )
    return FAULTY if failed else 0


@command.command("build")
@click.option(
    "--output",
    "folder",
    type=click.Path(file_okay=False, path_type=Path),
    required=True,
    help="Folder to write; one that was built before is replaced.",
)
@_root_option
@json_option
def build(folder: Path, root: Path, as_json: bool) -> int:
    """Write index.json and the gallery, a static site; as it is, it is a static Space."""
    from palrs_hub.cli import output
    from palrs_hub.registry import read_shelf
    from palrs_hub.registry.checks import check_shelf
    from palrs_hub.registry.site import build as build_site

    shelf = read_shelf(root)
    faults = check_shelf(shelf)
    if _failed(faults):
        if as_json:
            output.show_json({"written": None, "faults": [fault.as_json() for fault in faults]})
        else:
            _show(faults)
            output.show_line("Nothing was written: a registry with errors is not published.")
        return FAULTY
    built = build_site(shelf, folder)
    facts = {
        "written": str(built.folder),
        "entries": len(built.index.entries),
        "digest": built.index.digest,
    }
    if as_json:
        output.show_json(facts)
    else:
        output.show_pairs("Built", facts)
    return 0


def _samples(path: Path | None) -> tuple[Sample, ...]:
    from palrs_hub.registry.facts import MAX_BYTES, read_samples

    if path is None:
        return ()
    with path.open("rb") as file:
        return read_samples(file.read(MAX_BYTES + 1))


def _rerun(shelf: Shelf, only: set[str] | None) -> tuple[Fault, ...]:
    from palrs_hub.cli import output
    from palrs_hub.registry.checks import Fault
    from palrs_hub.rerun import findings

    return tuple(
        Fault(record.slug, finding)
        for record in shelf.records
        if only is None or record.slug in only
        for finding in findings(record, progress=output.wants_progress())
    )


def _failed(faults: tuple[Fault, ...]) -> bool:
    return any(fault.finding.severity == "error" for fault in faults)


def _show(faults: tuple[Fault, ...]) -> None:
    from palrs_hub.cli import output

    for entry in dict.fromkeys(fault.entry for fault in faults):
        output.show_line(f"{entry}:")
        output.show_findings([fault.finding for fault in faults if fault.entry == entry])
