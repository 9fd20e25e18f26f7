"""Pages of the examples: a file in percent format becomes Markdown, cell by cell."""

from __future__ import annotations

import re
from pathlib import Path

EXAMPLES = Path(__file__).parents[1] / "examples"


def pages() -> dict[str, str]:
    """The name and the text of each example's page."""
    return {f"{path.stem}.md": page(path) for path in sorted(EXAMPLES.glob("*.py"))}


def page(path: Path) -> str:
    """The page of one example."""
    parts = []
    for markdown, cell in re.findall(
        r"^# %%( \[markdown\])?\n(.*?)(?=^# %%|\Z)",
        path.read_text(encoding="utf-8"),
        re.DOTALL | re.MULTILINE,
    ):
        text = re.sub(r"^# ?", "", cell, flags=re.MULTILINE) if markdown else cell
        parts.append(text.strip() if markdown else f"```python\n{text.strip()}\n```")
    note = f"*The test suite runs this page's file, `examples/{path.name}`, from top to bottom.*"
    heading, *rest = parts
    return "\n\n".join([heading, *rest, note]) + "\n"
