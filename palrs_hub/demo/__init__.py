"""A language model small enough to ship, with two preferences to steer.

The model was trained on three kinds of text: sums worked by two authors, one careful and one who
forgets every carry; small Python functions written by two programmers, one careful and one with
sloppy habits; and plain stories. Nothing in a text tells who writes. Left alone the model writes
what most of its training text did, the sloppy answer; it is able to write the careful one, and a
steering vector brings that out, one for sums and one for code.

The weights, the preference pairs and the script that made them are all here, so that the whole
path from pairs to a steered model runs offline in seconds.
"""

from pathlib import Path

__all__ = ["code_pairs_file", "model_folder", "pairs_file"]

_FOLDER = Path(__file__).parent


def model_folder() -> Path:
    """The folder of the demonstration model, for `AutoModelForCausalLM.from_pretrained`."""
    return _FOLDER / "model"


def pairs_file() -> Path:
    """One hundred preference pairs of sums, one JSON object per line."""
    return _FOLDER / "pairs" / "sums.jsonl"


def code_pairs_file() -> Path:
    """One hundred preference pairs of small Python functions, one JSON object per line."""
    return _FOLDER / "pairs" / "code.jsonl"
