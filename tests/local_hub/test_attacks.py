"""Callers that mean harm: slow, guessing, malformed, climbing; others are served meanwhile."""

import json
import logging
import socket
import time
from urllib.parse import quote, urlsplit

import httpx2
import pytest
from huggingface_hub import HfApi
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from palrs_hub.local_hub import Token, limits, running_hub
from palrs_hub.local_hub.app import ROUTES
from tests.local_hub.conftest import OWNER

SOON = 5.0
NOT_SERVED = 501


def connection(hub):
    address = urlsplit(hub.url)
    return socket.create_connection((address.hostname, address.port), timeout=10)


@pytest.fixture
def hurried(monkeypatch):
    for name in ("HEAD_SECONDS", "BODY_PAUSE_SECONDS", "BODY_SECONDS"):
        monkeypatch.setattr(limits, name, 0.5)


# Slow.


@pytest.mark.usefixtures("hurried")
@pytest.mark.parametrize("sent", [b"", b"G", b"GET /api/whoami-v2 HTTP/1.1\r\nHost: x\r\nX-A: "])
def test_a_head_that_does_not_arrive_is_not_waited_for(hub, sent):
    with connection(hub) as slow:
        slow.sendall(sent)
        assert slow.recv(100) == b""


@pytest.mark.usefixtures("hurried")
def test_a_head_of_a_byte_at_a_time_is_not_waited_for(hub):
    with connection(hub) as slow:
        slow.settimeout(0.05)
        for _ in range(200):
            try:
                slow.sendall(b"G")
                assert slow.recv(100) == b""
                return
            except TimeoutError:
                continue
            except ConnectionError:
                return
        raise AssertionError("two hundred bytes were waited for")


@pytest.mark.usefixtures("hurried")
def test_nor_is_the_next_head_on_the_same_connection(hub):
    with connection(hub) as slow:
        slow.sendall(b"GET /api/models HTTP/1.1\r\nHost: x\r\n\r\n")
        assert slow.recv(100_000).startswith(b"HTTP/1.1 200")
        slow.sendall(b"GET /api")
        assert slow.recv(100) == b""


HEAD = (
    "POST /api/models/lab/x/commit/main HTTP/1.1\r\nHost: x\r\n"
    f"Authorization: Bearer {OWNER.value}\r\nContent-Length: 1000\r\n\r\n"
)


@pytest.mark.usefixtures("hurried")
def test_a_body_that_stops_coming_is_given_up(hub, repo_id):
    with connection(hub) as slow:
        slow.sendall(HEAD.replace("lab/x", repo_id).encode())
        assert slow.recv(100_000).startswith(b"HTTP/1.1 408")


@pytest.mark.usefixtures("hurried")
def test_a_body_of_a_byte_at_a_time_is_given_up(hub, repo_id):
    with connection(hub) as slow:
        slow.sendall(HEAD.replace("lab/x", repo_id).encode())
        slow.settimeout(0.1)
        for _ in range(100):
            try:
                slow.sendall(b"{")
                assert slow.recv(100_000).startswith(b"HTTP/1.1 408")
                return
            except TimeoutError:
                continue
        raise AssertionError("a hundred bytes were waited for")


def test_others_are_served_while_many_are_slow(hub, owner, put, repo_id):
    """More of them than there are threads."""
    head = HEAD.replace("lab/x", repo_id).encode()
    slow = [connection(hub) for _ in range(150)]
    try:
        for number, each in enumerate(slow):
            each.sendall(head if number % 2 else b"GET /api/mod")
        start = time.monotonic()
        put(repo_id, "a.txt", b"a")
        assert owner.list_repo_files(repo_id)
        assert time.monotonic() - start < SOON
    finally:
        for each in slow:
            each.close()


# Guessing.


def test_who_guesses_tokens_has_to_wait(tmp_path, monkeypatch):
    monkeypatch.setattr(limits, "WRONG_TOKENS_SECONDS", 3.0)
    with running_hub(tmp_path, tokens=[OWNER]) as hub:

        def asks(value):
            headers = {"authorization": f"Bearer {value}"}
            return httpx2.get(f"{hub.url}/api/whoami-v2", headers=headers)

        codes = [asks(f"hf_{n}").status_code for n in range(limits.WRONG_TOKENS + 5)]
        assert codes == [401] * limits.WRONG_TOKENS + [429] * 5
        told = asks(OWNER.value)  # a right guess looks like a wrong one
        assert told.status_code == 429
        assert 1 <= int(told.headers["Retry-After"]) <= 3
        assert httpx2.get(f"{hub.url}/api/models").status_code == 200  # no token, no guess
        deadline = time.monotonic() + 30
        while asks(OWNER.value).status_code == 429 and time.monotonic() < deadline:
            time.sleep(0.1)
        assert asks(OWNER.value).status_code == 200


def test_right_tokens_do_not_count(tmp_path):
    with running_hub(tmp_path, tokens=[OWNER]) as hub:
        api = HfApi(endpoint=hub.url, token=OWNER.value)
        for _ in range(limits.WRONG_TOKENS + 1):
            api.whoami()


@pytest.mark.parametrize("module", ["tokens", "signing"])
def test_secrets_are_compared_in_constant_time(module, hub, monkeypatch, owner, put, repo_id):
    import hmac

    compared = []
    compare = hmac.compare_digest
    monkeypatch.setattr(hmac, "compare_digest", lambda a, b: compared.append(a) or compare(a, b))
    put(repo_id, "large.bin", b"\0" * 100)
    put(repo_id, "large.safetensors", b"\0" * 1000)  # by an upload link that is signed
    assert compared


def test_no_secret_is_logged_or_told(tmp_path, caplog, capfd):
    secret = Token("hf_" + "s3cr3t" * 5, "ada", "write", ("lab",))
    with caplog.at_level(logging.DEBUG), running_hub(tmp_path, tokens=[secret]) as hub:
        api = HfApi(endpoint=hub.url, token=secret.value)
        api.create_repo("lab/a")
        api.upload_file(path_or_fileobj=b"\0" * 1000, path_in_repo="w.bin", repo_id="lab/a")
        wrong = {"authorization": f"Basic {secret.value}"}
        answers = [
            httpx2.get(hub.url + path, headers=wrong).text for path in ("/api/whoami-v2", "/x")
        ]
    shown = capfd.readouterr()
    ours = [r.getMessage() for r in caplog.records if r.name.startswith(("palrs_hub", "uvicorn"))]
    everything = [*ours, *answers, shown.out, shown.err]
    everything += [
        path.read_bytes().decode("latin-1") for path in tmp_path.rglob("*") if path.is_file()
    ]
    assert not [text for text in everything if secret.value in text]


# Malformed and climbing.

LINE = st.one_of(
    st.binary(max_size=60),
    st.builds(
        lambda key, value: json.dumps({"key": key, "value": value}).encode(),
        st.sampled_from(["header", "file", "lfsFile", "deletedFile", "copyFile", "x", None]),
        st.recursive(
            st.none() | st.booleans() | st.integers() | st.text(max_size=20),
            lambda inner: (
                st.lists(inner, max_size=3)
                | st.dictionaries(
                    st.sampled_from(["path", "content", "oid", "summary", "srcPath", "size"]),
                    inner,
                    max_size=4,
                )
            ),
            max_leaves=8,
        ),
    ),
)


@settings(
    max_examples=60,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
@given(lines=st.lists(LINE, max_size=5))
def test_no_commit_body_makes_the_hub_fail(wire, owner, repo_id, lines):
    answer = wire.post(f"/api/models/{repo_id}/commit/main", content=b"\n".join(lines))
    assert answer.status_code < 500, (lines, answer.text)


CLIMBING = [
    "..",
    "../../etc/passwd",
    "..%2f..%2fetc%2fpasswd",
    "%2e%2e/%2e%2e/x",
    "/etc/passwd",
    "a/../../b",
    "a\\..\\b",
    "\x00",
    "a\x00b",
    ".git/hooks/post-commit",
    "CON",
    "x" * 5000,
    "‮",
    "-rf",
    "%",
    "%zz",
]
PARAMETERS = ("namespace", "name", "revision", "path:path", "num", "status", "user", "rest:path")


@pytest.mark.parametrize("row", ROUTES, ids=lambda row: f"{row.method} {row.pattern}")
def test_no_name_in_any_route_climbs_out_or_fails(hub, wire, row, repo_id):
    before = {path.name for path in hub.store.root.parent.iterdir()}
    for name in CLIMBING:
        path = row.pattern.replace("{api}", "/api/models/{namespace}/{name}")
        path = path.replace("{page}", "/{namespace}/{name}").replace("{list}", "/api/models")
        for escaped in {name.replace("\x00", "%00"), quote(name, safe="")}:
            filled = path
            for parameter in PARAMETERS:
                filled = filled.replace(f"{{{parameter}}}", escaped)
            if "{" in filled or any(ord(character) > 126 for character in filled):
                continue
            answer = _raw(hub, row.method, filled)
            assert answer < 500 or answer == NOT_SERVED, (row.pattern, name, answer)
    assert {path.name for path in hub.store.root.parent.iterdir()} == before


def _raw(hub, method, path):
    """The path as it is: a client would tidy it up. Returns the status."""
    with connection(hub) as raw:
        raw.sendall(
            f"{method} {path if path.startswith('/') else '/' + path} HTTP/1.1\r\nHost: x\r\n"
            f"Authorization: Bearer {OWNER.value}\r\nConnection: close\r\n"
            "Content-Length: 2\r\n\r\n{}".encode("latin-1", "replace")
        )
        return int(raw.recv(100).split()[1])
