"""The arms that change no weight: baselines and steering vectors."""

from __future__ import annotations

import dataclasses
import tempfile
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from benchmarks.alignment.clock import Seconds
from benchmarks.alignment.measure import Bench, measure
from benchmarks.alignment.results import Arm
from benchmarks.alignment.worlds import Domain
from palrs_hub.errors import ExtractionError
from palrs_hub.evidence import Cell
from palrs_hub.experiment import random_like
from palrs_hub.extraction import Extraction, extract
from palrs_hub.instruction import instructed
from palrs_hub.methods import METHODS
from palrs_hub.pairs import PreferencePair
from palrs_hub.pairs.pair import Message, Text
from palrs_hub.selection import Selected, select
from palrs_hub.steer import adding

UNSTEERED: Final = "unsteered"
INSTRUCTION: Final = "instruction in the prompt"
EXAMPLE: Final = "example in the prompt"
RANDOM: Final = "random directions"
PALRS: Final = "PaLRS"
READING: Final = "PaLRS, reading chosen too"
PRESET: Final = "PaLRS, paper's preset"
PALRS_ARMS: Final = (PALRS, READING, PRESET)

Ask = Callable[[Sequence[Text]], tuple[Text, ...]]


@dataclass(frozen=True)
class Vector:
    """A way to make a vector.

    Attributes:
        method: Its name in METHODS.
        switches: Other than the method's preset where the model has a chat template; more than one
            set of them is chosen from on validation, too.
        raw: The same where it has none.
    """

    method: str
    switches: tuple[dict[str, Any], ...]
    raw: tuple[dict[str, Any], ...]


_VALIDATION: Final = {"choice": "validation"}
_MEAN: Final = {"positions": "response_mean"}
_CONVERSATION: Final = {"input_format": "conversation"}
_LAST: Final = {"input_format": "raw", "positions": "last"}

VECTORS: Final[dict[str, Vector]] = {
    PALRS: Vector("palrs", (_VALIDATION,), (_VALIDATION | _LAST,)),
    READING: Vector(
        "palrs",
        (_VALIDATION, _VALIDATION | _CONVERSATION | _MEAN),
        (_VALIDATION | _LAST, _VALIDATION | _LAST | _MEAN),
    ),
    PRESET: Vector("palrs", ({},), (_LAST,)),
    "mean difference": Vector("mean_difference", ({},), ({"input_format": "raw"},)),
    "BiPO": Vector("bipo", ({},), ({"input_format": "raw"},)),
}


@dataclass(frozen=True)
class Found:
    """A vector with its place and coefficient, and what finding it cost."""

    extraction: Extraction
    selected: Selected
    seconds: Seconds
    one_run: Seconds
    tried: int = 0

    @property
    def helpful(self) -> int:
        """How many cells could become finalists."""
        selection = self.selected.selection
        return sum(cell.helps(selection.unsteered) for cell in selection.cells)

    @property
    def judged(self) -> list[Cell]:
        """The cells that answered all of the validation problems."""
        cells = self.selected.selection.cells
        return [cell for cell in cells if cell.accuracy is not None]

    @property
    def accuracy(self) -> float:
        """The highest of them."""
        return max(cell.accuracy or 0.0 for cell in self.judged)

    @property
    def addend(self) -> Any:  # noqa: ANN401 - a numpy array
        """What is added to the residual stream."""
        direction = self.extraction.direction(self.selected.position, self.selected.layer)
        return self.selected.coefficient * direction


def steering_arms(bench: Bench, domain: Domain) -> Iterator[Arm]:
    """Every arm of one domain that trains no weight of the model."""
    yield _asked(
        bench,
        domain,
        INSTRUCTION,
        lambda prompts: instructed(bench.tokenizer, prompts, domain.instruction),
    )
    yield _asked(bench, domain, EXAMPLE, lambda prompts: _with_example(bench, domain, prompts))
    for name, vector in VECTORS.items():
        if vector.method not in METHODS:
            continue
        try:
            found = find(bench, domain, vector)
        except ExtractionError as error:
            yield Arm(name, "steering", domain.name, failed=str(error))
            continue
        yield _steered(bench, domain, name, found)
        if name == PALRS:
            yield _random(bench, domain, found)


def unsteered(bench: Bench) -> Arm:
    """The model as it is."""
    return Arm(UNSTEERED, "baseline", measured=(measure(bench),))


def find(
    bench: Bench,
    domain: Domain,
    vector: Vector,
    pairs: tuple[PreferencePair, ...] | None = None,
    *,
    finalists: int | None = None,
    position: str | None = None,
    layer: int | None = None,
) -> Found:
    """Extract from a domain's pairs and choose on its validation split.

    Args:
        bench: The world.
        domain: The domain.
        vector: The method and its switches.
        pairs: Other pairs than the domain's.
        finalists: Another number of them.
        position: Choose among candidates of this read position alone.
        layer: Choose among candidates of this layer alone.

    Raises:
        ExtractionError: No setting helps without harm.
    """
    seconds, found, refused = Seconds(), [], ""
    readings = switches_of(bench, vector)
    finalists = finalists or bench.sizes.finalists // len(readings)
    for switches in readings:
        one_run = Seconds()
        with seconds.running():
            with one_run.running():
                extraction = extract(
                    bench.model,
                    bench.tokenizer,
                    pairs or domain.pairs[: bench.sizes.pairs],
                    vector.method,
                    **switches,
                )
            try:
                selected = select(
                    bench.model,
                    bench.tokenizer,
                    extraction,
                    domain.validation,
                    problems=domain.problems,
                    neutral=domain.neutral,
                    finalists=finalists,
                    position=position,
                    layer=layer,
                )
            except ExtractionError as error:
                refused = str(error)
                continue
        found.append(Found(extraction, selected, seconds, one_run))
    if not found:
        raise ExtractionError(refused)
    tried = sum(min(finalists, each.helpful) for each in found)
    return dataclasses.replace(max(found, key=lambda each: each.accuracy), tried=tried)


def switches_of(bench: Bench, vector: Vector) -> tuple[dict[str, Any], ...]:
    """Those that fit the bench's model."""
    return vector.switches if bench.tokenizer.chat_template else vector.raw


def _steered(bench: Bench, domain: Domain, name: str, found: Found) -> Arm:
    chosen = found.selected
    with adding(bench.model, chosen.layer, found.addend):
        measured = measure(bench)
    return Arm(
        name,
        "steering",
        domain.name,
        measured=(measured,),
        validation=found.accuracy,
        settings={
            "position": chosen.position,
            "layer": chosen.layer,
            "coefficient": chosen.coefficient,
            "unit": found.extraction.switches.scale,
            "input_format": found.extraction.switches.input_format,
        },
        tried=found.tried,
        grid=tuple(
            cell.model_dump(include={"position", "layer", "coefficient", "accuracy", "side_effect"})
            for cell in found.judged
        ),
        seconds=found.seconds,
        one_run=found.one_run,
        weights_bytes=_weights_bytes(found),
    )


def _weights_bytes(found: Found) -> int:
    vector = found.extraction.vector(
        position=found.selected.position,
        layer=found.selected.layer,
        coefficient=found.selected.coefficient,
        name="benchmark",
        task="benchmark",
    )
    with tempfile.TemporaryDirectory() as name:
        folder = Path(vector.save_pretrained(Path(name) / "vector"))
        return sum(file.stat().st_size for file in folder.glob("*.safetensors"))


def _random(bench: Bench, domain: Domain, found: Found) -> Arm:
    measured = []
    for addend in random_like(found.addend, bench.sizes.random_directions, seed=0):
        with adding(bench.model, found.selected.layer, addend):
            measured.append(measure(bench))
    return Arm(RANDOM, "baseline", domain.name, measured=tuple(measured))


def _asked(bench: Bench, domain: Domain, name: str, ask: Ask) -> Arm:
    """Every prompt is changed, those of the other domains and of the ordinary texts too."""
    guardrail = ask([prompt for prompt, _ in bench.world.guardrail])
    texts = zip(guardrail, [text for _, text in bench.world.guardrail], strict=True)
    world = dataclasses.replace(
        bench.world,
        domains=tuple(
            dataclasses.replace(
                each, test=dataclasses.replace(each.test, prompts=ask(each.test.prompts))
            )
            for each in bench.world.domains
        ),
        guardrail=tuple(texts),
    )
    measured = measure(dataclasses.replace(bench, world=world))
    return Arm(name, "baseline", domain.name, measured=(measured,))


def _with_example(bench: Bench, domain: Domain, prompts: Sequence[Text]) -> tuple[Text, ...]:
    """Prompts after one of the domain's pairs, answered as preferred."""
    example = domain.pairs[0]
    if not bench.tokenizer.chat_template:
        return tuple(f"{example.prompt}{example.chosen}\n{prompt}" for prompt in prompts)
    turns = (Message("user", str(example.prompt)), Message("assistant", str(example.chosen)))
    return tuple((*turns, Message("user", str(prompt))) for prompt in prompts)
