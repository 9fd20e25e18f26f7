"""All that the command line prints, for people (rich) and for machines (JSON).

Text that comes from a vector, a model or a server is shown as it is, never as markup, and without
control characters.
"""

from __future__ import annotations

import json
import sys
from typing import TYPE_CHECKING, Any, Final

from rich.console import Console
from rich.panel import Panel
from rich.table import Table
from rich.text import Text

from palrs_hub.errors import IncompatibleError, PalrsHubError

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from palrs_hub.compatibility import Finding

_STYLES: Final = {"error": "bold red", "warning": "yellow", "note": "cyan"}


def wants_progress() -> bool:
    """Whether progress bars are of use: someone is looking at the terminal."""
    return sys.stderr.isatty()


def show_json(data: Mapping[str, Any]) -> None:
    """One JSON object on standard output."""
    print(json.dumps(data, indent=2, ensure_ascii=False))


def show_line(text: str) -> None:
    """One line."""
    _console().print(_safe(text), soft_wrap=True)


def show_table(title: str, columns: Sequence[str], rows: Iterable[Sequence[object]]) -> None:
    """A table with a heading; cells are shown as they are."""
    table = Table(title=_safe(title), title_justify="left", header_style="bold")
    for column in columns:
        table.add_column(_safe(column), overflow="fold")
    for row in rows:
        table.add_row(*(_safe(str(cell)) for cell in row))
    _console().print(table)


def show_pairs(title: str, facts: Mapping[str, object]) -> None:
    """Names and values, a line each, without empty ones."""
    table = Table(title=_safe(title), title_justify="left", show_header=False, box=None)
    table.add_column(style="dim")
    table.add_column(overflow="fold")
    for name, value in facts.items():
        if value not in (None, ""):
            table.add_row(name, _safe(str(value)))
    _console().print(table)


def show_text(title: str, text: str) -> None:
    """A longer text in a frame."""
    _console().print(Panel(_safe(text), title=_safe(title), title_align="left"))


def show_beside(left: tuple[str, str], right: tuple[str, str]) -> None:
    """Two titled texts side by side."""
    table = Table(show_lines=True, expand=True)
    for title, _ in (left, right):
        table.add_column(_safe(title), ratio=1, overflow="fold")
    table.add_row(_safe(left[1]), _safe(right[1]))
    _console().print(table)


def show_findings(findings: Sequence[Finding]) -> None:
    """What the checks found, worst first."""
    if not findings:
        _console().print(Text("Every check agrees.", style="green"))
    for finding in sorted(findings, key=lambda finding: list(_STYLES).index(finding.severity)):
        line = Text()
        line.append(f"{finding.severity:<8}", style=_STYLES[finding.severity])
        line.append(f"{finding.check}: expected {_clean(finding.expected)}; ")
        line.append(f"found {_clean(finding.found)}. {_clean(finding.advice)}")
        _console().print(line, soft_wrap=True)


def show_error(error: PalrsHubError, *, as_json: bool) -> None:
    """An error: JSON on standard output, or text on standard error."""
    if as_json:
        facts: dict[str, Any] = {"error": type(error).__name__, "message": str(error)}
        if isinstance(error, IncompatibleError):
            facts["findings"] = [vars(finding) for finding in error.findings]
        show_json(facts)
        return
    _complain("Error: ", "bold red", str(error))


def show_warning(text: str) -> None:
    """A warning, on standard error."""
    _complain("Warning: ", _STYLES["warning"], text)


def _complain(kind: str, style: str, text: str) -> None:
    console = Console(stderr=True, highlight=False)
    console.print(Text(kind, style=style) + _safe(text), soft_wrap=True)


def _console() -> Console:
    return Console(highlight=False)


def _safe(text: str) -> Text:
    return Text(_clean(text))


def _clean(text: str) -> str:
    return "".join(
        c if c.isprintable() or c in "\n\t" else "\N{REPLACEMENT CHARACTER}" for c in text
    )
