"""Tiny models for engines: of any type, with biases that are not zero where it has some."""

from __future__ import annotations

from typing import Any

import torch
import transformers
from transformers.models.auto.modeling_auto import MODEL_FOR_CAUSAL_LM_MAPPING_NAMES

from tests.survey.configs import build

IDS = torch.tensor([[5, 10, 12, 8, 3, 11, 60, 33]])
# Where a config's default would not be exact as a bias.
DEFAULTS: dict[str, dict[str, Any]] = {
    "mistral": {"sliding_window": None},
    "phi3": {"sliding_window": None},
}


def tiny(model_type: str, *, seed: int = 0, **changes: Any) -> transformers.PreTrainedModel:
    """A tiny random causal language model in evaluation mode, the same for the same seed."""
    name = MODEL_FOR_CAUSAL_LM_MAPPING_NAMES[model_type]
    model = build(model_type, name, seed=seed)
    changes = {**DEFAULTS.get(model_type, {}), **changes}
    if changes:
        kind = transformers.CONFIG_MAPPING[model_type]
        torch.manual_seed(seed)
        model = getattr(transformers, name)(kind(**{**model.config.to_dict(), **changes})).eval()
    torch.manual_seed(seed)
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.add_(torch.randn_like(parameter) * 0.05)
    return model


def log_probabilities(model: torch.nn.Module, ids: torch.Tensor = IDS) -> torch.Tensor:
    """Next-token log-probabilities, ``[batch, tokens, vocabulary]``."""
    with torch.no_grad():
        return model(ids, use_cache=False).logits.float().log_softmax(-1)
