"""Everything a vector can be written as: EXPORTS is the table, of formats and of engines.

An export is written whole or not at all, with its self-test, and proven before it is kept: what was
written is read back and must steer the base model as the vector does.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from palrs_hub.engines.baked import bake
from palrs_hub.engines.in_transformers import asked_of_export
from palrs_hub.engines.peft import write_adapter
from palrs_hub.engines.selftest import (
    FILE_SUFFIX,
    FOLDER_FILE,
    SelfTest,
    record_selftest,
    require_steered,
    run_selftest,
)
from palrs_hub.errors import PackageError, UsageError
from palrs_hub.formats import FORMATS, export_vector
from palrs_hub.loading import load_model
from palrs_hub.whole_file import folder_beside

if TYPE_CHECKING:
    import torch

    from palrs_hub.vector import SteeringVector


@dataclass(frozen=True)
class Base:
    """The base model of an export.

    Attributes:
        folder: Its files.
        repo_id: Its name on the Hub; None for one from a folder.
        revision: Its commit there.
    """

    folder: Path
    repo_id: str | None = None
    revision: str | None = None


@dataclass(frozen=True)
class Options:
    """What a caller may ask of an export.

    Attributes:
        fold: Multiply the directions by their coefficients, in formats that keep both.
        coefficient: Instead of the vector's own, where it is multiplied in anyway.
        base: The base model; None if it is not at hand.
        selftest: Load it, write a self-test and prove the export; without a base nothing is proven.
    """

    fold: bool = False
    coefficient: float | None = None
    base: Base | None = None
    selftest: bool = True


@dataclass(frozen=True)
class Export:
    """One row of EXPORTS.

    Attributes:
        name: The name for ``--format``.
        tools: Who reads it.
        is_folder: Whether it is a folder.
        write: Writes it to a path that is not there yet.
        takes_coefficient: Whether the coefficient is multiplied in, whatever ``fold`` says.
    """

    name: str
    tools: str
    is_folder: bool
    write: Callable[[SteeringVector, Path, Options], None]
    takes_coefficient: bool


@dataclass(frozen=True)
class Written:
    """An export that was written.

    Attributes:
        path: Where it is.
        selftest: Where its self-test is; None if there was no base model to make one with.
        coefficients: The coefficient to use it with at each layer: 1 where it is multiplied in.
    """

    path: Path
    selftest: Path | None
    coefficients: tuple[float, ...]


def _write_baked(vector: SteeringVector, path: Path, options: Options) -> None:
    base = options.base
    if base is None:
        raise UsageError("A baked checkpoint needs the base model's files: `--model MODEL`.")
    bake(
        vector,
        base.folder,
        path,
        coefficient=options.coefficient,
        base_name=base.repo_id,
        base_revision=base.revision,
    )


def _write_peft(vector: SteeringVector, path: Path, options: Options) -> None:
    path.mkdir()
    write_adapter(vector, path, coefficient=options.coefficient)


def _of_format(name: str) -> Export:
    def write(vector: SteeringVector, path: Path, options: Options) -> None:
        export_vector(vector, path, format=name, fold=options.fold)

    return Export(name, FORMATS[name].tools, False, write, takes_coefficient=False)


EXPORTS: Final[dict[str, Export]] = {
    **{name: _of_format(name) for name, kind in FORMATS.items() if kind.write},
    "peft": Export("peft", "PEFT (bias-only, BEFT)", True, _write_peft, takes_coefficient=True),
    "baked": Export(
        "baked", "transformers, vLLM, llama.cpp after conversion", True, _write_baked,
        takes_coefficient=True,
    ),
}  # fmt: skip


def export(
    vector: SteeringVector,
    path: str | os.PathLike[str],
    *,
    format: str,
    options: Options | None = None,
    dtype: str = "auto",
) -> Written:
    """Write a vector in one of EXPORTS, with its self-test, all of it or nothing.

    Args:
        vector: The vector.
        path: The file to write, which is replaced if it is there, or the folder to make.
        format: A name of EXPORTS.
        options: What is asked of it.
        dtype: Floating-point type to load the base model in.

    Raises:
        UsageError: The format cannot hold this vector, or the folder is there already.
        SteeringError: What was written does not steer the base model as the vector does.
        IncompatibleError: The base model is not the vector's.
        PackageError: The output cannot be written.
    """
    options = options or Options()
    if format not in EXPORTS:
        raise UsageError(f"No export {format!r}. Exports: {', '.join(EXPORTS)}.")
    kind, target = EXPORTS[format], Path(path)
    if kind.is_folder and target.exists():
        raise UsageError(f"{target} is there already. Give another folder.")
    if options.coefficient is not None and not kind.takes_coefficient:
        raise UsageError(
            f"{format} keeps the coefficient beside the direction: give another one where the file "
            "is used. A coefficient can be chosen for: "
            f"{', '.join(name for name, row in EXPORTS.items() if row.takes_coefficient)}."
        )
    wanted = options.base is not None and options.selftest
    model: Any = load_model(options.base.folder, dtype=dtype) if wanted and options.base else None
    test = _record(vector, model, kind, options) if model is not None else None
    try:
        with folder_beside(target) as folder:
            made = folder / (f"export{target.suffix}" if not kind.is_folder else "export")
            kind.write(vector, made, options)
            if test is not None:
                _prove(test, made, model)
            return _place(made, target, test, _coefficients(vector, kind, options))
    except OSError as error:
        raise PackageError(f"Cannot write {target}: {error}") from error


def _record(
    vector: SteeringVector, model: torch.nn.Module, kind: Export, options: Options
) -> SelfTest:
    test = record_selftest(vector, model, kind.name, coefficient=options.coefficient)
    return test.model_copy(update={"coefficients": _coefficients(vector, kind, options)})


def _prove(test: SelfTest, export: Path, model: torch.nn.Module) -> None:
    with asked_of_export(test, export, model=model) as ask:
        require_steered(run_selftest(test, ask), f"The {test.kind} export, read back")


def _place(made: Path, target: Path, test: SelfTest | None, used: tuple[float, ...]) -> Written:
    """Move what was written to where it belongs: within its own disk, one step each."""
    if made.is_dir():
        if test is not None:
            _write_test(made / FOLDER_FILE, test)
        os.rename(made, target)
        return Written(target, target / FOLDER_FILE if test else None, used)
    beside = target.with_name(target.name + FILE_SUFFIX)
    if test is None:
        # The test of an earlier export would judge this one.
        beside.unlink(missing_ok=True)
    else:
        _write_test(made.with_name("selftest"), test)
        shutil.move(made.with_name("selftest"), beside)
    os.replace(made, target)
    return Written(target, beside if test else None, used)


def _write_test(path: Path, test: SelfTest) -> None:
    path.write_text(test.model_dump_json(indent=2) + "\n", encoding="utf-8")


def _coefficients(vector: SteeringVector, kind: Export, options: Options) -> tuple[float, ...]:
    changes = vector.manifest.interventions
    if kind.takes_coefficient or options.fold:
        return (1.0,) * len(changes)
    return tuple(change.coefficient for change in changes)
