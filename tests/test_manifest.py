"""The manifest: what is written is read back, and nothing malformed ever gets further."""

import contextlib
import copy
import json
import sys

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import ValidationError

from palrs_hub.errors import ManifestError, NewerFormatError, UsageError
from palrs_hub.intervention import OPERATION_NAMES, Span, scope_of
from palrs_hub.manifest import (
    FORMAT_VERSION,
    MAX_INTERVENTIONS,
    MAX_MANIFEST_BYTES,
    Manifest,
    Method,
    Task,
    read_manifest,
)
from tests.builders import (
    BLOCKS,
    LAYER,
    a_base_model,
    a_fingerprint,
    a_manifest,
    an_evaluation,
    an_intervention,
)

VALID = json.loads(a_manifest().to_json())
CONDITION = {"layer": LAYER, "tensor": "when", "threshold": 0.25, "comparison": "above"}

printable = st.characters(exclude_categories=("C", "Z"), include_characters=" ")
lines = st.text(printable, min_size=1, max_size=256)
finite = st.floats(allow_nan=False, allow_infinity=False)
plain_values = st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20)
any_json = st.recursive(
    plain_values,
    lambda inner: (
        st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=10), inner, max_size=4)
    ),
    max_leaves=10,
)


def paths(value, path=()):
    """The path of everything in a JSON document: ("task", "name"), ("interventions", 0), ..."""
    yield path
    if isinstance(value, dict | list):
        items = value.items() if isinstance(value, dict) else enumerate(value)
        for key, item in items:
            yield from paths(item, (*path, key))


def dotted(value):
    """A path as messages write it: base_model.revision."""
    return ".".join(map(str, value)) if isinstance(value, tuple) else f"{value!r:.20}"


def with_value(path, value):
    """The valid manifest's JSON with one value set."""
    if not path:
        return json.dumps(value)
    data = copy.deepcopy(VALID)
    place = data
    for key in path[:-1]:
        place = place[key]
    place[path[-1]] = value
    return json.dumps(data)


def without(path):
    """The valid manifest's JSON without one key."""
    data = copy.deepcopy(VALID)
    place = data
    for key in path[:-1]:
        place = place[key]
    del place[path[-1]]
    return json.dumps(data)


# What is written is read back.


@settings(deadline=None)
@given(
    name=lines,
    description=st.text(printable | st.just("\n"), max_size=200),
    coefficient=finite,
    limits=st.none() | st.tuples(finite, finite).map(sorted).map(tuple),
    layer=st.integers(0, BLOCKS - 1),
    value=finite,
    switches=st.dictionaries(lines, st.none() | st.booleans() | st.integers() | finite | lines),
)
def test_a_manifest_reads_back_as_it_was_written(
    name, description, coefficient, limits, layer, value, switches
):
    manifest = a_manifest(
        name=name,
        task=Task(name=name, description=description),
        base_model=a_base_model(fingerprint=a_fingerprint((layer,))),
        interventions=(
            an_intervention(layer=layer, coefficient=coefficient, coefficient_range=limits),
        ),
        evaluations=(an_evaluation(value=value),),
        method=Method(name="palrs", switches=switches),
    )
    again = read_manifest(manifest.to_json())
    assert again == manifest
    assert again.to_json() == manifest.to_json()


def test_text_and_bytes_are_read_alike():
    text = a_manifest(name="Addition mit Übertrag, 足し算").to_json()
    assert read_manifest(text.encode()) == read_manifest(text)


def test_what_is_optional_may_be_absent():
    manifest = a_manifest(
        base_model=a_base_model(
            repo_id=None, revision=None, tokenizer_sha256=None, chat_template_sha256=None
        ),
        interventions=(an_intervention(coefficient_range=None),),
        diagnostics=(),
        selection=None,
        evaluations=(),
        software={},
    )
    assert read_manifest(manifest.to_json()) == manifest


def test_a_vector_of_an_unknown_method_is_read():
    manifest = a_manifest(method=Method(name="found in 2031", switches={"how": "by luck"}))
    assert read_manifest(manifest.to_json()).method.name == "found in 2031"


def test_a_manifest_cannot_be_changed():
    with pytest.raises(ValidationError, match="frozen"):
        a_manifest().name = "another"


# Another format, or a newer one.


@pytest.mark.parametrize("text", ["{}", with_value(("format",), "sae"), without(("format",))])
def test_a_file_of_another_tool_is_named_as_such(text):
    with pytest.raises(ManifestError, match="not a palrs-hub package"):
        read_manifest(text)


@pytest.mark.parametrize("version", [FORMAT_VERSION + 1, 99, 10**30])
def test_a_newer_format_says_to_upgrade(version):
    data = {"format": "palrs-hub", "format_version": version, "whatever": "it holds"}
    with pytest.raises(NewerFormatError, match="pip install --upgrade palrs-hub"):
        read_manifest(json.dumps(data))


@pytest.mark.parametrize("version", [0, -1, "1", "2", 1.0, 1.5, True, None, [1]])
def test_a_malformed_format_version_is_refused(version):
    with pytest.raises(ManifestError, match="format_version") as caught:
        read_manifest(with_value(("format_version",), version))
    assert not isinstance(caught.value, NewerFormatError)


# What is not readable JSON, or too much of it.


@pytest.mark.parametrize(
    "text",
    ["", " ", "[]", "null", '"palrs-hub"', "{", '{"format": "palrs-hub"', "\x00", b"\xff\xfe\xfd"],
)
def test_what_is_not_a_json_object_is_refused(text):
    with pytest.raises(ManifestError):
        read_manifest(text)


@pytest.mark.parametrize(
    ("once", "twice"),
    [
        ('"license": ', '"license": "mit", "license": '),
        ('"coefficient": ', '"coefficient": 0, "coefficient": '),
    ],
    ids=["outside", "inside"],
)
def test_a_key_that_stands_twice_is_refused(once, twice):
    text = a_manifest().to_json()
    assert once in text
    with pytest.raises(ManifestError, match="twice"):
        read_manifest(text.replace(once, twice, 1))


@pytest.mark.parametrize("number", ["NaN", "Infinity", "-Infinity", "1e999", "-1e999"])
@pytest.mark.parametrize(
    "path",
    [
        ("interventions", 0, "coefficient"),
        ("interventions", 0, "coefficient_range", 1),
        ("base_model", "fingerprint", "norms", 0, 0),
        ("base_model", "fingerprint", "projections", 0, 0),
        ("method", "switches", "position"),
        ("evaluations", 0, "baselines", "unsteered"),
        ("selection", "unsteered", "accuracy"),
    ],
)
def test_numbers_are_finite(path, number):
    text = with_value(path, "the number").replace('"the number"', number)
    with pytest.raises(ManifestError, match=str(path[1])):
        read_manifest(text)


def test_an_integer_too_large_for_a_number_is_refused():
    with pytest.raises(ManifestError):
        read_manifest(with_value(("interventions", 0, "coefficient"), 10**400))


def test_a_manifest_of_many_megabytes_is_refused():
    text = with_value(("task", "description"), "x" * MAX_MANIFEST_BYTES)
    with pytest.raises(ManifestError, match=f"at most {MAX_MANIFEST_BYTES:,}"):
        read_manifest(text)


@pytest.mark.parametrize("opening", ["[", '{"a":'])
def test_nesting_of_any_depth_is_refused(opening):
    closing = {"[": "]", '{"a":': "}"}[opening]
    limit = sys.getrecursionlimit()
    for depth in (50, 199, 201, *range(limit - 120, limit + 20, 3), 100_000):
        nested = opening * depth + "1" + closing * depth
        with pytest.raises(ManifestError):
            read_manifest(f'{{"format": "palrs-hub", "name": {nested}}}')


# Unknown and missing fields.


OBJECTS = [
    (),
    ("task",),
    ("base_model",),
    ("base_model", "fingerprint"),
    ("interventions", 0),
    ("method",),
    ("data",),
    ("diagnostics", 0),
    ("selection",),
    ("selection", "unsteered"),
    ("selection", "cells", 0),
    ("evaluations", 0),
    ("tensors",),
]


@pytest.mark.parametrize("path", OBJECTS, ids=dotted)
def test_an_unknown_field_is_refused_at_every_depth(path):
    with pytest.raises(ManifestError, match=r"skip_checks: Extra inputs are not permitted"):
        read_manifest(with_value((*path, "skip_checks"), True))


@pytest.mark.parametrize("field", [f for f in VALID if f not in {"format", "format_version"}])
def test_a_missing_field_is_named(field):
    with pytest.raises(ManifestError, match=rf"{field}: Field required"):
        read_manifest(without((field,)))


def test_every_wrong_field_is_named_at_once():
    data = {**VALID, "name": "", "license": 3, "evaluations": None}
    with pytest.raises(ManifestError) as caught:
        read_manifest(json.dumps(data))
    assert all(f"{field}: " in str(caught.value) for field in ("name", "license", "evaluations"))


# Texts.


LINES = [
    ("name",),
    ("license",),
    ("task", "name"),
    ("base_model", "architecture"),
    ("base_model", "dtype"),
    ("method", "name"),
    ("data", "name"),
    ("evaluations", 0, "metric"),
    ("software", "palrs-hub"),
]
UNPRINTABLE = {
    "ANSI escape": "red \x1b[31malert",
    "C1 escape": "red \x9b31malert",
    "null": "a\x00b",
    "bell": "a\x07b",
    "backspace": "safe\x08\x08\x08\x08evil",
    "carriage return": "evil\rsafe",
    "right-to-left override": "safe\u202egpj.exe",
    "zero width space": "a\u200bb",
    "byte order mark": "\ufeffa",
    "line separator": "a\u2028b",
    "lone surrogate": "\ud800",
}


@pytest.mark.parametrize("path", LINES, ids=dotted)
@pytest.mark.parametrize(
    "text", [*UNPRINTABLE.values(), "two\nlines", "a line and\n", ""], ids=ascii
)
def test_a_line_is_printable_and_one_line(path, text):
    with pytest.raises(ManifestError):
        read_manifest(with_value(path, text))


@pytest.mark.parametrize("text", UNPRINTABLE.values(), ids=UNPRINTABLE)
def test_prose_is_printable_too(text):
    with pytest.raises(ManifestError):
        read_manifest(with_value(("task", "description"), text))


def test_prose_may_have_paragraphs():
    text = "One paragraph.\n\nAnother, with ünïcode and 漢字."
    assert read_manifest(with_value(("task", "description"), text)).task.description == text


@pytest.mark.parametrize("path", [(), ("task",), ("software",), ("method", "switches")])
def test_a_hostile_key_does_not_reach_the_terminal(path):
    key = "\x1b]0;owned\x07" + "x" * 100_000
    with pytest.raises(ManifestError) as caught:
        read_manifest(with_value((*path, key), "\x1b[31m"))
    message = str(caught.value)
    assert message.replace("\n", "").isprintable()
    assert len(message) < 5_000


@pytest.mark.parametrize(
    "path",
    [("name",), ("task", "description"), ("method", "switches", "x" * 257), ("software", "a")],
    ids=str,
)
def test_texts_and_keys_are_bounded(path):
    with pytest.raises(ManifestError):
        read_manifest(with_value(path, "x" * 10_001))


# Numbers, hashes and names.


NUMBERS = [
    ("base_model", "hidden_size"),
    ("base_model", "num_blocks"),
    ("base_model", "fingerprint", "token_ids", 0),
    ("base_model", "fingerprint", "norms", 0, 0),
    ("interventions", 0, "layer"),
    ("interventions", 0, "coefficient"),
    ("data", "pairs"),
    ("evaluations", 0, "value"),
    ("evaluations", 0, "baselines", "unsteered"),
]


@pytest.mark.parametrize("path", NUMBERS, ids=dotted)
@pytest.mark.parametrize("value", [True, False, "1", None, [1]], ids=str)
def test_a_number_is_a_number(path, value):
    with pytest.raises(ManifestError):
        read_manifest(with_value(path, value))


@pytest.mark.parametrize("value", [0, 1, "true", None], ids=repr)
def test_a_truth_value_is_a_truth_value(value):
    with pytest.raises(ManifestError, match="higher_is_better"):
        read_manifest(with_value(("evaluations", 0, "higher_is_better"), value))


@pytest.mark.parametrize(
    ("path", "value"),
    [
        (("base_model", "hidden_size"), 0),
        (("base_model", "hidden_size"), 10**9),
        (("base_model", "num_blocks"), 0),
        (("interventions", 0, "layer"), -1),
        (("data", "pairs"), -1),
        (("base_model", "fingerprint", "token_ids", 0), -1),
        (("base_model", "fingerprint", "token_ids", 0), 2**40),
    ],
    ids=str,
)
def test_numbers_are_bounded(path, value):
    with pytest.raises(ManifestError, match=path[1] if isinstance(path[1], str) else path[2]):
        read_manifest(with_value(path, value))


@pytest.mark.parametrize("path", [("data", "sha256"), ("tensors", "sha256")], ids=dotted)
@pytest.mark.parametrize(
    "value", ["", "d" * 63, "d" * 65, "D" * 64, "g" * 64, "d" * 64 + "\n", None], ids=repr
)
def test_a_malformed_sha256_is_refused(path, value):
    with pytest.raises(ManifestError, match="sha256"):
        read_manifest(with_value(path, value))


@pytest.mark.parametrize("value", ["main", "a" * 39, "a" * 41, "A" * 40, "a" * 40 + "\n"])
def test_a_commit_is_a_whole_hash(value):
    with pytest.raises(ManifestError, match=r"base_model\.revision"):
        read_manifest(with_value(("base_model", "revision"), value))


@pytest.mark.parametrize("value", ["org/base", "gpt2", "Org-1/Model_v2.5-Instruct"])
def test_a_repository_has_the_hub_form(value):
    assert read_manifest(with_value(("base_model", "repo_id"), value)).base_model.repo_id == value


@pytest.mark.parametrize(
    "value",
    [
        "",
        "../x",
        "/etc/passwd",
        "a/b/c",
        "a b",
        "org/",
        "org/..",
        "a\n",
        "x" * 97,
        "https://evil.example/x",
        "org/b\u0430se",  # a Cyrillic letter that looks like an a
    ],
)
def test_what_is_not_a_repository_is_refused(value):
    with pytest.raises(ManifestError, match="repo_id"):
        read_manifest(with_value(("base_model", "repo_id"), value))


@pytest.mark.parametrize("value", ["", "Layer", "../x", "a/b", "_a", "x" * 65, "a\n"])
def test_a_tensor_has_a_plain_name(value):
    with pytest.raises(ManifestError, match="tensor"):
        read_manifest(with_value(("interventions", 0, "tensor"), value))


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("operation", "replace"),
        ("unit", "furlong"),
        ("tokens", "last"),
        ("tokens", {"start": 3}),
        ("tokens", {"start": -1, "stop": None}),
        ("tokens", {"start": 3, "stop": 3}),
        ("tokens", {"start": 0, "stop": 10**10}),
        ("tokens", {"start": 0, "stop": None, "step": 2}),
        ("tokens", {"start": True, "stop": None}),
        ("condition", "weekdays"),
        ("condition", {}),
        ("condition", {**CONDITION, "threshold": 1.5}),
        ("condition", {**CONDITION, "threshold": float("nan")}),
        ("condition", {**CONDITION, "comparison": "around"}),
        ("condition", {**CONDITION, "tensor": "../x"}),
        ("condition", {**CONDITION, "layer": LAYER + 1}),
        ("condition", {**CONDITION, "always": True}),
    ],
)
def test_an_intervention_that_we_cannot_carry_out_is_refused(field, value):
    with pytest.raises(ManifestError, match=field):
        read_manifest(with_value(("interventions", 0, field), value))


@pytest.mark.parametrize("name", ["rotate", "ADD", "add ", "", "\u202eadd"])
def test_an_operation_that_we_do_not_know_asks_for_an_upgrade(name):
    with pytest.raises(NewerFormatError, match=r"Upgrade palrs-hub") as caught:
        read_manifest(with_value(("interventions", 0, "operation"), name))
    assert str(caught.value).isprintable()


@pytest.mark.parametrize("operation", OPERATION_NAMES)
@pytest.mark.parametrize("tokens", ["all", "prompt", "generated", {"start": 2, "stop": None}])
@pytest.mark.parametrize("condition", [None, CONDITION])
def test_every_intervention_that_we_can_carry_out_is_read_and_written(operation, tokens, condition):
    change = {
        **VALID["interventions"][0],
        "operation": operation,
        "tokens": tokens,
        "condition": condition,
    }
    manifest = read_manifest(with_value(("interventions",), [change]))
    assert read_manifest(manifest.to_json()) == manifest
    (read,) = manifest.interventions
    assert json.loads(read.model_dump_json()) == change
    plain = (operation, tokens, condition) == ("add", "all", None)
    assert (read.beyond_adding is None) == plain
    assert manifest.tensor_names == {read.tensor} | ({"when"} if condition else set())


@pytest.mark.parametrize(
    ("text", "scope"),
    [
        ("all", "all"),
        ("generated", "generated"),
        ("3:", Span(start=3, stop=None)),
        ("0:9", Span(start=0, stop=9)),
    ],
)
def test_a_scope_is_written_as_one_word(text, scope):
    assert scope_of(text) == scope
    assert str(scope) == text


@pytest.mark.parametrize("text", ["", "last", ":", ":3", "3", "3:3", "4:2", "-1:", "1:2:3", "1e3:"])
def test_what_is_no_scope_is_refused(text):
    with pytest.raises(UsageError, match="START:STOP"):
        scope_of(text)


def test_a_condition_is_read_where_there_is_a_fingerprint():
    with pytest.raises(ManifestError, match="read for a condition but has no fingerprint"):
        read_manifest(with_value(("interventions", 0, "condition"), {**CONDITION, "layer": 0}))


def test_the_tensors_file_cannot_be_another():
    with pytest.raises(ManifestError, match=r"tensors\.file"):
        read_manifest(with_value(("tensors", "file"), "../../pytorch_model.bin"))


# A manifest that contradicts itself.


def test_a_layer_beyond_the_model_is_refused():
    beyond = with_value(("interventions", 0, "layer"), BLOCKS)
    with pytest.raises(ManifestError, match=rf"layer {BLOCKS} .* blocks 0 to {BLOCKS - 1}"):
        read_manifest(beyond)


def test_a_steered_layer_without_fingerprint_is_refused():
    with pytest.raises(ManifestError, match="fingerprint"):
        read_manifest(with_value(("interventions", 0, "layer"), 1))


def test_two_interventions_may_not_name_one_tensor():
    twice = VALID["interventions"] * 2
    with pytest.raises(ManifestError, match="same tensor"):
        read_manifest(with_value(("interventions",), twice))


def test_two_tensors_may_steer_one_layer():
    both = [VALID["interventions"][0], {**VALID["interventions"][0], "tensor": "second"}]
    assert len(read_manifest(with_value(("interventions",), both)).interventions) == 2


@pytest.mark.parametrize("count", [0, MAX_INTERVENTIONS + 1])
def test_the_number_of_interventions_is_bounded(count):
    many = [{**VALID["interventions"][0], "tensor": f"t{k}"} for k in range(count)]
    with pytest.raises(ManifestError, match="interventions"):
        read_manifest(with_value(("interventions",), many))


def test_a_swapped_coefficient_range_is_refused():
    with pytest.raises(ManifestError, match=r"\(lowest, highest\)"):
        read_manifest(with_value(("interventions", 0, "coefficient_range"), [2.0, 0.5]))


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("norms", []),
        ("norms", [[1.0]]),
        ("projections", [[0.5] * 16] * 2),
        ("projections", [[0.5] * 15]),
        ("projections", [[0.5] * 1000]),
        ("token_ids", [1]),
        ("token_ids", [1] * 33),
        ("layers", []),
        ("layers", [1, 2]),
    ],
)
def test_a_fingerprint_has_one_row_a_layer_and_one_norm_a_token(field, value):
    with pytest.raises(ManifestError, match="fingerprint"):
        read_manifest(with_value(("base_model", "fingerprint", field), value))


# Whatever stands in the file, only a ManifestError comes out.


@settings(deadline=None)
@given(st.binary(max_size=200) | any_json.map(json.dumps))
def test_anything_at_all_is_refused_with_a_manifest_error(text):
    with pytest.raises(ManifestError):
        read_manifest(text)


@settings(deadline=None)
@given(st.sampled_from(sorted(paths(VALID), key=str)), any_json)
def test_one_value_that_is_anything_is_accepted_or_refused(path, value):
    try:
        manifest = read_manifest(with_value(path, value))
    except ManifestError:
        return
    assert isinstance(manifest, Manifest)
    assert read_manifest(manifest.to_json()) == manifest


@settings(deadline=None)
@given(st.data())
def test_a_damaged_file_is_accepted_or_refused(data):
    text = bytearray(a_manifest().to_json().encode())
    start = data.draw(st.integers(0, len(text)))
    stop = data.draw(st.integers(start, min(start + 20, len(text))))
    text[start:stop] = data.draw(st.binary(max_size=20))
    with contextlib.suppress(ManifestError):
        read_manifest(bytes(text))
