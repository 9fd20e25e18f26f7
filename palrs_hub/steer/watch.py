"""Keeps a model's ``Tokens`` up to date: hooks on the model, and an eye on its ``generate``."""

from __future__ import annotations

import contextlib
import functools
import inspect
import types
import weakref
from collections.abc import Callable, Iterator, Sequence
from typing import TYPE_CHECKING, Any, Protocol

import torch

from palrs_hub.compiled import uncompiled
from palrs_hub.errors import SteeringError
from palrs_hub.steer.prompt import prompt_of
from palrs_hub.steer.tokens import Needs, Tokens

if TYPE_CHECKING:
    from palrs_hub.steer.prompt import Prompt

_WATCHES: weakref.WeakKeyDictionary[torch.nn.Module, weakref.ref[Watch]] = (
    weakref.WeakKeyDictionary()
)


class Watcher(Protocol):
    """Steering that has to know of tokens."""

    @property
    def needs(self) -> Needs:
        """What it has to know now; nothing while it is suspended."""

    def check_batch(self, prompt: Prompt) -> None:
        """Refuse a batch that it was not attached for."""


class Watch:
    """A model's tokens, kept up to date while somebody wants them."""

    def __init__(self, model: torch.nn.Module) -> None:
        self.tokens = Tokens(model)
        self._model = weakref.ref(model)
        self._watchers: list[Watcher] = []
        self._undo: contextlib.ExitStack | None = None

    def add(self, watcher: Watcher) -> None:
        """Keep the tokens up to date from now on."""
        if self._undo is None:
            self._undo = self._install()
        self._watchers.append(watcher)

    def remove(self, watcher: Watcher) -> None:
        """Forget somebody; the model is as before when the last one is gone."""
        if watcher in self._watchers:
            self._watchers.remove(watcher)
        if not self._watchers and self._undo is not None:
            self._undo.close()
            self._undo = None

    def _needs(self) -> Needs:
        needs = Needs()
        for watcher in self._watchers:
            needs = needs | watcher.needs
        return needs

    def _install(self) -> contextlib.ExitStack:
        model = self._model()
        assert model is not None

        def before(module: torch.nn.Module, arguments: tuple[Any, ...], named: Any) -> None:  # noqa: ANN401
            # A deep copy of the model takes its hooks along.
            if module is model and (needs := self._needs()):
                self.tokens.start(needs, arguments, named)

        def after(module: torch.nn.Module, arguments: object, output: object) -> None:
            if module is model:
                self.tokens.stop()

        with contextlib.ExitStack() as undo:
            handle = model.register_forward_pre_hook(before, prepend=True, with_kwargs=True)
            undo.callback(handle.remove)
            undo.callback(model.register_forward_hook(after, always_call=True).remove)
            if callable(getattr(model, "generate", None)):
                undo.callback(_watch_generate(model, self))
            return undo.pop_all()

    def generate(self, original: Callable[..., Any], *arguments: Any, **named: Any) -> Any:  # noqa: ANN401
        """Generate, having read where the prompt ends."""
        model, active = self._model(), [one for one in self._watchers if one.needs]
        # A model may draft for itself: the outer call knows the prompt.
        if model is None or not self._watchers or self.tokens.prompt is not None:
            return original(*arguments, **named)
        given = dict(inspect.signature(original).bind(*arguments, **named).arguments)
        prompt = prompt_of(model, {**given, **given.pop("kwargs", {})})
        if active and prompt.is_guided:
            raise SteeringError(
                "With guidance_scale the model reads other texts beside the prompt, and which "
                "tokens are the prompt's cannot be told. Generate without guidance_scale, or steer "
                "all tokens without condition."
            )
        for watcher in self._watchers:
            watcher.check_batch(prompt)
        with self.tokens.generating(prompt):
            return original(*arguments, **named)


def watch(model: torch.nn.Module) -> Watch:
    """The watch of a model, or of the transformers model inside it."""
    inner = transformers_model(model)
    known = _WATCHES.get(inner)
    found = known() if known else None
    if found is None:
        found = Watch(inner)
        _WATCHES[inner] = weakref.ref(found)
    return found


@contextlib.contextmanager
def prompt_tokens(model: torch.nn.Module, number: int | Sequence[int]) -> Iterator[None]:
    """State where prompts end, for forward passes outside ``generate``.

    ``generate`` knows it by itself. A plain forward pass does not, be it a text that is scored or
    a step of one's own loop; steering that depends on it (the prompt's or the generated tokens
    only, or a condition) refuses to guess.

    Args:
        model: The steered model.
        number: Tokens of the prompt, padding not counted: one number, or one for each row.
    """
    counts = [number] if isinstance(number, int) else list(number)
    if not counts or min(counts) < 0:
        raise SteeringError(f"A prompt has 0 or more tokens; found {number!r}.")
    with watch(model).tokens.stating(number):
        yield


def transformers_model(model: torch.nn.Module) -> torch.nn.Module:
    """The outermost model of transformers: the one that runs, and generates, under any wrapper."""
    from transformers import PreTrainedModel

    plain = uncompiled(model)
    return next((part for part in plain.modules() if isinstance(part, PreTrainedModel)), plain)


class _WatchedGenerate:
    """The model's ``generate`` in a frame; on a copy of the model the copy's own."""

    def __init__(self, model: torch.nn.Module, watch: Watch) -> None:
        self._model = weakref.ref(model)
        self._watch = watch
        self._original: Callable[..., Any] = model.generate  # type: ignore[assignment]
        functools.update_wrapper(self, self._original)

    def __call__(self, *arguments: Any, **named: Any) -> Any:  # noqa: ANN401 - generate's own
        return self._watch.generate(self._original, *arguments, **named)

    def __deepcopy__(self, memo: dict[int, Any]) -> Any:  # noqa: ANN401
        twin = memo.get(id(self._model()))
        return self if twin is None else types.MethodType(type(twin).generate, twin)


def _watch_generate(model: torch.nn.Module, watch: Watch) -> Callable[[], None]:
    own = model.__dict__.get("generate")
    watched = _WatchedGenerate(model, watch)
    model.generate = watched  # type: ignore[assignment]

    def undo() -> None:
        # Somebody else may have wrapped it since: without watchers it then only passes on.
        if model.__dict__.get("generate") is watched:
            del model.__dict__["generate"]
            if own is not None:
                model.generate = own

    return undo
