"""Running an embedded Hub: until interrupted, or for as long as a ``with`` statement lasts."""

from __future__ import annotations

import contextlib
import ipaddress
import socket
import threading
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING

from palrs_hub.errors import LocalHubError, MissingExtraError
from palrs_hub.local_hub.claim import claimed
from palrs_hub.local_hub.garbage import collect_leftovers
from palrs_hub.local_hub.store import Store

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
    from pathlib import Path

    import uvicorn

    from palrs_hub.local_hub.tokens import Token

LOOPBACK = "127.0.0.1"
_START_SECONDS = 30.0
_STOP_SECONDS = 5
_CLAIM_SECONDS = 5.0


@dataclass(frozen=True)
class RunningHub:
    """An embedded Hub that answers.

    Attributes:
        url: What clients take as their endpoint.
        store: What it serves.
    """

    url: str
    store: Store


def serve(
    root: Path | str,
    *,
    host: str = LOOPBACK,
    port: int = 0,
    tokens: Sequence[Token] = (),
    on_ready: Callable[[RunningHub], None] | None = None,
) -> None:
    """Serves a folder until the process is interrupted.

    Args:
        root: The folder that holds everything; it is made if it is not there.
        host: The address to listen on. Other than loopback only with tokens.
        port: The port; 0 takes a free one.
        tokens: Tokens to add to those that the folder has already. Without any, every caller is
            the user ``local``, who may do everything.
        on_ready: Called once the port is taken, just before the first request can be answered.
    """
    with contextlib.ExitStack() as stack:
        hub, server, listener = _prepare(stack, root, host, port, tokens)
        if on_ready is not None:
            on_ready(hub)
        # To be interrupted is the ordinary end.
        with contextlib.suppress(KeyboardInterrupt):
            server.run(sockets=[listener])


@contextlib.contextmanager
def running_hub(
    root: Path | str, *, host: str = LOOPBACK, port: int = 0, tokens: Sequence[Token] = ()
) -> Iterator[RunningHub]:
    """Serves a folder from a thread of this process for as long as the ``with`` statement lasts.

    Args:
        root: The folder that holds everything; it is made if it is not there.
        host: The address to listen on. Other than loopback only with tokens.
        port: The port; 0 takes a free one.
        tokens: Tokens to add to those that the folder has already. Without any, every caller is
            the user ``local``, who may do everything.
    """
    with contextlib.ExitStack() as stack:
        hub, server, listener = _prepare(stack, root, host, port, tokens)
        thread = threading.Thread(
            target=server.run, kwargs={"sockets": [listener]}, name="palrs-hub-local-hub"
        )
        thread.start()
        try:
            _wait_until_started(server, thread)
            yield hub
        finally:
            server.should_exit = True
            thread.join()


def _prepare(
    stack: contextlib.ExitStack, root: Path | str, host: str, port: int, tokens: Sequence[Token]
) -> tuple[RunningHub, uvicorn.Server, socket.socket]:
    try:
        import uvicorn

        from palrs_hub.local_hub import app
        from palrs_hub.local_hub.patience import HurriedProtocol
    except ModuleNotFoundError as error:
        raise MissingExtraError("The embedded Hub", "serve") from error
    store = stack.enter_context(Store(root, new_tokens=tokens))
    if not stack.enter_context(claimed(store.root, patience_seconds=_CLAIM_SECONDS)):
        raise LocalHubError(
            f"{store.root} is in use by another process that serves or checks it. End that one, "
            "or choose another folder."
        )
    # What is still on its way in belongs to a server that was killed.
    collect_leftovers(store)
    if not store.protected and not _is_loopback(host):
        raise LocalHubError(
            f"Without tokens the embedded Hub lets everybody change everything, so it does not "
            f"listen on {host!r}. Give it at least one token, or listen on {LOOPBACK}."
        )
    listener = stack.enter_context(_listen(host, port))
    config = uvicorn.Config(
        app.build(store),
        http=HurriedProtocol,
        log_config=None,
        access_log=False,
        server_header=False,
        proxy_headers=False,
        lifespan="off",
        ws="none",
        timeout_graceful_shutdown=_STOP_SECONDS,
    )
    return RunningHub(_url(host, listener), store), uvicorn.Server(config), listener


def _is_loopback(host: str) -> bool:
    try:
        return host == "localhost" or ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def _listen(host: str, port: int) -> socket.socket:
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    # asyncio turns delays off for sockets that say they are TCP; else each answer waits 40 ms.
    listener = socket.socket(family, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    try:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind((host, port))
        # From here on clients can connect; they wait until the server takes over.
        listener.listen()
    except (OSError, OverflowError) as error:
        listener.close()
        raise LocalHubError(
            f"The embedded Hub cannot listen on {host}:{port}: {error}. "
            "Choose another port, or 0 for a free one."
        ) from error
    return listener


def _url(host: str, listener: socket.socket) -> str:
    shown = f"[{host}]" if ":" in host else host
    return f"http://{shown}:{listener.getsockname()[1]}"


def _wait_until_started(server: uvicorn.Server, thread: threading.Thread) -> None:
    deadline = time.monotonic() + _START_SECONDS
    while not server.started:
        if not thread.is_alive() or time.monotonic() > deadline:
            raise LocalHubError("The embedded Hub did not start; its log says why.")
        time.sleep(0.005)
