"""The command that serves a steered model with vLLM: which class, which vectors, which switches."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from palrs_hub import compatibility
from palrs_hub.compatibility import ModelFacts
from palrs_hub.engines.addends import addends
from palrs_hub.engines.vllm_plugin import WORKER_EXTENSION
from palrs_hub.engines.vllm_plugin.architectures import steered_name
from palrs_hub.engines.vllm_plugin.settings import overrides
from palrs_hub.errors import UsageError
from palrs_hub.vector import SteeringVector

PLUGIN = "palrs_hub"


@dataclass(frozen=True)
class ServeCommand:
    """A command line of vLLM.

    Attributes:
        words: The command.
        environment: What must be set for it.
    """

    words: tuple[str, ...]
    environment: Mapping[str, str] = field(default_factory=dict)

    def as_text(self) -> str:
        """The command as a shell takes it."""
        import shlex

        settings = [f"{name}={shlex.quote(value)}" for name, value in self.environment.items()]
        return " ".join([*settings, shlex.join(self.words)])


def serve_command(
    vectors: Mapping[str, SteeringVector],
    folders: Mapping[str, str | os.PathLike[str]],
    base: str,
    facts: ModelFacts,
    *,
    base_revision: str | None = None,
    active: str | None = None,
    coefficient: float | None = None,
    live: bool = False,
    extra: Sequence[str] = (),
) -> ServeCommand:
    """Build the command, once every vector fits the model.

    Args:
        vectors: The vectors by the name that requests use; the first steers unless told otherwise.
        folders: Where each lies.
        base: The base model, as vLLM takes it.
        facts: What its configuration tells.
        base_revision: Its commit.
        active: The vector that steers at first.
        coefficient: Its coefficient, instead of its own.
        live: Let the steering be read and changed over HTTP.
        extra: Further words for vLLM.

    Raises:
        UsageError: There is no vector of that name, or it does more than add to every token.
        IncompatibleError: A vector was not made for this model.
        ModelError: The plugin does not steer this architecture.
    """
    first = active or next(iter(vectors))
    if first not in vectors:
        raise UsageError(f"No vector {first!r}. Vectors: {', '.join(map(repr, vectors))}.")
    for name, vector in vectors.items():
        findings = compatibility.check(vector.manifest, facts)
        compatibility.enforce(vector.manifest, facts, findings)
        addends(vector, coefficient if name == first else None)
    architecture = steered_name(vectors[first].manifest.base_model.architecture)
    places = {name: str(Path(folder).resolve()) for name, folder in folders.items()}
    settings = overrides(architecture, vectors, places, active=first, coefficient=coefficient)
    words = ["vllm", "serve", base]
    if base_revision:
        words += ["--revision", base_revision, "--tokenizer-revision", base_revision]
    words += ["--hf-overrides", json.dumps(settings)]
    if live:
        words += ["--worker-extension-cls", WORKER_EXTENSION]
    return ServeCommand((*words, *extra), {"VLLM_PLUGINS": PLUGIN} if live else {})
