"""``registry check --rerun``: what an entry claims is measured again."""

import json
import shutil

import pytest

from palrs_hub.claims import with_evaluations
from palrs_hub.demo import model_folder
from palrs_hub.experiment import Experiment
from palrs_hub.model_config import facts_from_folder
from palrs_hub.registry import read_shelf
from palrs_hub.registry.add import Wanted, draft, faults_of, write
from palrs_hub.rerun import findings, rerun
from palrs_hub.tasks import TASKS
from palrs_hub.tasks.measure import measure_problems
from palrs_hub.tasks.read import read_problems
from palrs_hub.vector import SteeringVector
from tests.vectors import vector_for


@pytest.fixture(scope="module")
def measured(demo_model, demo_tokenizer, tmp_path_factory):
    """A vector that claims what was measured on a file of problems, and the file."""
    file = tmp_path_factory.mktemp("measured") / "sums.jsonl"
    rows = [{"prompt": f"{n}12+130=", "answer": f"{n + 1}42", "mark": "#"} for n in range(1, 5)]
    file.write_text("".join(json.dumps(row) + "\n" for row in rows))
    vector = vector_for(demo_model, layers=(3,), coefficient=0.1)
    problems = read_problems(TASKS["problems"], file, name="a few sums", max_new_tokens=30)
    experiment = Experiment(demo_model, demo_tokenizer, vector, random_directions=1)
    measured = measure_problems(experiment, TASKS["problems"], problems, file)
    return with_evaluations(vector, [measured]), file


@pytest.fixture
def entry(registry, measured):
    """Makes an entry of that vector, or of one like it that claims something else."""

    def entry(problems=True, settings=None, **claims):
        vector, file = measured
        (claim,) = vector.manifest.evaluations
        stated = claim.settings.model_copy(update=settings or {})
        changed = claim.model_copy(update={**claims, "settings": stated})
        facts = facts_from_folder(model_folder(), name="demo")
        hashes = ("tokenizer_sha256", "chat_template_sha256")
        base = vector.manifest.base_model.model_copy(
            update={name: getattr(facts, name) for name in hashes}
        )
        manifest = vector.manifest.model_copy(
            update={"evaluations": (changed,), "base_model": base}
        )
        shutil.copytree(model_folder(), registry.root / "demo")
        vector = SteeringVector.build(manifest, vector.arrays)
        place = vector.save_pretrained(registry.root / "registry" / "vectors" / "few-sums")
        wanted = Wanted(base_model=str(registry.root / "demo"), problems=[file] if problems else [])
        record = draft(registry.root, str(place), wanted)
        assert faults_of(record) == ()
        write(record)
        return read_shelf(registry.root).records[0]

    return entry


def test_a_claim_that_holds_is_confirmed_number_by_number(entry):
    record = entry()
    (again,) = rerun(record)
    assert {number.name for number in again.numbers} >= {"steered", "unsteered", "negated"}
    assert all(number.holds for number in again.numbers)
    assert list(findings(record)) == []


def test_a_claim_that_does_not_hold_is_named(entry):
    (finding,) = findings(entry(value=0.123))
    assert (finding.check, finding.severity) == ("rerun", "error")
    assert "0.1230 (steered)" in finding.expected


def test_what_a_model_writes_is_not_run_for_a_strangers_file(entry):
    (finding,) = findings(entry(settings={"kind": "humaneval"}))
    assert finding.severity == "error"
    assert "runs programs that the model writes" in finding.found


def test_an_entry_with_nothing_to_measure_on_is_no_fault(entry):
    (finding,) = findings(entry(problems=False))
    assert finding.severity == "note"


def test_other_problems_than_were_measured_on_are_named(entry, registry):
    entry()
    file = registry.root / "registry" / "evidence" / "few-sums" / "sums.jsonl"
    file.write_text(file.read_text() + "\n")
    assert registry.check() == {("few-sums", "problems")}
