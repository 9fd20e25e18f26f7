"""``palrs-hub eval``: measures a vector on all that is given, shows it, and writes it down."""

from __future__ import annotations

from typing import TYPE_CHECKING

from palrs_hub.cli import output
from palrs_hub.cli.evaluation.request import Request, load_model

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

    from palrs_hub.compatibility import Finding
    from palrs_hub.experiment import Experiment
    from palrs_hub.measured import Measured
    from palrs_hub.tasks import Task
    from palrs_hub.vector import SteeringVector

    Measurement = Callable[[Experiment], Sequence[Measured]]


def measure(vector: SteeringVector, request: Request) -> None:
    """Read everything, then load the model, measure, and write what was asked for."""
    from palrs_hub.claims import refuse_another_vector, with_evaluations
    from palrs_hub.experiment import Experiment

    if request.write is not None:
        refuse_another_vector(request.write, vector)
    measurements = _measurements(request)
    model, tokenizer, findings = load_model(vector, request, request.dtype)
    experiment = Experiment(
        model,
        tokenizer,
        vector,
        random_directions=request.random or 4,
        instruction=request.instruction,
        batch_size=request.batch_size or 64,
        progress=output.wants_progress(),
    )
    measured = [each for run in measurements for each in run(experiment)]
    claimed = with_evaluations(vector, measured)
    if request.plot is not None:
        _draw(request.plot, measured, vector)
    if request.write is not None:
        claimed.save_pretrained(request.write)
    _show(vector, request, measured, findings)


def _measurements(request: Request) -> list[Measurement]:
    """What is to be run, its files read and its tasks found."""
    from palrs_hub.tasks import TASKS

    runs: list[Measurement] = []
    if request.file is not None and request.task is not None:
        runs.append(_on_problems(request, TASKS[request.task], request.file, request.name))
    if request.refusal_set is not None:
        runs.append(_on_problems(request, TASKS["refusals"], request.refusal_set, None))
    if request.neutral is not None:
        runs.append(_on_neutral_text(request, request.neutral))
    if request.harness_names:
        runs.append(_on_harness(request))
    return runs


def _on_problems(request: Request, task: Task, file: Path, name: str | None) -> Measurement:
    from palrs_hub.tasks.measure import measure_problems
    from palrs_hub.tasks.read import read_problems

    problems = read_problems(
        task,
        file,
        name=name,
        split=request.split or "test",
        limit=request.limit,
        max_new_tokens=request.max_new_tokens,
        allow_code_execution=request.allow_code_execution,
    )
    return lambda experiment: [
        measure_problems(experiment, task, problems, file, limit=request.limit)
    ]


def _on_neutral_text(request: Request, file: Path) -> Measurement:
    from palrs_hub.side_effects import measure_side_effects, read_texts

    read_texts(file, limit=request.limit)
    return lambda experiment: measure_side_effects(
        experiment, file, split=request.split or "test", limit=request.limit
    )


def _on_harness(request: Request) -> Measurement:
    from palrs_hub.harness import HarnessTasks, load_tasks, measure_with_harness

    loaded = load_tasks(
        HarnessTasks(
            names=request.harness_names,
            folder=request.harness_tasks,
            limit=request.limit,
            few_shot=request.few_shot,
            max_new_tokens=request.max_new_tokens,
            allow_code_execution=request.allow_code_execution,
        )
    )
    return lambda experiment: measure_with_harness(experiment, loaded)


def _draw(file: Path, measured: Sequence[Measured], vector: SteeringVector) -> None:
    from palrs_hub.errors import UsageError
    from palrs_hub.evaluation_plot import evaluation_plot
    from palrs_hub.whole_file import write_whole

    try:
        write_whole(file, evaluation_plot(measured, vector.manifest.name))
    except OSError as error:
        raise UsageError(f"Cannot write {file}: {error}") from error


def _show(
    vector: SteeringVector,
    request: Request,
    measured: Sequence[Measured],
    findings: Sequence[Finding],
) -> None:
    if request.as_json:
        output.show_json(
            {
                "vector": vector.source,
                "measured": [
                    {"evaluation": each.evaluation().model_dump(), "arms": each.as_json()}
                    for each in measured
                ],
                "not_run": ["prompted"] if request.instruction is None else [],
                "written": None if request.write is None else str(request.write),
                "findings": [vars(finding) for finding in findings],
            }
        )
        return
    output.show_findings(findings)
    for each in measured:
        way = "higher" if each.higher_is_better else "lower"
        title = f"{each.task} ({each.split}), {each.samples} {each.noun}, {way} is better"
        columns = ["", each.metric, "beyond unsteered (95 % interval)"]
        output.show_table(title, columns, each.rows())
    if request.write is not None:
        output.show_line(f"Wrote the vector with these numbers to {request.write}.")
    if request.plot is not None:
        output.show_line(f"Drew them to {request.plot}.")
