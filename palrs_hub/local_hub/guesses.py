"""Who sends unknown tokens has to wait: a token cannot be found by trying."""

from __future__ import annotations

import threading
import time
from collections import OrderedDict

from palrs_hub.local_hub import limits
from palrs_hub.local_hub.refusals import too_many


class Guesses:
    """How many unknown tokens came from where of late."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._since: OrderedDict[str, list[float]] = OrderedDict()

    def check(self, host: str) -> None:
        """Refuse who guessed too often to be let guess again yet; right tokens are refused too.

        Raises:
            Refusal: 429, which says when to come back.
        """
        with self._lock:
            recent = self._recent(host)
            if len(recent) >= limits.WRONG_TOKENS:
                wait = recent[0] + limits.WRONG_TOKENS_SECONDS - time.monotonic()
                raise too_many("Too many unknown tokens came from this address", wait)

    def note(self, host: str) -> None:
        """An unknown token came from there."""
        with self._lock:
            recent = self._recent(host)
            recent.append(time.monotonic())
            self._since[host] = recent[-limits.WRONG_TOKENS :]
            self._since.move_to_end(host)
            while len(self._since) > limits.ADDRESSES_REMEMBERED:
                self._since.popitem(last=False)

    def _recent(self, host: str) -> list[float]:
        start = time.monotonic() - limits.WRONG_TOKENS_SECONDS
        return [moment for moment in self._since.get(host, ()) if moment > start]
