"""What is true of a model's decoder blocks, found without palrs_hub, against what palrs_hub says.

The truth comes from transformers' own hidden_states and from which modules return those very
values: a stack is a family of modules ``<path>.<k>`` whose outputs are the entries in order.
"""

from __future__ import annotations

import contextlib
import dataclasses
import itertools
import re
from typing import TYPE_CHECKING, Any
from unittest import mock

import numpy as np
import torch
from torch.nn.modules import module as torch_modules

from palrs_hub.activations import Stream, ways
from palrs_hub.blocks import find_blocks
from palrs_hub.errors import ModelError
from palrs_hub.inputs import Sample
from palrs_hub.probe import measure_fingerprint
from palrs_hub.steer import adding
from tests.activations.by_itself import one_by_one
from tests.survey.configs import build

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

TOKENS = tuple(range(5, 21))
PAIRS = 6
PASSES, REFUSED, UNBUILT, WRONG = "passes", "refused", "cannot be built", "SILENTLY WRONG"


@dataclasses.dataclass(frozen=True)
class Outcome:
    """How a class fared: its kind, why, and where palrs_hub found the blocks."""

    kind: str
    reason: str = ""
    path: str = ""

    def __str__(self) -> str:
        return f"{self.kind}: {self.reason}" if self.reason else self.kind


@dataclasses.dataclass(frozen=True)
class Truth:
    """The stacks of blocks that make transformers' hidden_states: path -> layer -> entry."""

    states: tuple[torch.Tensor, ...]
    stacks: dict[str, dict[int, int]]


class Mismatch(Exception):
    """palrs_hub accepts the model, and an independent check says otherwise."""


def survey(model_type: str, class_name: str) -> Outcome:
    """Build one class and hold palrs_hub's view of it against the truth."""
    try:
        model = build(model_type, class_name)
    except TimeoutError:
        raise
    except Exception as error:  # noqa: BLE001 - whatever a foreign class raises is the finding
        return Outcome(UNBUILT, _line(error))
    try:
        return survey_model(model)
    except (TimeoutError, AssertionError):
        raise
    except Exception as error:  # noqa: BLE001 - the class cannot run on tokens alone
        return Outcome(UNBUILT, f"does not run on tokens alone ({_line(error)})")


def survey_model(model: torch.nn.Module) -> Outcome:
    """What palrs_hub says of a model; every layer that it accepts is checked."""
    try:
        blocks = find_blocks(model)
    except ModelError as error:
        return Outcome(REFUSED, _line(error))
    refusals = dict(_refusals(model, len(blocks)))
    accepted = [layer for layer in range(len(blocks)) if layer not in refusals]
    reason = next(iter(refusals.values()), "")
    if not accepted:
        return Outcome(REFUSED, reason)
    try:
        check(model, accepted)
    except Mismatch as error:
        return Outcome(WRONG, _line(error), blocks.path)
    if refusals:
        return Outcome(REFUSED, f"{reason} (Its other layers pass.)", blocks.path)
    return Outcome(PASSES, path=blocks.path)


def _refusals(model: torch.nn.Module, number: int) -> Iterator[tuple[int, str]]:
    """The layers that the probe refuses, and why; all in one pass where it refuses none."""
    try:
        measure_fingerprint(model, TOKENS, range(number))
    except ModelError:
        for layer in range(number):
            try:
                measure_fingerprint(model, TOKENS, [layer])
            except ModelError as error:
                yield layer, _line(error)


def check(model: torch.nn.Module, layers: Sequence[int]) -> None:
    """Hold what palrs_hub found, reads and adds at layers against the truth.

    Raises:
        Mismatch: They differ.
    """
    blocks = find_blocks(model)
    truth = find_truth(model)
    if blocks.path not in truth.stacks:
        raise Mismatch(f"{blocks.path} is not what makes hidden_states: {sorted(truth.stacks)}")
    entries = truth.stacks[blocks.path]
    last = max(entries)  # whose entry is behind the final norm
    _check_reading(model, {k: truth.states[entries[k]] for k in layers if k != last})
    generator = np.random.default_rng(0)
    for layer in layers:
        vector = generator.standard_normal(blocks.hidden_size).astype(np.float32)
        _check_addition(model, blocks.path, entries, layer, vector)
    for only_the_last in (True, False):
        _check_extraction(model, layers, only_the_last)


def _check_reading(model: torch.nn.Module, states: dict[int, torch.Tensor]) -> None:
    norms = measure_fingerprint(model, TOKENS, sorted(states)).norms
    for layer, measured in zip(sorted(states), norms, strict=True):
        expected = states[layer][0, :-1].norm(dim=-1)
        if not np.allclose(measured, expected, rtol=1e-3, atol=1e-5):
            raise Mismatch(f"what is read at layer {layer} is not transformers' hidden_states")


def _check_extraction(model: torch.nn.Module, layers: Sequence[int], only_the_last: bool) -> None:
    """Pairs read together, as cheaply as the model allows, beside each text by itself."""
    sides = _pairs(only_the_last)
    stream = Stream(model, [str(i) for i in range(2 - only_the_last)], PAIRS, layers=layers)
    with mock.patch.object(ways, "BRANCHES_FROM", 0), stream.reading():
        stream.add(*sides, positions=stream.sums().positions, first=0)
    for moments, texts in zip(stream.sums().moments(), sides, strict=True):
        expected = one_by_one(model, texts)[:, layers]
        if not np.abs(moments.mean - expected).max() <= 1e-4 * np.abs(expected).max():
            raise Mismatch(f"texts that are read together ({', '.join(stream.ways)}) differ")


def _pairs(only_the_last: bool) -> tuple[list[Sample], list[Sample]]:
    """Texts of both classes, pair by pair of one prompt, from tokens that every model has."""
    generator = np.random.default_rng(0)
    sides: tuple[list[Sample], list[Sample]] = ([], [])
    for _ in range(PAIRS):
        prompt = generator.integers(TOKENS[0], TOKENS[-1], generator.integers(3, 15))
        for side in sides:
            response = generator.integers(TOKENS[0], TOKENS[-1], generator.integers(2, 9))
            text = tuple(map(int, (*prompt, *response)))
            spans = ((len(text) - 1, len(text)), (len(prompt), len(text)))
            side.append(Sample(text, spans[: 2 - only_the_last]))
    return sides


def find_truth(model: torch.nn.Module) -> Truth:
    """Which stacks of modules return hidden_states, entry by entry."""
    with recording() as calls:
        output = run(model)
    states = output.get("hidden_states")
    if not states:
        raise Mismatch("the model returns no hidden_states to check against")
    stacks = {}
    for path, called in _stacks(model, calls).items():
        for offset in (1, 0):  # with an entry for the embeddings, or without
            entries = {layer: index + offset for index, layer in enumerate(sorted(called))}
            inner = list(entries)[:-1]
            if len(states) in {len(called) + offset, len(called) + 1} and all(
                any(_same(states[entries[layer]], tensor) for tensor in called[layer])
                for layer in inner
            ):
                _check_distinct([states[entries[layer]] for layer in inner])
                stacks[path] = entries
    if not stacks:
        raise Mismatch(f"no stack of modules makes the {len(states)} hidden_states")
    return Truth(tuple(states), stacks)


def _stacks(model: torch.nn.Module, calls: list[Call]) -> dict[str, dict[int, list[torch.Tensor]]]:
    """What the numbered modules that ran returned: path of their list -> number -> tensors."""
    names = {module: name for name, module in model.named_modules()}
    found: dict[str, dict[int, list[torch.Tensor]]] = {}
    for call in calls:
        if match := re.fullmatch(r"(.+)\.(\d+)", names.get(call.module, "")):
            stack = found.setdefault(match[1], {})
            stack.setdefault(int(match[2]), []).extend(call.outputs)
    return {path: stack for path, stack in found.items() if len(stack) > 2}


def _check_distinct(states: list[torch.Tensor]) -> None:
    for before, after in itertools.pairwise(states):
        if _same(before, after):
            raise Mismatch("two layers have equal hidden_states: the check would show nothing")


def _check_addition(
    model: torch.nn.Module, path: str, entries: dict[int, int], layer: int, vector: np.ndarray
) -> None:
    """Adding at a layer moves what transformers records, what comes next and the logits."""
    with recording() as plain_calls:
        plain = run(model)
    with adding(model, layer, vector), recording() as steered_calls:
        steered = run(model)
    if torch.equal(plain["logits"], steered["logits"]):
        raise Mismatch(f"adding at layer {layer} leaves the logits as they were")
    if layer == max(entries):
        return
    following = model.get_submodule(f"{path}.{min(k for k in entries if k > layer)}")
    shift = torch.tensor(vector)
    before, after = (_inputs(calls, following) for calls in (plain_calls, steered_calls))
    if not any(_shifted(one, two, shift) for one, two in zip(before, after, strict=True)):
        raise Mismatch(f"adding at layer {layer} does not move what the next one reads")
    state = plain["hidden_states"][entries[layer]]
    if not _shifted(state, steered["hidden_states"][entries[layer]], shift):
        _expect_recorded_inside(model, f"{path}.{layer}.", plain_calls, state)


def _expect_recorded_inside(
    model: torch.nn.Module, prefix: str, calls: list[Call], state: torch.Tensor
) -> None:
    """Some blocks wrap the module that transformers records, before anything is added."""
    names = {module: name for name, module in model.named_modules()}
    makers = [call for call in calls if any(_same(state, tensor) for tensor in call.outputs)]
    if not any(names[call.module].startswith(prefix) for call in makers):
        raise Mismatch(f"adding at {prefix[:-1]} does not move hidden_states by the vector")


def _shifted(plain: torch.Tensor, steered: torch.Tensor, shift: torch.Tensor) -> bool:
    if plain.shape != steered.shape or plain.shape[-1:] != shift.shape:
        return False
    scale = 1 + float(plain.abs().max())
    return torch.allclose(steered - plain, shift.expand_as(plain), atol=1e-5 * scale, rtol=0)


def _inputs(calls: list[Call], module: torch.nn.Module) -> list[torch.Tensor]:
    return [tensor for call in calls if call.module is module for tensor in call.inputs]


def run(model: torch.nn.Module) -> Any:
    """One forward pass on a fixed text that returns hidden_states."""
    ids = torch.tensor([[*TOKENS, TOKENS[-1]]])
    with torch.no_grad():
        return model(
            input_ids=ids,
            attention_mask=torch.ones_like(ids),
            use_cache=False,
            output_hidden_states=True,
            return_dict=True,
        )


@dataclasses.dataclass(frozen=True)
class Call:
    """What one module read and returned."""

    module: torch.nn.Module
    inputs: tuple[torch.Tensor, ...]
    outputs: tuple[torch.Tensor, ...]


@contextlib.contextmanager
def recording() -> Iterator[list[Call]]:
    """Within, every call of every module is recorded."""
    calls: list[Call] = []

    def hook(module: torch.nn.Module, arguments: Any, keywords: Any, output: object) -> None:
        inputs = (*arguments, *keywords.values())
        calls.append(Call(module, _tensors(inputs), _tensors(output)))

    handle = torch_modules.register_module_forward_hook(hook, with_kwargs=True)
    try:
        yield calls
    finally:
        handle.remove()
        # The handle forgets this table, and torch would take the hook for a living one for ever.
        torch_modules._global_forward_hooks_with_kwargs.pop(handle.id, None)


def _tensors(values: object) -> tuple[torch.Tensor, ...]:
    found = values if isinstance(values, (tuple, list)) else (values,)
    return tuple(
        value.detach()
        for value in found
        if isinstance(value, torch.Tensor) and value.is_floating_point()
    )


def _same(one: torch.Tensor, two: torch.Tensor) -> bool:
    return one.shape == two.shape and torch.equal(one, two)


def _line(error: BaseException) -> str:
    text = " ".join(str(error).split())
    name = "" if isinstance(error, (ModelError, Mismatch)) else f"{type(error).__name__}: "
    return name + (text if len(text) <= 160 else text[:157] + "...")
