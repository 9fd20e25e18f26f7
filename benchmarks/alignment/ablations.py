"""How much a result owes to the number of pairs, the layer, the position and clean labels.

At each point of ``pairs`` and ``noise`` position and layer stay those that were chosen with all
pairs, and the coefficient is chosen again; at each layer (and position) the rest is chosen again. A
training run keeps its learning rate, and the number of passes is chosen again. What is chosen is
chosen on the validation split, whose labels stay clean.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Any

from benchmarks.alignment.measure import Bench
from benchmarks.alignment.results import Arm, Point
from benchmarks.alignment.steering import PALRS, VECTORS, find, switches_of
from benchmarks.alignment.trainings import TRAININGS
from benchmarks.alignment.worlds import Domain
from palrs_hub.errors import ExtractionError
from palrs_hub.evaluate import accuracy
from palrs_hub.extraction import extract
from palrs_hub.pairs import PreferencePair
from palrs_hub.steer import adding

Pairs = tuple[PreferencePair, ...]
Accuracy = Callable[[Pairs], float]


def vector_points(bench: Bench, domain: Domain, arm: Arm) -> Iterator[Point]:
    """Every ablation of the vector that PaLRS chose."""
    place = {"position": arm.settings["position"], "layer": arm.settings["layer"]}
    yield from _varied(
        bench, domain, arm, bench.sizes.ablation_draws, _steered(bench, domain, place)
    )
    pairs = domain.pairs[: bench.sizes.pairs]
    for layer in range(bench.model.config.num_hidden_layers):
        found = _steered(bench, domain, {"layer": layer})(pairs)
        yield Point(PALRS, domain.name, "layer", layer, (found,))
    for position, switches in _positions(bench, pairs):
        found = _steered(bench, domain, {"position": position}, switches)(pairs)
        yield Point(PALRS, domain.name, "position", position, (found,))


def training_points(bench: Bench, domain: Domain, arm: Arm) -> Iterator[Point]:
    """The ablations that a training run has too, one draw each."""
    from benchmarks.alignment.training import trained

    def run(pairs: Pairs) -> float:
        model = trained(bench, domain, TRAININGS[arm.name], pairs, arm.settings["learning_rate"])
        return accuracy(model, bench.tokenizer, domain.ablation)

    yield from _varied(bench, domain, arm, 1, run)


def swapped(pairs: Pairs, share: float, seed: int) -> Pairs:
    """The pairs with chosen and rejected exchanged in a share of them."""
    wrong = set(random.Random(seed).sample(range(len(pairs)), round(share * len(pairs))))
    return tuple(
        replace(pair, chosen=pair.rejected, rejected=pair.chosen) if index in wrong else pair
        for index, pair in enumerate(pairs)
    )


def _varied(bench: Bench, domain: Domain, arm: Arm, draws: int, run: Accuracy) -> Iterator[Point]:
    """Fewer or more pairs, then pairs of which some are the wrong way round."""
    sizes = bench.sizes
    clean = domain.pairs[: sizes.pairs]
    as_measured = arm.measured[0].first(len(domain.ablation.prompts)).accuracy(domain.name)
    for number in sizes.ablation_pairs:
        if number == len(clean):
            yield Point(arm.name, domain.name, "pairs", number, (as_measured,))
        elif number <= len(domain.pairs):
            drawn = range(draws if number < len(domain.pairs) else 1)
            taken = (tuple(random.Random(seed).sample(domain.pairs, number)) for seed in drawn)
            yield Point(arm.name, domain.name, "pairs", number, tuple(map(run, taken)))
    for share in sizes.ablation_noise:
        noisy = (swapped(clean, share, seed) for seed in range(draws))
        found = tuple(map(run, noisy)) if share else (as_measured,)
        yield Point(arm.name, domain.name, "noise", share, found)


def _steered(
    bench: Bench,
    domain: Domain,
    where: dict[str, Any],
    switches: dict[str, Any] | None = None,
) -> Accuracy:
    vector = VECTORS[PALRS]
    if switches is not None:
        vector = replace(vector, switches=(switches,), raw=(switches,))

    def run(pairs: Pairs) -> float:
        try:
            found = find(
                bench, domain, vector, pairs, finalists=bench.sizes.ablation_finalists, **where
            )
        except ExtractionError:
            # Nothing helps, so nothing is added.
            return accuracy(bench.model, bench.tokenizer, domain.ablation)
        with adding(bench.model, found.selected.layer, found.addend):
            return accuracy(bench.model, bench.tokenizer, domain.ablation)

    return run


def _positions(bench: Bench, pairs: Pairs) -> Iterator[tuple[str, dict[str, Any]]]:
    """Every read position that PaLRS's own input format has, and the mean over the response."""
    vector = VECTORS[PALRS]
    (switches,) = switches_of(bench, vector)
    extraction = extract(bench.model, bench.tokenizer, pairs, vector.method, **switches)
    for position in extraction.positions:
        yield position, switches
    yield "response_mean", {**switches, "positions": "response_mean"}
