"""The embedded Hub under load: many clients at once, sudden death, a hundred thousand repositories.

``python -m benchmarks.hub_load`` prints one line of JSON. All clients are the Hub's own, in
processes of their own, on loopback; every loop is bounded. The exit code is 1 if a commit was lost,
a read was torn, a conflict was answered with anything but 412, or the folder was found unsound.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import statistics
import subprocess
import sys
import tempfile
import time
from collections import Counter
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import httpx2
from huggingface_hub import HfApi

from benchmarks.hub_shelf import QUERIES, fill
from palrs_hub.local_hub import running_hub, verify

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

SERVER = (
    "import sys\n"
    "from palrs_hub.local_hub import serve\n"
    "serve(sys.argv[1], on_ready=lambda hub: print(hub.url, flush=True))\n"
)
CLIENT = Path(__file__).with_name("hub_load_client.py")
SHARED = "lab/shared"
CLIENT_SECONDS = 900
KILL_AFTER_SECONDS = (0.05, 0.5)
SEARCH_LIMIT_MS = 50


def main() -> int:
    """Run all three parts and print what was found."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--clients", type=int, default=8)
    parser.add_argument("--commits", type=int, default=50)
    parser.add_argument("--kills", type=int, default=50)
    parser.add_argument("--repositories", type=int, default=100_000)
    parser.add_argument("--searches", type=int, default=40, help="of each kind")
    parser.add_argument("--seed", type=int, default=0)
    given = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="hub-load-") as folder:
        root = Path(folder)
        told = {
            "benchmark": "hub_load",
            "cores": os.cpu_count(),
            "load": measure_load(root / "load", given.clients, given.commits),
            "kills": measure_kills(root / "kills", given.kills, random.Random(given.seed)),
            "search": measure_search(root / "search", given.repositories, given.searches),
        }
    told["ok"] = all(told[part]["ok"] for part in ("load", "kills", "search"))
    sys.stdout.write(json.dumps(told) + "\n")
    return 0 if told["ok"] else 1


@contextmanager
def server_process(root: Path) -> Iterator[tuple[str, subprocess.Popen[str]]]:
    """A hub in a process of its own, which is killed at the end."""
    with subprocess.Popen(
        [sys.executable, "-c", SERVER, str(root)], stdout=subprocess.PIPE, text=True
    ) as process:
        try:
            yield process.stdout.readline().strip(), process
        finally:
            process.kill()


def start_client(root: Path, role: str, *arguments: object) -> subprocess.Popen[str]:
    """A client in a process of its own; it prints one line of JSON when it ends."""
    inherited = {key: value for key, value in os.environ.items() if not key.startswith("HF_")}
    settings = {"HF_HOME": str(root.with_name("home")), "HF_HUB_DISABLE_TELEMETRY": "1"}
    return subprocess.Popen(
        [sys.executable, str(CLIENT), role, *map(str, arguments)],
        env=inherited | settings,
        stdout=subprocess.PIPE,
        text=True,
    )


def outcome(process: subprocess.Popen[str]) -> dict:
    """What a client printed."""
    out, _ = process.communicate(timeout=CLIENT_SECONDS)
    if process.returncode != 0:
        raise RuntimeError(f"a client ended with exit code {process.returncode}")
    return json.loads(out)


def measure_load(root: Path, clients: int, commits: int) -> dict:
    """Clients push to one repository and to their own, while as many pull."""
    stop = root.with_name("stop")
    with server_process(root) as (url, _), ExitStack() as stack:
        outcome(start_client(root, "make", url, clients))
        began = time.perf_counter()
        pullers = [start_client(root, "pull", url, clients, stop, n) for n in range(clients)]
        pushers = [start_client(root, "push", url, n, commits) for n in range(clients)]
        for process in (*pullers, *pushers):
            stack.callback(process.kill)
        pushed = [outcome(process) for process in pushers]
        seconds = time.perf_counter() - began
        stop.touch()
        pulled = [outcome(process) for process in pullers]
        kept = outcome(start_client(root, "look", url, clients))
    return summarize_load(root, pushed, pulled, kept, seconds, clients * commits)


def summarize_load(
    root: Path, pushed: list[dict], pulled: list[dict], kept: dict, seconds: float, each: int
) -> dict:
    """The figures of the load; ``each`` is how many commits go to the shared repository."""
    acknowledged = [oid for told in pushed for oid in told["acknowledged"]]
    refused = Counter(status for told in pushed for status in told["refused"])
    times = [ms for told in (*pushed, *pulled) for ms in told["request_ms"]]
    told = {
        "commits": len(acknowledged),
        "lost_commits": len({*acknowledged} - {*kept["commits"]}),
        "lost_files": each - kept["files"],
        "conflicts_412": refused.pop(412, 0),
        "other_refusals": dict(refused),
        "reads": sum(item["reads"] for item in pulled),
        "torn_reads": sum(item["torn"] for item in pulled),
        "seconds": round(seconds, 2),
        "requests": len(times),
        "requests_per_second": round(len(times) / seconds, 1),
        **percentiles(times),
        "defects": len(verify(root).defects),
    }
    wrong = ("lost_commits", "lost_files", "torn_reads", "defects", "other_refusals")
    told["ok"] = len(acknowledged) == 2 * each and not any(told[name] for name in wrong)
    return told


def percentiles(times: Sequence[float]) -> dict:
    """Median, 99th percentile and maximum, in milliseconds."""
    ordered = sorted(times)
    return {
        "median_ms": round(statistics.median(ordered), 1),
        "p99_ms": round(ordered[min(len(ordered) - 1, len(ordered) * 99 // 100)], 1),
        "max_ms": round(ordered[-1], 1),
    }


def measure_kills(root: Path, kills: int, chance: random.Random) -> dict:
    """A server is killed in the middle of writes and started again, time after time."""
    acknowledged: list[str] = []
    lost = defects = left_behind = 0
    for number in range(kills + 1):
        with server_process(root) as (url, process):
            if number == 0:
                outcome(start_client(root, "make", url, 0))
            kept = {item.commit_id for item in HfApi(endpoint=url).list_repo_commits(SHARED)}
            lost += len({*acknowledged} - kept)
            defects += len(verify(root).defects)
            left_behind += len([*(root / "blobs" / "incoming").iterdir()])
            if number == kills:
                break
            client = start_client(root, "until-dead", url, number)
            client.stdout.readline()  # It has made its first commit.
            time.sleep(chance.uniform(*KILL_AFTER_SECONDS))
            process.kill()
            acknowledged += outcome(client)["acknowledged"]
    return {
        "kills": kills,
        "acknowledged_commits": len(acknowledged),
        "unacknowledged_commits_kept": len(kept) - 1 - len(acknowledged),
        "lost_commits": lost,
        "defects": defects,
        "left_behind": left_behind,
        "ok": not (lost or defects or left_behind) and len(acknowledged) >= kills,
    }


def measure_search(root: Path, count: int, searches: int) -> dict:
    """Many repositories are searched over HTTP; the server is in this process."""
    began = time.perf_counter()
    with running_hub(root) as hub:
        fill(hub.store, count)
        filled = time.perf_counter() - began
        with httpx2.Client(base_url=hub.url) as wire:
            times = {kind: ask(wire, kind, count, searches) for kind in QUERIES}
    every = percentiles([ms for some in times.values() for ms in some])
    kinds = {kind: percentiles(some) for kind, some in times.items()}
    return {
        "repositories": count,
        "fill_seconds": round(filled, 1),
        **every,
        "kinds": kinds,
        "ok": all(told["median_ms"] <= SEARCH_LIMIT_MS for told in (every, *kinds.values())),
    }


def ask(wire: httpx2.Client, kind: str, count: int, searches: int) -> list[float]:
    """Asks a kind of question again and again; returns the times in milliseconds."""
    chance, times = random.Random(kind), []
    for _ in range(searches):
        params = QUERIES[kind](chance, count)
        began = time.perf_counter()
        answer = wire.get("/api/models", params=params)
        times.append((time.perf_counter() - began) * 1000)
        assert answer.status_code == 200, answer.text
        assert bool(answer.json()) == (kind != "absent word"), params
    return times


if __name__ == "__main__":
    sys.exit(main())
