"""What a step costs: processor seconds, which a busy machine does not lengthen, and wall clock."""

from __future__ import annotations

import contextlib
import resource
import time
from collections.abc import Iterator
from dataclasses import dataclass


@dataclass
class Seconds:
    """Time spent.

    Attributes:
        processor: Of this process and of the children that it has waited for.
        wall: By the clock on the wall.
    """

    processor: float = 0.0
    wall: float = 0.0

    @contextlib.contextmanager
    def running(self) -> Iterator[None]:
        """Within, time is added."""
        start = _now()
        try:
            yield
        finally:
            processor, wall = _now()
            self.processor += processor - start[0]
            self.wall += wall - start[1]


def _now() -> tuple[float, float]:
    usages = (resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN))
    return sum(usage.ru_utime + usage.ru_stime for usage in usages), time.perf_counter()
