"""Sixteen processes at once on one cache: ``python -m tests.crash.crowd FOLDER``.

Every process pulls; a quarter each then attach, push the same package to one repository, push it to
their own, and copy it to one folder. One JSON line tells who failed and how.
"""

from __future__ import annotations

import json
import os
import random
import sys
import time
import traceback
from collections.abc import Callable
from pathlib import Path
from typing import Final

import palrs_hub.hub
import palrs_hub.steer  # noqa: F401 - before the forks, to be there in all of them
from palrs_hub.errors import HubError
from palrs_hub.vector import SteeringVector
from tests.tiny_models import build
from tests.vectors import vector_for

PROCESSES: Final = 16
REPO_ID: Final = "crash/crowd"


def main(folder: Path) -> dict[str, object]:
    """Let them loose together, and judge what is there afterwards."""
    model = build("llama")
    vector = vector_for(model)
    in_child(lambda: vector.push_to_hub(REPO_ID))
    start = time.monotonic() + 1.0
    children = {_go(start, _Part(number, folder, model, vector)): number for number in range(16)}
    failed = []
    for _ in children:
        child, status = os.wait()
        if status:
            number = children[child]
            failed.append(f"process {number}: {(folder / f'{number}.txt').read_text()}")
    together = SteeringVector.load(folder / "together").manifest == vector.manifest
    return {"failed": failed, "together": together, "cached": _whole_cache(vector)}


def in_child(call: Callable[[], object]) -> None:
    """Once in a child, so that this process has no connections for others to share."""
    if (child := os.fork()) == 0:
        call()
        os._exit(0)
    assert os.waitpid(child, 0)[1] == 0


class _Part:
    def __init__(self, number: int, folder: Path, model, vector: SteeringVector) -> None:
        self.number, self.folder, self.model, self.vector = number, folder, model, vector

    def play(self) -> None:
        """Pull, then do one of four things."""
        from palrs_hub import hub

        pulled = hub.pull(REPO_ID)
        mine = SteeringVector.load(pulled.folder)
        assert mine.manifest == self.vector.manifest
        if self.number % 4 == 0:
            with mine.attach(self.model) as steering:
                assert {finding.severity for finding in steering.findings} <= {"note"}
        elif self.number % 4 == 1:
            self._push_together()
        elif self.number % 4 == 2:
            own = f"{REPO_ID}-{self.number}"
            assert hub.push(mine, own).commit == hub.pull(own).commit
        else:
            pulled.copy_to(self.folder / "together")

    def _push_together(self) -> None:
        """One makes the repository; to the others it is told, and the same push succeeds."""
        for attempt in range(20):
            try:
                self.vector.push_to_hub(f"{REPO_ID}-together")
            except HubError as error:
                if "again" not in str(error):
                    raise
                time.sleep(random.uniform(0, 0.2) * attempt)
            else:
                return
        raise AssertionError("twenty pushes were refused")


def _go(start: float, part: _Part) -> int:
    if (child := os.fork()) != 0:
        return child
    code = 1
    try:
        time.sleep(max(0.0, start - time.monotonic()))
        part.play()
        code = 0
    except BaseException:  # noqa: BLE001 - a fork may not go on as its parent would
        (part.folder / f"{part.number}.txt").write_text(traceback.format_exc())
    finally:
        os._exit(code)


def _whole_cache(vector: SteeringVector) -> bool:
    from huggingface_hub import constants

    found = list(Path(constants.HF_HUB_CACHE).glob("models--crash--crowd/snapshots/*"))
    return len(found) == 1 and SteeringVector.load(found[0]).manifest == vector.manifest


if __name__ == "__main__":
    sys.stdout.write(json.dumps(main(Path(sys.argv[1]))) + "\n")
