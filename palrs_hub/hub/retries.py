"""Patience with a Hub that is busy, for the calls that the client itself makes only once.

Downloads, listings and uploads are repeated by the client. Looking up a repository, its refs or the
account, and everything that changes something, is not; here it is, by the same rules: after a
refusal to serve (408, 429, 5xx) or a connection that broke, not where there is no network at all.
"""

from __future__ import annotations

import errno
import json
import socket
import time
from typing import TYPE_CHECKING, Final, TypeVar

from huggingface_hub import errors as hf
from huggingface_hub.errors import HTTPError  # type: ignore[attr-defined]

from palrs_hub.hub.failures import CLIENT_ERRORS, answer_behind, asked_to_wait

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

T = TypeVar("T")

WAITS: Final = (1.0, 2.0, 4.0, 8.0, 8.0)
LONGEST_WAIT: Final = 300.0

_NOT_SERVED: Final = frozenset({408, 429})
_FAILED: Final = frozenset({500, 502, 503, 504})
_NO_NETWORK: Final = frozenset({errno.ENETUNREACH, errno.EHOSTUNREACH})


def patiently(call: Callable[[], T]) -> T:
    """Make a call, again after a while if the Hub is busy. The call must bear being made twice."""
    for wait in WAITS:
        try:
            return call()
        except CLIENT_ERRORS as error:
            if not is_passing(error):
                raise
            pause(error, wait)
    return call()


def is_passing(error: BaseException) -> bool:
    """Whether the same request may succeed later."""
    cause = answer_behind(error)
    if isinstance(cause, hf.HfHubHTTPError):
        return (
            cause.response.status_code in _NOT_SERVED | _FAILED
            and asked_to_wait(cause) <= LONGEST_WAIT
        )
    if isinstance(cause, json.JSONDecodeError):
        return True  # the page of a gateway that fails; the client parses some before it looks
    return isinstance(cause, HTTPError) and not any(map(_never_arrived, _chain(cause)))


def is_doubtful(error: BaseException) -> bool:
    """Whether a request that changes something may have done so although it failed."""
    cause = answer_behind(error)
    if isinstance(cause, hf.HfHubHTTPError):
        return cause.response.status_code in _FAILED
    return is_passing(error)


def pause(error: BaseException, seconds: float) -> None:
    """Wait as long as the Hub asked for, else for the given time."""
    cause = answer_behind(error)
    asked = asked_to_wait(cause) if isinstance(cause, hf.HfHubHTTPError) else 0.0
    time.sleep(asked or seconds)


def _chain(error: BaseException) -> Iterator[BaseException]:
    link: BaseException | None = error
    while link is not None:
        yield link
        link = link.__cause__ or link.__context__


def _never_arrived(error: BaseException) -> bool:
    if isinstance(error, (ConnectionRefusedError, socket.gaierror)):
        return True
    return isinstance(error, OSError) and error.errno in _NO_NETWORK
