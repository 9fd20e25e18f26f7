"""The playground as a Space of the Hub: three files, pinned."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING, Final

from palrs_hub.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Sequence

GRADIO: Final = "6.31.0"

_README = """\
---
title: {title}
sdk: gradio
sdk_version: {gradio}
app_file: app.py
tags:
- palrs-hub
- steering-vector
---

A playground for {names}: steered beside unsteered, made by `palrs-hub app --space`.
"""
_APP = '''\
"""Steered beside unsteered, in a browser."""

from palrs_hub.app import launch

launch({ids!r}, model={model!r})
'''


def write_space(
    folder: str | os.PathLike[str], ids: Sequence[str], *, model: str | None = None
) -> tuple[Path, ...]:
    """Write ``app.py``, ``requirements.txt`` and ``README.md`` of a Space.

    Args:
        folder: An empty folder, or one that is not there yet.
        ids: The vectors, ``org/name`` or ``org/name@revision``.
        model: Instead of the model that the first vector names.

    Raises:
        UsageError: The folder holds something, or a vector or the model is a folder, which a Space
            does not have.
    """
    from palrs_hub import __version__

    for name in (*ids, *([model] if model else [])):
        if os.path.isdir(name) or name.count("/") != 1:
            raise UsageError(
                f"A Space needs vectors and models of the Hub, org/name; found {name!r}. Push it."
            )
    place = Path(folder)
    if place.exists() and (not place.is_dir() or any(place.iterdir())):
        raise UsageError(f"{place} is not an empty folder. Name another one.")
    names = ", ".join(f"`{name}`" for name in ids)
    files = {
        "app.py": _APP.format(ids=list(ids), model=model),
        "requirements.txt": f"palrs-hub[app]=={__version__}\n",
        "README.md": _README.format(title="Steering playground", gradio=GRADIO, names=names),
    }
    place.mkdir(parents=True, exist_ok=True)
    for name, text in files.items():
        (place / name).write_text(text, encoding="utf-8")
    return tuple(place / name for name in files)
