"""``registry check --rerun``: what an entry claims is measured again."""

import json
import shutil

import pytest

from palrs_hub.demo import model_folder
from palrs_hub.demo import problems as sums
from palrs_hub.evaluate import compare
from palrs_hub.registry.add import Wanted, draft
from palrs_hub.registry.entry import Rerun
from palrs_hub.rerun import findings, rerun
from palrs_hub.tasks import TASKS
from palrs_hub.tasks.claims import evaluation_of, with_evaluation
from palrs_hub.tasks.read import read_problems
from tests.vectors import vector_for

NAME = "a few sums"
RERUN = Rerun(task="problems", file="sums.jsonl", name=NAME, max_new_tokens=30)


@pytest.fixture(scope="module")
def measured(demo_model, demo_tokenizer, tmp_path_factory):
    """A folder with problems, and a vector that claims what was measured on them."""
    folder = tmp_path_factory.mktemp("measured")
    rows = [
        {"prompt": p.prompt, "answer": sums.final_answer(p.careful), "mark": sums.ANSWER_MARK}
        for p in sums.guardrail_for_test(4)
    ]
    (folder / "sums.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    vector = vector_for(demo_model, layers=(3,), coefficient=0.1)
    problems = read_problems(
        TASKS["problems"], folder / "sums.jsonl", name=NAME, max_new_tokens=RERUN.max_new_tokens
    )
    comparison = compare(demo_model, demo_tokenizer, vector, problems, random_directions=1)
    return folder, with_evaluation(vector, evaluation_of(problems, "accuracy", comparison))


@pytest.fixture
def entry(registry, measured):
    """Makes an entry of that vector, or of one like it that claims something else."""

    def entry(rerun=RERUN, **claims):
        folder, vector = measured
        (claim,) = vector.manifest.evaluations
        if claims:
            vector = with_evaluation(vector, claim.model_copy(update=claims))
        place = vector.save_pretrained(registry.root / "registry/vectors/few-sums")
        base = registry.root / "demo"
        if not base.exists():
            shutil.copytree(model_folder(), base)
        data = (folder / "sums.jsonl").read_bytes()
        evidence = registry.root / "registry/evidence/few-sums"
        evidence.mkdir(parents=True, exist_ok=True)
        (evidence / rerun.file).write_bytes(data)
        wanted = Wanted(base_model=str(registry.root / "base"), reruns=[(rerun, data)])
        record = draft(registry.root, str(place), wanted)
        model = record.entry.base_model.model_copy(update={"path": "demo"})
        changed = record.entry.model_copy(update={"base_model": model})
        return type(record)(record.root, record.slug, changed, record.unwritten)

    return entry


def test_a_claim_that_holds_is_confirmed_number_by_number(entry):
    (again,) = rerun(entry())
    assert {number.name for number in again.numbers} >= {"steered", "unsteered", "negated"}
    assert all(number.holds for number in again.numbers)
    assert findings(entry()) == ()


def test_a_claim_that_does_not_hold_is_named(entry):
    (finding,) = findings(entry(value=0.123))
    assert (finding.check, finding.severity) == ("rerun", "error")
    assert "0.1230 (steered)" in finding.expected


def test_what_a_model_writes_is_not_run_for_a_strangers_file(entry):
    code = RERUN.model_copy(update={"task": "humaneval"})
    (finding,) = findings(entry(code))
    assert "'humaneval' is not one that is run again" in finding.found


def test_an_evaluation_that_is_not_claimed_cannot_be_run_again(entry):
    (finding,) = findings(entry(RERUN.model_copy(update={"name": "others"})))
    assert finding.severity == "error"
    assert "claims no accuracy" in finding.found


def test_an_entry_with_nothing_to_run_again_is_no_fault(registry):
    (finding,) = findings(registry.add("plain"))
    assert finding.severity == "note"
