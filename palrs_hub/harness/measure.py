"""Runs tasks of the harness on every arm."""

from __future__ import annotations

import contextlib
import copy
import logging
from typing import TYPE_CHECKING, Final

from palrs_hub.errors import MissingExtraError, TaskFileError, UsageError
from palrs_hub.harness.load import Foreign, code_execution
from palrs_hub.harness.results import Results, measured_of
from palrs_hub.inputs import has_chat_template
from palrs_hub.instruction import takes_system_message
from palrs_hub.measured import STEERED

if TYPE_CHECKING:
    from collections.abc import Iterator

    from palrs_hub.experiment import Experiment
    from palrs_hub.harness.load import LoadedTasks
    from palrs_hub.measured import Measured

KIND: Final = "harness"
STANDARD_ERROR_DRAWS: Final = 1000
"""Draws of the harness's bootstrap, for metrics that have no formula of their standard error."""


def measure_with_harness(experiment: Experiment, loaded: LoadedTasks) -> tuple[Measured, ...]:
    """Run tasks of lm-evaluation-harness on every arm of an experiment.

    The chat template is applied where the tokenizer has one; the prompt baseline is the harness's
    system instruction. Every metric whose direction the task states is returned, named
    ``metric (filter)`` where an answer is extracted first.

    Returns:
        One for each metric of each task; a group that the harness aggregates is one task.

    Raises:
        UsageError: The chat template leaves out the instruction, or no metric states a direction.
        TaskFileError: The harness cannot run a task; the message holds its reason.
    """
    asked = loaded.asked
    templated = has_chat_template(experiment.tokenizer)
    if experiment.instruction is not None and templated:
        _check_instruction(experiment)
    with code_execution(asked.allow_code_execution), _undisturbed(experiment.model):
        model = _wrapped(experiment)

        def measure(instruction: str | None) -> Results:
            return _evaluate(model, loaded, instruction, templated)

        found = experiment.run(measure)
    settings = experiment.settings(KIND).model_copy(
        update={
            "limit": asked.limit,
            "few_shot": asked.few_shot,
            "max_new_tokens": asked.max_new_tokens,
            "chat_template": templated,
        }
    )
    measured = [
        each
        for name in found[STEERED].reported(asked.names, loaded.manager)
        for each in measured_of(name, found, settings)
    ]
    if not measured:
        raise UsageError(
            f"The harness reports no number for {', '.join(asked.names)} whose direction the "
            "task states (higher_is_better in its metric_list). Choose other tasks."
        )
    return tuple(measured)


def _check_instruction(experiment: Experiment) -> None:
    if not takes_system_message(experiment.tokenizer):
        raise UsageError(
            "The harness gives the instruction as a system message, which this chat template "
            "leaves out: the prompt baseline would be the unsteered model. Leave out --instruction."
        )


def _wrapped(experiment: Experiment) -> Foreign:
    try:
        from lm_eval.models.huggingface import HFLM
    except ImportError as error:
        raise MissingExtraError("lm-evaluation-harness", "eval") from error
    # A copy, for the harness sets its padding token.
    tokenizer = copy.deepcopy(experiment.tokenizer)
    return HFLM(
        pretrained=experiment.model,
        tokenizer=tokenizer,
        backend="causal",
        batch_size=experiment.batch_size,
    )


def _evaluate(
    model: Foreign,
    loaded: LoadedTasks,
    instruction: str | None,
    templated: bool,
) -> Results:
    import jinja2
    from lm_eval.evaluator import simple_evaluate

    asked = loaded.asked
    most = asked.max_new_tokens
    try:
        raw = simple_evaluate(
            model=model,
            tasks=list(loaded.tasks),
            task_manager=loaded.manager,
            num_fewshot=asked.few_shot,
            limit=asked.limit,
            gen_kwargs=None if most is None else {"max_gen_toks": most},
            bootstrap_iters=STANDARD_ERROR_DRAWS,
            log_samples=True,
            system_instruction=instruction,
            apply_chat_template=templated,
            confirm_run_unsafe_code=asked.allow_code_execution,
        )
    except (
        *(OSError, ValueError, TypeError, KeyError, AttributeError, ImportError, RuntimeError),
        *(AssertionError, IndexError, jinja2.TemplateError),
    ) as error:
        raise TaskFileError(
            f"lm-evaluation-harness cannot run {', '.join(asked.names)}: {type(error).__name__}: "
            f"{error!s:.300}. Correct the task's file, or give --max-new-tokens or --few-shot that "
            "fit the model."
        ) from error
    return Results(raw)


@contextlib.contextmanager
def _undisturbed(model: Foreign) -> Iterator[None]:
    """A model's own generation settings would overrule the task's; warnings are for developers."""
    settings = getattr(model, "generation_config", None)
    most = getattr(settings, "max_new_tokens", None)
    logger = logging.getLogger("lm_eval")
    level = logger.level
    logger.setLevel(logging.ERROR)
    if settings is not None:
        settings.max_new_tokens = None
    try:
        yield
    finally:
        logger.setLevel(level)
        if settings is not None:
            settings.max_new_tokens = most
