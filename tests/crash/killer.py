"""Kills an operation at random moments: ``python -m tests.crash.killer NAME MOMENTS [SIGNAL]``.

All is imported once; every attempt is a fork of this process, so that its time goes into the
operation. The moments are drawn evenly from the time that an undisturbed run takes. One JSON line
tells what came of it.
"""

from __future__ import annotations

import contextlib
import json
import os
import random
import signal
import sys
import tempfile
import time
import traceback
from pathlib import Path
from typing import TYPE_CHECKING

# Imported before the forks, to be there in all of them.
import palrs_hub.extraction
import palrs_hub.hub
import palrs_hub.registry
import palrs_hub.selection  # noqa: F401
from palrs_hub.hub.origin import ORIGIN_FILE
from tests.crash.victims import VICTIMS

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.crash.victims import Attempt

INTERRUPTED = 130


def main(name: str, moments: int, kind: signal.Signals) -> dict[str, object]:
    """Strike so many times; tells how often it struck in time, and all that was wrong."""
    drawn = random.Random(f"{name} {moments}")
    complaints: list[str] = []
    struck = 0
    with tempfile.TemporaryDirectory(prefix="crash-") as place:
        longest = _undisturbed(name, Path(place))
        for number in range(moments):
            folder = Path(place) / str(number)
            folder.mkdir()
            attempt = VICTIMS[name](folder, number)
            moment = drawn.uniform(0, longest)
            status = _struck(attempt.run, moment, kind)
            found = _judged(attempt, folder, status, kind)
            struck += os.WIFSIGNALED(status) or os.waitstatus_to_exitcode(status) == INTERRUPTED
            complaints += [f"moment {number} ({moment:.3f} s): {text}" for text in found]
    return {"name": name, "moments": moments, "struck": struck, "complaints": complaints}


def _undisturbed(name: str, place: Path) -> float:
    """How long it takes; the first run, which fills caches, does not count."""
    for number in (-2, -1):
        folder = place / f"undisturbed{number}"
        folder.mkdir()
        attempt = VICTIMS[name](folder, number)
        start = time.monotonic()
        assert os.waitstatus_to_exitcode(_forked(attempt.run)) == 0
        seconds = time.monotonic() - start
    return seconds


def _struck(run: Callable[[], int], moment: float, kind: signal.Signals) -> int:
    return _forked(run, lambda pid: (time.sleep(moment), os.kill(pid, kind)))


def _judged(attempt: Attempt, folder: Path, status: int, kind: signal.Signals) -> list[str]:
    found = []
    if kind == signal.SIGINT:
        if (code := os.waitstatus_to_exitcode(status)) not in (0, INTERRUPTED):
            found.append(f"interrupted, it ended with {code}")
        found += [f"{path} was left" for path in folder.rglob(".*.*") if path.name != ORIGIN_FILE]
    for step, call in (("killed", attempt.harm), ("again", attempt.run), ("then", attempt.lacks)):
        report = folder / "report"
        code = os.waitstatus_to_exitcode(_forked(lambda call=call, to=report: _told(call, to)))
        if code != 0:
            found.append(f"{step}: {code} {report.read_text() if report.exists() else ''}")
    return found


def _told(call: Callable[[], object], report: Path) -> int:
    result = call()
    if isinstance(result, list) and result:
        report.write_text("; ".join(result))
        return 1
    return result if isinstance(result, int) else 0


def _forked(run: Callable[[], int], meanwhile: Callable[[int], object] | None = None) -> int:
    """Run in a child that is silent; its status."""
    # An interruption waits until the child is ready to tell of it.
    signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    if (child := os.fork()) == 0:
        code = 99
        try:
            signal.signal(signal.SIGINT, signal.default_int_handler)
            signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGINT})
            with open(os.devnull, "w") as nowhere, contextlib.redirect_stdout(nowhere):
                if not os.environ.get("CRASH_LOUD"):
                    os.dup2(nowhere.fileno(), 2)
                code = run()
        except KeyboardInterrupt:
            code = INTERRUPTED
        except BaseException:  # noqa: BLE001 - a fork may not go on as its parent would
            traceback.print_exc()
        finally:
            os._exit(code)
    signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGINT})
    with contextlib.suppress(ProcessLookupError):
        if meanwhile is not None:
            meanwhile(child)
    return os.waitpid(child, 0)[1]


if __name__ == "__main__":
    which, times = sys.argv[1], int(sys.argv[2])
    by = signal.Signals[sys.argv[3]] if len(sys.argv) > 3 else signal.SIGKILL
    sys.stdout.write(json.dumps(main(which, times, by)) + "\n")
