"""Greedy generation of a batch, token by token, as the page shows it."""

from __future__ import annotations

import contextlib
import queue
import threading
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any

import torch
from transformers.generation.streamers import BaseStreamer

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

_LAST = None


class _Stopped(Exception):
    """Ends a generation whose reader is gone."""


class _Streamer(BaseStreamer):
    """Hands on the newest token of every row; transformers' own streamers take one row alone."""

    def __init__(self, tokens: queue.SimpleQueue[Any], between: Callable[[], None]) -> None:
        self.stopped = threading.Event()
        self._tokens = tokens
        self._between = between
        self._prompt_seen = False

    def put(self, value: torch.Tensor) -> None:
        if self.stopped.is_set():
            raise _Stopped
        if self._prompt_seen:
            self._tokens.put(value.tolist())
        self._prompt_seen = True
        self._between()

    def end(self) -> None:
        """Nothing: the thread says itself when it ends."""


def streamed(
    model: Any,  # noqa: ANN401 - transformers types generate() on a mixin
    ids: torch.Tensor,
    *,
    max_new_tokens: int,
    between: Callable[[], None],
) -> Iterator[list[int]]:
    """Generate in a thread, and yield the newest token of every row.

    Args:
        model: A causal language model.
        ids: The prompts, all of one length, int64 ``[rows, tokens]``.
        max_new_tokens: Where to stop if the model does not.
        between: Called in that thread before every forward pass.
    """
    tokens: queue.SimpleQueue[Any] = queue.SimpleQueue()
    streamer = _Streamer(tokens, between)

    def run() -> None:
        placed = ids.to(model.get_input_embeddings().weight.device)
        try:
            with contextlib.suppress(_Stopped), torch.inference_mode():
                model.generate(
                    input_ids=placed,
                    attention_mask=torch.ones_like(placed),
                    max_new_tokens=max_new_tokens,
                    do_sample=False,
                    streamer=streamer,
                )
        finally:
            tokens.put(_LAST)

    with ThreadPoolExecutor(max_workers=1) as pool:
        running = pool.submit(run)
        try:
            while (found := tokens.get()) is not _LAST:
                yield found
        finally:
            streamer.stopped.set()
        running.result()
