"""The arms that train weights: DPO and SimPO by TRL, of all weights and with LoRA.

Generous to training where there was a choice: no logging, saving or evaluation in the trainer,
reference log-probabilities computed once, the base model copied in memory, imports not counted, one
run a learning rate that is judged after several passes (its learning rate stays constant after the
warm-up, so that a run judged on the way is the shorter run), stopped once it went wrong.
"""

from __future__ import annotations

import copy
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final

import datasets
import torch
import transformers
from peft import LoraConfig
from transformers.trainer_callback import PrinterCallback
from trl import DPOConfig, DPOTrainer
from trl.experimental.cpo import CPOConfig, CPOTrainer

from benchmarks.alignment.choice import Check, choose, is_hopeless
from benchmarks.alignment.clock import Seconds
from benchmarks.alignment.measure import Bench, measure
from benchmarks.alignment.results import Arm
from benchmarks.alignment.trainings import TRAININGS, Training
from benchmarks.alignment.worlds import Domain
from palrs_hub.evaluate import accuracy
from palrs_hub.inputs import encode_response
from palrs_hub.pairs import PreferencePair
from palrs_hub.scores import mean_divergence, response_predictions

WARMUP_STEPS: Final = 3
LONGEST: Final = 256
"""Tokens of the longest prompt with its response; none is cut."""

BETA: Final = {"DPO": 0.1, "SimPO": 2.0}
"""As the two papers have it (2305.18290; 2405.14734, with a target margin of half of it)."""


def training_arm(bench: Bench, domain: Domain, name: str) -> Arm:
    """One arm of one domain: settings chosen, trained at them, measured."""
    datasets.disable_progress_bars()
    transformers.logging.set_verbosity_error()
    training = TRAININGS[name]
    sizes = bench.sizes
    pairs = domain.pairs[: sizes.pairs]
    seconds, one_run = Seconds(), Seconds()
    checks: list[Check] = []
    with seconds.running():
        judge = Judge(bench, domain)
        for rate in sizes.lora_rates if training.lora else sizes.full_rates:
            checks += _train_and_check(bench, judge, training, pairs, rate)[1].done
    best = choose(checks)
    with one_run.running():
        trainer = _trainer(bench, training, pairs, best.rate, best.passes)
        trainer.train()
    return Arm(
        name,
        "training",
        domain.name,
        measured=(measure(bench, trainer.model),),
        validation=best.accuracy,
        settings={"learning_rate": best.rate, "passes": best.passes, "beta": BETA[training.loss]},
        tried=len(checks),
        grid=tuple(vars(check) for check in checks),
        seconds=seconds,
        one_run=one_run,
        weights_bytes=_weights_bytes(trainer.model),
    )


def trained(
    bench: Bench, domain: Domain, training: Training, pairs: Sequence[PreferencePair], rate: float
) -> Any:  # noqa: ANN401
    """A model trained at one learning rate, with the number of passes chosen on validation."""
    model, checks = _train_and_check(bench, Judge(bench, domain), training, pairs, rate)
    model.load_state_dict(checks.best)
    return model


class Judge:
    """Judges a model on the validation split as selection judges a vector."""

    def __init__(self, bench: Bench, domain: Domain) -> None:
        self._bench, self._domain = bench, domain
        self._neutral = [encode_response(bench.tokenizer, *text) for text in domain.neutral]
        self._before = response_predictions(bench.model, self._neutral)

    def __call__(self, model: Any, rate: float, passes: int) -> Check:  # noqa: ANN401
        """Judge a model as it is now, and leave it as it was."""
        training = model.training
        solved = accuracy(model, self._bench.tokenizer, self._domain.problems)
        after = response_predictions(model, self._neutral)
        model.train(training)
        return Check(rate, passes, solved, mean_divergence(self._before, after))


class _Checks(transformers.TrainerCallback):  # type: ignore[misc]
    """Judges after chosen passes, and ends a run that has gone wrong."""

    def __init__(self, judge: Judge, rate: float, passes: Sequence[int], steps: int) -> None:
        self._judge, self._rate = judge, rate
        self._due = {number * steps: number for number in passes}
        self.done: list[Check] = []
        self.best: dict[str, torch.Tensor] = {}

    def on_step_end(self, args: Any, state: Any, control: Any, **given: Any) -> Any:  # noqa: ANN401
        passes = self._due.get(state.global_step)
        if passes is not None:
            self.done.append(self._judge(given["model"], self._rate, passes))
            if choose(self.done) is self.done[-1]:
                self.best = copy.deepcopy(given["model"].state_dict())
            control.should_training_stop = control.should_training_stop or is_hopeless(self.done)
        return control


def _train_and_check(
    bench: Bench,
    judge: Judge,
    training: Training,
    pairs: Sequence[PreferencePair],
    rate: float,
) -> tuple[Any, _Checks]:
    """Train at one learning rate, judging on the way; the model is that of the last step.

    A pass is as many steps as one over ``Sizes.pairs`` pairs takes, however many there are: fewer
    pairs are seen more often.
    """
    sizes = bench.sizes
    checks = _Checks(judge, rate, sizes.checks, _steps_of_a_pass(bench))
    trainer = _trainer(bench, training, pairs, rate, max(sizes.checks))
    trainer.add_callback(checks)
    trainer.train()
    return trainer.model, checks


def _steps_of_a_pass(bench: Bench) -> int:
    return -(-bench.sizes.pairs // bench.sizes.batch_size)


def _trainer(
    bench: Bench, training: Training, pairs: Sequence[PreferencePair], rate: float, passes: int
) -> Any:  # noqa: ANN401
    sizes = bench.sizes
    common = {
        "output_dir": tempfile.gettempdir(),  # nothing is saved
        "max_steps": passes * _steps_of_a_pass(bench),
        "per_device_train_batch_size": sizes.batch_size,
        "learning_rate": rate,
        "lr_scheduler_type": "constant_with_warmup",
        "warmup_steps": WARMUP_STEPS,
        "beta": BETA[training.loss],
        "max_length": LONGEST,
        "gradient_checkpointing": False,
        "bf16": False,
        "use_cpu": True,
        "logging_strategy": "no",
        "save_strategy": "no",
        "report_to": [],
        "disable_tqdm": True,
        "seed": 0,
    }
    # A trainer may set the padding token and patch the model: it gets copies.
    given = {
        "model": copy.deepcopy(bench.model),
        "processing_class": copy.deepcopy(bench.tokenizer),
        "train_dataset": _dataset(bench, pairs),
        "peft_config": _lora() if training.lora else None,
    }
    if training.loss == "DPO":
        once = {"precompute_ref_log_probs": True, "precompute_ref_batch_size": 64}
        trainer = DPOTrainer(args=DPOConfig(**common, **once), **given)
    else:
        simpo = {"loss_type": "simpo", "cpo_alpha": 0.0, "simpo_gamma": BETA["SimPO"] / 2}
        columns = {"remove_unused_columns": False}
        trainer = CPOTrainer(args=CPOConfig(**common, **simpo, **columns), **given)
    trainer.remove_callback(PrinterCallback)
    return trainer


def _lora() -> LoraConfig:
    return LoraConfig(
        r=8, lora_alpha=16, lora_dropout=0.0, target_modules="all-linear", task_type="CAUSAL_LM"
    )


def _dataset(bench: Bench, pairs: Sequence[PreferencePair]) -> datasets.Dataset:
    """The pairs under TRL's keys: conversations where the model has a chat template."""
    rows = [{"prompt": p.prompt, "chosen": p.chosen, "rejected": p.rejected} for p in pairs]
    if bench.tokenizer.chat_template:
        role = {"prompt": "user", "chosen": "assistant", "rejected": "assistant"}
        rows = [
            {key: [{"role": role[key], "content": text}] for key, text in row.items()}
            for row in rows
        ]
    return datasets.Dataset.from_list(rows)


def _weights_bytes(model: torch.nn.Module) -> int:
    with tempfile.TemporaryDirectory() as folder:
        model.save_pretrained(folder)  # type: ignore[operator]
        return sum(file.stat().st_size for file in Path(folder).glob("*.safetensors"))
