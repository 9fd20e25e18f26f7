"""Release artefacts: built twice the same, and the demonstration runs from the wheel alone.

``python -m tests.dist_check FOLDER``, with this environment's packages as the dependencies. Nothing
of the checkout is on the path of the wheel's environment.
"""

from __future__ import annotations

import hashlib
import os
import subprocess
import sys
import venv
from pathlib import Path
from typing import Final

ROOT: Final = Path(__file__).parents[1]
# Any fixed moment does, from 1980 on, where zip begins.
EPOCH: Final = "1700000000"


def main(place: Path) -> int:
    """Build, compare, install, run; the exit code is 0 if all of it holds."""
    first, second = _build(place / "first"), _build(place / "second")
    for name, sha256 in first.items():
        sys.stdout.write(f"{sha256}  {name}\n")
    if first != second:
        sys.stderr.write(f"Built twice, they differ: {sorted(second.items())}\n")
        return 1
    (wheel,) = (place / "first").glob("*.whl")
    return _run_demo(wheel, place / "venv", place)


def _build(folder: Path) -> dict[str, str]:
    """A wheel and an sdist; name to hash."""
    command = [sys.executable, "-m", "build", "--no-isolation", "--outdir", str(folder), str(ROOT)]
    subprocess.run(
        command, check=True, env={**os.environ, "SOURCE_DATE_EPOCH": EPOCH}, stdout=sys.stderr
    )
    return {path.name: hashlib.sha256(path.read_bytes()).hexdigest() for path in folder.iterdir()}


def _run_demo(wheel: Path, environment: Path, place: Path) -> int:
    """In a new environment that has the wheel, and sees all other packages by a .pth file."""
    venv.create(environment, with_pip=True, clear=True)
    python = environment / "bin" / "python"
    install = ["-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--no-deps"]
    subprocess.run([python, *install, wheel], check=True)
    (packages,) = environment.glob("lib/python*/site-packages")
    # The folders alone: .pth files in them, one of which names the checkout, are not read.
    others = [path for path in sys.path if path.endswith("site-packages")]
    (packages / "dependencies.pth").write_text("\n".join(others) + "\n")
    outside = {"cwd": place, "env": {k: v for k, v in os.environ.items() if k != "PYTHONPATH"}}
    where = "import palrs_hub; print(palrs_hub.__file__)"
    found = subprocess.run([python, "-c", where], capture_output=True, text=True, **outside)
    if not Path(found.stdout.strip()).is_relative_to(environment):
        sys.stderr.write(f"Not from the wheel: {found.stdout}{found.stderr}\n")
        return 1
    demo = [environment / "bin" / "palrs-hub", "demo"]
    return subprocess.run(demo, **outside).returncode


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1]).absolute()))
