"""What is killed half-way: VICTIMS is the table, a line each.

An attempt has a place of its own. ``run`` is what is killed; ``harm`` tells afterwards what is
neither whole nor absent; ``lacks`` tells what is not as it should be once it ran to its end.
"""

from __future__ import annotations

import contextlib
import functools
import hashlib
import os
import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Final

from palrs_hub.errors import NotOnHubError
from palrs_hub.manifest import MANIFEST_FILE
from palrs_hub.package_files import PACKAGE_FILES
from palrs_hub.vector import SteeringVector
from tests.builders import a_vector

if TYPE_CHECKING:
    from collections.abc import Callable

ROOT: Final = Path(__file__).parents[2]


@dataclass(frozen=True)
class Attempt:
    """One run that may be killed, and how to judge what it leaves."""

    run: Callable[[], int]
    harm: Callable[[], list[str]]
    lacks: Callable[[], list[str]]


def command(*words: object) -> Callable[[], int]:
    """A command line, within this process and silent."""

    def run() -> int:
        from palrs_hub.cli import main

        return main([str(word) for word in words])

    return run


def differing(folder: Path, *allowed: SteeringVector) -> list[str]:
    """The files of a package that are there but are no vector's, whole."""
    contents: dict[str, set[bytes]] = {name: set() for name in PACKAGE_FILES}
    for vector in allowed:
        for name, data in _files(vector).items():
            contents.setdefault(name, set()).add(data)
    return [
        f"{name} is neither whole nor absent"
        for name, whole in contents.items()
        if (folder / name).exists() and (folder / name).read_bytes() not in whole
    ]


@functools.cache
def _vector(seed: int) -> SteeringVector:
    return a_vector(seed=seed)


def _files(vector: SteeringVector) -> dict[str, bytes]:
    import tempfile

    with tempfile.TemporaryDirectory() as folder:
        path = vector.save_pretrained(folder)
        return {file.name: file.read_bytes() for file in path.iterdir()}


def _saved(folder: Path, vector: SteeringVector) -> list[str]:
    loaded = SteeringVector.load(folder)
    return [] if loaded.manifest == vector.manifest else ["another vector was saved"]


def _save(folder: Path, number: int) -> Attempt:
    """Every second one replaces an older vector."""
    output, new, old = folder / "out", _vector(1), _vector(0)
    if number % 2:
        old.save_pretrained(output)

    def run() -> int:
        new.save_pretrained(output)
        return 0

    return Attempt(
        run, lambda: differing(output, *((old, new) if number % 2 else (new,))),
        lambda: _saved(output, new),
    )  # fmt: skip


def _on_the_hub(repo_id: str, cache: Path) -> SteeringVector | None:
    from palrs_hub import hub

    shutil.rmtree(cache, ignore_errors=True)
    with contextlib.suppress(NotOnHubError):
        return SteeringVector.load(hub.pull(repo_id, cache_dir=cache).folder)
    return None


def _push(folder: Path, number: int) -> Attempt:
    vector, repo_id = _vector(1), f"crash/push-{os.urandom(6).hex()}"
    package = vector.save_pretrained(folder / "package")

    def harm() -> list[str]:
        found = _on_the_hub(repo_id, folder / "cache")  # an error of ours if it is not whole
        return [] if found is None or found.manifest == vector.manifest else ["another vector"]

    def lacks() -> list[str]:
        return [] if _on_the_hub(repo_id, folder / "cache") else ["nothing is on the Hub"]

    return Attempt(command("push", package, repo_id), harm, lacks)


def _pull(folder: Path, number: int) -> Attempt:
    """The cache is emptied before."""
    from huggingface_hub import constants

    vector, output, repo_id = _vector(1), folder / "out", "crash/pulled"
    if _on_the_hub(repo_id, folder / "cache") is None:
        command("push", vector.save_pretrained(folder / "package"), repo_id)()
    for cached in Path(constants.HF_HUB_CACHE).glob("models--crash--pulled"):
        shutil.rmtree(cached)

    def harm() -> list[str]:
        names = [MANIFEST_FILE, "steering_vectors.safetensors"]
        whole = {hashlib.sha256(_files(vector)[name]).digest() for name in names}
        kept = Path(constants.HF_HUB_CACHE).glob("models--crash--pulled/snapshots/*/steering_*")
        torn = [p.name for p in kept if hashlib.sha256(p.read_bytes()).digest() not in whole]
        # The card on the Hub names the repository.
        found = [text for text in differing(output, vector) if not text.startswith("README")]
        return found + [f"{name} of the cache is torn" for name in torn]

    return Attempt(
        command("pull", repo_id, "--output", output), harm, lambda: _saved(output, vector)
    )


@functools.cache
def _extracted(folder: Path) -> SteeringVector:
    output = folder / "reference"
    assert _extract_command(folder / "reference.record", output)() == 0
    return SteeringVector.load(output)


def _extract_command(record: Path, output: Path) -> Callable[[], int]:
    from palrs_hub.demo import model_folder, pairs_file

    words = ["extract", "--model", model_folder(), "--pairs", pairs_file(), "--limit", 40]
    words += ["--method", "mean_difference", "--layers", "2,3", "--name", "killed"]
    # One that was struck only after it had written is run again too.
    words += ["--output", output, "--overwrite", "--resume", record]
    return command(*words)


def _extract(folder: Path, number: int) -> Attempt:
    """What was measured is written after every step, so that most runs are killed between two."""
    from palrs_hub.selection import record

    record.SECONDS_BETWEEN_WRITES = 0.0
    output, file, whole = folder / "out", folder / "record", _extracted(folder.parent)

    def harm() -> list[str]:
        torn = differing(output, whole)
        if file.exists():
            from safetensors import safe_open

            with safe_open(file, framework="numpy") as opened:  # raises if it is torn
                opened.keys()
        return torn

    return Attempt(_extract_command(file, output), harm, lambda: _saved(output, whole))


def _build(folder: Path, number: int) -> Attempt:
    """Every second one replaces an older gallery."""
    output = folder / "site"
    run = command("registry", "build", "--root", ROOT, "--output", output)
    whole = _gallery(folder.parent)
    if number % 2:
        run()

    def harm() -> list[str]:
        return [] if not output.exists() or _contents(output) == whole else ["a part of a gallery"]

    def lacks() -> list[str]:
        return [] if _contents(output) == whole else ["not the whole gallery"]

    return Attempt(run, harm, lacks)


@functools.cache
def _gallery(folder: Path) -> dict[str, bytes]:
    output = folder / "whole-site"
    assert command("registry", "build", "--root", ROOT, "--output", output)() == 0
    return _contents(output)


def _contents(folder: Path) -> dict[str, bytes]:
    return {
        path.relative_to(folder).as_posix(): path.read_bytes()
        for path in folder.rglob("*")
        if path.is_file()
    }


VICTIMS: Final[dict[str, Callable[[Path, int], Attempt]]] = {
    "save": _save,
    "push": _push,
    "pull": _pull,
    "extract": _extract,
    "registry build": _build,
}
