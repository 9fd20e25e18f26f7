"""Runs programs that a model wrote, each confined in a process of its own.

What holds, by whom:

- **Linux's kernel**: address space, processor time, size of files and number of open files are
  limited (``setrlimit``), and number of processes unless the user is root; the program runs in
  namespaces of its own where the system permits them, so that it has no network and all its
  processes end with it; Landlock refuses to change files outside its temporary directory where
  the kernel has it.
- **Python's audit hook**, always: opening a socket, starting a process, sending a signal, loading
  native code and changing files outside the temporary directory raise an error. This stops
  programs that do so by mistake or in the plain way. It is no barrier against a program written to
  break out: code that corrupts the interpreter's memory gets around it.
- **This process**: wall-clock time, an empty environment, an isolated interpreter without
  site-packages, a temporary directory that is deleted afterwards.

What does not: the program can read every file that the user can read, and without Landlock and
namespaces (old kernels, containers that forbid them, systems other than Linux) a hostile program
can do what the user can. Run models that you do not trust in a virtual machine.
"""

from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess
import sys
import tempfile
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Final

from palrs_hub.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Sequence

_GUARD: Final = Path(__file__).with_name("guard.py")
_RESULT: Final = "result"
_WORK: Final = "work"
_START_SECONDS: Final = 10


@dataclass(frozen=True)
class Limits:
    """What a program may use.

    Attributes:
        seconds: Wall-clock and processor time.
        memory_bytes: Address space.
        file_bytes: Size of each file that it writes.
        processes: Processes of the user in the program's namespace, itself included.
    """

    seconds: int = 10
    memory_bytes: int = 1024**3
    file_bytes: int = 1024**2
    processes: int = 4


@dataclass(frozen=True)
class Outcome:
    """How a program ended.

    Attributes:
        passed: It ran to its end without an error.
        reason: Otherwise: ``timeout``, or how the process ended.
    """

    passed: bool
    reason: str = ""


def run_program(source: str, limits: Limits | None = None) -> Outcome:
    """Run the text of a Python program; it passes if it ends without an error.

    Leaving early (``sys.exit(0)``) does not pass.

    Raises:
        UsageError: This system cannot limit processes (it is not POSIX).
    """
    (outcome,) = run_programs([source], limits)
    return outcome


def run_programs(sources: Sequence[str], limits: Limits | None = None) -> list[Outcome]:
    """Run programs one after the other, as ``run_program`` would, in a fraction of the time.

    They share the start of an interpreter and nothing else: each has a process, namespaces, a
    directory and limits of its own.

    Args:
        sources: Texts of Python programs.
        limits: What each of them may use.

    Raises:
        UsageError: This system cannot limit processes (it is not POSIX).
    """
    if os.name != "posix":
        raise UsageError(
            "Running generated code needs limits that only POSIX systems have; this is "
            f"{os.name!r}. Evaluate on Linux, or choose a task that runs no code."
        )
    limits = limits or Limits()
    order = json.dumps({"programs": list(sources), "limits": asdict(limits)})
    with tempfile.TemporaryDirectory(prefix="palrs-hub-", ignore_cleanup_errors=True) as name:
        folder = Path(name)
        (folder / _WORK).mkdir()
        # A file, not a pipe: nobody has to read it meanwhile.
        with (folder / _RESULT).open("wb") as result:
            seconds = _START_SECONDS + limits.seconds * len(sources)
            _run(order.encode(), folder / _WORK, result.fileno(), seconds)
        told = (folder / _RESULT).read_bytes()
    endings = json.loads(told) if told else ["the sandbox itself ended"] * len(sources)
    return [Outcome(not ending, ending) for ending in endings]


def _run(order: bytes, folder: Path, result: int, seconds: int) -> None:
    process = subprocess.Popen(
        [sys.executable, "-I", "-S", "-B", str(_GUARD)],
        stdin=subprocess.PIPE,
        stdout=result,
        stderr=subprocess.DEVNULL,
        cwd=folder,
        env={},
        start_new_session=True,
    )
    try:
        process.communicate(order, timeout=seconds)
    except subprocess.TimeoutExpired:
        return
    finally:
        # The group, so that what the program started goes too, also on our own interruption.
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(process.pid, signal.SIGKILL)
        process.wait()
