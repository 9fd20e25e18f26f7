"""Reading activations: texts laid out, run through a model, and summed as they stream by."""

from palrs_hub.activations.forward import PaddingSide, inference, input_device, pad_rows, run_padded
from palrs_hub.activations.stream import SHARD_PAIRS, Stream, read_moments
from palrs_hub.sums import MAX_SAMPLES

__all__ = [
    "MAX_SAMPLES",
    "SHARD_PAIRS",
    "PaddingSide",
    "Stream",
    "inference",
    "input_device",
    "pad_rows",
    "read_moments",
    "run_padded",
]
