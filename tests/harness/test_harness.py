"""The bridge to lm-evaluation-harness: its own code, on task files and data of a test's own."""

import json
import os

import pytest

pytest.importorskip("lm_eval", reason="needs lm-evaluation-harness: make test-harness")

from palrs_hub.cli import main
from palrs_hub.demo import model_folder, pairs_file
from palrs_hub.errors import TaskFileError, UsageError
from palrs_hub.experiment import Experiment
from palrs_hub.extraction import extract
from palrs_hub.harness import HarnessTasks, load_tasks, measure_with_harness
from palrs_hub.pairs import read_pairs
from palrs_hub.steer import adding
from palrs_hub.vector import SteeringVector

SUMS = (("478+356=", 834, 724), ("267+385=", 652, 542), ("586+249=", 835, 725))

GENERATED = """
task: {name}
dataset_path: json
dataset_kwargs: {{data_files: {{test: {folder}/sums.jsonl}}}}
output_type: generate_until
test_split: test
doc_to_text: "{{{{question}}}}"
doc_to_target: "{{{{answer}}}}"
generation_kwargs: {{until: ["\\n"], do_sample: false, max_gen_toks: 48}}
filter_list:
  - name: strict-match
    filter:
      - {{function: regex, regex_pattern: "#([0-9]+)"}}
      - {{function: take_first}}
metric_list: [{{metric: exact_match, aggregation: mean, higher_is_better: true}}]
metadata: {{version: 2.0}}
"""
CHOICE = """
task: {name}
dataset_path: json
dataset_kwargs: {{data_files: {{test: {folder}/choice.jsonl}}}}
output_type: multiple_choice
test_split: test
doc_to_text: "{{{{question}}}}"
doc_to_choice: "{{{{choices}}}}"
doc_to_target: 0
target_delimiter: ""
metric_list:
  - {{metric: acc, aggregation: mean, higher_is_better: true}}
  - {{metric: acc_norm, aggregation: mean, higher_is_better: true}}
metadata: {{version: 1.0}}
"""
GROUP = """
group: both_choices
task: [choice_a, choice_b]
aggregate_metric_list: [{metric: acc, aggregation: mean, weight_by_size: true}]
metadata: {version: 1.0}
"""
UNSAFE = GENERATED + "unsafe_code: true\n"
MISSING = "task: absent\ndataset_path: nobody/nothing-here\noutput_type: generate_until\n"


@pytest.fixture(scope="module")
def tasks(tmp_path_factory):
    folder = tmp_path_factory.mktemp("tasks")
    (folder / "sums.jsonl").write_text(
        "".join(json.dumps({"question": q, "answer": str(a)}) + "\n" for q, a, _ in SUMS)
    )
    (folder / "choice.jsonl").write_text(
        "".join(
            json.dumps({"question": q, "choices": [f"#{a}", f"#{b}"]}) + "\n" for q, a, b in SUMS
        )
    )
    files = {
        "sums": GENERATED.format(name="local_sums", folder=folder),
        "choice": CHOICE.format(name="local_choice", folder=folder),
        "choice_a": CHOICE.format(name="choice_a", folder=folder),
        "choice_b": CHOICE.format(name="choice_b", folder=folder),
        "group": GROUP,
        "unsafe": UNSAFE.format(name="local_unsafe", folder=folder),
        "absent": MISSING,
    }
    for name, text in files.items():
        (folder / f"{name}.yaml").write_text(text)
    return folder


@pytest.fixture(scope="module")
def vector(demo_model, demo_tokenizer):
    extraction = extract(demo_model, demo_tokenizer, read_pairs(pairs_file()))
    return extraction.vector(position="-3", layer=5, coefficient=1.2, name="careful", task="sums")


@pytest.fixture
def experiment(demo_model, demo_tokenizer, vector):
    return Experiment(demo_model, demo_tokenizer, vector, random_directions=2)


def test_every_arm_of_several_tasks_in_one_run(experiment, tasks):
    asked = HarnessTasks(("local_sums", "local_choice"), folder=tasks)
    sums, accuracy, normed = measure_with_harness(experiment, load_tasks(asked))
    assert (sums.task, sums.metric, sums.split) == (
        "local_sums",
        "exact_match (strict-match)",
        "test",
    )
    assert (accuracy.metric, normed.metric) == ("acc", "acc_norm")
    assert list(sums.values) == ["unsteered", "steered", "negated", "random 1", "random 2"]
    # The demonstration model forgets carries, and its vector brings them back.
    assert (sums.values["unsteered"], sums.values["steered"]) == (0, 1)
    assert sums.beyond["steered"].difference == 1
    assert sums.scores["steered"] == (1, 1, 1)
    evaluation = sums.evaluation()
    assert evaluation.standard_error == 0
    settings = evaluation.settings
    assert (settings.kind, settings.chat_template) == ("harness", True)
    assert settings.version.startswith("lm-eval 0.4")
    assert settings.version.endswith("task version 2.0")


def test_the_harness_scores_as_a_plain_forward_does(experiment, demo_model, tasks):
    """Steered log-likelihoods by the harness equal those of the model under the same hooks."""
    from lm_eval.models.huggingface import HFLM

    from palrs_hub.experiment import addends_of

    asked = HarnessTasks(("local_choice",), folder=tasks)
    accuracy, _ = measure_with_harness(experiment, load_tasks(asked))
    ((layer, addend),) = addends_of(experiment.vector)
    prompt = experiment.tokenizer.apply_chat_template(
        [{"role": "user", "content": SUMS[0][0]}], tokenize=False, add_generation_prompt=True
    )
    model = HFLM(pretrained=demo_model, tokenizer=experiment.tokenizer, backend="causal")
    with adding(demo_model, layer, addend):
        right, wrong = (
            model._loglikelihood_tokens(
                [(("", ""), *model._encode_pair(prompt, f"#{answer}"))], disable_tqdm=True
            )[0][0]
            for answer in SUMS[0][1:]
        )
    assert (right > wrong) == (accuracy.scores["steered"][0] == 1)


def test_a_group_is_one_task_of_all_its_samples(experiment, tasks):
    asked = HarnessTasks(("both_choices",), folder=tasks)
    (both,) = measure_with_harness(experiment, load_tasks(asked))
    assert (both.task, both.metric, both.samples) == ("both_choices", "acc", 2 * len(SUMS))
    assert len(both.scores["steered"]) == 2 * len(SUMS)


def test_limit_and_length_are_kept_as_settings(experiment, tasks):
    asked = HarnessTasks(("local_sums",), folder=tasks, limit=2, max_new_tokens=4)
    (short,) = measure_with_harness(experiment, load_tasks(asked))
    assert (short.samples, short.values["steered"]) == (2, 0)
    assert (short.settings.limit, short.settings.max_new_tokens) == (2, 4)


def test_the_prompt_baseline_needs_a_template_that_takes_it(
    demo_model, demo_tokenizer, vector, tasks
):
    loaded = load_tasks(HarnessTasks(("local_sums",), folder=tasks))
    prompted = Experiment(
        demo_model, demo_tokenizer, vector, random_directions=1, instruction="Be careful."
    )
    with pytest.raises(UsageError, match="leaves out"):
        measure_with_harness(prompted, loaded)


def test_the_model_is_left_as_it_was(experiment, demo_model, demo_tokenizer, tasks, monkeypatch):
    monkeypatch.setenv("HF_ALLOW_CODE_EVAL", "1")
    before = demo_model.generation_config.max_new_tokens, demo_tokenizer.pad_token
    loaded = load_tasks(HarnessTasks(("local_choice",), folder=tasks))
    measure_with_harness(experiment, loaded)
    assert (demo_model.generation_config.max_new_tokens, demo_tokenizer.pad_token) == before
    assert os.environ["HF_ALLOW_CODE_EVAL"] == "1"


def test_code_runs_only_if_it_was_allowed(tasks):
    with pytest.raises(UsageError, match="--allow-code-execution"):
        load_tasks(HarnessTasks(("local_unsafe",), folder=tasks))
    load_tasks(HarnessTasks(("local_unsafe",), folder=tasks, allow_code_execution=True))


@pytest.mark.slow
def test_the_harness_marks_its_humaneval_as_running_code():
    with pytest.raises(UsageError, match="humaneval runs programs"):
        load_tasks(HarnessTasks(("humaneval",)))


@pytest.mark.slow
@pytest.mark.usefixtures("hub")
def test_data_that_cannot_be_had_are_named(tasks):
    with pytest.raises(TaskFileError, match="come from the Hub"):
        load_tasks(HarnessTasks(("absent",), folder=tasks))
    with pytest.raises(UsageError, match="no task, group or tag local_some"):
        load_tasks(HarnessTasks(("local_some",), folder=tasks))


def test_written_verified_and_an_altered_number_caught(vector, tasks, tmp_path, capsys):
    vector.save_pretrained(tmp_path / "vector")
    words = ["eval", str(tmp_path / "vector"), "--model", str(model_folder())]
    harness = ["--harness", "local_sums", "--harness-tasks", str(tasks)]
    out = tmp_path / "out"
    assert main([*words, *harness, "--random", "1", "--write", str(out), "--json"]) == 0
    assert len(json.loads(capsys.readouterr().out)["measured"]) == 1
    (evaluation,) = SteeringVector.load(out).manifest.evaluations
    assert evaluation.value == 1
    assert "exact_match (strict-match) (steered)" in (out / "README.md").read_text()
    again = ["eval", str(out), "--model", str(model_folder()), "--verify"]
    assert main([*again, "--harness-tasks", str(tasks)]) == 0
    file = out / "steering_config.json"
    manifest = json.loads(file.read_text())
    manifest["evaluations"][0]["baselines"]["unsteered"] = 0.4
    file.write_text(json.dumps(manifest))
    capsys.readouterr()
    assert main([*again, "--harness-tasks", str(tasks)]) == 3
    assert "NO" in capsys.readouterr().out


def test_other_data_are_no_proof(vector, tasks, tmp_path, capsys):
    vector.save_pretrained(tmp_path / "vector")
    words = ["eval", str(tmp_path / "vector"), "--model", str(model_folder()), "--random", "1"]
    out = tmp_path / "out"
    harness = ["--harness", "local_choice", "--harness-tasks", str(tasks)]
    assert main([*words, *harness, "--limit", "2", "--write", str(out)]) == 0
    file = out / "steering_config.json"
    manifest = json.loads(file.read_text())
    for evaluation in manifest["evaluations"]:
        evaluation["settings"]["data_sha256"] = "0" * 64
    file.write_text(json.dumps(manifest))
    capsys.readouterr()
    again = ["eval", str(out), "--model", str(model_folder()), "--verify"]
    assert main([*again, "--harness-tasks", str(tasks)]) == 3
    assert "other data" in " ".join(capsys.readouterr().err.split())
