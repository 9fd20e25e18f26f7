"""Meets every package of the corpus in a process of its own: ``python -m tests.hostile.meet``.

The process may use little memory and, for each package, little time. An audit hook writes down
what it opens for writing, makes, runs or unpickles. One JSON line a package is printed.
"""

from __future__ import annotations

import contextlib
import io
import json
import os
import resource
import shutil
import signal
import sys
import tempfile
import time
from collections.abc import Iterator
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Final

from palrs_hub.demo import model_folder
from palrs_hub.errors import PalrsHubError
from palrs_hub.vector import SteeringVector
from tests.hostile.corpus import HARMLESS, REFUSED

MEMORY: Final = 1024 * 1024 * 1024
SECONDS: Final = 20

_CHANGES: Final = ("os.mkdir", "os.remove", "os.rename", "os.rmdir", "os.chmod", "os.symlink")
_RUNS: Final = ("subprocess.Popen", "os.system", "os.exec", "os.fork", "os.posix_spawn", "os.spawn")
_WRITING: Final = os.O_WRONLY | os.O_RDWR | os.O_CREAT | os.O_TRUNC | os.O_APPEND


@dataclass
class Met:
    """What became of one package.

    Attributes:
        name: Its line in the table.
        error: Class of the error that loading it ended in; None if it loaded.
        message: The error's message.
        codes: Exit codes of the commands.
        screen: All that the commands printed.
        touched: Paths outside the package that were written, and what was run or unpickled.
        seconds: How long it took.
    """

    name: str
    error: str | None = None
    message: str = ""
    codes: list[int] = field(default_factory=list)
    screen: str = ""
    touched: list[str] = field(default_factory=list)
    seconds: float = 0.0


def main() -> None:
    """Meet them all."""
    from palrs_hub.cli import main as command_line

    resource.setrlimit(resource.RLIMIT_AS, (MEMORY, MEMORY))
    watch = _Watch()
    sys.addaudithook(watch)
    for name, forge in {**REFUSED, **HARMLESS}.items():
        with tempfile.TemporaryDirectory() as folder:
            met = Met(name)
            place, model = forge().write(Path(folder) / "package"), Path(folder) / "model"
            model.mkdir()
            shutil.copy(model_folder() / "config.json", model)
            start = time.perf_counter()
            with watch.outside(place, met), _hurried():
                _meet(place, model, met, command_line)
            met.seconds = time.perf_counter() - start
        sys.stdout.write(json.dumps(asdict(met)) + "\n")


def _meet(folder: Path, model: Path, met: Met, command_line: Any) -> None:
    try:
        SteeringVector.load(folder)
    except PalrsHubError as error:
        met.error, met.message = type(error).__name__, str(error)
    screen = io.StringIO()
    with contextlib.redirect_stdout(screen), contextlib.redirect_stderr(screen):
        for words in (["info"], ["info", "--json"], ["check", "--model", str(model)]):
            met.codes.append(command_line([words[0], str(folder), *words[1:]]))
    met.screen = screen.getvalue()


class _Watch:
    """An audit hook that is deaf but for the time in which a package is met."""

    def __init__(self) -> None:
        self.folder: Path | None = None
        self.met: Met | None = None

    @contextlib.contextmanager
    def outside(self, folder: Path, met: Met) -> Iterator[None]:
        self.folder, self.met = folder, met
        try:
            yield
        finally:
            self.met = None

    def __call__(self, event: str, arguments: tuple[Any, ...]) -> None:
        if self.met is None:
            return
        if event in _RUNS or event == "pickle.find_class":
            self.met.touched.append(f"{event} {arguments!r:.200}")
        elif event in _CHANGES or (event == "open" and _writes(arguments)):
            self.met.touched.append(f"{event} {arguments[0]!r:.200}")


def _writes(arguments: tuple[Any, ...]) -> bool:
    path, _, flags = arguments
    return path != os.devnull and bool(isinstance(flags, int) and flags & _WRITING)


@contextlib.contextmanager
def _hurried() -> Iterator[None]:
    def late(*_: object) -> None:
        raise TimeoutError(f"a package took more than {SECONDS} seconds")

    previous = signal.signal(signal.SIGALRM, late)
    signal.alarm(SECONDS)
    try:
        yield
    finally:
        signal.alarm(0)
        signal.signal(signal.SIGALRM, previous)


if __name__ == "__main__":
    main()
