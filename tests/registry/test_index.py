"""``index.json``: what programs read, and that altered ones are refused."""

import json

import pytest

from palrs_hub.errors import RegistryError
from palrs_hub.registry.index import index_of, read_index
from palrs_hub.registry.shelf import read_shelf


@pytest.fixture
def index(registry):
    registry.add("accepted-one")
    registry.add("withdrawn-one")
    registry.add("best-one")
    registry.change("registry/withdrawn-one.yaml", "verdict: unreviewed", "verdict: withdrawn")
    registry.change("registry/best-one.yaml", "verdict: unreviewed", "verdict: recommended")
    return index_of(read_shelf(registry.root))


def test_what_is_written_is_read_again(index):
    assert read_index(index.to_json().encode()) == index


def test_the_best_verdict_comes_first(index):
    assert [entry.slug for entry in index.entries] == ["best-one", "accepted-one", "withdrawn-one"]


def test_it_tells_the_first_evaluation_beside_its_baselines(index):
    headline = index.entries[0].headline
    assert (headline.steered, headline.unsteered, headline.random) == (0.75, 0.25, 0.26)


def test_the_same_registry_gives_the_same_bytes(index, registry):
    assert index_of(read_shelf(registry.root)).to_json() == index.to_json()


def altered(index, **changes):
    data = json.loads(index.to_json())
    for name, value in changes.items():
        data[name] = value(data[name]) if callable(value) else value
    return json.dumps(data).encode()


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"entries": lambda rows: rows[1:]}, "altered or cut"),
        ({"entries": lambda rows: [{**rows[0], "verdict": "withdrawn"}, *rows[1:]]}, "altered"),
        ({"digest": "sha256:" + "0" * 64}, "altered or cut"),
        ({"version": 2}, "Upgrade"),
        ({"format": "other"}, "not valid"),
        ({"surprise": 1}, "not valid"),
    ],
)
def test_an_index_that_is_not_what_it_says_is_refused(index, changes, message):
    with pytest.raises(RegistryError, match=message):
        read_index(altered(index, **changes))


@pytest.mark.parametrize("data", [b"", b"[]", b"{", b"\xff", b"[" * 100_000])
def test_what_is_no_index_is_refused(data):
    with pytest.raises(RegistryError, match="not valid"):
        read_index(data)


def test_a_signature_is_asked_for_once_the_digest_is_right(index):
    asked = []
    read_index(index.to_json().encode(), verify=asked.append)
    assert asked == [index.digest]


def test_a_registry_with_an_unreadable_entry_has_no_index(index, registry):
    (registry.root / "registry/broken.yaml").write_text("slug: [")
    with pytest.raises(RegistryError, match="broken"):
        index_of(read_shelf(registry.root))
