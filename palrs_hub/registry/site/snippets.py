"""How to use a vector, ready to be copied: SNIPPETS is the table.

Every name in a snippet passed the checks of an entry: repository ids, commits, paths and slugs are
of letters, digits and a few signs, so that none of them can end a string or begin a command.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Callable

    from palrs_hub.manifest import Manifest
    from palrs_hub.registry.entry import Entry


@dataclass(frozen=True)
class Snippet:
    """A text to copy, what it is for, and what to know of it."""

    name: str
    text: str
    note: str


def _python(entry: Entry, manifest: Manifest) -> Snippet:
    source = entry.source
    arguments = [f'"{source.repo or source.path}"']
    if source.commit:
        arguments.append(f'revision="{source.commit}"')
    if entry.base_model.path:
        arguments.append(f'base_model="{entry.base_model.path}"')
    listed = "".join(f"    {argument},\n" for argument in arguments)
    return Snippet(
        "Python",
        "from palrs_hub import AutoSteeredModelForCausalLM\n\n"
        f"model = AutoSteeredModelForCausalLM.from_pretrained(\n{listed})",
        "The base model is loaded, checked against the vector and steered; what comes back is an "
        f"ordinary transformers model. {_where(entry)}",
    )


def _command_line(entry: Entry, manifest: Manifest) -> Snippet:
    model = f" \\\n  --model {entry.base_model.path}" if entry.base_model.path else ""
    return Snippet(
        "Command line",
        f'palrs-hub generate {_vector(entry)}{model} \\\n  --prompt "..." --compare',
        f"Steered and unsteered side by side. {_where(entry)}",
    )


def _vllm(entry: Entry, manifest: Manifest) -> Snippet:
    return Snippet(
        "vLLM",
        f"palrs-hub export {_vector(entry)} \\\n"
        f"  --format gguf --output {entry.slug}.gguf\n"
        "# then load the file with an engine that reads control vectors, for instance EasySteer",
        "vLLM itself has no steering.",
    )


def _llama_cpp(entry: Entry, manifest: Manifest) -> Snippet:
    changes = manifest.interventions
    fold = len({change.coefficient for change in changes}) > 1
    scale = 1.0 if fold else changes[0].coefficient
    note = (
        "BASE.gguf is the base model, converted with llama.cpp's own converter. llama.cpp goes on "
        "unsteered where a control vector does not fit, so compare the text with and without it."
    )
    if any(change.layer == 0 for change in changes):
        note = "This vector steers block 0, for which llama.cpp has no control vector."
    if beyond := next((c.beyond_adding for c in changes if c.beyond_adding), None):
        note = f"llama.cpp can only add, and to every token: this vector has {beyond}."
    return Snippet(
        "llama.cpp",
        f"palrs-hub export {_vector(entry)} \\\n"
        f"  --format gguf{' --fold' if fold else ''} --output {entry.slug}.gguf\n"
        f"llama-cli -m BASE.gguf \\\n"
        f'  --control-vector-scaled {entry.slug}.gguf:{scale:g} -p "..."',
        note,
    )


SNIPPETS: Final[tuple[Callable[[Entry, Manifest], Snippet], ...]] = (
    _python,
    _command_line,
    _vllm,
    _llama_cpp,
)


def snippets_of(entry: Entry, manifest: Manifest) -> list[Snippet]:
    """All of them for one vector."""
    return [make(entry, manifest) for make in SNIPPETS]


def _vector(entry: Entry) -> str:
    return str(entry.source)


def _where(entry: Entry) -> str:
    return "Run it in a clone of the registry's repository." if entry.source.path else ""
