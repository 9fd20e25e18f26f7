import itertools
import socket
import subprocess
import sys
import threading
import time
import types

import httpx2
import pytest
from huggingface_hub import CommitOperationAdd, HfApi
from huggingface_hub.errors import HTTPError

from palrs_hub.errors import LocalHubError, MissingExtraError
from palrs_hub.local_hub import new_token, running_hub, serve, server, verify


def test_a_hub_takes_a_free_port_and_gives_it_back(tmp_path):
    with running_hub(tmp_path) as hub:
        assert httpx2.get(f"{hub.url}/api/whoami-v2").status_code == 200
    with pytest.raises(httpx2.ConnectError):
        httpx2.get(f"{hub.url}/api/whoami-v2")


def test_a_hub_leaves_no_thread(tmp_path):
    before = threading.active_count()
    with running_hub(tmp_path) as hub:
        httpx2.get(f"{hub.url}/api/whoami-v2")
    assert threading.active_count() == before


def test_without_tokens_everybody_is_the_local_user_and_owns_all(tmp_path):
    with running_hub(tmp_path) as hub:
        api = HfApi(endpoint=hub.url, token=False)
        assert api.whoami(token="hf_whatever")["name"] == "local"
        api.create_repo("any-namespace/name", private=True)
        assert api.model_info("any-namespace/name").private


def test_a_page_of_another_site_gets_nothing_from_a_hub_without_tokens(tmp_path):
    with running_hub(tmp_path) as hub:
        body = {"name": "planted", "organization": "lab"}
        for headers in ({"origin": "https://evil.example"}, {"host": "evil.example"}):
            answer = httpx2.post(f"{hub.url}/api/repos/create", json=body, headers=headers)
            assert answer.status_code == 403
        own = httpx2.post(f"{hub.url}/api/repos/create", json=body, headers={"origin": hub.url})
        assert own.status_code == 200


@pytest.mark.parametrize("host", ["0.0.0.0", "192.0.2.1", "::", "hub.example"])
def test_without_tokens_only_loopback_is_served(tmp_path, host):
    with pytest.raises(LocalHubError, match="at least one token"):
        serve(tmp_path, host=host)


def test_with_tokens_other_addresses_are_served(tmp_path):
    token = new_token("ada")
    with running_hub(tmp_path, host="0.0.0.0", tokens=[token]) as hub:
        url = hub.url.replace("0.0.0.0", "127.0.0.1")
        assert HfApi(endpoint=url, token=token.value).whoami()["name"] == "ada"


def test_a_hub_on_the_other_loopback_address(tmp_path):
    if not socket.has_dualstack_ipv6():
        pytest.skip("this machine has no IPv6")
    with running_hub(tmp_path, host="::1") as hub:
        assert hub.url.startswith("http://[::1]:")
        assert httpx2.get(f"{hub.url}/api/whoami-v2").status_code == 200


def test_a_port_that_is_taken_is_an_error(tmp_path):
    with running_hub(tmp_path / "first") as hub:
        port = int(hub.url.rsplit(":", 1)[1])
        with pytest.raises(LocalHubError, match="Choose another port"):
            serve(tmp_path / "second", port=port)


def test_the_same_folder_serves_again(tmp_path):
    with running_hub(tmp_path) as hub:
        HfApi(endpoint=hub.url, token=False).create_repo("lab/name")
    with running_hub(tmp_path) as hub:
        assert HfApi(endpoint=hub.url, token=False).repo_exists("lab/name")


def test_a_folder_is_served_by_one_process_only(tmp_path, monkeypatch):
    monkeypatch.setattr(server, "_CLAIM_SECONDS", 0)
    with running_hub(tmp_path), pytest.raises(LocalHubError, match="in use by another"):
        serve(tmp_path)
    with running_hub(tmp_path):
        pass


def test_what_a_killed_server_left_behind_is_removed(tmp_path):
    with running_hub(tmp_path) as hub:
        left = hub.store.blobs.incoming / "left"
    left.write_bytes(b"half")
    assert [defect.message for defect in verify(tmp_path).defects] == [
        "was left behind by an upload"
    ]
    with running_hub(tmp_path):
        assert not left.exists()
    assert verify(tmp_path).sound


def test_missing_packages_are_named_by_their_extra(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "uvicorn", None)
    with pytest.raises(MissingExtraError, match=r"palrs-hub\[serve\]"):
        serve(tmp_path)


def test_serve_says_where_it_is_and_ends_when_interrupted(tmp_path):
    program = (
        "import signal, sys, threading\n"
        "from palrs_hub.local_hub import serve\n"
        "def ready(hub):\n"
        "    sys.stdout.write(hub.url)\n"
        "    threading.Timer(0.5, signal.raise_signal, [signal.SIGINT]).start()\n"
        "serve(sys.argv[1], on_ready=ready)\n"
    )
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", program, str(tmp_path)],
        capture_output=True,
        text=True,
        timeout=30,
        check=False,
    )
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.startswith("http://127.0.0.1:")


SERVER = """
import sys
from palrs_hub.local_hub import serve
serve(sys.argv[1], on_ready=lambda hub: print(hub.url, flush=True))
"""


def test_a_hub_that_is_killed_has_each_commit_whole_or_not_at_all(tmp_path, monkeypatch):
    # Else the client waits 23 s for the server to come back.
    no_wait = types.SimpleNamespace(sleep=lambda seconds: None)
    monkeypatch.setattr("huggingface_hub.utils._http.time", no_wait)
    server_process = subprocess.Popen(
        [sys.executable, "-c", SERVER, str(tmp_path)], stdout=subprocess.PIPE, text=True
    )
    with server_process:
        api = HfApi(endpoint=server_process.stdout.readline().strip(), token=False)
        api.create_repo("lab/name")
        acknowledged = []

        def commit_until_it_dies():
            try:
                for number in itertools.count():
                    add = [CommitOperationAdd(f"{part}/{number}", b"x") for part in "abc"]
                    made = api.create_commit("lab/name", add, commit_message=str(number))
                    acknowledged.append(made.oid)
            except HTTPError:
                return

        thread = threading.Thread(target=commit_until_it_dies)
        thread.start()
        time.sleep(0.5)
        server_process.kill()
        thread.join()
    with running_hub(tmp_path) as hub:
        api = HfApi(endpoint=hub.url, token=False)
        history = [commit.commit_id for commit in api.list_repo_commits("lab/name")]
        assert acknowledged
        assert {*acknowledged} <= {*history}
        # Each commit but the first added three files.
        assert len(api.list_repo_files("lab/name")) == 1 + 3 * (len(history) - 1)
    assert verify(tmp_path).sound


def test_the_embedded_hub_imports_no_heavy_package():
    program = (
        "import sys, palrs_hub.local_hub.app\n"
        "heavy = {'torch', 'transformers', 'huggingface_hub', 'numpy'} & set(sys.modules)\n"
        "ours = {n for n in sys.modules if n.startswith('palrs_hub.')}\n"
        "others = {n for n in ours if not n.startswith('palrs_hub.local_hub')}\n"
        "sys.exit(f'{heavy} {others}' if heavy or others != {'palrs_hub.errors'} else 0)\n"
    )
    subprocess.run([sys.executable, "-c", program], check=True, timeout=30)


def test_a_server_that_does_not_start_is_an_error(tmp_path, monkeypatch):
    class DeadServer:
        started = False

        def __init__(self, config):
            self.should_exit = False

        def run(self, sockets):
            for listener in sockets:
                listener.close()

    monkeypatch.setattr("uvicorn.Server", DeadServer)
    with pytest.raises(LocalHubError, match="did not start"), server.running_hub(tmp_path):
        pass
