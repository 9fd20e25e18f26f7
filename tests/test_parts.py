"""Sums in files: what several read gives what one reads, and hostile files are refused."""

import dataclasses

import numpy as np
import pytest
import safetensors.numpy

from palrs_hub import activations, reading
from palrs_hub.demo import pairs_file
from palrs_hub.distributed import Team
from palrs_hub.errors import PackageError, UsageError
from palrs_hub.extraction import extract, from_part, read_part
from palrs_hub.pairs import read_pairs
from palrs_hub.parts import Part, join
from palrs_hub.plan import Plan
from palrs_hub.reading import Share

PLAN = Plan.made("palrs")


@pytest.fixture(scope="module")
def pairs():
    return read_pairs(pairs_file())


@pytest.fixture(scope="module")
def whole(demo_model, demo_tokenizer, pairs):
    return extract(demo_model, demo_tokenizer, pairs)


@pytest.fixture(scope="module")
def parts(demo_model, demo_tokenizer, pairs):
    return [
        read_part(demo_model, demo_tokenizer, pairs, PLAN, team=Team(Share(index, 2)))[0]
        for index in range(2)
    ]


def test_parts_add_up_to_the_whole(whole, parts, tmp_path):
    for index, part in enumerate(parts):
        part.save(tmp_path / str(index))
    joined = from_part(join([Part.load(tmp_path / str(index)) for index in (1, 0)]))
    np.testing.assert_allclose(joined.candidates, whole.candidates, rtol=0, atol=1e-10)
    assert dataclasses.replace(joined, candidates=whole.candidates) == dataclasses.replace(
        whole, ways=()
    )


def test_a_killed_extraction_goes_on_where_it_stood(
    demo_model, demo_tokenizer, pairs, whole, tmp_path, monkeypatch
):
    file, tokens = tmp_path / "sums", []
    monkeypatch.setattr(reading, "SHARD_PAIRS", 16)
    monkeypatch.setattr(activations.stream, "SHARD_PAIRS", 16)
    reference = extract(demo_model, demo_tokenizer, pairs)
    add = activations.Stream.add

    def killed_at_pair_48(self, chosen, rejected, **where):
        tokens.append(where["first"])
        if where["first"] == 48:
            raise KeyboardInterrupt
        add(self, chosen, rejected, **where)

    monkeypatch.setattr(activations.Stream, "add", killed_at_pair_48)
    options = {"checkpoint": file, "checkpoint_every": 32}
    with pytest.raises(KeyboardInterrupt):
        extract(demo_model, demo_tokenizer, pairs, **options)
    assert Part.load(file).facts.shards == (0, 1)

    def counted(self, chosen, rejected, **where):
        tokens.append(where["first"])
        add(self, chosen, rejected, **where)

    monkeypatch.setattr(activations.Stream, "add", counted)
    found = extract(demo_model, demo_tokenizer, pairs, **options)
    assert tokens == [0, 16, 32, 48, *range(32, 100, 16)]
    np.testing.assert_allclose(found.candidates, reference.candidates, rtol=0, atol=1e-10)
    assert found.diagnostics == reference.diagnostics


def test_a_finished_extraction_is_not_read_again(
    demo_model, demo_tokenizer, pairs, whole, tmp_path, monkeypatch
):
    options = {"checkpoint": tmp_path / "sums"}
    extract(demo_model, demo_tokenizer, pairs, **options)
    monkeypatch.setattr(activations.Stream, "add", None)
    found = extract(demo_model, demo_tokenizer, pairs, **options)
    np.testing.assert_array_equal(found.candidates, whole.candidates)


def test_sums_of_another_extraction_are_not_gone_on_from(
    demo_model, demo_tokenizer, pairs, tmp_path
):
    options = {"checkpoint": tmp_path / "sums"}
    extract(demo_model, demo_tokenizer, pairs[:20], **options)
    with pytest.raises(UsageError, match="data is not the same"):
        extract(demo_model, demo_tokenizer, pairs[:21], **options)
    with pytest.raises(UsageError, match="switches is not the same"):
        extract(demo_model, demo_tokenizer, pairs[:20], positions="last", **options)


def test_pairs_that_are_missing_or_counted_twice_are_noticed(parts):
    with pytest.raises(UsageError, match="Of 2 shards of pairs 1 are in no part"):
        join(parts[:1])
    with pytest.raises(UsageError, match="holds shard 1, which another part holds"):
        join([*parts, parts[1]])


def test_parts_of_another_model_are_refused(parts):
    base = parts[1].facts.base_model
    print_ = base.fingerprint
    changed = print_.model_copy(
        update={"norms": tuple(tuple(2 * n for n in row) for row in print_.norms)}
    )
    facts = parts[1].facts.model_copy(
        update={"base_model": base.model_copy(update={"fingerprint": changed})}
    )
    with pytest.raises(UsageError, match="weights differs"):
        join([parts[0], Part(facts, parts[1].sums)])


@pytest.mark.parametrize(
    "change",
    [
        lambda data: data[: len(data) // 2],
        lambda data: b"not safetensors",
        lambda data: data.replace(b"palrs-hub sums", b"palrs-hub lies"),
        lambda data: data.replace(b'\\"count\\":64', b'\\"count\\":-4'),
        lambda data: data.replace(b'\\"count\\":64', b'\\"count\\":640'),
        lambda data: safetensors.numpy.save({"totals": np.zeros(3), "samples": np.zeros(3)}),
    ],
)
def test_a_file_that_is_not_sums_is_refused(parts, tmp_path, change):
    parts[0].save(tmp_path / "part")
    data = (tmp_path / "part").read_bytes()
    (tmp_path / "part").write_bytes(change(data))
    with pytest.raises(PackageError):
        Part.load(tmp_path / "part")


def test_arrays_that_contradict_the_facts_are_refused(parts, tmp_path):
    sums = dataclasses.replace(parts[0].sums, totals=parts[0].sums.totals[:, :1])
    Part(parts[0].facts, sums).save(tmp_path / "part")
    with pytest.raises(PackageError, match="contradicts itself"):
        Part.load(tmp_path / "part")
