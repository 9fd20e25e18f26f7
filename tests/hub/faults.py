"""A proxy in front of the embedded Hub that fails on demand and counts what passes through it."""

from __future__ import annotations

import contextlib
import http.client
import re
import socket
import struct
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import urlsplit

HOP_BY_HOP = {"connection", "keep-alive", "transfer-encoding", "content-length"}


@dataclass
class Seen:
    """A request that passed through."""

    method: str
    path: str
    headers: dict[str, str]

    @property
    def changes(self) -> bool:
        """Whether it is of a kind that may change something on the Hub."""
        return self.method not in ("GET", "HEAD", "OPTIONS")


@dataclass
class Fault:
    """What to do to requests that match, and how often.

    Attributes:
        wants: Regular expression for "METHOD path".
        status: Answer with this instead of asking the Hub.
        headers: Of that answer.
        body: Of that answer.
        lose_request: Break the connection before the Hub is asked.
        lose_answer: Ask the Hub, then break the connection.
        cut_body: Break the connection in the middle of the Hub's answer.
        change_body: What to make of the answer's body; same length.
        seconds: Wait before the answer.
        first: Called before the Hub is asked.
    """

    wants: str
    times: int = 1
    status: int | None = None
    headers: dict[str, str] = field(default_factory=dict)
    body: bytes = b"{}"
    lose_request: bool = False
    lose_answer: bool = False
    cut_body: bool = False
    change_body: Callable[[bytes], bytes] | None = None
    seconds: float = 0.0
    first: Callable[[], object] | None = None


class Faults:
    """The proxy's settings and its record."""

    def __init__(self, target: str) -> None:
        self.target = urlsplit(target).netloc
        self.url = ""
        self.seen: list[Seen] = []
        self._faults: list[Fault] = []
        self._lock = threading.Lock()

    def add(self, wants: str, **what: object) -> Fault:
        """Let the next requests that match fail."""
        fault = Fault(wants, **what)
        self._faults.append(fault)
        return fault

    def take(self, method: str, path: str) -> Fault | None:
        with self._lock:
            for fault in self._faults:
                if fault.times > 0 and re.search(fault.wants, f"{method} {path}"):
                    fault.times -= 1
                    return fault
        return None

    def asked(self, wants: str) -> list[Seen]:
        """The requests that match, in their order."""
        return [seen for seen in self.seen if re.search(wants, f"{seen.method} {seen.path}")]


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True  # else each answer waits 40 ms
    faults: Faults

    def log_message(self, *_: object) -> None:
        pass

    def _answer(self) -> None:
        body = self.rfile.read(int(self.headers.get("content-length") or 0))
        self.faults.seen.append(Seen(self.command, self.path, dict(self.headers.items())))
        fault = self.faults.take(self.command, self.path) or Fault("")
        if fault.first:
            fault.first()
        if fault.lose_request:
            return self._break()
        if fault.status:
            return self._send(fault.status, fault.headers, fault.body)
        status, headers, data = self._ask(body)
        self._wait(fault.seconds)
        if fault.lose_answer:
            return self._break()
        if fault.change_body:
            data = fault.change_body(data)
        with contextlib.suppress(ConnectionError):  # a client that was kept waiting may have gone
            self._send(status, headers, data, cut=fault.cut_body)
        return None

    do_GET = do_HEAD = do_POST = do_PUT = do_DELETE = _answer

    def _wait(self, seconds: float) -> None:
        if seconds:
            threading.Event().wait(seconds)  # not time.sleep, which the tests shorten

    def _ask(self, body: bytes) -> tuple[int, dict[str, str], bytes]:
        with contextlib.closing(http.client.HTTPConnection(self.faults.target)) as connection:
            connection.request(self.command, self.path, body, dict(self.headers.items()))
            answer = connection.getresponse()
            headers = {k: v for k, v in answer.getheaders() if k.lower() not in HOP_BY_HOP}
            if self.command == "HEAD":
                headers["Content-Length"] = answer.getheader("content-length") or "0"
            return answer.status, headers, answer.read()

    def _send(
        self, status: int, headers: dict[str, str], data: bytes, *, cut: bool = False
    ) -> None:
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name, value)
        if not any(name.lower() == "content-length" for name in headers):
            self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(data[: len(data) // 2] if cut else data)
        if cut:
            self._break()

    def _break(self) -> None:
        self.wfile.flush()
        self.close_connection = True
        # A reset at once, rather than an orderly end.
        self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))


@contextlib.contextmanager
def proxy(target: str) -> Iterator[Faults]:
    """Serve on a free port of loopback for as long as the ``with`` statement lasts."""
    faults = Faults(target)
    handler = type("Handler", (_Handler,), {"faults": faults})
    server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
    server.daemon_threads = True
    faults.url = f"http://127.0.0.1:{server.server_port}"
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    try:
        yield faults
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
