"""Writes the generated pages of the documentation; ``--check`` only tells whether they are so.

Run by ``make format`` and ``make check``.
"""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path

import click

import notebooks
import reference
from palrs_hub import errors
from palrs_hub.cli import COMMANDS, cli
from palrs_hub.cli.main import load_command
from palrs_hub.registry import Entry, index_of, read_shelf

DOCS = Path(__file__).parent
WIDTH = 100


def main() -> int:
    """Generate or check every page; the exit code is 1 if a page is not current."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--check", action="store_true", help="change nothing")
    check = parser.parse_args().check
    stale = [
        path
        for path, text in pages().items()
        if not path.exists() or path.read_text(encoding="utf-8") != text
    ]
    for path in stale:
        sys.stderr.write(f"{path.name} is {'not current: run make format' if check else 'new'}\n")
        if not check:
            path.parent.mkdir(exist_ok=True)
            path.write_text(pages()[path], encoding="utf-8")
    return int(check and bool(stale))


def pages() -> dict[Path, str]:
    """Every generated page and its text."""
    root = DOCS.parent
    return {
        DOCS / "cli.md": command_line(),
        DOCS / "manifest.md": reference.manifest(),
        DOCS / "python.md": reference.public_names(),
        **{DOCS / "examples" / name: text for name, text in notebooks.pages().items()},
        root / "registry" / "schema.json": entry_schema(),
        # The copy that palrs-hub brings along; it holds no date, so that it only changes with them.
        root / "palrs_hub" / "registry" / "index.json": index_of(read_shelf(root)).to_json(),
    }


def entry_schema() -> str:
    """The JSON schema of a registry's entry, for editors."""
    schema = {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        **Entry.model_json_schema(),
    }
    return json.dumps(schema, indent=2) + "\n"


def command_line() -> str:
    """The reference of the command line, from the commands themselves."""
    parts = [
        "# The command line\n",
        "Generated from the commands by `make format`; `make check` fails when it is stale.\n",
        _help(cli, "palrs-hub"),
        "## Exit codes\n",
        _exit_codes(),
    ]
    for name in COMMANDS:
        command = load_command(name)
        parts += [f"## palrs-hub {name}\n", _help(command, f"palrs-hub {name}")]
        if isinstance(command, click.Group):
            parts += [
                part
                for inner, subcommand in command.commands.items()
                for part in (
                    f"### palrs-hub {name} {inner}\n",
                    _help(subcommand, f"palrs-hub {name} {inner}"),
                )
            ]
    return "\n".join(parts)


def _help(command: click.Command, name: str) -> str:
    context = click.Context(command, info_name=name, max_content_width=WIDTH, terminal_width=WIDTH)
    return f"```\n{command.get_help(context)}\n```\n"


def _exit_codes() -> str:
    kinds = [
        kind
        for kind in vars(errors).values()
        if isinstance(kind, type) and issubclass(kind, errors.PalrsHubError)
    ]
    rows = ["| code | errors |", "|---|---|", "| 0 | done |"]
    for code in sorted({kind.exit_code for kind in kinds}):
        names = ", ".join(f"`{kind.__name__}`" for kind in kinds if kind.exit_code == code)
        rows.append(f"| {code} | {names} |")
    return "\n".join([*rows, "| 130 | interrupted |"]) + "\n"


if __name__ == "__main__":
    sys.exit(main())
