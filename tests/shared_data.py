"""Where real models and data made by others lie, which are not part of the project."""

from pathlib import Path

SHARED_DATA = Path(__file__).parents[2] / "shared" / "data"
