"""hidden-directions: a tensor ``[layers, hidden]``; row b was read at ``hidden_states[b + 1]``."""

from __future__ import annotations

from typing import TYPE_CHECKING

from palrs_hub.errors import PackageError
from palrs_hub.formats.files import read_torch, stack
from palrs_hub.formats.format import Format, Found

if TYPE_CHECKING:
    from pathlib import Path

    from palrs_hub.formats.format import Wanted


def _read(path: Path, wanted: Wanted) -> Found:
    rows = stack(read_torch(path), str(path))
    if wanted.layer == len(rows) - 1:
        raise PackageError(
            f"{path}: row {wanted.layer} is the last one, which transformers gives after the final "
            "norm: it is no direction of the residual stream. Choose an earlier layer."
        )
    return Found(dict(enumerate(rows)))


HIDDEN_DIRECTIONS = Format(
    name="hidden-directions",
    tools="hidden-directions",
    files="`.pt` with a tensor `[layers, hidden]`",
    site="block output",
    shift=0,
    norm="as it is; the file does not say",
    read=_read,
    asks=("layer",),
)
