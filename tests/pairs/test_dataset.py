"""Preference pairs from a data set on the Hub, by its id."""

import json

import pytest
from huggingface_hub import HfApi

from palrs_hub.errors import PairsError
from palrs_hub.pairs import PreferencePair, read_pairs

pytest.importorskip("datasets", reason="needs the extra datasets")

ROWS = [
    {"prompt": "1+1=", "chosen": "2", "rejected": "3"},
    {"prompt": "2+2=", "chosen": "4", "rejected": "5"},
]


@pytest.fixture(scope="module")
def data_set(hub):
    api = HfApi()
    api.create_repo("lab/sums", repo_type="dataset", exist_ok=True)
    text = "".join(json.dumps(row) + "\n" for row in ROWS)
    return api.upload_file(
        path_or_fileobj=text.encode(),
        path_in_repo="train.jsonl",
        repo_id="lab/sums",
        repo_type="dataset",
    )


def test_pairs_come_with_the_data_sets_name_and_commit(data_set):
    pairs = read_pairs("lab/sums")
    assert list(pairs) == [PreferencePair(**row) for row in ROWS]
    assert (pairs.name, pairs.revision) == ("lab/sums", data_set.oid)


def test_a_commit_can_be_asked_for(data_set):
    assert len(read_pairs("lab/sums", revision=data_set.oid, limit=1)) == 1


def test_a_split_that_is_not_there_is_named(data_set):
    with pytest.raises(PairsError, match="split 'test'"):
        read_pairs("lab/sums", split="test")


@pytest.mark.usefixtures("hub")
def test_a_data_set_that_is_not_there_is_named():
    with pytest.raises(PairsError, match="lab/nowhere"):
        read_pairs("lab/nowhere")
