"""A selection that was cut off goes on from its record, and from no other's."""

import dataclasses

import numpy as np
import pytest

from palrs_hub.demo import pairs_file
from palrs_hub.demo.domains import DOMAINS
from palrs_hub.errors import UsageError
from palrs_hub.extraction import extract
from palrs_hub.pairs import read_pairs
from palrs_hub.selection import batches, judge, record, select
from palrs_hub.selection.replay import Replay

COEFFICIENTS = (0.3, 0.6)


@pytest.fixture(scope="module")
def extraction(demo_model, demo_tokenizer):
    return extract(demo_model, demo_tokenizer, read_pairs(pairs_file()), choice="validation")


@pytest.fixture(scope="module")
def material():
    return {
        "validation": DOMAINS["sums"].pairs("validation", 6),
        "neutral": DOMAINS["sums"].agreed_texts("validation", 3),
        "problems": DOMAINS["sums"].validation_problems(4),
        "coefficients": COEFFICIENTS,
        "position": "-2",
        "finalists": 3,
    }


@pytest.fixture
def runs(monkeypatch):
    """Counts the steered runs by layer, and the finalists that were judged."""
    counted = {"layers": [], "judged": 0}
    steered, answers = Replay.steered, judge.Judge._answers

    def count(self, batch, outputs, layer, addends):
        counted["layers"].append(layer)
        if len(counted["layers"]) == counted.get("stop_after"):
            raise KeyboardInterrupt
        return steered(self, batch, outputs, layer, addends)

    def answer(self, cells, places, batch_size):
        counted["judged"] += len(cells)
        if counted["judged"] == counted.get("stop_at_judged"):
            raise KeyboardInterrupt
        return answers(self, cells, places, batch_size)

    monkeypatch.setattr(Replay, "steered", count)
    monkeypatch.setattr(judge.Judge, "_answers", answer)
    # A batch for each finalist, so that some can be done and others not.
    monkeypatch.setattr(judge, "MIN_ROWS", 4)
    monkeypatch.setattr(judge, "MAX_TOKENS", 1)
    monkeypatch.setattr(batches, "MAX_ROWS", 2)
    return counted


@pytest.mark.parametrize("stop", [{"stop_after": 7}, {"stop_at_judged": 2}, {"stop_after": 18}])
def test_cut_off_and_begun_again_it_gives_the_same(
    demo_model, demo_tokenizer, extraction, material, tmp_path, runs, stop
):
    expected = select(demo_model, demo_tokenizer, extraction, **material)
    total, judged = len(runs["layers"]), runs["judged"]
    file = tmp_path / "selection.record"
    runs.update(layers=[], judged=0, **stop)
    with pytest.raises(KeyboardInterrupt):
        select(demo_model, demo_tokenizer, extraction, **material, resume=file)
    done = len(runs["layers"]) - ("stop_after" in stop), max(0, runs["judged"] - 1)
    runs.clear()
    runs.update(layers=[], judged=0)
    found = select(demo_model, demo_tokenizer, extraction, **material, resume=file)
    assert found == expected
    assert (len(runs["layers"]), runs["judged"]) == (total - done[0], judged - done[1])
    assert [path.name for path in tmp_path.iterdir()] == [file.name]


def test_what_is_finished_is_not_run_again(
    demo_model, demo_tokenizer, extraction, material, tmp_path, runs
):
    first = select(demo_model, demo_tokenizer, extraction, **material, resume=tmp_path / "r")
    runs.update(layers=[], judged=0)
    again = select(demo_model, demo_tokenizer, extraction, **material, resume=tmp_path / "r")
    assert again == first
    assert (runs["layers"], runs["judged"]) == ([], 0)


@pytest.mark.parametrize(
    ("changes", "named"),
    [
        ({"coefficients": (0.3, 0.7)}, "grid"),
        ({"validation": -1}, "validation pairs"),
        ({"neutral": -1}, "neutral"),
        ({"problems": None}, "problems"),
        ({"extraction": 1.01}, "candidates"),
        ({"base_model": "float16"}, "model"),
    ],
)
def test_a_record_of_something_else_is_refused_and_kept(
    demo_model, demo_tokenizer, extraction, material, tmp_path, changes, named
):
    file = tmp_path / "r"
    select(demo_model, demo_tokenizer, extraction, **material, resume=file)
    before = file.read_bytes()
    changed, other = dict(material), extraction
    for name, value in changes.items():
        if name == "extraction":
            other = dataclasses.replace(extraction, candidates=extraction.candidates * value)
        elif name == "base_model":
            facts = extraction.base_model.model_copy(update={"dtype": value})
            other = dataclasses.replace(extraction, base_model=facts)
        else:
            changed[name] = material[name][:value] if isinstance(value, int) else value
    with pytest.raises(UsageError, match=f"another selection; not the same: .*{named}"):
        select(demo_model, demo_tokenizer, other, **changed, resume=file)
    assert file.read_bytes() == before


def test_rounding_in_a_second_extraction_is_no_change(
    demo_model, demo_tokenizer, extraction, material, tmp_path
):
    file = tmp_path / "r"
    first = select(demo_model, demo_tokenizer, extraction, **material, resume=file)
    nudged = dataclasses.replace(extraction, candidates=extraction.candidates * (1 + 1e-7))
    assert select(demo_model, demo_tokenizer, nudged, **material, resume=file) == first


@pytest.mark.parametrize("content", [b"", b"not a record", b"\xff" * 64, b"{}"])
def test_a_file_that_is_no_record_is_refused_and_kept(
    demo_model, demo_tokenizer, extraction, material, tmp_path, content
):
    file = tmp_path / "notes.txt"
    file.write_bytes(content)
    with pytest.raises(UsageError, match="is not the record of a selection"):
        select(demo_model, demo_tokenizer, extraction, **material, resume=file)
    assert file.read_bytes() == content


def test_a_record_that_cannot_be_written_is_refused_before_anything_runs(
    demo_model, demo_tokenizer, extraction, material, tmp_path, runs
):
    with pytest.raises(UsageError, match="Cannot write the record"):
        select(
            demo_model, demo_tokenizer, extraction, **material, resume=tmp_path / "nowhere" / "r"
        )
    assert runs["layers"] == []


def test_a_record_of_other_sizes_is_damaged(tmp_path):
    subject = record.Subject(same={"grid": 1}, near={"candidates": np.ones((1, 4))})
    record.Record.resume(tmp_path / "r", subject, record.Sizes(2, 4, 1))
    with pytest.raises(UsageError, match="is damaged"):
        record.Record.resume(tmp_path / "r", subject, record.Sizes(3, 4, 1))
