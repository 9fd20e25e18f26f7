"""Which claims of a manifest can be measured again: its settings are a stranger's."""

import hashlib

import pytest
from pydantic import ValidationError

from palrs_hub.errors import UsageError
from palrs_hub.evidence import Settings
from palrs_hub.measured import NEUTRAL
from palrs_hub.verification import Sources, plan_verification
from tests.builders import a_manifest, an_evaluation

TEXT = b'{"prompt": "1+1=", "answer": "2"}\n'


@pytest.fixture
def file(tmp_path):
    path = tmp_path / "file.jsonl"
    path.write_bytes(TEXT)
    return path


def claim(kind, *, task="t", metric="accuracy", **settings):
    own = {"kind": kind, "data_sha256": hashlib.sha256(TEXT).hexdigest(), **settings}
    return an_evaluation(task=task, metric=metric, settings=Settings(**own))


def plan(*claims, **sources):
    return plan_verification(a_manifest(evaluations=claims), Sources(**sources))


def test_one_run_measures_both_numbers_of_a_neutral_text(file):
    both = [claim(NEUTRAL, metric=metric) for metric in ("perplexity", "kl")]
    (run,), left_out = plan(*both, files=(file,))
    assert [c.metric for c in run.claims] == ["perplexity", "kl"]
    assert (run.file, left_out) == (file, ())


def test_tasks_of_the_harness_with_the_same_settings_share_a_run():
    claims = [
        claim("harness", task="a", data_sha256="a" * 64, version="1"),
        claim("harness", task="b", data_sha256="b" * 64, version="2"),
        claim("harness", task="c", few_shot=5),
    ]
    runs, _ = plan(*claims, harness=())
    assert [[c.task for c in run.claims] for run in runs] == [["a", "b"], ["c"]]
    (only,), left_out = plan(*claims, harness=("b",))
    assert [c.task for c in only.claims] == ["b"]
    assert "--harness a" in left_out[0].reason


@pytest.mark.parametrize(
    ("settings", "reason"),
    [
        (None, "does not say how"),
        (Settings(kind="problems"), "does not say which file"),
        (Settings(kind="a newer kind"), "no kind of measurement called 'a newer kind'"),
        (Settings(kind="problems", dtype="int1"), "weights in int1"),
        (Settings(kind="problems", data_sha256="f" * 64), "give the file with the sha256 fff"),
        (Settings(kind="harness"), "give --harness t"),
    ],
)
def test_a_claim_that_cannot_be_measured_again_says_why(file, settings, reason):
    unknown = an_evaluation(task="t", settings=settings)
    _, (left_out,) = plan(claim("problems", task="known"), unknown, files=(file,))
    assert reason in left_out.reason
    with pytest.raises(UsageError, match="Nothing that"):
        plan(unknown)


def test_a_file_that_nothing_was_measured_on_is_refused(file):
    with pytest.raises(UsageError, match=r"is no file that .* was measured on"):
        plan(claim("harness", data_sha256="a" * 64), files=(file,), harness=())


@pytest.mark.parametrize(
    "settings",
    [
        {"random_directions": 10**6},
        {"random_directions": 0},
        {"batch_size": 10**9},
        {"max_new_tokens": 10**9},
        {"few_shot": -1},
        {"instruction": "x" * 10_001},
        {"data_sha256": "../../etc"},
        {"unknown": 1},
    ],
)
def test_settings_are_bounded(settings):
    with pytest.raises(ValidationError):
        Settings(kind="problems", **settings)
