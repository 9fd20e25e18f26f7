"""torch.compile and hooks: a compiled graph goes on without hooks that are added later.

Dynamo does not look for hooks that were not there when it traced (``skip_nnmodule_hook_guards``),
and nothing tells which graphs hold a given model: a wrapper's, a function's of the user's, one
block's. So whoever adds a hook lets go of all graphs, by the public ``torch.compiler.reset``. It
costs a compilation at the next call, and nothing where nothing was compiled. That a hook went, or
stands still, is among what dynamo does look at.
"""

from __future__ import annotations

import contextlib
import sys
from typing import TYPE_CHECKING

import torch

from palrs_hub.errors import ModelError

if TYPE_CHECKING:
    from collections.abc import Iterator


def uncompiled(model: torch.nn.Module) -> torch.nn.Module:
    """The model that ``torch.compile`` was given, or the model itself."""
    inner = getattr(model, "_orig_mod", model)
    return inner if isinstance(inner, torch.nn.Module) else model


def forget_graphs() -> None:
    """Have everything compiled again at its next call, so that hooks which were added are seen."""
    if "torch._dynamo" in sys.modules:
        torch.compiler.reset()


@contextlib.contextmanager
def eagerly() -> Iterator[None]:
    """Within, whatever was compiled runs as plain Python, with every hook.

    Raises:
        ModelError: This torch cannot do that (before 2.6), and something may have been compiled.
    """
    if "torch._dynamo" not in sys.modules:
        yield
        return
    set_stance = getattr(torch.compiler, "set_stance", None)
    if set_stance is None:
        raise ModelError(
            "Hooks on a compiled model can only be checked with torch 2.6 or newer; found torch "
            f"{torch.__version__}. Upgrade it, or attach in a process that compiles nothing."
        )
    with set_stance("force_eager"):
        yield
