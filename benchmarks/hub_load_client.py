"""One client of ``hub_load.py``: ``hub_load_client.py ROLE URL ...`` prints one line of JSON."""

from __future__ import annotations

import json
import random
import sys
import time
from pathlib import Path

import httpx2
from huggingface_hub import CommitOperationAdd, HfApi, hf_hub_url, set_client_factory
from huggingface_hub.errors import HfHubHTTPError, HTTPError
from huggingface_hub.utils import get_session

SHARED = "lab/shared"
ATTEMPTS = 1_000
READS = 100_000
COMMITS_UNTIL_DEAD = 1_000
request_ms: list[float] = []


class Timed(httpx2.HTTPTransport):
    """Notes how long each request takes, until its answer begins."""

    def handle_request(self, request: httpx2.Request) -> httpx2.Response:
        """Sends the request."""
        began = time.perf_counter()
        response = super().handle_request(request)
        request_ms.append((time.perf_counter() - began) * 1000)
        return response


def own(number: int) -> str:
    """The repository of a client's own."""
    return f"lab/own-{number}"


def make(api: HfApi, clients: str) -> dict:
    """Makes the shared repository and those of the clients."""
    for repo_id in (SHARED, *map(own, range(int(clients)))):
        api.create_repo(repo_id)
    return {}


def files(number: int, turn: int, size: int = 0) -> list[CommitOperationAdd]:
    """A new file, and two that always change together: to see only one changed is a torn read."""
    pair = json.dumps({"turn": turn, "nonce": random.random()}).encode()
    padding = random.randbytes(size)
    return [
        CommitOperationAdd(f"{number}/turn-{turn}.bin", b"%d" % turn + padding),
        CommitOperationAdd(f"{number}/a.json", pair),
        CommitOperationAdd(f"{number}/b.json", pair),
    ]


def push(api: HfApi, number: str, commits: str) -> dict:
    """Commits to the own repository, and to the shared one on top of the head that it has."""
    acknowledged: list[str] = []
    refused: list[int] = []
    for turn in range(int(commits)):
        add = files(int(number), turn)
        acknowledged.append(api.create_commit(own(int(number)), add, commit_message="own").oid)
        acknowledged.append(push_shared(api, files(int(number), turn), refused))
    return {"acknowledged": acknowledged, "refused": refused, "request_ms": request_ms}


def push_shared(api: HfApi, add: list[CommitOperationAdd], refused: list[int]) -> str:
    """Commits on top of the head, again and again until nobody else was faster."""
    for _ in range(ATTEMPTS):
        head = api.model_info(SHARED).sha
        try:
            made = api.create_commit(SHARED, add, commit_message="shared", parent_commit=head)
        except HfHubHTTPError as error:
            refused.append(error.response.status_code)
            time.sleep(random.uniform(0, 0.05))
        else:
            return made.oid
    raise RuntimeError(f"no commit in {ATTEMPTS} attempts")


def pull(api: HfApi, clients: str, stop: str, number: str) -> dict:
    """Reads pairs of files of one commit until the file ``stop`` is there."""
    chance, reads, torn = random.Random(int(number)), 0, 0
    while not Path(stop).exists() and reads < READS:
        commit = api.model_info(SHARED).sha
        folder = chance.randrange(int(clients))
        pair = [read(api, f"{folder}/{name}.json", commit) for name in "ab"]
        reads += 1
        torn += pair[0] != pair[1]
        readme = read(api, ".gitattributes", "main")
        torn += readme is None or not readme.endswith(b"-text\n")
    return {"reads": reads, "torn": torn, "request_ms": request_ms}


def read(api: HfApi, path: str, revision: str) -> bytes | None:
    """The file at the revision, or None if it is not there yet."""
    url = hf_hub_url(SHARED, path, revision=revision, endpoint=api.endpoint)
    answer = get_session().get(url)
    if answer.status_code == 404:
        return None
    answer.raise_for_status()
    return answer.content


def look(api: HfApi, clients: str) -> dict:
    """All commits on main of all repositories, and how many turns the shared one has files of."""
    commits = [
        commit.commit_id
        for repo_id in (SHARED, *map(own, range(int(clients))))
        for commit in api.list_repo_commits(repo_id)
    ]
    turns = [path for path in api.list_repo_files(SHARED) if "/turn-" in path]
    return {"commits": commits, "files": len(turns)}


def until_dead(api: HfApi, number: str) -> dict:
    """Commits until the server is gone; says when it has begun."""
    acknowledged: list[str] = []
    try:
        for turn in range(COMMITS_UNTIL_DEAD):
            size = random.choice((10, 10_000, 1_000_000))
            add = files(int(number), turn, size)
            acknowledged.append(api.create_commit(SHARED, add, commit_message="more").oid)
            if turn == 0:
                sys.stdout.write("begun\n")
                sys.stdout.flush()
                # From here on a server that is gone is the end, not a reason to wait for it.
                time.sleep = lambda seconds: None
    except HTTPError:
        pass
    return {"acknowledged": acknowledged}


ROLES = {"make": make, "push": push, "pull": pull, "look": look, "until-dead": until_dead}


def main(role: str, url: str, *arguments: str) -> None:
    """Plays a role."""
    set_client_factory(lambda: httpx2.Client(transport=Timed(), follow_redirects=True, timeout=120))
    told = ROLES[role](HfApi(endpoint=url, token=False), *arguments)
    sys.stdout.write(json.dumps(told) + "\n")


if __name__ == "__main__":
    main(*sys.argv[1:])
