"""Commands on a disk that is full or read-only: ``python -m tests.crash.poor_disk HOW DISK OTHER``.

It runs where it may mount (``unshare --user --map-root-user --mount``): ``DISK`` becomes a real
file system of 300 kB. One JSON line tells what every command came to.
"""

from __future__ import annotations

import contextlib
import io
import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any, Final

SIZE: Final = "300k"
EXPORTED: Final = {"gguf": ".gguf", "tensor": ".safetensors", "lm-eval": ".pt", "peft": ""}
ROOT: Final = Path(__file__).parents[2]


def main(how: str, disk: Path, plenty: Path) -> dict[str, Any]:
    """Prepare the disk, then run every command on it."""
    subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={SIZE}", "tmpfs", disk], check=True)
    # Before the client is imported, which reads it once.
    os.environ["HF_HUB_CACHE"] = str(disk / "cache")
    from palrs_hub.vector import SteeringVector
    from tests.builders import a_vector

    old, new = a_vector(seed=0), a_vector(seed=1)
    old.save_pretrained(disk / "old")
    elsewhere = new.save_pretrained(plenty / "new")
    repo_id = f"crash/{how}-disk"
    run("push", str(elsewhere), repo_id)
    if how == "full":
        _fill(disk)
    else:
        subprocess.run(["mount", "-o", "remount,ro", disk], check=True)
    before = _listing(disk)
    told = {name: run(*words) for name, words in _commands(disk, elsewhere, repo_id).items()}
    told["save over a vector"] = _save(new, disk / "old")
    return {
        "told": told,
        "left": sorted(_listing(disk) - before),
        "old": SteeringVector.load(disk / "old").manifest == old.manifest,
        "push": run("push", str(disk / "old"), f"{repo_id}-from")[0],
    }


def _commands(disk: Path, vector: Path, repo_id: str) -> dict[str, tuple[str, ...]]:
    from palrs_hub.demo import model_folder, pairs_file

    export = ("export", str(vector), "--no-selftest")
    extract = ["extract", "--model", str(model_folder()), "--pairs", str(pairs_file())]
    extract += ["--limit", "40", "--method", "mean_difference", "--layers", "2,3"]
    return {
        "extract": (*extract, "--output", str(disk / "extracted")),
        "extract --resume": (*extract, "--output", str(vector / "x"), "--resume", str(disk / "r")),
        "pull": ("pull", repo_id, "--output", str(disk / "pulled")),
        **{
            f"export {kind}": (*export, "--format", kind, "--output", str(disk / f"v{suffix}"))
            for kind, suffix in EXPORTED.items()
        },
        "card": ("card", str(vector), "--preview", "--output", str(disk / "card.html")),
        "registry build": ("registry", "build", "--root", str(ROOT), "--output", str(disk / "s")),
    }


def run(*words: str) -> tuple[int, str]:
    """A command's exit code and all that it printed."""
    from palrs_hub.cli import main as command_line

    screen = io.StringIO()
    with contextlib.redirect_stdout(screen), contextlib.redirect_stderr(screen):
        try:
            code = command_line(words)
        except Exception as error:  # noqa: BLE001 - what a user would see as a traceback
            return 1, f"Traceback: {error!r}"
    return code, screen.getvalue()


def _save(vector: Any, folder: Path) -> tuple[int, str]:
    from palrs_hub.errors import PackageError

    try:
        vector.save_pretrained(folder)
    except PackageError as error:
        return error.exit_code, str(error)
    return 0, "saved"


def _fill(disk: Path) -> None:
    with (disk / "filler").open("wb", buffering=0) as file, contextlib.suppress(OSError):
        while True:
            file.write(bytes(512))


def _listing(disk: Path) -> set[str]:
    """All there is but for the locks and folders that the client makes in its cache."""
    found = {path.relative_to(disk).as_posix() for path in disk.rglob("*")}
    return {name for name in found if not name.startswith("cache") or "steering" in name}


if __name__ == "__main__":
    sys.stdout.write(json.dumps(main(sys.argv[1], Path(sys.argv[2]), Path(sys.argv[3]))) + "\n")
