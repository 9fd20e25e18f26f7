"""A language model small enough to ship, with a preference to steer.

The model was trained on sums worked by two authors, one careful and one who forgets every carry,
with nothing in the text to tell which. Left alone it writes what most of its training text did,
the sloppy answer; it is able to write the careful one, and a steering vector brings that out.
The weights, the preference pairs and the script that made them are all here, so that the whole
path from pairs to a steered model runs offline in seconds.
"""

from pathlib import Path

__all__ = ["model_folder", "pairs_file"]

_FOLDER = Path(__file__).parent


def model_folder() -> Path:
    """The folder of the demonstration model, for `AutoModelForCausalLM.from_pretrained`."""
    return _FOLDER / "model"


def pairs_file() -> Path:
    """The one hundred preference pairs, one JSON object per line."""
    return _FOLDER / "pairs.jsonl"
