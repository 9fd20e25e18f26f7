"""Checks of a vector against a model: CHECKS is the table, and every check runs every time.

A check sees the manifest and what is known of the model, which may be no more than its
``config.json``; it returns findings and never raises. Nothing in a manifest can switch one off.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, Literal

from palrs_hub.errors import IncompatibleError
from palrs_hub.fingerprint import distance
from palrs_hub.manifest import FORMAT_VERSION, Fingerprint, Manifest

if TYPE_CHECKING:
    from collections.abc import Sequence

Severity = Literal["error", "warning", "note"]

_EXTRACT_ANOTHER: Final = "Extract one for this model with `palrs-hub extract --model ...`."

# Distances of fingerprints; what was measured to choose them stands in docs/fingerprint.md.
SAME_WEIGHTS: Final = 0.03
SAME_MODEL: Final = 0.2
RELATED_MODEL: Final = 0.6


class CompatibilityWarning(UserWarning):
    """A vector was attached although a check had a doubt; ``strict=True`` refuses instead."""


@dataclass(frozen=True)
class Finding:
    """What one check found.

    Attributes:
        check: Name of the check, a key of CHECKS.
        severity: ``error`` refuses, ``warning`` refuses under ``strict``, ``note`` informs.
        expected: What the vector was made for.
        found: What the model has.
        advice: What to do next.
    """

    check: str
    severity: Severity
    expected: str
    found: str
    advice: str

    def __str__(self) -> str:
        return (
            f"{self.severity} ({self.check}): expected {self.expected}; "
            f"found {self.found}. {self.advice}"
        )


@dataclass(frozen=True)
class ModelFacts:
    """What is known of a model; None where it is not known.

    Attributes:
        name: What to call it in messages.
        tokenizer_known: Whether the two hashes were looked for (a model may have no template).
        fingerprint: Measured on the manifest's tokens and layers.
    """

    name: str
    model_type: str | None = None
    architecture: str | None = None
    hidden_size: int | None = None
    num_blocks: int | None = None
    vocab_size: int | None = None
    repo_id: str | None = None
    revision: str | None = None
    tokenizer_known: bool = False
    tokenizer_sha256: str | None = None
    chat_template_sha256: str | None = None
    dtype: str | None = None
    quantization: str | None = None
    fingerprint: Fingerprint | None = None


Check = Callable[[Manifest, ModelFacts], Iterator[Finding]]


def _format_version(manifest: Manifest, facts: ModelFacts) -> Iterator[Finding]:
    if manifest.format_version > FORMAT_VERSION:
        yield Finding(
            "format_version",
            "error",
            f"format version {FORMAT_VERSION} or older",
            f"version {manifest.format_version}",
            "Upgrade palrs-hub: pip install --upgrade palrs-hub",
        )


def _architecture(manifest: Manifest, facts: ModelFacts) -> Iterator[Finding]:
    base = manifest.base_model
    if facts.model_type is None or facts.model_type != base.model_type:
        yield Finding(
            "architecture",
            "error",
            f"model type {base.model_type!r} ({base.architecture})",
            f"{facts.model_type!r} ({facts.name})",
            _EXTRACT_ANOTHER,
        )
    elif facts.architecture not in (None, base.architecture):
        yield Finding(
            "architecture",
            "warning",
            base.architecture,
            str(facts.architecture),
            "The decoder is of the same type, but the model's head or class is another: make sure "
            "that it generates text.",
        )


def _hidden_size(manifest: Manifest, facts: ModelFacts) -> Iterator[Finding]:
    if facts.hidden_size != manifest.base_model.hidden_size:
        yield Finding(
            "hidden_size",
            "error",
            f"hidden size {manifest.base_model.hidden_size}",
            f"{facts.hidden_size} in {facts.name}",
            _EXTRACT_ANOTHER,
        )


def _num_blocks(manifest: Manifest, facts: ModelFacts) -> Iterator[Finding]:
    if facts.num_blocks != manifest.base_model.num_blocks:
        yield Finding(
            "num_blocks",
            "error",
            f"{manifest.base_model.num_blocks} decoder blocks",
            f"{facts.num_blocks} in {facts.name}",
            _EXTRACT_ANOTHER,
        )


def _layer_range(manifest: Manifest, facts: ModelFacts) -> Iterator[Finding]:
    for intervention in manifest.interventions:
        if facts.num_blocks is not None and intervention.layer >= facts.num_blocks:
            yield Finding(
                "layer_range",
                "error",
                f"a block {intervention.layer} to steer",
                f"blocks 0 to {facts.num_blocks - 1} in {facts.name}",
                _EXTRACT_ANOTHER,
            )


def _tokenizer(manifest: Manifest, facts: ModelFacts) -> Iterator[Finding]:
    base = manifest.base_model
    largest = max(base.fingerprint.token_ids)
    if facts.vocab_size is not None and largest >= facts.vocab_size:
        yield Finding(
            "tokenizer",
            "error",
            f"a vocabulary with token {largest}",
            f"{facts.vocab_size} tokens in {facts.name}",
            _EXTRACT_ANOTHER,
        )
    if base.tokenizer_sha256 is None or facts.tokenizer_sha256 is None:
        yield _not_checked("tokenizer", "the tokenizer's vocabulary", facts)
    elif facts.tokenizer_sha256 != base.tokenizer_sha256:
        yield Finding(
            "tokenizer",
            "warning",
            f"the vocabulary {base.tokenizer_sha256[:12]}",
            f"{facts.tokenizer_sha256[:12]}",
            "Tokens mean something else here: use the base model's own tokenizer.",
        )


def _chat_template(manifest: Manifest, facts: ModelFacts) -> Iterator[Finding]:
    expected = manifest.base_model.chat_template_sha256
    if not facts.tokenizer_known:
        yield _not_checked("chat_template", "the chat template", facts)
    elif facts.chat_template_sha256 != expected:
        yield Finding(
            "chat_template",
            "warning",
            _template(expected),
            _template(facts.chat_template_sha256),
            "The vector was read and evaluated under its own template: use that one.",
        )


def _numeric_format(manifest: Manifest, facts: ModelFacts) -> Iterator[Finding]:
    base = manifest.base_model
    if facts.quantization != base.quantization:
        yield Finding(
            "numeric_format",
            "warning",
            f"quantisation {base.quantization or 'none'}",
            f"{facts.quantization or 'none'}",
            "The coefficient was chosen without this quantisation: evaluate before relying on it.",
        )
    elif facts.dtype not in (None, base.dtype):
        yield Finding(
            "numeric_format",
            "note",
            f"dtype {base.dtype}",
            f"{facts.dtype}",
            "Results differ by rounding.",
        )


def _base_model(manifest: Manifest, facts: ModelFacts) -> Iterator[Finding]:
    base = manifest.base_model
    severity: Severity = "warning" if facts.fingerprint is None else "note"
    if base.repo_id is None or facts.repo_id is None:
        if base.repo_id != facts.repo_id:
            yield Finding(
                "base_model",
                "note",
                f"the base model {base.repo_id or '(from a folder)'}",
                facts.repo_id or f"a model from a folder ({facts.name})",
                "Names cannot be compared; the fingerprint tells whether the weights agree.",
            )
    elif facts.repo_id.lower() != base.repo_id.lower():
        yield Finding(
            "base_model",
            severity,
            f"the base model {base.repo_id}",
            facts.repo_id,
            "Another name; the fingerprint tells whether the weights agree.",
        )
    elif base.revision and facts.revision and facts.revision != base.revision:
        yield Finding(
            "base_model",
            severity,
            f"{base.repo_id} at commit {base.revision[:12]}",
            facts.revision[:12],
            f'Load it with revision="{base.revision}" to have the same weights.',
        )


def _fingerprint(manifest: Manifest, facts: ModelFacts) -> Iterator[Finding]:
    if facts.fingerprint is None:
        yield _not_checked("fingerprint", "the weights' functional fingerprint", facts)
        return
    apart = distance(manifest.base_model.fingerprint, facts.fingerprint)
    if apart <= SAME_WEIGHTS:
        return
    severity: Severity = "error"
    advice = f"These are other weights. {_EXTRACT_ANOTHER}"
    if apart <= SAME_MODEL:
        severity, advice = "note", "A cast, a quantised copy or a light fine-tune would do that."
    elif apart <= RELATED_MODEL:
        severity = "warning"
        advice = "This looks like a fine-tune of the base model: evaluate before relying on it."
    yield Finding(
        "fingerprint",
        severity,
        f"a fingerprint distance of at most {SAME_WEIGHTS}",
        f"{apart:.3f} in {facts.name}",
        advice,
    )


CHECKS: Final[dict[str, Check]] = {
    "format_version": _format_version,
    "architecture": _architecture,
    "hidden_size": _hidden_size,
    "num_blocks": _num_blocks,
    "layer_range": _layer_range,
    "tokenizer": _tokenizer,
    "chat_template": _chat_template,
    "numeric_format": _numeric_format,
    "base_model": _base_model,
    "fingerprint": _fingerprint,
}


def check(manifest: Manifest, facts: ModelFacts) -> tuple[Finding, ...]:
    """Run every check of the table; all findings, in the table's order."""
    return tuple(finding for run in CHECKS.values() for finding in run(manifest, facts))


def refused(findings: Sequence[Finding], *, strict: bool = False) -> tuple[Finding, ...]:
    """The findings that refuse: errors, and under ``strict`` warnings too."""
    refusing = ("error", "warning") if strict else ("error",)
    return tuple(finding for finding in findings if finding.severity in refusing)


def enforce(
    manifest: Manifest, facts: ModelFacts, findings: Sequence[Finding], *, strict: bool = False
) -> None:
    """Refuse a vector whose findings refuse it, and warn of the rest.

    Raises:
        IncompatibleError: There are errors (under ``strict`` also: warnings). It carries all
            findings, notes included.
    """
    if against := refused(findings, strict=strict):
        listed = "\n".join(f"  {finding}" for finding in against)
        raise IncompatibleError(f"{manifest.name!r} does not fit {facts.name}:\n{listed}", findings)
    for finding in findings:
        if finding.severity == "warning":
            warnings.warn(f"{manifest.name!r}: {finding}", CompatibilityWarning, stacklevel=4)


def _template(sha256: str | None) -> str:
    return "no chat template" if sha256 is None else f"the chat template {sha256[:12]}"


def _not_checked(name: str, what: str, facts: ModelFacts) -> Finding:
    how = "Load the weights" if name == "fingerprint" else "Pass the tokenizer"
    return Finding(
        name, "note", f"{what} to compare", "none", f"Not checked. {how} to have it checked."
    )
