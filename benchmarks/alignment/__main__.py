"""``python -m benchmarks.alignment``: every arm of a domain in one process, one thread, one run.

Writes the results file and prints one JSON line for each goal. ``python -m
benchmarks.alignment.page`` makes the page and the pictures of it.
"""

from __future__ import annotations

import argparse
import importlib.metadata
import importlib.util
import itertools
import json
import multiprocessing
import platform
import sys
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Final

import torch

from benchmarks.alignment import stories
from benchmarks.alignment.ablations import training_points, vector_points
from benchmarks.alignment.goals import better_training, goal_rows
from benchmarks.alignment.measure import Bench
from benchmarks.alignment.results import Arm, Point, Results, WorldResults, read_results
from benchmarks.alignment.sizes import TINY, Sizes
from benchmarks.alignment.steering import PALRS, steering_arms, unsteered
from benchmarks.alignment.worlds import Domain, World, demonstration
from palrs_hub.demo import model_folder
from palrs_hub.generation import complete
from palrs_hub.loading import load_model, load_tokenizer

RESULTS: Final = Path(__file__).parents[1] / "results" / "alignment.json"
WORLDS: Final[dict[str, tuple[Path, Callable[[Sizes], World]]]] = {
    "demonstration": (model_folder(), demonstration),
    "stories260K": (stories.MODEL, stories.stories),
}
SOFTWARE: Final = ("torch", "transformers", "trl", "peft", "accelerate")


@dataclass(frozen=True)
class Plan:
    """What is run.

    Attributes:
        sizes: How much.
        training: Whether DPO and SimPO are, which needs TRL.
        ablations: Whether the ablations are.
    """

    sizes: Sizes
    training: bool = True
    ablations: bool = True


def main() -> int:
    """Run every world."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--output", type=Path, default=RESULTS)
    parser.add_argument(
        "--jobs", type=int, default=2, help="domains at once; an arm is never split"
    )
    parser.add_argument("--tiny", action="store_true", help="tiny sizes, to see that it runs")
    parser.add_argument("--without-training", action="store_true", help="leave out DPO and SimPO")
    parser.add_argument("--without-ablations", action="store_true")
    parser.add_argument("--world", choices=WORLDS, help="only this one; the file keeps the others")
    arguments = parser.parse_args()
    plan = Plan(
        TINY if arguments.tiny else Sizes(),
        training=not arguments.without_training,
        ablations=not arguments.without_ablations,
    )
    names = [arguments.world] if arguments.world else list(WORLDS)
    results = run(plan, names, jobs=arguments.jobs)
    if arguments.world and arguments.output.exists():
        results = _merged(read_results(arguments.output), results)
    results.write(arguments.output)
    for row in goal_rows(results):
        print(json.dumps(row))
    return 0


def run(plan: Plan, names: Sequence[str], *, jobs: int = 1) -> Results:
    """Measure these worlds, those of them that are there.

    Args:
        plan: What is run.
        names: Names in WORLDS.
        jobs: Domains at once, each in a process of its own with one thread.
    """
    if plan.training and importlib.util.find_spec("trl") is None:
        raise SystemExit("DPO and SimPO need TRL: make bench-alignment installs it beside .venv.")
    there = [name for name in names if WORLDS[name][0].is_dir()]
    skipped = [f"{name}: its files are not on this machine" for name in names if name not in there]
    for reason in skipped:
        _tell(reason)
    tasks = [
        (name, domain.name, plan)
        for name in there
        for domain in WORLDS[name][1](plan.sizes).domains
    ]
    if jobs == 1:
        parts = list(itertools.starmap(measured, tasks))
    else:
        # Spawned, for torch's threads do not survive a fork.
        with multiprocessing.get_context("spawn").Pool(jobs, maxtasksperchild=1) as pool:
            parts = pool.starmap(measured, tasks, chunksize=1)
    return Results(
        settings={"sizes": asdict(plan.sizes), "jobs": jobs, **_software()},
        worlds=tuple(_joined([part for part in parts if part.name == name]) for name in there),
        skipped=tuple(skipped),
    )


def measured(name: str, domain: str, plan: Plan) -> WorldResults:
    """Every arm and ablation of one domain, in this process."""
    # Both sides: threads of models this small wait for each other more than they work.
    torch.set_num_threads(1)
    world = WORLDS[name][1](plan.sizes)
    (asked,) = (each for each in world.domains if each.name == domain)
    model = load_model(world.folder)
    bench = Bench(model, load_tokenizer(world.folder), world, plan.sizes)
    # What the first call alone pays for is no arm's.
    complete(model, bench.tokenizer, asked.problems.prompts[:2], max_new_tokens=4)
    results = WorldResults(
        name=world.name,
        title=world.title,
        parameters=model.num_parameters(),
        domains={each.name: len(each.test.prompts) for each in world.domains},
        arms=tuple(_arms(bench, asked, training=plan.training)),
    )
    return replace(results, points=tuple(_points(bench, asked, results)) if plan.ablations else ())


def _joined(parts: Sequence[WorldResults]) -> WorldResults:
    """One world of its domains' parts; each measured the unsteered model, which counts once."""
    first, *others = parts
    return replace(
        first,
        arms=(*first.arms, *(arm for part in others for arm in part.arms if arm.domain)),
        points=tuple(point for part in parts for point in part.points),
    )


def _merged(before: Results, now: Results) -> Results:
    fresh = {world.name: world for world in now.worlds}
    kept = {world.name: world for world in before.worlds}
    return replace(now, worlds=tuple((kept | fresh).values()))


def _arms(bench: Bench, domain: Domain, *, training: bool) -> Iterator[Arm]:
    yield _told(bench, unsteered(bench))
    for arm in steering_arms(bench, domain):
        yield _told(bench, arm)
    if training:
        from benchmarks.alignment.training import training_arms

        for arm in training_arms(bench, domain):
            yield _told(bench, arm)


def _points(bench: Bench, domain: Domain, results: WorldResults) -> Iterator[Point]:
    palrs, better = results.arm(PALRS, domain.name), better_training(results, domain.name)
    if palrs:
        _tell(f"{results.name}: ablations of {PALRS} on {domain.name}")
        yield from vector_points(bench, domain, palrs)
    if better:
        _tell(f"{results.name}: ablations of {better.name} on {domain.name}")
        yield from training_points(bench, domain, better)


def _told(bench: Bench, arm: Arm) -> Arm:
    where = f"{bench.world.name}: {arm.name}" + f" ({arm.domain})" * bool(arm.domain)
    if arm.failed:
        _tell(f"{where}: {arm.failed}")
        return arm
    shares = [f"{d.name} {arm.accuracy(d.name):.0%}" for d in bench.world.domains]
    cost = "" if arm.seconds is None else f", {arm.seconds.processor:.1f} s"
    _tell(f"{where}: {', '.join(shares)}, perplexity {arm.perplexity:.3f}{cost}")
    return arm


def _software() -> dict[str, str]:
    found = {"python": platform.python_version()}
    for name in SOFTWARE:
        if importlib.util.find_spec(name) is not None:
            found[name] = importlib.metadata.version(name)
    return found


def _tell(line: str) -> None:
    print(line, file=sys.stderr, flush=True)


if __name__ == "__main__":
    sys.exit(main())
