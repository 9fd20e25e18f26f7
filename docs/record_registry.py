"""Makes the demonstration's vectors into entries of the registry: ``make registry``.

Everything is made anew: the package, the problems that its claim can be run again with, samples of
text, the entry. Cards that are there stay, as a curator wrote them.
"""

from __future__ import annotations

import datetime
import json
import shutil
from pathlib import Path

import torch

from palrs_hub.demo import model_folder, pairs_file
from palrs_hub.demo import problems as sums
from palrs_hub.demo.evaluation import RANDOM_DIRECTIONS, TEST_PROBLEMS, measure
from palrs_hub.demo.search import MAX_NEW_TOKENS, search
from palrs_hub.experiment import Experiment
from palrs_hub.generation import complete
from palrs_hub.loading import load_model_and_tokenizer
from palrs_hub.pairs import read_pairs
from palrs_hub.registry.add import Wanted, draft, faults_of, write
from palrs_hub.registry.entry import Curator
from palrs_hub.registry.facts import Sample
from palrs_hub.tasks import TASKS
from palrs_hub.tasks.measure import measure_problems
from palrs_hub.tasks.read import read_problems
from palrs_hub.vector import SteeringVector

ROOT = Path(__file__).parents[1]
SLUG = "careful-sums-carry"
PROBLEMS = "sums-with-carry.jsonl"
NAME = "sums that need a carry"
SAMPLES = 6


def main() -> None:
    """Extract, measure, and write the entry."""
    torch.set_num_threads(1)
    model, tokenizer = load_model_and_tokenizer(str(model_folder()))
    found = search(model, tokenizer, read_pairs(pairs_file()), progress=False)
    vector = measure(model, tokenizer, found, None, progress=False).vector
    evidence = ROOT / "registry" / "evidence" / SLUG
    package = ROOT / "registry" / "vectors" / SLUG
    for folder in (evidence, package):
        shutil.rmtree(folder, ignore_errors=True)
    evidence.mkdir(parents=True)
    (evidence / PROBLEMS).write_text(problems_text(), encoding="utf-8")
    problems = read_problems(
        TASKS["problems"], evidence / PROBLEMS, name=NAME, max_new_tokens=MAX_NEW_TOKENS
    )
    experiment = Experiment(model, tokenizer, vector, random_directions=RANDOM_DIRECTIONS)
    claimed = measure_problems(experiment, TASKS["problems"], problems, evidence / PROBLEMS)
    # In the place of the demonstration's own figure, which counts the same but tells no settings.
    kept = (claimed.evaluation(), *vector.manifest.evaluations[1:])
    manifest = vector.manifest.model_copy(update={"evaluations": kept})
    vector = SteeringVector.build(manifest, vector.arrays)
    vector.save_pretrained(package)
    record = draft(
        ROOT,
        str(package),
        Wanted(
            base_model=str(model_folder()),
            tags=("arithmetic", "demonstration"),
            samples=samples(model, tokenizer, vector),
            problems=[evidence / PROBLEMS],
            curator=Curator(
                verdict="recommended",
                date=datetime.datetime.now(datetime.UTC).date(),
                reason="Made and measured by a script of this repository, which anybody can run.",
            ),
        ),
    )
    if faults := faults_of(record):
        raise SystemExit("\n".join(str(fault.finding) for fault in faults))
    write(record, over=True)


def problems_text() -> str:
    """The test problems that need a carry, as ``palrs-hub eval --task problems`` reads them."""
    rows = [
        {
            "prompt": problem.prompt,
            "answer": sums.final_answer(problem.careful),
            "mark": sums.ANSWER_MARK,
        }
        for problem in sums.problems_for_test(TEST_PROBLEMS)
    ]
    return "".join(json.dumps(row) + "\n" for row in rows)


def samples(model: object, tokenizer: object, vector: object) -> list[Sample]:
    """The first test problems, with and without a carry, unsteered beside steered."""
    half = SAMPLES // 2
    problems = [*sums.problems_for_test(TEST_PROBLEMS)[: SAMPLES - half]]
    problems += sums.guardrail_for_test(TEST_PROBLEMS)[:half]
    prompts = [problem.prompt for problem in problems]
    plain = complete(model, tokenizer, prompts, max_new_tokens=MAX_NEW_TOKENS)
    with vector.attach(model, tokenizer=tokenizer) as steering:
        steered = complete(model, tokenizer, prompts, max_new_tokens=MAX_NEW_TOKENS)
        coefficient = float(steering.coefficient)
    return [
        Sample(prompt=prompt, unsteered=before, steered=after, coefficient=coefficient)
        for prompt, before, after in zip(prompts, plain, steered, strict=True)
    ]


if __name__ == "__main__":
    main()
