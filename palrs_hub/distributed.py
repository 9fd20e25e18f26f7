"""Several processes that read shares of the same pairs and add up what they read.

Started by ``torchrun`` or ``accelerate launch``, which tell each process its place in the
environment. Each holds a whole model (or one spread over devices of its own).
"""

from __future__ import annotations

import contextlib
import datetime
import os
from typing import TYPE_CHECKING

import numpy as np
import torch
import torch.distributed

from palrs_hub.errors import ExtractionError
from palrs_hub.reading import Share

if TYPE_CHECKING:
    from collections.abc import Iterator

    from palrs_hub.sums import Sums

_PATIENCE = datetime.timedelta(days=7)


class Team:
    """The processes that work together.

    Args:
        share: This one's share of the work.
        connected: Whether the others can be spoken to. If not, this one's sums stay its own.
    """

    def __init__(self, share: Share, *, connected: bool = False) -> None:
        self.share, self._connected = share, connected

    @property
    def is_first(self) -> bool:
        """Whether this process is the one that writes and prints."""
        return self.share.index == 0

    def agree(self, facts: str) -> None:
        """Make sure that all have the same pairs, model and switches before anything is read.

        Raises:
            ExtractionError: They differ.
        """
        if not self._connected:
            return
        everyone: list[str | None] = [None] * self.share.of
        torch.distributed.all_gather_object(everyone, facts)
        if different := [index for index, other in enumerate(everyone) if other != everyone[0]]:
            raise ExtractionError(
                "Every process should read the same pairs with the same model and switches; "
                f"process {different[0]} has others than process 0. Start them with the same "
                "options on the same files."
            )

    def total(self, sums: Sums) -> Sums:
        """The sums over all connected shares, in each of them: one reduction of float64 numbers."""
        if not self._connected:
            return sums
        everyone: list[tuple[str, ...]] = [()] * self.share.of
        torch.distributed.all_gather_object(everyone, sums.positions)
        sums = sums.only([name for name in sums.positions if all(name in n for n in everyone)])
        count = np.array([sums.count], dtype=np.float64)
        parts = (count, sums.totals.ravel(), sums.samples.ravel().astype(np.float64))
        flat = torch.from_numpy(np.concatenate(parts))
        torch.distributed.all_reduce(flat)
        count, totals, samples = np.split(
            flat.numpy(), np.cumsum([len(part) for part in parts])[:-1]
        )
        return sums.replaced(
            count=round(float(count[0])),
            totals=totals.reshape(sums.totals.shape),
            samples=samples.reshape(sums.samples.shape).astype(np.float32),
        )


ALONE = Team(Share())


@contextlib.contextmanager
def team() -> Iterator[Team]:
    """The team that this process was started in; of one process if it was started plainly.

    On the host, by gloo: the sums are small, and devices of any kind can take part.
    """
    size = int(os.environ.get("WORLD_SIZE", "1"))
    if size == 1:
        yield ALONE
        return
    torch.distributed.init_process_group("gloo", timeout=_PATIENCE)
    try:
        place = torch.distributed.get_rank(), torch.distributed.get_world_size()
        yield Team(Share(*place), connected=True)
    finally:
        torch.distributed.destroy_process_group()


def local_device(device: str) -> str:
    """The device of this process where each has one of its own: ``cuda`` becomes ``cuda:1``."""
    rank = os.environ.get("LOCAL_RANK")
    return device if rank is None or device == "cpu" or ":" in device else f"{device}:{rank}"
