"""A Ray cluster of one machine gives what one process gives."""

import dataclasses

import numpy as np
import pytest

pytest.importorskip("ray", reason="needs Ray: make test-ray")

import ray

from palrs_hub import reading
from palrs_hub.demo import model_folder, pairs_file
from palrs_hub.errors import UsageError
from palrs_hub.extraction import extract
from palrs_hub.on_ray import Workers, extract_on_ray
from palrs_hub.pairs import read_pairs
from palrs_hub.plan import Plan

# Ray leaves sockets and processes to the end of the interpreter.
pytestmark = pytest.mark.filterwarnings("default")


@pytest.fixture(scope="module")
def cluster():
    ray.init(num_cpus=4, include_dashboard=False, log_to_driver=False)
    yield
    ray.shutdown()


@pytest.fixture(scope="module")
def pairs():
    # More than two shards, so that both workers have something to do twice.
    return [pair for _ in range(3) for pair in read_pairs(pairs_file())]


def test_two_workers_find_what_one_process_finds(cluster, pairs, demo_model, demo_tokenizer):
    alone = extract(demo_model, demo_tokenizer, pairs, base_model="lab/base")
    found = extract_on_ray(
        str(model_folder()), pairs, Plan.made("palrs"), Workers(2), base_model="lab/base"
    )
    assert reading.shards_of(len(pairs)) == 5
    np.testing.assert_allclose(found.candidates, alone.candidates, rtol=0, atol=1e-10)
    same = {"candidates": None, "ways": ()}
    assert dataclasses.replace(found, **same) == dataclasses.replace(alone, **same)


def test_workers_that_would_take_every_core_are_refused(cluster, pairs):
    with pytest.raises(UsageError, match="Use fewer"):
        extract_on_ray(str(model_folder()), pairs, Plan.made("palrs"), Workers(4))


def test_a_method_that_trains_is_refused(cluster, pairs):
    with pytest.raises(UsageError, match="trains in one process"):
        extract_on_ray(str(model_folder()), pairs, Plan.made("bipo"), Workers(1))
