"""Reading pairs: every file format gives the same pairs, and what is wrong is named by its line."""

import gzip
import json

import pyarrow
import pyarrow.parquet
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from palrs_hub.errors import PairsError
from palrs_hub.pairs import PreferencePair, read_pairs
from palrs_hub.pairs.pair import content_sha256

RECORDS = [
    {"prompt": f"{n} + {n} = ", "chosen": f"{2 * n}, naïvely", "rejected": f"{n}\u2028{n}"}
    for n in range(1, 6)
]
TURNS = [
    {
        "prompt": [{"role": "user", "content": record["prompt"]}],
        "chosen": [{"role": "assistant", "content": record["chosen"]}],
        "rejected": [{"role": "assistant", "content": record["rejected"]}],
    }
    for record in RECORDS
]
PAIR = json.dumps(RECORDS[0])


def as_lines(records):
    return "".join(json.dumps(record, ensure_ascii=False) + "\n" for record in records)


def write_jsonl(path, records):
    path.write_text(as_lines(records), encoding="utf-8")


def write_gzip(path, records):
    path.write_bytes(gzip.compress(as_lines(records).encode()))


def write_array(path, records):
    path.write_text(json.dumps(records, indent=2), encoding="utf-8")


def write_parquet(path, records):
    pyarrow.parquet.write_table(pyarrow.Table.from_pylist(records), path)


FORMATS = {
    "pairs.jsonl": write_jsonl,
    "pairs.jsonl.gz": write_gzip,
    "array.json": write_array,
    "lines.json": write_jsonl,
    "pairs.parquet": write_parquet,
}


@pytest.fixture
def pairs_file(tmp_path):
    """Makes a file of the given text or bytes and returns its path."""

    def make(content, name="pairs.jsonl"):
        path = tmp_path / name
        path.write_bytes(content if isinstance(content, bytes) else content.encode())
        return path

    return make


# All formats.


@pytest.mark.parametrize("records", [RECORDS, TURNS], ids=["strings", "conversations"])
@pytest.mark.parametrize(("name", "write"), FORMATS.items(), ids=FORMATS)
def test_every_format_gives_the_same_pairs(tmp_path, name, write, records):
    write(tmp_path / name, records)
    write_jsonl(tmp_path / "reference.jsonl", records)
    pairs = read_pairs(tmp_path / name)
    reference = read_pairs(tmp_path / "reference.jsonl")
    assert (pairs.name, pairs.revision, len(pairs)) == (name, None, 5)
    assert pairs.pairs == reference.pairs
    assert content_sha256(pairs) == content_sha256(reference)


@pytest.mark.parametrize(("name", "write"), FORMATS.items(), ids=FORMATS)
def test_a_limit_takes_the_first(tmp_path, name, write):
    write(tmp_path / name, RECORDS)
    assert [pair.prompt for pair in read_pairs(tmp_path / name, limit=2)] == [
        "1 + 1 = ",
        "2 + 2 = ",
    ]
    assert len(read_pairs(tmp_path / name, limit=99)) == 5


def test_a_path_may_be_a_string(pairs_file):
    assert read_pairs(str(pairs_file(PAIR)))[0].chosen == "2, naïvely"


def test_a_parquet_column_that_is_mostly_empty(tmp_path):
    write_parquet(
        tmp_path / "pairs.parquet",
        [{"prompt": None, "chosen": "a b", "rejected": "a c"}, {**RECORDS[0], "score": 1.5}],
    )
    pairs = read_pairs(tmp_path / "pairs.parquet")
    assert pairs[0] == PreferencePair("a", " b", " c")


def test_implicit_prompts_are_read(pairs_file):
    (pair,) = read_pairs(pairs_file(json.dumps({"chosen": "1+1=2", "rejected": "1+1=3"})))
    assert pair == PreferencePair("1+1=", "2", "3")


# What editors and exports do to files.


@pytest.mark.parametrize(
    "text",
    [
        f"{PAIR}\n\n\n{PAIR}",
        f"\n{PAIR}\n   \n{PAIR}\n\n",
        f"{PAIR}\r\n{PAIR}\r\n",
        f"{PAIR}\n{PAIR}",
    ],
    ids=["blank lines", "blank ends", "Windows line ends", "no last line end"],
)
def test_blank_lines_and_line_ends_do_not_matter(pairs_file, text):
    assert len(read_pairs(pairs_file(text))) == 2


@pytest.mark.parametrize("name", ["pairs.jsonl", "lines.json", "pairs.jsonl.gz"])
def test_a_byte_order_mark_does_not_matter(pairs_file, name):
    text = f"\ufeff{PAIR}\n{PAIR}\n".encode()
    content = gzip.compress(text) if name.endswith(".gz") else text
    assert len(read_pairs(pairs_file(content, name))) == 2


def test_a_byte_order_mark_before_an_array_does_not_matter(pairs_file):
    assert len(read_pairs(pairs_file(f"\ufeff[{PAIR}, {PAIR}]", "array.json"))) == 2


# What is wrong is named.


def test_a_bad_line_is_named_by_its_number_and_reason(pairs_file):
    with pytest.raises(PairsError) as caught:
        read_pairs(pairs_file(f"{PAIR}\n\n{{}}\n{PAIR}\n"))
    message = str(caught.value)
    assert message.startswith("pairs.jsonl has 1 line(s) that are not preference pairs: line 3: ")
    assert "'chosen' is missing" in message
    assert message.endswith("Each needs a prompt, a chosen and a rejected response.")


def test_several_bad_lines_are_named_at_once(pairs_file):
    same = json.dumps({"prompt": "p", "chosen": "a", "rejected": "a"})
    with pytest.raises(PairsError) as caught:
        read_pairs(pairs_file(f'{PAIR}\nnot json\n"text"\n{same}\n'))
    for part in ("3 line(s)", "line 2: not JSON", "line 3: expected an object", "line 4: 'chosen'"):
        assert part in str(caught.value)


def test_of_many_bad_lines_the_first_are_named(pairs_file):
    with pytest.raises(PairsError, match=r"1000 line\(s\).* line 5: .*\(and 995 more\)") as caught:
        read_pairs(pairs_file("{}\n" * 1000))
    assert "line 6:" not in str(caught.value)
    assert len(str(caught.value)) < 2000


@pytest.mark.parametrize(
    ("name", "write", "place"),
    [("pairs.parquet", write_parquet, "row 2"), ("array.json", write_array, "record 2")],
)
def test_rows_and_records_have_numbers_too(tmp_path, name, write, place):
    write(tmp_path / name, [RECORDS[0], {**RECORDS[1], "rejected": ""}])
    with pytest.raises(PairsError, match=f"{name} has .* {place}: 'rejected' has an empty"):
        read_pairs(tmp_path / name)


def test_what_stands_after_the_limit_is_not_read(pairs_file):
    assert len(read_pairs(pairs_file(f"{PAIR}\n{PAIR}\nnot json\n"), limit=2)) == 2


def test_half_a_character_is_named_by_its_line(pairs_file):
    broken = '{"prompt": "p", "chosen": "\\ud83d", "rejected": "b"}'
    with pytest.raises(PairsError, match="line 2: 'chosen'"):
        read_pairs(pairs_file(f"{PAIR}\n{broken}\n"))


def test_an_array_with_a_mistake_says_where_it_is(pairs_file):
    text = f"[\n{PAIR},\n{PAIR}\n{PAIR}\n]"
    with pytest.raises(PairsError, match=r"Expecting ',' delimiter: line 4"):
        read_pairs(pairs_file(text, "array.json"))


# Files that hold no pairs at all.


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("pairs.jsonl", b""),
        ("pairs.jsonl", b"\n \n"),
        ("pairs.jsonl.gz", gzip.compress(b"", mtime=0)),
        ("array.json", b"[]"),
        ("array.json", b""),
    ],
)
def test_an_empty_file_is_refused(pairs_file, name, content):
    with pytest.raises(PairsError, match=f"{name} holds no preference pairs"):
        read_pairs(pairs_file(content, name))


def test_an_empty_table_is_refused(tmp_path):
    table = pyarrow.table({"chosen": pyarrow.array([], pyarrow.string())})
    pyarrow.parquet.write_table(table, tmp_path / "pairs.parquet")
    with pytest.raises(PairsError, match="holds no preference pairs"):
        read_pairs(tmp_path / "pairs.parquet")


@pytest.mark.parametrize("name", ["pairs.jsonl", "pairs.jsonl.gz", "array.json", "pairs.parquet"])
def test_a_missing_file_is_refused(tmp_path, name):
    with pytest.raises(PairsError, match=f"There is no file .*{name}"):
        read_pairs(tmp_path / name)


GARBAGE = {
    "random": bytes(range(256)) * 4,
    "Latin-1": '{"prompt": "é", "chosen": "a", "rejected": "b"}'.encode("latin-1"),
    "UTF-16": PAIR.encode("utf-16"),
    "null bytes": bytes(100),
    "magic number": b"PAR1" + bytes(50) + b"PAR1",
    "deep": b"[" * 200_000,
}


@pytest.mark.parametrize("name", FORMATS)
@pytest.mark.parametrize("content", GARBAGE.values(), ids=GARBAGE)
def test_garbage_is_refused_under_any_name(pairs_file, name, content):
    with pytest.raises(PairsError, match=name) as caught:
        read_pairs(pairs_file(content, name))
    assert len(str(caught.value)) < 2000


def compressed():
    return gzip.compress(as_lines(RECORDS * 50).encode())


@pytest.mark.parametrize("size", [5, 15, 60, -4])
def test_a_truncated_gzip_file_is_refused(pairs_file, size):
    with pytest.raises(PairsError, match=r"pairs\.jsonl\.gz"):
        read_pairs(pairs_file(compressed()[:size], "pairs.jsonl.gz"))


@pytest.mark.parametrize("place", [2, 12, 40, 100, -6])
def test_a_damaged_gzip_file_is_refused(pairs_file, place):
    data = bytearray(compressed())
    data[place] ^= 0xFF
    with pytest.raises(PairsError, match=r"pairs\.jsonl\.gz"):
        read_pairs(pairs_file(bytes(data), "pairs.jsonl.gz"))


def test_a_truncated_parquet_file_is_refused(tmp_path):
    path = tmp_path / "pairs.parquet"
    write_parquet(path, RECORDS)
    path.write_bytes(path.read_bytes()[:-20])
    with pytest.raises(PairsError, match=r"pairs\.parquet"):
        read_pairs(path)


def test_a_table_of_something_else_names_its_columns(tmp_path):
    write_parquet(tmp_path / "pairs.parquet", [{"question": "q", "answer": "a"}])
    with pytest.raises(PairsError, match=r"row 1: 'chosen' is missing \(found: answer, question\)"):
        read_pairs(tmp_path / "pairs.parquet")


@settings(deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    content=st.binary(max_size=100)
    | st.lists(st.text(max_size=20) | st.just(PAIR), max_size=5).map("\n".join).map(str.encode),
    name=st.sampled_from(list(FORMATS)),
)
def test_any_file_is_read_or_refused(pairs_file, content, name):
    try:
        pairs = read_pairs(pairs_file(content, name))
    except PairsError:
        return
    assert len(content_sha256(pairs)) == 64
