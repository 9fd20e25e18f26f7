"""A gallery of as many made-up vectors as one likes: no two alike, the same every time."""

from __future__ import annotations

import datetime
import random

from palrs_hub.manifest import Data, Method, Task
from palrs_hub.registry.entry import VERDICTS, Curator, Entry, Evidence, Place
from palrs_hub.registry.facts import Sample
from palrs_hub.registry.site.build import write_gallery
from palrs_hub.registry.site.vector_page import Page
from tests.builders import LAYER, a_base_model, a_cell, a_manifest, an_evaluation, an_intervention

QUALITIES = (
    *("careful", "terse", "polite", "truthful", "cautious", "formal", "playful", "concise"),
    *("patient", "sceptical", "helpful", "modest", "vivid", "plain", "stepwise", "grounded"),
)
SUBJECTS = (
    *("sums", "code", "refusals", "summaries", "citations", "dialogue", "proofs", "translations"),
    *("recipes", "reviews", "letters", "diagnoses", "plans", "stories", "questions", "tables"),
)
FAMILIES = ("Qwen3", "Llama-4", "Gemma-3", "Mistral", "SmolLM3", "OLMo-2", "Phi-4", "Granite")
SIZES = ("0.6B", "1.7B", "3B", "4B", "7B", "8B", "14B", "32B")
METHODS = ("palrs", "mean_difference", "pca", "probe")
POSITIONS = ("-2", "-1")


def pages(count: int) -> list[Page]:
    """Pages of made-up vectors."""
    draw = random.Random(0)
    grid = _grid()
    return [_page(number, draw, grid) for number in range(count)]


def _page(number: int, draw: random.Random, grid: object) -> Page:
    quality, subject = draw.choice(QUALITIES), draw.choice(SUBJECTS)
    family, size = draw.choice(FAMILIES), draw.choice(SIZES)
    slug = f"{quality}-{subject}-{number}"
    unsteered = draw.uniform(0.05, 0.6)
    manifest = a_manifest().model_copy(
        update={
            "name": slug,
            "task": Task(
                name=f"{quality} {subject}",
                description=f"Moves the model towards {quality} {subject}, measured on problems "
                "that nothing was chosen with.",
            ),
            "method": Method(
                name=draw.choice(METHODS), switches={"position": "-1", "scale": "unit_norm"}
            ),
            "base_model": a_base_model(repo_id=f"lab-{family.lower()}/{family}-{size}"),
            "interventions": (an_intervention(coefficient=1.5),),
            "data": Data(name=f"{subject}.jsonl", revision=None, pairs=100, sha256="d" * 64),
            "selection": grid,
            "evaluations": (
                an_evaluation(
                    task=f"{subject} that need it",
                    value=min(1.0, unsteered + draw.uniform(-0.05, 0.5)),
                    baselines={"unsteered": unsteered, "random (mean)": unsteered + 0.01},
                ),
            ),
        }
    )
    verdict = draw.choice(list(VERDICTS))
    entry = Entry(
        slug=slug,
        name=slug,
        source=Place(repo=f"lab-{number % 97}/{slug}", commit=f"{number:040x}"),
        sha256=f"{number:064x}",
        base_model=Place(repo=manifest.base_model.repo_id, commit="a" * 40),
        task=manifest.task.name,
        method=manifest.method.name,
        license="apache-2.0",
        tags=(quality, subject),
        curator=Curator(
            verdict=verdict,
            date=datetime.date(2026, 1, 1) + datetime.timedelta(days=number % 300),
            reason="Made up, so that the gallery can be tried with many entries.",
            superseded_by="careful-sums-0" if verdict == "superseded" else None,
        ),
        evidence=Evidence(manifest="1" * 64, facts="2" * 64),
    )
    sample = Sample(
        prompt="478+356=",
        unsteered="8+6=14,7+5=12,4+3=7#724",
        steered="8+6=14,7+5+1=13,4+3+1=8#834",
        coefficient=1.5,
    )
    return Page(entry, manifest, (sample,), CARD)


def _grid() -> object:
    cells = tuple(
        a_cell(
            position=position,
            layer=layer,
            coefficient=coefficient,
            margin=0.3 * layer - (coefficient - 1.5) ** 2 / 4,
            side_effect=0.01 * coefficient,
        )
        for position in POSITIONS
        for layer in range(LAYER + 1)
        for coefficient in (0.5, 1.0, 1.5, 2.0)
    )
    return a_manifest().selection.model_copy(update={"cells": cells})


CARD = """# Made up

## Intended use

Trying the gallery. A [link](https://example.org/), `code`, and a table:

| what | how much |
|---|---|
| nothing | 0 |

## Limits

It is *made up*, <script>alert(1)</script> and all.

## Side effects

None were measured, since there is no model.

## Evidence

The numbers come from a generator of random ones.

## Failure cases

Everything that is expected of it.
"""


def write(folder: object, count: int) -> None:
    """Write the gallery of them."""
    write_gallery(pages(count), folder)
