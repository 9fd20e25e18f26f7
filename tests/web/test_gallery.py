"""The gallery with 10,000 entries, used in headless Chromium: ``make test-web``.

It needs Node 20, npm and Chromium (Debian's package, or the path in ``CHROMIUM``). With
``SCREENSHOTS=DIR`` pictures of every page are written there.
"""

import functools
import os
import sys
import threading
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer

import pytest

from tests.web.chromium import drive
from tests.web.synthetic import write

ENTRIES = 10_000
SLOWEST_MS = 100
SERIOUS = {"serious", "critical"}
VIEWS = ("desktop", "phone")


class Silent(SimpleHTTPRequestHandler):
    def log_message(self, *arguments):
        pass


@pytest.fixture(scope="module")
def reports(tmp_path_factory):
    """What was seen at each width."""
    if not os.environ.get("PALRS_HUB_TEST_WEB"):
        pytest.skip("runs with `make test-web` alone")
    site = tmp_path_factory.mktemp("web") / "site"
    write(site, ENTRIES)
    server = ThreadingHTTPServer(("127.0.0.1", 0), functools.partial(Silent, directory=str(site)))
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        found = drive("drive.mjs", f"http://127.0.0.1:{server.server_port}")
    finally:
        server.shutdown()
        server.server_close()
    return {report["view"]: report for report in found}


@pytest.fixture(params=VIEWS)
def seen(request, reports):
    return reports[request.param]


def test_results_come_within_100_ms_of_a_key(seen):
    keys = sorted(seen["keys"])
    sys.stdout.write(
        f"\n{seen['view']}: {len(keys)} keys, {ENTRIES:,} entries, from the key to the picture: "
        f"median {keys[len(keys) // 2]} ms, slowest {keys[-1]} ms; opened in "
        f"{seen['opened_ms']} ms\n"
    )
    assert seen["total"] == "10,000 of 10,000 vectors"
    assert len(keys) >= 30
    assert keys[-1] <= SLOWEST_MS


def test_searching_and_filtering_finds_what_it_should(seen):
    assert seen["first"].startswith("careful-sums-")
    assert seen["searched"].endswith("of 10,000 vectors")
    assert seen["nothing"].startswith("No vector matches")
    assert set(seen["badges"]) == {"recommended"}
    assert seen["filtered"] == seen["restored"]  # the address remembers it
    assert seen["after_more"] == 48


def test_it_is_used_by_keyboard(seen):
    assert seen["focused"] == "query"
    assert seen["vector"].startswith("careful-")
    assert seen["tab"] == "Command line"


def test_a_snippet_is_copied_as_it_stands(seen):
    assert seen["copied"] == seen["snippet"]
    assert seen["copied"].startswith("palrs-hub generate lab-")


def test_dark_mode_is_kept(seen):
    assert seen["light"] != seen["dark"]
    assert seen["stays_dark"] == seen["dark"]
    assert seen["pressed"] == "true"


def test_two_vectors_are_compared(seen):
    assert len(seen["compared"]) == 2


def test_nothing_complains_and_nothing_leaves_the_site(seen):
    assert seen["errors"] == []
    assert seen["strangers"] == []


def test_nothing_stands_in_anybodys_way(seen):
    assert len(seen["accessibility"]) == 7
    for page, faults in seen["accessibility"].items():
        assert [fault for fault in faults if fault["impact"] in SERIOUS] == [], page
