"""Writes docs/engines.md: what the engines were measured to do, beside what is to know of them."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from tests.engines.real.conftest import Figures

BEGIN, END = "<!-- measured -->", "<!-- end of measured -->"


def write_page(path: Path, figures: Figures) -> None:
    """Put the figures of a whole run between the marks of the page."""
    text = path.read_text(encoding="utf-8")
    head, _, rest = text.partition(BEGIN)
    _, _, tail = rest.partition(END)
    path.write_text(f"{head}{BEGIN}\n{_tables(figures)}\n{END}{tail}", encoding="utf-8")


def _tables(figures: Figures) -> str:
    rows = [
        "| engine | how | model | largest difference in log-probability | the vector's effect |",
        "|---|---|---|---|---|",
        *(
            f"| {engine} | {how} | {model} | {worst:.1e} | {effect:.1f} |"
            for engine, how, model, worst, effect in sorted(figures.differences)
        ),
        "",
        *(
            f"{engine} differs by {worst:.1e} on the unsteered {model}: it looks GELU up in a "
            "table of half precision.\n"
            for (engine, model), worst in sorted(figures.own.items())
        ),
        "| the demonstration's problems, solved through | unsteered | steered |",
        "|---|---|---|",
        *(
            f"| {engine} | {before:.0%} | {after:.0%} |"
            for engine, before, after in figures.accuracies
        ),
    ]
    return "\n".join(rows)
