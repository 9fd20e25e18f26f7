"""An entry's YAML: texts, lists and mappings, and nothing that can surprise."""

import datetime

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from palrs_hub.errors import RegistryError
from palrs_hub.registry.add import to_yaml
from palrs_hub.registry.entry import VERDICTS, Curator, Entry, Evidence, Place, parse_entry
from palrs_hub.registry.yaml_file import MAX_BYTES, read_yaml

REFUSED = {
    "alias": "a: &x [1]\nb: *x\n",
    "anchor": "a: &x 1\n",
    "tag": "a: !!python/object/apply:os.system ['true']\n",
    "plain tag": "a: !!str 1\n",
    "merge": "a: {b: 1}\n<<: *a\n",
    "key twice": "a: 1\na: 2\n",
    "inner key twice": "a: {b: 1, b: 2}\n",
    "key that is no word": "? [1]\n: 2\n",
    "list": "- a\n",
    "nothing": "",
    "text": "hello",
    "two documents": "a: 1\n---\nb: 2\n",
    "depth": "a: " + "[" * 50 + "]" * 50,
    "no YAML": "a: [",
    "too large": "a: " + "x" * MAX_BYTES,
    "control character": "a: \x07\n",
}


@pytest.mark.parametrize("text", REFUSED.values(), ids=REFUSED)
def test_what_can_surprise_is_refused(text):
    with pytest.raises(RegistryError):
        read_yaml(text.encode())


def test_what_is_no_text_is_refused():
    with pytest.raises(RegistryError, match="UTF-8"):
        read_yaml(b"a: \xff\n")


def test_every_value_stays_the_text_that_stands_there():
    read = read_yaml(b"a: 1234567890\nb: no\nc: 2026-01-02\nd: [1e5, ~]\ne: {f: 'x'}\n")
    assert read == {
        **{"a": "1234567890", "b": "no", "c": "2026-01-02", "d": ["1e5", "~"]},
        "e": {"f": "x"},
    }


def an_entry(**changes):
    fields = {
        "slug": "careful-sums",
        "name": "careful sums",
        "source": Place(repo="org/careful-sums", commit="0" * 40),
        "sha256": "1" * 64,
        "base_model": Place(path="base"),
        "task": "sums",
        "method": "palrs",
        "license": "apache-2.0",
        "tags": ("sums", "1"),
        "curator": Curator(
            verdict="accepted", date=datetime.date(2026, 1, 2), reason="It does what it says."
        ),
        "evidence": Evidence(
            manifest="2" * 64,
            facts="3" * 64,
            problems=("null", "a.jsonl"),
            tolerance=0.25,
        ),
    }
    return Entry(**{**fields, **changes})


lines = st.text(
    st.characters(exclude_categories=("C", "Zl", "Zp", "Zs"), include_characters=" "),
    min_size=10,
    max_size=200,
)


@settings(deadline=None, max_examples=60)
@given(lines, lines, st.sampled_from([v for v in VERDICTS if v != "superseded"]))
def test_what_is_written_is_read_again(name, reason, verdict):
    curator = Curator(verdict=verdict, date=datetime.date(2026, 1, 2), reason=reason)
    entry = an_entry(name=name, task=name, curator=curator)
    assert parse_entry(read_yaml(to_yaml(entry).encode())) == entry


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("slug", "../../etc"),
        ("slug", "Upper"),
        ("source", {"path": "../elsewhere"}),
        ("source", {"path": "/etc"}),
        ("source", {"path": "a/../b"}),
        ("source", {"path": "a/.git"}),
        ("source", {"repo": "org/name"}),
        ("source", {"repo": "org/name", "commit": "main"}),
        ("source", {"repo": "org/name", "commit": "0" * 39}),
        ("source", {"repo": "org/name", "commit": "0" * 40, "path": "x"}),
        ("sha256", "zz"),
        ("name", "two\nlines"),
        ("name", "\u202egnp.exe"),
        ("curator", {"verdict": "great", "date": "2026-01-01", "reason": "Because it is."}),
        ("curator", {"verdict": "accepted", "date": "soon", "reason": "Because it is."}),
        ("curator", {"verdict": "accepted", "date": "2026-01-01", "reason": "."}),
        ("curator", {"verdict": "superseded", "date": "2026-01-01", "reason": "Because it is."}),
        ("unknown", "field"),
        ("tags", ["a<b>"]),
    ],
)
def test_a_field_out_of_its_bounds_is_named(field, value):
    data = {**an_entry().model_dump(mode="json"), field: value}
    with pytest.raises(RegistryError, match=field):
        parse_entry(data)


@pytest.mark.parametrize("file", ["../problems.jsonl", ".hidden", "a/b.jsonl", ""])
def test_problems_lie_in_the_evidence_folder(file):
    with pytest.raises(ValueError, match="problems"):
        Evidence(manifest="2" * 64, facts="3" * 64, problems=(file,))
