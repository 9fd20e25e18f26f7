"""What a loaded model tells of itself: the facts that the checks and the manifest need."""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING

from palrs_hub.blocks import architecture_of, find_blocks, text_config
from palrs_hub.compatibility import ModelFacts
from palrs_hub.errors import ExtractionError
from palrs_hub.manifest import BaseModelFacts
from palrs_hub.model_config import chat_template_sha256, vocabulary_sha256
from palrs_hub.probe import measure_fingerprint, measure_here, probe_tokens

if TYPE_CHECKING:
    from collections.abc import Sequence

    import torch
    from transformers import PreTrainedTokenizerBase

    from palrs_hub.manifest import Fingerprint

_REPO_ID = re.compile(r"[\w.-]+(/[\w.-]+)?")


def facts_of(
    model: torch.nn.Module,
    tokenizer: PreTrainedTokenizerBase | None = None,
    *,
    probe: Fingerprint | None = None,
) -> ModelFacts:
    """Gather what is known of a loaded model.

    Args:
        model: A transformers model.
        tokenizer: Its tokenizer, if at hand.
        probe: Measure the fingerprint on this one's tokens and layers, where the model has them.

    Raises:
        ModelError: Its blocks cannot be found, or cannot be steered.
    """
    config = text_config(model)
    blocks = find_blocks(model)
    vocabulary: int = config.vocab_size
    fingerprint = None
    # Where a layer or a token is missing the other checks refuse; there is nothing to measure.
    if probe and max(probe.layers) < len(blocks) and max(probe.token_ids) < vocabulary:
        fingerprint = measure_here(model, probe.token_ids, probe.layers)
    return ModelFacts(
        name=_name(model),
        model_type=config.model_type,
        architecture=architecture_of(model),
        hidden_size=blocks.hidden_size,
        num_blocks=len(blocks),
        vocab_size=vocabulary,
        repo_id=repo_id_of(model),
        revision=revision_of(model),
        tokenizer_known=tokenizer is not None,
        tokenizer_sha256=vocabulary_sha256(tokenizer.get_vocab()) if tokenizer else None,
        chat_template_sha256=_template(tokenizer),
        dtype=dtype_of(model),
        quantization=quantization_of(model),
        fingerprint=fingerprint,
    )


def base_model_facts(
    model: torch.nn.Module,
    tokenizer: PreTrainedTokenizerBase,
    layers: Sequence[int],
    *,
    repo_id: str | None = None,
    revision: str | None = None,
) -> BaseModelFacts:
    """Describe a model for the manifest of a vector that was extracted from it.

    Args:
        model: The model.
        tokenizer: Its tokenizer.
        layers: The layers to fingerprint, beside the last one.
        repo_id: Its name on the Hub, if it was loaded from elsewhere.
        revision: Its commit, if it was loaded from elsewhere.
    """
    tokens = probe_tokens(tokenizer)
    if len(tokens) < 2:
        raise ExtractionError("The tokenizer turns the probe text into fewer than two tokens.")
    facts = facts_of(model, tokenizer)
    return BaseModelFacts(
        repo_id=repo_id or facts.repo_id,
        revision=revision or facts.revision,
        model_type=text_config(model).model_type,
        architecture=architecture_of(model),
        hidden_size=find_blocks(model).hidden_size,
        num_blocks=len(find_blocks(model)),
        tokenizer_sha256=facts.tokenizer_sha256,
        chat_template_sha256=facts.chat_template_sha256,
        dtype=dtype_of(model),
        quantization=facts.quantization,
        fingerprint=measure_fingerprint(model, tokens, {*layers, len(find_blocks(model)) - 1}),
    )


def dtype_of(model: torch.nn.Module) -> str:
    """Floating-point type of the weights, for instance ``bfloat16``."""
    return str(getattr(model, "dtype", None) or next(model.parameters()).dtype).removeprefix(
        "torch."
    )


def quantization_of(model: torch.nn.Module) -> str | None:
    """Name of the quantisation method, None for plain weights."""
    config = getattr(getattr(model, "config", None), "quantization_config", None)
    if config is None:
        return None
    method = config.get("quant_method") if isinstance(config, dict) else config.quant_method
    return str(getattr(method, "value", method))


def repo_id_of(model: torch.nn.Module) -> str | None:
    """The repository that the model was loaded from; None for a folder or a fresh model."""
    name = str(getattr(getattr(model, "config", None), "_name_or_path", "") or "")
    return name if _REPO_ID.fullmatch(name) and not Path(name).is_dir() else None


def revision_of(model: torch.nn.Module) -> str | None:
    """The commit that the model was loaded at; None for a folder or a fresh model."""
    return getattr(getattr(model, "config", None), "_commit_hash", None)


def _name(model: torch.nn.Module) -> str:
    loaded_from = str(getattr(getattr(model, "config", None), "_name_or_path", "") or "")
    return loaded_from or architecture_of(model)


def _template(tokenizer: PreTrainedTokenizerBase | None) -> str | None:
    return chat_template_sha256(getattr(tokenizer, "chat_template", None))
