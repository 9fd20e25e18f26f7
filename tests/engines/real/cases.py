"""Tiny models, and the demonstration model, with vectors and what transformers computes."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from transformers import PreTrainedModel

from palrs_hub.vector import SteeringVector
from tests.engines.models import IDS, log_probabilities, tiny
from tests.vectors import vector_for

# vLLM's attention on a CPU has no heads narrower than 32.
WIDE = {"hidden_size": 128, "head_dim": 32}
SIZES = {
    "gpt2": {"n_embd": 128, "n_ctx": 128},
    # llama.cpp scales attention by the heads' width, as all published Gemma 2 but one do.
    "gemma2": {**WIDE, "query_pre_attn_scalar": 32},
}


@dataclass
class Case:
    """A model in a folder, a vector beside it, and the next-token log-probabilities of a prompt."""

    name: str
    model: PreTrainedModel
    folder: Path
    vector: SteeringVector
    vector_folder: Path

    @property
    def ids(self) -> list[int]:
        return IDS[0].tolist()

    def plain(self) -> np.ndarray:
        return log_probabilities(self.model)[0].numpy()

    def steered(self, coefficient: float | None = None) -> np.ndarray:
        with self.vector.attach(self.model, coefficient):
            return log_probabilities(self.model)[0].numpy()


def make_case(name: str, folder: Path, *, layers: tuple[int, ...] = (1, 2), seed: int = 0) -> Case:
    """A tiny model of a type, saved, with a vector of random directions."""
    model = tiny(name, **SIZES.get(name, WIDE)).to(torch.float32)
    place = folder / name
    if not place.exists():
        model.save_pretrained(place)
    vector = vector_for(model, layers=layers, seed=seed)
    beside = folder / f"{name}-vector-{'-'.join(map(str, layers))}"
    vector.save_pretrained(beside)
    return Case(name, model, place, vector, beside)
