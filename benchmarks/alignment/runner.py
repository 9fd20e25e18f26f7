"""Runs what a plan asks for: task by task, in this process or in several."""

from __future__ import annotations

import contextlib
import importlib.metadata
import importlib.util
import itertools
import multiprocessing
import platform
import sys
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any, Final

import torch

from benchmarks.alignment import stories
from benchmarks.alignment.ablations import training_points, vector_points
from benchmarks.alignment.goals import better_training
from benchmarks.alignment.measure import Bench
from benchmarks.alignment.results import Arm, Point, Results, WorldResults
from benchmarks.alignment.sizes import Sizes
from benchmarks.alignment.steering import PALRS, UNSTEERED, steering_arms, unsteered
from benchmarks.alignment.trainings import TRAININGS
from benchmarks.alignment.worlds import Domain, World, demonstration
from palrs_hub.demo import model_folder
from palrs_hub.generation import complete
from palrs_hub.loading import load_model, load_tokenizer

WORLDS: Final[dict[str, tuple[Path, Callable[[Sizes], World]]]] = {
    "demonstration": (model_folder(), demonstration),
    "stories260K": (stories.MODEL, stories.stories),
}
STEERING: Final = "steering"
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


def run(plan: Plan, names: Sequence[str], *, jobs: int = 1) -> Results:
    """Measure these worlds, those of them that are there.

    Args:
        plan: What is run.
        names: Names in WORLDS.
        jobs: Tasks at once, each in a process of its own with one thread.
    """
    if plan.training and importlib.util.find_spec("trl") is None:
        raise SystemExit("DPO and SimPO need TRL: make bench-alignment installs it beside .venv.")
    there = [name for name in names if WORLDS[name][0].is_dir()]
    skipped = [f"{name}: its files are not on this machine" for name in names if name not in there]
    for reason in skipped:
        _tell(reason)
    with _workers(jobs) as spread:
        arms = spread(_arms_of, _arm_tasks(there, plan))
        worlds = [_world(name, plan, [arm for part in arms for arm in part]) for name in there]
        if plan.ablations:
            points = spread(_points_of, _point_tasks(worlds, plan))
            worlds = [_with_points(world, points) for world in worlds]
    return Results(
        settings={"sizes": asdict(plan.sizes), "jobs": jobs, **_software()},
        worlds=tuple(worlds),
        skipped=tuple(skipped),
    )


@dataclass(frozen=True)
class Task:
    """What one process does at a time, with one thread.

    Attributes:
        world: Name of the world.
        domain: Name of the domain.
        what: ``steering``, or a name in TRAININGS.
        plan: The plan.
        arm: The arm whose ablations are wanted.
    """

    world: str
    domain: str
    what: str
    plan: Plan
    arm: Arm | None = None


@contextlib.contextmanager
def _workers(jobs: int) -> Iterator[Callable[..., list[Any]]]:
    """A map, in this process or over several."""
    if jobs == 1:
        yield lambda run_one, tasks: list(map(run_one, tasks))
        return
    # Spawned, for torch's threads do not survive a fork.
    context = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(jobs, mp_context=context) as pool:
        yield lambda run_one, tasks: list(pool.map(run_one, tasks))


def _arm_tasks(names: Sequence[str], plan: Plan) -> list[Task]:
    domains = [(name, each.name) for name in names for each in WORLDS[name][1](plan.sizes).domains]
    kinds = [STEERING, *(TRAININGS if plan.training else ())]
    return [Task(*where, kind, plan) for kind in kinds for where in domains]


def _point_tasks(worlds: Sequence[WorldResults], plan: Plan) -> list[Task]:
    found = [
        (world.name, domain, arm)
        for world in worlds
        for domain in world.domains
        for arm in (world.arm(PALRS, domain), better_training(world, domain))
    ]
    return [Task(name, domain, arm.name, plan, arm) for name, domain, arm in found if arm]


def _arms_of(task: Task) -> list[tuple[str, Arm]]:
    """The arms of a task, each with the name of its world."""
    bench, domain = _prepared(task)
    if task.what == STEERING:
        arms = itertools.chain([unsteered(bench)], steering_arms(bench, domain))
    else:
        from benchmarks.alignment.training import training_arm

        arms = iter([training_arm(bench, domain, task.what)])
    return [(task.world, _told(bench, arm)) for arm in arms]


def _points_of(task: Task) -> list[tuple[str, Point]]:
    """The points of a task, each with the name of its world."""
    bench, domain = _prepared(task)
    if task.arm is None:
        return []
    _tell(f"{task.world}: ablations of {task.what} on {task.domain}")
    ablate = vector_points if task.what == PALRS else training_points
    return [(task.world, point) for point in ablate(bench, domain, task.arm)]


def _prepared(task: Task) -> tuple[Bench, Domain]:
    # Both sides: threads of models this small wait for each other more than they work.
    torch.set_num_threads(1)
    folder, build = WORLDS[task.world]
    world = build(task.plan.sizes)
    bench = Bench(load_model(folder), load_tokenizer(folder), world, task.plan.sizes)
    (domain,) = (each for each in world.domains if each.name == task.domain)
    # What the first call alone pays for is no arm's.
    complete(bench.model, bench.tokenizer, domain.problems.prompts[:2], max_new_tokens=4)
    return bench, domain


def _world(name: str, plan: Plan, arms: Sequence[tuple[str, Arm]]) -> WorldResults:
    folder, build = WORLDS[name]
    world = build(plan.sizes)
    mine = [arm for where, arm in arms if where == name]
    # Each domain measured the unsteered model, which counts once.
    first = next(arm for arm in mine if arm.name == UNSTEERED)
    return WorldResults(
        name=name,
        title=world.title,
        parameters=load_model(folder).num_parameters(),
        domains={each.name: len(each.test.prompts) for each in world.domains},
        arms=(first, *(arm for arm in mine if arm.name != UNSTEERED)),
    )


def _with_points(world: WorldResults, found: Sequence[Sequence[tuple[str, Point]]]) -> WorldResults:
    mine = (point for part in found for where, point in part if where == world.name)
    return replace(world, points=tuple(mine))


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
