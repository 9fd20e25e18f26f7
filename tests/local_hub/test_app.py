import socket
from urllib.parse import urlsplit

import pytest

from palrs_hub.local_hub import limits
from palrs_hub.local_hub.app import ROUTES


@pytest.mark.parametrize("method", ["GET", "POST", "PUT", "PATCH", "DELETE"])
def test_what_is_not_served_says_so(wire, method):
    answer = wire.request(method, "/api/collections/lab/x")
    assert answer.status_code == 501
    assert f"does not serve {method} /api/collections/lab/x" in answer.json()["error"]
    assert wire.request(method, "/no/such/page").status_code == 404


def test_a_repository_without_namespace_is_not_found(wire, bare_wire):
    below = ("", "/revision/main", "/tree/main")
    for path in (*(f"/api/models/gpt2{rest}" for rest in below), "/gpt2/resolve/main/x"):
        for client, status in ((wire, 404), (bare_wire, 401)):
            answer = client.get(path)
            assert (answer.status_code, answer.headers["x-error-code"]) == (status, "RepoNotFound")


def test_every_row_of_the_table_says_what_it_does():
    assert all(row.handler.__doc__ for row in ROUTES)


@pytest.mark.parametrize("body", [b"{", b"[]", b"\xff", b"[" * 100_000, b"5"])
def test_a_body_that_is_no_json_object_is_refused(wire, repo_id, body):
    for path in ("/api/repos/create", "/api/validate-yaml", f"/api/models/{repo_id}/discussions"):
        answer = wire.post(path, content=body)
        assert answer.status_code == 400, path
        assert answer.headers["x-request-id"]


def test_a_body_over_the_limit_is_refused(wire):
    announced = wire.post("/api/validate-yaml", content=b" " * (limits.JSON_BODY_BYTES + 1))
    assert announced.status_code == 413

    def chunks():
        for _ in range(limits.JSON_BODY_BYTES // limits.MIB + 1):
            yield b" " * limits.MIB

    assert wire.post("/api/validate-yaml", content=chunks()).status_code == 413


def test_a_request_that_breaks_off_changes_nothing(hub, owner, wire, repo_id):
    address = urlsplit(hub.url)
    with socket.create_connection((address.hostname, address.port)) as connection:
        connection.sendall(
            f"POST /api/models/{repo_id}/commit/main HTTP/1.1\r\nHost: hub\r\n"
            f"Authorization: Bearer {owner.token}\r\nContent-Length: 1000\r\n\r\n"
            '{"key": "header", "value": {"summary": "half"}}\n'.encode()
        )
    assert wire.get("/api/whoami-v2").status_code == 200
    assert len(owner.list_repo_commits(repo_id)) == 1


@pytest.mark.parametrize("query", ["limit=x", "limit=-1", "cursor=٣", "limit=" + "9" * 5000])
def test_numbers_of_the_query_are_checked(wire, query):
    assert wire.get(f"/api/models?{query}").status_code == 400


def test_a_message_with_line_breaks_and_foreign_letters_fits_a_header(wire):
    answer = wire.post(
        "/api/repos/create", json={"name": "ü\r\nX-Planted: 1", "organization": "lab"}
    )
    assert answer.status_code == 400
    assert "x-planted" not in answer.headers
    assert "%C3%BC" in answer.headers["x-error-message"]


def test_the_clients_telemetry_is_answered(wire):
    assert wire.get("/api/agent-harnesses").status_code == 200
