"""Packages that a stranger might publish: CORPUS is the table, one line a package.

``REFUSED`` ones must end in an error of ours. ``HARMLESS`` ones may load; what is bad in them must
have no effect: nothing runs, nothing is written, nothing active reaches a terminal or a page.
"""

from __future__ import annotations

import json
import os
import pickle
from typing import TYPE_CHECKING, Final

import numpy as np

from palrs_hub.card import CARD_FILE
from palrs_hub.manifest import MANIFEST_FILE, MAX_MANIFEST_BYTES, TENSORS_FILE
from palrs_hub.package_files import SIGNATURE_FILE
from palrs_hub.tensors import MAX_HEADER_BYTES
from tests.builders import HIDDEN
from tests.hostile.package import (
    NAME,
    Package,
    entry,
    of_two,
    safetensors,
    sound_files,
    with_header,
    with_literal,
    with_manifest,
    with_tensors,
    with_value,
    with_values,
)

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

Forge = "Callable[[], Package]"

_ANSI: Final = "\x1b[2J\x1b]0;owned\x07"
_SIZE: Final = 4 * HIDDEN
_STEP: Final = ("interventions", 0)
_BODY: Final = np.ones(HIDDEN, dtype="<f4").tobytes()


class Marker:
    """What a pickle would do if anything unpickled it: leave a file in the working folder."""

    def __reduce__(self) -> tuple[object, tuple[str]]:
        return os.mkdir, ("unpickled",)


def _without(name: str) -> Package:
    package = Package()
    del package.files[name]
    return package


def _beside(name: str, data: bytes) -> Package:
    package = Package()
    package.files[name] = data
    return package


def _instead(name: str, make: Callable[[Path], None]) -> Package:
    """Something that is no plain file where a file should be."""

    def arrange(folder: Path) -> None:
        (folder / name).unlink()
        make(folder / name)

    return Package(arrange=arrange)


def _added(name: str, make: Callable[[Path], None]) -> Package:
    """The sound package, and beside it something that is no plain file."""
    return Package(arrange=lambda folder: make(folder / name))


def _doubled(key: str, value: str) -> Package:
    text = sound_files()[MANIFEST_FILE].decode()
    return with_manifest(text.replace("{", f'{{"{key}": {value},', 1))


def _many_steps(number: int) -> Package:
    manifest = json.loads(sound_files()[MANIFEST_FILE])
    step = manifest["interventions"][0]
    manifest["interventions"] = [{**step, "tensor": f"t{index}"} for index in range(number)]
    return with_manifest(json.dumps(manifest))


def _two_steps_one_tensor() -> Package:
    manifest = json.loads(sound_files()[MANIFEST_FILE])
    return with_value(("interventions",), manifest["interventions"] * 2)


HEADERS: Final[dict[str, Callable[[], Package]]] = {
    "an empty tensors file": lambda: with_tensors(b""),
    "seven bytes": lambda: with_tensors(bytes(7)),
    "a header of 2**63 bytes": lambda: with_tensors(safetensors({}, length=2**63)),
    "a header longer than the file": lambda: with_tensors(safetensors({}, length=10_000)),
    "a header shorter than it is": lambda: with_tensors(
        safetensors({NAME: entry()}, _BODY, length=9)
    ),
    "a header above the cap": lambda: with_header(
        json.dumps({NAME: entry()}).encode().ljust(MAX_HEADER_BYTES + 1), _BODY
    ),
    "a header of brackets": lambda: with_header(b"[" * 500_000),
    "a header of nested objects": lambda: with_header(b'{"a":' * 100_000),
    "a header that is not JSON": lambda: with_header(b"import os"),
    "a header that is a list": lambda: with_header([entry()]),
    "a header in UTF-16": lambda: with_header(json.dumps({NAME: entry()}).encode("utf-16")),
    "an entry that is no object": lambda: with_header({NAME: 5}),
    "an entry without offsets": lambda: with_header({NAME: {"dtype": "F32", "shape": [HIDDEN]}}),
    "tensors that overlap": lambda: of_two(layer_2=(0, _SIZE), b=(4, _SIZE + 4)),
    "a hole between tensors": lambda: of_two(layer_2=(4, _SIZE + 4)),
    "bytes after the last tensor": lambda: with_header({NAME: entry()}, _BODY + b"secret"),
    "negative offsets": lambda: with_header({NAME: entry(-_SIZE, 0)}, _BODY),
    "offsets the wrong way round": lambda: with_header({NAME: entry(_SIZE, 0)}, _BODY),
    "offsets beyond the file": lambda: with_header({NAME: entry(0, 2**40)}, _BODY),
    "offsets beyond 64 bits": lambda: with_header({NAME: entry(0, 2**70)}, _BODY),
    "offsets that are fractions": lambda: with_header({NAME: entry(0.0, 32.5)}, _BODY),
    "a shape of 2**62": lambda: with_header({NAME: entry(shape=[2**62])}, _BODY),
    "a negative shape": lambda: with_header({NAME: entry(shape=[-HIDDEN])}, _BODY),
    "a shape of a million dimensions": lambda: with_header({NAME: entry(shape=[1] * 10**5)}, _BODY),
    "a matrix": lambda: with_header({NAME: entry(shape=[2, HIDDEN // 2])}, _BODY),
    "a scalar": lambda: with_header({NAME: entry(0, 4, shape=[])}, bytes(4)),
    "a tensor of no elements": lambda: with_header({NAME: entry(0, 0, shape=[0])}, b""),
    "another hidden size": lambda: with_header({NAME: entry(0, 16, shape=[4])}, _BODY[:16]),
    "float64": lambda: with_header({NAME: entry(0, 64, dtype="F64")}, _BODY * 2),
    "float16": lambda: with_header({NAME: entry(0, 16, dtype="F16")}, _BODY[:16]),
    "bytes for numbers": lambda: with_header({NAME: entry(0, 8, dtype="U8")}, _BODY[:8]),
    "a type of one's own": lambda: with_header({NAME: entry(dtype="OBJECT")}, _BODY),
    "a tensor named twice": lambda: with_header(
        b'{"layer_2": %s, "layer_2": %s}' % ((json.dumps(entry()).encode(),) * 2), _BODY
    ),
    "ten thousand tensors": lambda: with_header(
        {f"t{i}": entry(0, 0, shape=[0]) for i in range(10**4)}
    ),
    "metadata that is a number": lambda: with_header({"__metadata__": 5, NAME: entry()}, _BODY),
    "a tensor named like a path": lambda: with_header({"../../etc/passwd": entry()}, _BODY),
    "a tensor named in escapes": lambda: with_header({_ANSI: entry()}, _BODY),
    "a tensor too many": lambda: of_two(layer_2=(0, _SIZE), backdoor=(_SIZE, 2 * _SIZE)),
    "a pickle as tensors": lambda: with_tensors(pickle.dumps(Marker())),
    "altered tensors under the old hash": lambda: _beside(
        TENSORS_FILE, safetensors({NAME: entry()}, _BODY)
    ),
    "no tensors": lambda: _without(TENSORS_FILE),
}

VALUES: Final[dict[str, Callable[[], Package]]] = {
    "not a number": lambda: with_values(np.nan),
    "one not a number": lambda: with_values([1.0] * (HIDDEN - 1) + [np.nan]),
    "infinity": lambda: with_values(np.inf),
    "minus infinity": lambda: with_values(-np.inf),
    "zeros": lambda: with_values(0.0),
    "negative zeros": lambda: with_values(-0.0),
    "denormal numbers": lambda: with_values(1e-45),
    "numbers whose product overflows": lambda: with_values(3e38),
}

MANIFESTS: Final[dict[str, Callable[[], Package]]] = {
    "no manifest": lambda: _without(MANIFEST_FILE),
    "an empty manifest": lambda: with_manifest(""),
    "a manifest that is no text": lambda: with_manifest(bytes(range(256))),
    "a manifest in UTF-16": lambda: with_manifest(
        sound_files()[MANIFEST_FILE].decode().encode("utf-16")
    ),
    "a manifest that is a list": lambda: with_manifest("[]"),
    "a manifest of brackets": lambda: with_manifest("[" * 1_000_000),
    "a manifest of nested objects": lambda: with_manifest('{"a":' * 200_000),
    "a manifest above the cap": lambda: with_manifest(" " * (MAX_MANIFEST_BYTES + 1)),
    "a manifest of eight megabytes of keys": lambda: with_manifest(
        json.dumps({f"key{i}": 0 for i in range(400_000)})[: MAX_MANIFEST_BYTES - 2] + "}"
    ),
    "unknown fields without end": lambda: with_manifest(
        json.dumps(json.loads(sound_files()[MANIFEST_FILE]) | {f"k{i}": 0 for i in range(400_000)})
    ),
    "lists of lists of lists": lambda: with_value(("evaluations",), [[[{}] * 60] * 60] * 60),
    "a key that stands twice": lambda: _doubled("format", '"palrs-hub"'),
    "an integer of 5,000 digits": lambda: with_literal((*_STEP, "layer"), "9" * 5_000),
    "a number beyond floats": lambda: with_literal((*_STEP, "coefficient"), "1e400"),
    "NaN for a number": lambda: with_literal((*_STEP, "coefficient"), "NaN"),
    "an unknown field": lambda: with_value(("skip_checks",), True),
    "an unknown field deep inside": lambda: with_value(("base_model", "trust"), True),
    "another tool's format": lambda: with_value(("format",), "sae"),
    "a newer version": lambda: with_value(("format_version",), 999),
    "a version that is text": lambda: with_value(("format_version",), "1"),
    "a version that is true": lambda: with_value(("format_version",), True),
    "another tensors file": lambda: with_value(("tensors", "file"), "../../../etc/passwd"),
    "a tensor name with a path": lambda: with_value((*_STEP, "tensor"), "../layer_2"),
    "a hash in capitals": lambda: with_value(("tensors", "sha256"), "A" * 64),
    "no hash": lambda: with_value(("tensors", "sha256"), None),
    "a layer beyond the model": lambda: with_value((*_STEP, "layer"), 4),
    "a negative layer": lambda: with_value((*_STEP, "layer"), -1),
    "too many interventions": lambda: _many_steps(600),
    "interventions without tensors": lambda: _many_steps(3),
    "one tensor for two interventions": _two_steps_one_tensor,
    "no interventions": lambda: with_value(("interventions",), []),
    "an unknown operation": lambda: with_value((*_STEP, "operation"), "exec"),
    "a coefficient that is text": lambda: with_value((*_STEP, "coefficient"), "1.5"),
    "a hidden size of nothing": lambda: with_value(("base_model", "hidden_size"), 0),
    "a hidden size of 2**40": lambda: with_value(("base_model", "hidden_size"), 2**40),
    "a fingerprint of ragged rows": lambda: with_value(
        ("base_model", "fingerprint", "norms"), [[1.0], []]
    ),
    "a fingerprint of huge tokens": lambda: with_value(
        ("base_model", "fingerprint", "token_ids"), [2**40] * 4
    ),
    "a fingerprint of a million tokens": lambda: with_value(
        ("base_model", "fingerprint", "token_ids"), [1] * 10**6
    ),
    "a base model outside the Hub": lambda: with_value(("base_model", "repo_id"), "../../secrets"),
    "a base model that is an address": lambda: with_value(
        ("base_model", "repo_id"), "https://example.org/model"
    ),
    "a branch for a commit": lambda: with_value(("base_model", "revision"), "main"),
    "escapes in the name": lambda: with_value(("name",), _ANSI),
    "escapes in the task": lambda: with_value(("task", "name"), _ANSI),
    "escapes in the description": lambda: with_value(("task", "description"), _ANSI),
    "escapes in the licence": lambda: with_value(("license",), _ANSI),
    "escapes in a key": lambda: with_value(("software", _ANSI), "1"),
    "text that runs from right to left": lambda: with_value(("name",), "careful\u202egnitirw"),
    "characters of no width": lambda: with_value(("name",), "pay\u200bpal"),
    "half a character": lambda: with_literal(("name",), '"\\ud800"'),
    "a name of two lines": lambda: with_value(("name",), "a\n---\nlicense: mit"),
    "a name of a megabyte": lambda: with_value(("name",), "a" * 10**6),
    "no name": lambda: with_value(("name",), ""),
    "ten thousand programs": lambda: with_value(
        ("software",), {f"p{i}": "1" for i in range(10**4)}
    ),
    "switches that are objects": lambda: with_value(("method", "switches", "x"), {"a": {}}),
    "escapes in a switch": lambda: with_value(("method", "switches", "x"), _ANSI),
    "a switch of a megabyte": lambda: with_value(("method", "switches", "x"), "a" * 10**6),
    "a switch of 4,000 digits": lambda: with_literal(("method", "switches", "x"), "9" * 4_000),
    "pairs by the trillion": lambda: with_value(("data", "pairs"), 10**18),
    "evaluations without end": lambda: with_value(("evaluations",), [{}] * 10**5),
}

PLACES: Final[dict[str, Callable[[], Package]]] = {
    "tensors that are a link to a secret": lambda: _instead(
        TENSORS_FILE, lambda path: path.symlink_to("/etc/passwd")
    ),
    "a manifest that is a link to a secret": lambda: _instead(
        MANIFEST_FILE, lambda path: path.symlink_to("/etc/passwd")
    ),
    "tensors that link to themselves": lambda: _instead(
        TENSORS_FILE, lambda path: path.symlink_to(path)
    ),
    "tensors without an end": lambda: _instead(
        TENSORS_FILE, lambda path: path.symlink_to("/dev/zero")
    ),
    "a manifest that nobody writes to": lambda: _instead(MANIFEST_FILE, os.mkfifo),
    "tensors that nobody writes to": lambda: _instead(TENSORS_FILE, os.mkfifo),
    "a folder for tensors": lambda: _instead(TENSORS_FILE, os.mkdir),
    "a signature that nobody writes to": lambda: _added(SIGNATURE_FILE, os.mkfifo),
    "a signature without an end": lambda: _added(
        SIGNATURE_FILE, lambda path: path.symlink_to("/dev/zero")
    ),
    "a signature that links nowhere": lambda: _added(
        SIGNATURE_FILE, lambda path: path.symlink_to(path.parent / "nothing")
    ),
    "a signature of a megabyte": lambda: _beside(SIGNATURE_FILE, bytes(10**6)),
}

REFUSED: Final = {**HEADERS, **VALUES, **MANIFESTS, **PLACES}

_LAUGHS: Final = "\n".join(
    f"{b}: &{b} [{', '.join([f'*{a}'] * 9)}]" for a, b in zip("abcdefgh", "bcdefghi", strict=True)
)

HARMLESS: Final[dict[str, Callable[[], Package]]] = {
    "a script in the description": lambda: with_value(
        ("task", "description"), "<script>alert(1)</script><img src=x onerror=alert(2)>"
    ),
    "Markdown in the name": lambda: with_value(
        ("name",), "[x](javascript:alert(1)) ![y](http://e)"
    ),
    "a template in the task": lambda: with_value(
        ("task", "name"), "{{ 7 * 7 }}{% include '/etc/passwd' %}"
    ),
    "front matter in the description": lambda: with_value(
        ("task", "description"), "---\nlicense: mit\n---"
    ),
    "a format string in the licence": lambda: with_value(("license",), "%s%n{0.__class__}"),
    "markup of the terminal's library": lambda: with_value(
        ("name",), "[bold red]x[/] [link=http://e]y[/]"
    ),
    "a card with a script": lambda: _beside(CARD_FILE, b"<script>alert(1)</script>"),
    "a card of a billion laughs": lambda: _beside(
        CARD_FILE, f"---\na: &a [1]\n{_LAUGHS}\n---\n".encode()
    ),
    "a card that is no text": lambda: _beside(CARD_FILE, bytes(range(256))),
    "a card that builds an object": lambda: _beside(
        CARD_FILE, b"---\nx: !!python/object/apply:os.mkdir [unpickled]\n---\n"
    ),
    "a git hook": lambda: _beside(".git/hooks/post-checkout", b"#!/bin/sh\nmkdir unpickled\n"),
    "a pickle beside it": lambda: _beside("pytorch_model.bin", pickle.dumps(Marker())),
    "code beside it": lambda: _beside("modeling_steered.py", b"import os\nos.mkdir('unpickled')\n"),
    "code that a config asks for": lambda: _beside(
        "config.json", b'{"auto_map": {"AutoModel": "modeling_steered.Model"}}'
    ),
    "an adapter's config": lambda: _beside("adapter_config.json", b'{"peft_type": "LORA"}'),
    "a module of our name": lambda: _beside("palrs_hub.py", b"import os\nos.mkdir('unpickled')\n"),
    "a signature that is nonsense": lambda: _beside(SIGNATURE_FILE, b"[" * 100_000),
    "metadata that is long": lambda: with_tensors(
        safetensors({"__metadata__": {"x": "y" * 900_000}, NAME: entry()}, _BODY)
    ),
}
