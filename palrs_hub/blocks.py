"""Finds a model's decoder blocks: THE definition of a layer index.

``layer = k`` means the output of decoder block ``k``, counted from 0. In transformers that is
``hidden_states[k + 1]`` for every block but the last, whose entry there is after the final norm;
here the residual stream is always read from a hook on the block.
"""

from __future__ import annotations

import contextlib
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import torch

from palrs_hub.errors import ModelError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from transformers import PretrainedConfig

# Where the general rule misses: model_type -> path of the list of blocks.
EXCEPTIONS: Final[dict[str, str]] = {}

_PLACEHOLDER: Final = "PipelineIdentityLayer"
_LIST_NAMES: Final = ("layers", "h", "blocks", "block", "layer")


@dataclass(frozen=True)
class DecoderBlocks:
    """The decoder blocks of one model.

    Attributes:
        path: Where the list of blocks is in the model, for instance ``model.layers``.
        modules: The blocks; ``modules[k]`` is layer ``k``.
        hidden_size: Width of the residual stream.
    """

    path: str
    modules: tuple[torch.nn.Module, ...]
    hidden_size: int

    @property
    def local(self) -> frozenset[int]:
        """The layers that this process computes: in a pipeline, others stand in as identities."""
        names = {layer: type(module).__name__ for layer, module in enumerate(self.modules)}
        return frozenset(layer for layer, name in names.items() if name != _PLACEHOLDER)

    def __len__(self) -> int:
        return len(self.modules)


def find_blocks(model: torch.nn.Module) -> DecoderBlocks:
    """Find the decoder blocks of a transformers model.

    Args:
        model: A model of transformers, with its language-model head or without.

    Returns:
        The blocks of its text decoder, never those of a vision or audio tower.

    Raises:
        ModelError: The blocks cannot be told for certain.
    """
    config = text_config(model)
    number, width = config.num_hidden_layers, config.hidden_size
    decoder = _decoder(model)
    root = decoder if _candidates(decoder, number) else model
    blocks = _from_table(model, config.model_type) or _by_name(decoder, number)
    blocks = blocks or _by_search(root, number)
    if blocks is None:
        found = "several lists" if _candidates(root, number) else "no list"
        raise ModelError(
            f"Cannot tell the decoder blocks of {type(model).__name__}: {found} of {number} "
            "modules in it. Add the path of the right one to EXCEPTIONS in palrs_hub/blocks.py."
        )
    path = next(name for name, module in model.named_modules() if module is blocks)
    return DecoderBlocks(path, tuple(blocks), width)


def text_config(model: torch.nn.Module) -> PretrainedConfig:
    """The configuration of a model's text decoder.

    Raises:
        ModelError: It is not a transformers model with blocks.
    """
    config = getattr(model, "config", None)
    if config is None or not hasattr(config, "get_text_config"):
        raise ModelError(
            f"Expected a model of transformers; {type(model).__name__} has no transformers config."
        )
    if getattr(config, "is_encoder_decoder", False):
        raise ModelError(
            f"{type(model).__name__} has an encoder: its decoder's tokens are not the text that it "
            "is given. Only decoders can be steered."
        )
    try:
        text = config.get_text_config(decoder=True)
    except ValueError as error:
        raise ModelError(
            f"The config of {type(model).__name__} does not tell one text decoder: {error}"
        ) from error
    for name in ("num_hidden_layers", "hidden_size"):
        if not isinstance(getattr(text, name, None), int):
            raise ModelError(f"The config of {type(model).__name__} does not tell {name}.")
    return text  # type: ignore[no-any-return]


def architecture_of(model: torch.nn.Module) -> str:
    """The model's class, seen through torch.compile's wrapper."""
    return type(getattr(model, "_orig_mod", model)).__name__


def residual_of(output: object, hidden_size: int, layer: int) -> torch.Tensor:
    """The residual stream in what a block returned, shape ``[batch, tokens, hidden_size]``.

    Raises:
        ModelError: The block returns something else, so that it cannot be steered safely.
    """
    # Not a named tuple: its first field may be one of several streams.
    tensor = output[0] if type(output) in (tuple, list) and output else output  # type: ignore[index]
    if (
        isinstance(tensor, torch.Tensor)
        and tensor.dim() == 3
        and tensor.shape[-1] == hidden_size
        and tensor.is_floating_point()
    ):
        return tensor
    found = tuple(tensor.shape) if isinstance(tensor, torch.Tensor) else type(tensor).__name__
    raise ModelError(
        f"Block {layer} should return the residual stream as [batch, tokens, {hidden_size}]; it "
        f"returns {found}. Steering this architecture is not supported."
    )


def with_residual(output: object, residual: torch.Tensor) -> object:
    """What a block returned, with its residual stream replaced."""
    if isinstance(output, list):
        return [residual, *output[1:]]
    return (residual, *output[1:]) if isinstance(output, tuple) else residual


@contextlib.contextmanager
def forward_replaced(module: torch.nn.Module, forward: Callable[..., object]) -> Iterator[None]:
    """Within, a module computes something else; its hooks run as ever."""
    own = module.__dict__.get("forward")
    module.__dict__["forward"] = forward
    try:
        yield
    finally:
        if own is None:
            del module.__dict__["forward"]
        else:
            module.__dict__["forward"] = own


def _decoder(model: torch.nn.Module) -> torch.nn.Module:
    getter = getattr(model, "get_decoder", None)
    decoder = getter() if callable(getter) else None
    return decoder if isinstance(decoder, torch.nn.Module) else model


def _from_table(model: torch.nn.Module, model_type: str) -> torch.nn.ModuleList | None:
    path = EXCEPTIONS.get(model_type)
    found = model.get_submodule(path) if path else None
    return found if isinstance(found, torch.nn.ModuleList) else None


def _by_name(decoder: torch.nn.Module, number: int) -> torch.nn.ModuleList | None:
    """The list with a usual name, unless several have one."""
    named = {name: getattr(decoder, name, None) for name in _LIST_NAMES}
    found = [
        module
        for module in named.values()
        if isinstance(module, torch.nn.ModuleList) and len(module) == number
    ]
    return found[0] if len(found) == 1 else None


def _by_search(root: torch.nn.Module, number: int) -> torch.nn.ModuleList | None:
    """The shallowest list of the right length, unless several are equally shallow."""
    candidates = _candidates(root, number)
    least = min((depth for depth, _ in candidates), default=0)
    shallowest = [module for depth, module in candidates if depth == least]
    return shallowest[0] if len(shallowest) == 1 else None


def _candidates(root: torch.nn.Module, number: int) -> list[tuple[int, torch.nn.ModuleList]]:
    """Every list of the right length, and how deep it is."""
    return [
        (name.count("."), module)
        for name, module in root.named_modules()
        if isinstance(module, torch.nn.ModuleList) and len(module) == number
    ]
