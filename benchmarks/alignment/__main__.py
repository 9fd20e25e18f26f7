"""``python -m benchmarks.alignment``: every arm in one process, one thread, one run.

Writes the results file and prints one JSON line for each goal. ``python -m
benchmarks.alignment.page`` makes the page and the pictures of it.
"""

from __future__ import annotations

import argparse
import importlib.metadata
import importlib.util
import json
import platform
import sys
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, replace
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
from benchmarks.alignment.worlds import World, demonstration
from palrs_hub.demo import model_folder
from palrs_hub.generation import complete
from palrs_hub.loading import load_model, load_tokenizer

RESULTS: Final = Path(__file__).parents[1] / "results" / "alignment.json"
WORLDS: Final[dict[str, tuple[Path, Callable[[Sizes], World]]]] = {
    "demonstration": (model_folder(), demonstration),
    "stories260K": (stories.MODEL, stories.stories),
}
SOFTWARE: Final = ("torch", "transformers", "trl", "peft", "accelerate")


def main() -> int:
    """Run every world."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--output", type=Path, default=RESULTS)
    parser.add_argument("--tiny", action="store_true", help="tiny sizes, to see that it runs")
    parser.add_argument("--without-training", action="store_true", help="leave out DPO and SimPO")
    parser.add_argument("--without-ablations", action="store_true")
    parser.add_argument("--world", choices=WORLDS, help="only this one; the file keeps the others")
    arguments = parser.parse_args()
    results = run(
        TINY if arguments.tiny else Sizes(),
        [arguments.world] if arguments.world else list(WORLDS),
        training=not arguments.without_training,
        ablations=not arguments.without_ablations,
    )
    if arguments.world and arguments.output.exists():
        results = _merged(read_results(arguments.output), results)
    results.write(arguments.output)
    for row in goal_rows(results):
        print(json.dumps(row))
    return 0


def run(
    sizes: Sizes, names: Sequence[str], *, training: bool = True, ablations: bool = True
) -> Results:
    """Measure these worlds, those of them that are there.

    Args:
        sizes: How much is run.
        names: Names in WORLDS.
        training: Whether DPO and SimPO are run, which needs TRL.
        ablations: Whether the ablations are run.
    """
    if training and importlib.util.find_spec("trl") is None:
        raise SystemExit("DPO and SimPO need TRL: make bench-alignment installs it beside .venv.")
    # Both sides: threads of models this small wait for each other more than they work.
    torch.set_num_threads(1)
    worlds, skipped = [], []
    for name in names:
        folder, build = WORLDS[name]
        if not folder.is_dir():
            skipped.append(f"{name}: its files are not on this machine")
            _tell(skipped[-1])
            continue
        worlds.append(_measured(build(sizes), sizes, training=training, ablations=ablations))
    return Results(
        settings={"sizes": asdict(sizes), "threads": torch.get_num_threads(), **_software()},
        worlds=tuple(worlds),
        skipped=tuple(skipped),
    )


def _merged(before: Results, now: Results) -> Results:
    fresh = {world.name: world for world in now.worlds}
    kept = {world.name: world for world in before.worlds}
    return replace(now, worlds=tuple((kept | fresh).values()))


def _measured(world: World, sizes: Sizes, *, training: bool, ablations: bool) -> WorldResults:
    model = load_model(world.folder)
    bench = Bench(model, load_tokenizer(world.folder), world, sizes)
    # What the first call alone pays for is no arm's.
    complete(model, bench.tokenizer, world.domains[0].problems.prompts[:2], max_new_tokens=4)
    results = WorldResults(
        name=world.name,
        title=world.title,
        parameters=model.num_parameters(),
        domains={domain.name: len(domain.test.prompts) for domain in world.domains},
        arms=tuple(_arms(bench, training=training)),
    )
    return replace(results, points=tuple(_points(bench, results)) if ablations else ())


def _arms(bench: Bench, *, training: bool) -> Iterator[Arm]:
    yield _told(bench, unsteered(bench))
    for domain in bench.world.domains:
        for arm in steering_arms(bench, domain):
            yield _told(bench, arm)
        if training:
            from benchmarks.alignment.training import training_arms

            for arm in training_arms(bench, domain):
                yield _told(bench, arm)


def _points(bench: Bench, results: WorldResults) -> Iterator[Point]:
    for domain in bench.world.domains:
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
