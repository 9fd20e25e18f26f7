"""Release artefacts: built twice the same, and the demonstration runs from each of them alone.

``python -m tests.dist_check FOLDER``. The wheel and the sdist are each installed into an empty
environment, which gets its dependencies by name at the versions of constraints.txt.
"""

from __future__ import annotations

import hashlib
import os
import shutil
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
    for pattern in ("*.whl", "*.tar.gz"):
        (artefact,) = (place / "first").glob(pattern)
        if code := _run_demo(artefact, place / f"venv-{artefact.suffix[1:]}", place):
            return code
    return 0


def _build(folder: Path) -> dict[str, str]:
    """A wheel and an sdist; name to hash."""
    command = [sys.executable, "-m", "build", "--no-isolation", "--outdir", str(folder), str(ROOT)]
    subprocess.run(
        command, check=True, env={**os.environ, "SOURCE_DATE_EPOCH": EPOCH}, stdout=sys.stderr
    )
    return {path.name: hashlib.sha256(path.read_bytes()).hexdigest() for path in folder.iterdir()}


def _run_demo(artefact: Path, environment: Path, place: Path) -> int:
    """In an environment that was empty; it is removed again where all went well."""
    venv.create(environment, with_pip=True, clear=True)
    python = environment / "bin" / "python"
    install = ["-m", "pip", "install", "--quiet", "--disable-pip-version-check"]
    install += ["--no-cache-dir", "--constraint", ROOT / "constraints.txt"]
    # The demonstration pushes to the embedded Hub.
    subprocess.run([python, *install, f"palrs-hub[serve] @ {artefact.as_uri()}"], check=True)
    outside = {"cwd": place, "env": {k: v for k, v in os.environ.items() if k != "PYTHONPATH"}}
    where = "import palrs_hub; print(palrs_hub.__file__)"
    found = subprocess.run([python, "-c", where], capture_output=True, text=True, **outside)
    if not Path(found.stdout.strip()).is_relative_to(environment):
        sys.stderr.write(f"Not from {artefact.name}: {found.stdout}{found.stderr}\n")
        return 1
    demo = [environment / "bin" / "palrs-hub", "demo"]
    code = subprocess.run(demo, **outside).returncode
    if code == 0:
        shutil.rmtree(environment)
    return code


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1]).absolute()))
