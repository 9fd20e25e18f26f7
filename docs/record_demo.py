"""Records ``palrs-hub demo`` as it runs into docs/images/demo.svg."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

from rich.console import Console
from rich.text import Text

PICTURE = Path(__file__).parent / "images" / "demo.svg"
WIDTH = 96


def main() -> None:
    """Run the demonstration and draw what it showed."""
    done = subprocess.run(
        [sys.executable, "-m", "palrs_hub", "demo", "--allow-code-execution"],
        capture_output=True,
        text=True,
        check=True,
        env={**os.environ, "FORCE_COLOR": "1", "COLUMNS": str(WIDTH)},
    )
    console = Console(record=True, width=WIDTH, file=open(os.devnull, "w"))  # noqa: SIM115
    console.print(Text.from_ansi("$ make demo\n" + done.stdout))
    picture = console.export_svg(title="palrs-hub")
    # A page loads no font from elsewhere.
    picture = re.sub(r"@font-face \{.*?\}", "", picture, flags=re.DOTALL)
    PICTURE.parent.mkdir(exist_ok=True)
    PICTURE.write_text(picture, encoding="utf-8")


if __name__ == "__main__":
    main()
