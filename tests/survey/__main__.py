"""Surveys every text-generating class of transformers; ``--write`` writes docs/models.md."""

from __future__ import annotations

import argparse
import collections
import contextlib
import signal
import sys
import warnings
from typing import TYPE_CHECKING

import torch
import transformers
from transformers.models.auto.modeling_auto import (
    MODEL_FOR_CAUSAL_LM_MAPPING_NAMES,
    MODEL_FOR_IMAGE_TEXT_TO_TEXT_MAPPING_NAMES,
)

from tests.survey.checks import UNBUILT, WRONG, Outcome, survey
from tests.survey.page import PAGE, page

if TYPE_CHECKING:
    from collections.abc import Iterator

SECONDS = 30


def entries() -> list[tuple[str, str]]:
    """Every model type and class that generates text from text, or from images and text."""
    causal = list(MODEL_FOR_CAUSAL_LM_MAPPING_NAMES.items())
    visual = list(MODEL_FOR_IMAGE_TEXT_TO_TEXT_MAPPING_NAMES.items())
    return list(dict.fromkeys([*causal, *visual]))


def main() -> int:
    """Survey; the exit code is 1 if a class is silently wrong."""
    parser = argparse.ArgumentParser(description=__doc__, prog="python -m tests.survey")
    parser.add_argument("--write", action="store_true", help="write docs/models.md")
    parser.add_argument("names", nargs="*", help="model types; all by default")
    arguments = parser.parse_args()
    if arguments.write and arguments.names:
        parser.error("--write needs the whole survey")
    transformers.utils.logging.set_verbosity_error()
    warnings.simplefilter("ignore")
    torch.set_num_threads(1)
    outcomes = {}
    for entry in entries():
        if not arguments.names or entry[0] in arguments.names:
            outcomes[entry] = limited(*entry)
            sys.stdout.write(f"{entry[0]:28} {outcomes[entry].path:32} {outcomes[entry]}\n")
            sys.stdout.flush()
    sys.stdout.write(f"{counts(outcomes)}\n")
    if arguments.write:
        PAGE.write_text(page(outcomes), encoding="utf-8")
    return int(any(outcome.kind == WRONG for outcome in outcomes.values()))


def counts(outcomes: dict[tuple[str, str], Outcome]) -> dict[str, int]:
    """How many classes fared how."""
    return dict(collections.Counter(outcome.kind for outcome in outcomes.values()))


def limited(model_type: str, class_name: str) -> Outcome:
    """Survey one class within the time limit."""
    with contextlib.suppress(TimeoutError), time_limit():
        return survey(model_type, class_name)
    return Outcome(UNBUILT, f"took longer than {SECONDS} seconds")


@contextlib.contextmanager
def time_limit() -> Iterator[None]:
    """Within, TimeoutError comes after SECONDS."""

    def stop(number: int, frame: object) -> None:
        raise TimeoutError

    previous = signal.signal(signal.SIGALRM, stop)
    signal.alarm(SECONDS)
    try:
        yield
    finally:
        signal.alarm(0)
        signal.signal(signal.SIGALRM, previous)


if __name__ == "__main__":
    sys.exit(main())
