import hashlib
import os
import socket
import subprocess
import sys
from urllib.parse import urlsplit

import pytest

from palrs_hub.local_hub import limits, signing
from palrs_hub.local_hub.refusals import Refusal

CONTENT = b"large" * 1000
SIZE = len(CONTENT)
OID = hashlib.sha256(CONTENT).hexdigest()


def batch(client, repo_id, oid=OID, size=SIZE):
    body = {"operation": "upload", "objects": [{"oid": oid, "size": size}], "hash_algo": "sha256"}
    return client.post(f"/{repo_id}.git/info/lfs/objects/batch", json=body)


def commit(client, repo_id, oid=OID, size=SIZE):
    lines = (
        '{"key": "header", "value": {"summary": "add"}}\n'
        f'{{"key": "lfsFile", "value": {{"path": "x.bin", "oid": "{oid}", "size": {size}}}}}'
    )
    return client.post(f"/api/models/{repo_id}/commit/main", content=lines)


def test_an_object_is_sent_verified_committed_and_read(wire, bare_wire, owner, repo_id):
    told = batch(wire, repo_id).json()["objects"][0]
    # The client sends no token along.
    assert bare_wire.put(told["actions"]["upload"]["href"], content=CONTENT).status_code == 200
    verify = told["actions"]["verify"]["href"]
    assert wire.post(verify, json={"oid": OID, "size": len(CONTENT)}).status_code == 200
    assert commit(wire, repo_id).status_code == 200
    head = wire.head(f"/{repo_id}/resolve/main/x.bin")
    assert head.headers["x-linked-etag"] == head.headers["etag"] == f'"{OID}"'
    assert head.headers["x-linked-size"] == str(len(CONTENT))
    assert wire.get(f"/{repo_id}/resolve/main/x.bin").content == CONTENT
    (file,) = owner.get_paths_info(repo_id, "x.bin")
    assert (file.size, file.lfs.sha256) == (len(CONTENT), OID)
    sibling = owner.model_info(repo_id, files_metadata=True).siblings[-1]
    assert sibling.lfs.sha256 == OID


def test_an_object_that_is_there_is_not_asked_for_again(wire, repo_id):
    wire.put(
        batch(wire, repo_id).json()["objects"][0]["actions"]["upload"]["href"], content=CONTENT
    )
    assert "actions" not in batch(wire, repo_id).json()["objects"][0]


def test_the_hash_alone_gives_no_access_to_what_others_uploaded(wire, private_id, repo_id):
    wire.put(
        batch(wire, private_id).json()["objects"][0]["actions"]["upload"]["href"], content=CONTENT
    )
    assert "actions" in batch(wire, repo_id).json()["objects"][0]
    assert commit(wire, repo_id).status_code == 400


@pytest.mark.parametrize("content", [CONTENT[:-1], CONTENT + b"x", b"L" + CONTENT[1:]])
def test_another_content_than_announced_is_refused(wire, repo_id, content):
    href = batch(wire, repo_id).json()["objects"][0]["actions"]["upload"]["href"]
    assert wire.put(href, content=content).status_code == 400
    assert commit(wire, repo_id).status_code == 400


def test_a_link_is_good_for_what_it_was_made_for_only(wire, repo_id):
    href = batch(wire, repo_id).json()["objects"][0]["actions"]["upload"]["href"]
    for forged in (
        href.replace(OID, "0" * 64),
        href.replace("signature=", "signature=0"),
        href[:-9],
    ):
        assert wire.put(forged, content=CONTENT).status_code == 403


def test_an_upload_without_a_link_is_refused_before_it_is_taken_in(hub, bare_wire):
    address = urlsplit(hub.url)
    with socket.create_connection((address.hostname, address.port), timeout=10) as connection:
        connection.sendall(
            b"PUT /lfs/upload?oid=x HTTP/1.1\r\nHost: hub\r\nContent-Length: 99999999\r\n\r\nstart"
        )
        assert connection.recv(100).startswith(b"HTTP/1.1 403")


def test_a_link_expires_and_is_good_for_one_action(monkeypatch):
    link = signing.Link("upload", 1, OID, 3)
    query = signing.sign(b"key", link)
    assert signing.check(b"key", query, "upload") == link
    with pytest.raises(Refusal, match="something else"):
        signing.check(b"key", query, "download")
    monkeypatch.setattr(signing.time, "time", lambda: int(query["expires"]) + 1)
    with pytest.raises(Refusal, match="expired"):
        signing.check(b"key", query, "upload")


@pytest.mark.parametrize(
    ("oid", "size"), [("x", 1), ("A" * 64, 1), (OID, -1), (OID, "1"), (OID, True)]
)
def test_objects_that_cannot_be_are_refused(wire, repo_id, oid, size):
    assert batch(wire, repo_id, oid, size).status_code == 400


def test_others_get_no_link(bare_wire, private_id, repo_id):
    assert batch(bare_wire, private_id).headers["x-error-code"] == "RepoNotFound"
    assert batch(bare_wire, repo_id).status_code == 401


def test_an_object_that_did_not_arrive_is_not_verified(wire, repo_id):
    body = {"oid": OID, "size": len(CONTENT)}
    assert wire.post(f"/{repo_id}.git/info/lfs/verify", json=body).status_code == 404


def test_where_to_leave_files_for_xet_is_told_to_those_who_may_commit(wire, bare_wire, repo_id):
    route = f"/api/models/{repo_id}/xet-write-token/main"
    told = wire.get(route)
    assert told.headers["x-xet-cas-url"] == told.json()["casUrl"]
    assert told.json()["casUrl"].startswith("local://")
    assert bare_wire.get(route).status_code == 401


def download(client, repo_id, oid=OID, size=SIZE):
    body = {"operation": "download", "objects": [{"oid": oid, "size": size}]}
    told = client.post(f"/{repo_id}.git/info/lfs/objects/batch", json=body)
    return told.json()["objects"][0] if told.status_code == 200 else told


def test_an_object_is_downloaded_by_its_link(wire, bare_wire, private_id):
    wire.put(
        batch(wire, private_id).json()["objects"][0]["actions"]["upload"]["href"], content=CONTENT
    )
    href = download(wire, private_id)["actions"]["download"]["href"]
    assert bare_wire.get(href).content == CONTENT
    assert bare_wire.get(href.replace(OID, "0" * 64)).status_code == 403
    assert download(wire, private_id, oid="0" * 64)["error"]["code"] == 404
    assert download(bare_wire, private_id).headers["x-error-code"] == "RepoNotFound"


@pytest.fixture
def small_parts(monkeypatch):
    monkeypatch.setattr(limits, "LFS_PART_BYTES", 2000)


def multipart(client, repo_id):
    objects = [{"oid": OID, "size": SIZE}]
    body = {"operation": "upload", "transfers": ["basic", "multipart"], "objects": objects}
    told = client.post(f"/{repo_id}.git/info/lfs/objects/batch", json=body).json()["objects"][0]
    return told["actions"]["upload"] if "actions" in told else None


def send_parts(client, action, numbers=(1, 2, 3)):
    etags = []
    for number in numbers:
        part = CONTENT[2000 * (number - 1) : 2000 * number]
        answer = client.put(action["header"][str(number)], content=part)
        assert answer.status_code == 200
        etags.append({"partNumber": number, "etag": answer.headers["etag"]})
    return {"oid": OID, "parts": etags}


def test_an_object_is_sent_in_parts(hub, wire, bare_wire, repo_id, small_parts):
    action = multipart(wire, repo_id)
    assert action["header"]["chunk_size"] == "2000"
    completion = send_parts(bare_wire, action, (3, 1, 2))
    assert bare_wire.post(action["href"], json=completion).status_code == 200
    assert multipart(wire, repo_id) is None
    # To complete it again, as a client does that missed the answer, is no error.
    assert bare_wire.post(action["href"], json=completion).status_code == 200
    assert commit(wire, repo_id).status_code == 200
    assert wire.get(f"/{repo_id}/resolve/main/x.bin").content == CONTENT
    assert not [*(hub.store.root / "parts").iterdir()]


def test_parts_that_are_missing_or_others_are_refused(wire, bare_wire, repo_id, small_parts):
    action = multipart(wire, repo_id)
    some = send_parts(bare_wire, action, (1, 2))
    missing = bare_wire.post(action["href"], json=some)
    assert (missing.status_code, "Part 3" in missing.json()["error"]) == (400, True)
    complete = send_parts(bare_wire, action)
    altered = {**complete, "parts": [{**part, "etag": "x"} for part in complete["parts"]]}
    assert bare_wire.post(action["href"], json=altered).status_code == 400
    for number in ([], {}, None, True, 10**30):
        odd = {**complete, "parts": [{**part, "partNumber": number} for part in complete["parts"]]}
        assert bare_wire.post(action["href"], json=odd).status_code == 400
    bare_wire.put(action["header"]["3"], content=b"something else")
    assert bare_wire.post(action["href"], json=complete).status_code == 400
    too_much = bare_wire.put(action["header"]["3"], content=b"x" * (300 << 20))
    assert too_much.status_code == 413
    assert bare_wire.put(action["href"], content=b"x").status_code in (403, 405, 404)
    assert bare_wire.put("/lfs/part/0").status_code == 404
    assert commit(wire, repo_id).status_code == 400


def test_a_repository_takes_no_more_than_its_share(wire, repo_id, monkeypatch):
    monkeypatch.setattr(limits, "REPOSITORY_BYTES", SIZE - 1)
    told = batch(wire, repo_id).json()["objects"][0]
    assert told["error"]["code"] == 413
    assert "over this Hub's limit" in told["error"]["message"]
    # Nor what it is said to have been left by Xet.
    assert commit(wire, repo_id).status_code == 413


PROGRAM = """
import os, sys
from huggingface_hub import HfApi, hf_hub_download
url, token, repo_id, folder = sys.argv[1:]
content = os.urandom(12 << 20)
api = HfApi(endpoint=url, token=token)
api.upload_file(path_or_fileobj=content, path_in_repo="model.safetensors", repo_id=repo_id)
path = hf_hub_download(repo_id, "model.safetensors", endpoint=url, cache_dir=folder)
assert open(path, "rb").read() == content
again = api.upload_file(path_or_fileobj=content, path_in_repo="model.safetensors", repo_id=repo_id)
assert len(api.list_repo_commits(repo_id)) == 2
"""


@pytest.mark.parametrize("disable_xet", ["0", "1"])
def test_the_client_sends_a_large_file(hub, owner, repo_id, tmp_path, disable_xet):
    # The client decides between its protocols once, when it is imported.
    environment = {**os.environ, "HF_HUB_DISABLE_XET": disable_xet, "HF_HOME": str(tmp_path)}
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM, hub.url, owner.token, repo_id, str(tmp_path)],
        env=environment,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 0, done.stderr
