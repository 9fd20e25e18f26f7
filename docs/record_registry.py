"""Makes the demonstration's vectors into entries of the registry: ``make registry``.

Everything is made anew: packages, the problems that a claim can be run again with, samples of text,
entries. Cards that are there stay, as a curator wrote them.
"""

from __future__ import annotations

import datetime
import json
import shutil
from pathlib import Path

import torch

from palrs_hub.demo import model_folder, sums
from palrs_hub.demo.domains import DOMAINS, Domain
from palrs_hub.demo.evaluation import RANDOM_DIRECTIONS, measure
from palrs_hub.demo.search import search
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
PROBLEMS = "problems.jsonl"
NEEDING_CARE, AGREED = 4, 2
TAGS = {"sums": ("arithmetic", "demonstration"), "code": ("code", "demonstration")}
REASON = "Made and measured by a script of this repository, which anybody can run: make registry."


def main() -> None:
    """Extract, measure, and write an entry for each domain."""
    torch.set_num_threads(1)
    model, tokenizer = load_model_and_tokenizer(str(model_folder()))
    for name, domain in DOMAINS.items():
        make(name, domain, model, tokenizer)


def make(name: str, domain: Domain, model: object, tokenizer: object) -> None:
    """One entry."""
    slug = domain.repo_id.rpartition("/")[2]
    package = ROOT / "registry" / "vectors" / slug
    for folder in (ROOT / "registry" / "evidence" / slug, package):
        shutil.rmtree(folder, ignore_errors=True)
    found = search(model, tokenizer, domain, read_pairs(domain.pairs_file), progress=False)
    vector = measure(model, tokenizer, domain, found, None, progress=False).vector
    problems = []
    if name == "sums":
        vector, file = measured_on_a_file(domain, vector, model, tokenizer)
        problems = [file]
    vector.save_pretrained(package)
    wanted = Wanted(
        base_model=str(model_folder()),
        tags=TAGS[name],
        samples=samples(domain, vector, model, tokenizer),
        problems=problems,
        curator=Curator(
            verdict="recommended" if problems else "accepted",
            date=datetime.datetime.now(datetime.UTC).date(),
            reason=REASON,
        ),
    )
    record = draft(ROOT, str(package), wanted)
    if faults := faults_of(record):
        raise SystemExit("\n".join(str(fault.finding) for fault in faults))
    write(record, over=True)


def measured_on_a_file(
    domain: Domain, vector: SteeringVector, model: object, tokenizer: object
) -> tuple[SteeringVector, Path]:
    """The vector with its first claim measured on a file, which anybody can do again."""
    rows = [
        {"prompt": p.prompt, "answer": sums.final_answer(p.careful), "mark": sums.ANSWER_MARK}
        for p in domain.worked("test", domain.reported)
    ]
    file = ROOT / "registry" / "evidence" / domain.repo_id.rpartition("/")[2] / PROBLEMS
    file.parent.mkdir(parents=True)
    file.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    task = TASKS["problems"]
    problems = read_problems(task, file, name=domain.title, max_new_tokens=domain.max_new_tokens)
    experiment = Experiment(model, tokenizer, vector, random_directions=RANDOM_DIRECTIONS)
    claim = measure_problems(experiment, task, problems, file).evaluation()
    # In the place of the demonstration's own figure, which counts the same.
    claims = (claim, *vector.manifest.evaluations[1:])
    manifest = vector.manifest.model_copy(update={"evaluations": claims})
    return SteeringVector.build(manifest, vector.arrays), file


def samples(
    domain: Domain, vector: SteeringVector, model: object, tokenizer: object
) -> list[Sample]:
    """The first test problems, and some on which nothing should change."""
    worked = [
        *domain.worked("test", NEEDING_CARE),
        *domain.worked("guardrail", AGREED, agreed=True),
    ]
    prompts = [problem.prompt for problem in worked]
    asked = {"max_new_tokens": domain.max_new_tokens}
    plain = complete(model, tokenizer, prompts, **asked)
    with vector.attach(model, tokenizer=tokenizer):
        steered = complete(model, tokenizer, prompts, **asked)
    coefficient = vector.manifest.interventions[0].coefficient
    return [
        Sample(prompt=prompt, unsteered=before, steered=after, coefficient=coefficient)
        for prompt, before, after in zip(prompts, plain, steered, strict=True)
    ]


if __name__ == "__main__":
    main()
