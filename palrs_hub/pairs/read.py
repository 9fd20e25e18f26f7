"""Reads preference pairs: JSON lines (also gzipped), a JSON array, Parquet, a Hub data set."""

from __future__ import annotations

import gzip
import json
import os
import re
import zlib
from pathlib import Path
from typing import TYPE_CHECKING, Any

from palrs_hub.errors import MissingExtraError, PairsError
from palrs_hub.pairs.pair import PairSet, PreferencePair, parse_pair

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

_SHOWN_FAULTS = 5
_COMMIT_IN_URL = re.compile(r"@([0-9a-f]{40})/")


def read_pairs(
    source: str | os.PathLike[str],
    *,
    split: str = "train",
    revision: str | None = None,
    token: str | bool | None = None,
    limit: int | None = None,
) -> PairSet:
    """Read preference pairs from a file, or from a data set on the Hub.

    Args:
        source: A ``.jsonl``, ``.jsonl.gz``, ``.json`` or ``.parquet`` file, else a data set's id.
        split: Split of a Hub data set; files have none.
        revision: Branch, tag or commit of a Hub data set.
        token: As huggingface_hub takes it.
        limit: Read only the first so many.

    Returns:
        The pairs, in the source's order, with its name and (from the Hub) its commit.

    Raises:
        PairsError: A line is not a preference pair (named by its number, with the reason), the
            file cannot be read, or there are no pairs.
        MissingExtraError: Parquet and data sets need the extra ``datasets``.
    """
    path = Path(source)
    if path.is_file():
        records, name, commit = file_records(path), path.name, None
    elif path.suffix in {".jsonl", ".json", ".parquet", ".gz"}:
        raise PairsError(f"There is no file {path}.")
    else:
        name = os.fspath(source)
        records, commit = _dataset_records(name, split, revision, token)
    pairs = _parse_all(records, name, limit)
    if not pairs:
        raise PairsError(f"{name} holds no preference pairs.")
    return PairSet(tuple(pairs), name, commit)


def _parse_all(
    records: Iterable[tuple[str, object]], name: str, limit: int | None
) -> list[PreferencePair]:
    pairs: list[PreferencePair] = []
    faults: list[str] = []
    for place, record in records:
        if limit is not None and len(pairs) >= limit:
            break
        try:
            if isinstance(record, PairsError):
                raise record
            pairs.append(parse_pair(record))
        except PairsError as error:
            faults.append(f"{place}: {error}")
    if faults:
        more = f" (and {len(faults) - _SHOWN_FAULTS} more)" if len(faults) > _SHOWN_FAULTS else ""
        raise PairsError(
            f"{name} has {len(faults)} line(s) that are not preference pairs: "
            f"{'; '.join(faults[:_SHOWN_FAULTS])}{more}. "
            "Each needs a prompt, a chosen and a rejected response."
        )
    return pairs


def file_records(path: Path) -> Iterator[tuple[str, object]]:
    """The records of a file, each with its place in words; a PairsError for one that is no JSON.

    Raises:
        PairsError: The file cannot be read.
        MissingExtraError: Parquet needs the extra ``datasets``.
    """
    try:
        if path.suffix == ".parquet":
            yield from _parquet_records(path)
        elif path.suffix == ".json":
            yield from _json_records(path)
        else:
            yield from _line_records(path)
    except (OSError, EOFError, UnicodeDecodeError, zlib.error) as error:
        raise PairsError(f"Cannot read {path.name}: {error}") from error


def _line_records(path: Path) -> Iterator[tuple[str, object]]:
    opened = gzip.open if path.suffix == ".gz" else open
    with opened(path, "rt", encoding="utf-8-sig") as lines:
        for number, line in enumerate(lines, start=1):
            if line.strip():
                yield f"line {number}", _parse_json(line)


def _parse_json(line: str) -> object:
    try:
        return json.loads(line)
    except (ValueError, RecursionError) as error:
        return PairsError(f"not JSON ({error})")


def _json_records(path: Path) -> Iterator[tuple[str, object]]:
    text = path.read_text(encoding="utf-8-sig")
    data = _parse_json(text)
    if isinstance(data, PairsError) and text.lstrip().startswith("["):
        yield "the array", data
        return
    if not isinstance(data, list):
        # Many files named .json hold one object a line.
        yield from _line_records(path)
        return
    for number, record in enumerate(data, start=1):
        yield f"record {number}", record


def _parquet_records(path: Path) -> Iterator[tuple[str, object]]:
    try:
        import pyarrow
        import pyarrow.parquet
    except ImportError as error:
        raise MissingExtraError("Reading Parquet", "datasets") from error
    try:
        with pyarrow.parquet.ParquetFile(path) as file:
            row = 0
            for batch in file.iter_batches(batch_size=1024):
                for record in batch.to_pylist():
                    row += 1
                    yield f"row {row}", record
    except pyarrow.ArrowException as error:
        raise PairsError(f"{path.name} is not a readable Parquet file: {error}") from error


def _dataset_records(
    name: str, split: str, revision: str | None, token: str | bool | None
) -> tuple[Iterator[tuple[str, object]], str | None]:
    try:
        import datasets
    except ImportError as error:
        raise MissingExtraError("Reading a data set from the Hub", "datasets") from error
    try:
        builder = datasets.load_dataset_builder(name, revision=revision, token=token)
        builder.download_and_prepare()
        rows = builder.as_dataset(split=split)
    except (OSError, ValueError, datasets.exceptions.DatasetsError) as error:
        raise PairsError(
            f"{name!r} is neither a file nor a data set that can be loaded "
            f"(split {split!r}): {error}"
        ) from error
    records = ((f"row {number}", row) for number, row in enumerate(rows, start=1))
    return records, _dataset_commit(builder)


def _dataset_commit(builder: Any) -> str | None:  # noqa: ANN401 - datasets is not typed
    found = _COMMIT_IN_URL.search(str(builder.config.data_files))
    return found.group(1) if found else None
