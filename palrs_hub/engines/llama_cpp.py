"""A model in llama.cpp, steered by a control vector through its low-level interface.

llama-cpp-python has no loader for control vectors and no call above the C function; this is both.
"""

from __future__ import annotations

import ctypes
from typing import TYPE_CHECKING, Any, Self

import numpy as np

from palrs_hub.errors import MissingExtraError, ModelError, SteeringError

if TYPE_CHECKING:
    import os
    from collections.abc import Mapping, Sequence

    from palrs_hub.vector import Array

MAX_TOKENS = 512


class LlamaCppModel:
    """A GGUF model, token ids in and log-probabilities out.

    Args:
        path: The model's GGUF file.
        max_tokens: Longest prompt.

    Raises:
        MissingExtraError: llama-cpp-python is not installed.
        ModelError: llama.cpp cannot load the file.
    """

    def __init__(self, path: str | os.PathLike[str], *, max_tokens: int = MAX_TOKENS) -> None:
        try:
            import llama_cpp
        except ImportError as error:
            raise MissingExtraError("Running llama.cpp", "llama-cpp") from error
        self._library: Any = llama_cpp
        llama_cpp.llama_backend_init()
        settings = llama_cpp.llama_model_default_params()
        settings.n_gpu_layers = 0
        self._model = llama_cpp.llama_model_load_from_file(str(path).encode(), settings)
        if not self._model:
            raise ModelError(f"llama.cpp cannot load {path}; its log says why.")
        shape = llama_cpp.llama_context_default_params()
        shape.n_ctx = shape.n_batch = shape.n_ubatch = max_tokens
        # In full precision, so that what differs from transformers is rounding alone.
        shape.type_k = shape.type_v = llama_cpp.GGML_TYPE_F32
        shape.flash_attn_type = llama_cpp.LLAMA_FLASH_ATTN_TYPE_DISABLED
        self._context = llama_cpp.llama_init_from_model(self._model, shape)
        self._vocabulary: int = llama_cpp.llama_vocab_n_tokens(
            llama_cpp.llama_model_get_vocab(self._model)
        )
        self.hidden_size: int = llama_cpp.llama_model_n_embd(self._model)
        self.num_blocks: int = llama_cpp.llama_model_n_layer(self._model)
        self._max_tokens = max_tokens

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *about: object) -> None:
        self._library.llama_free(self._context)
        self._library.llama_model_free(self._model)

    def steer(self, addends: Mapping[int, Array]) -> None:
        """Add directions at the outputs of blocks from now on, in place of earlier ones.

        Args:
            addends: Float32 ``[hidden]`` by layer, multiplied by their coefficients; nothing to
                steer no more.

        Raises:
            SteeringError: A direction does not fit, and llama.cpp would pass over it in silence.
        """
        if not addends:
            self._set(None, 0)
            return
        # A shorter buffer would leave rows of an earlier vector: always all of them, from layer 1.
        rows = np.zeros((self.num_blocks - 1, self.hidden_size), dtype=np.float32)
        for layer, array in addends.items():
            if not 1 <= layer < self.num_blocks or array.shape != (self.hidden_size,):
                raise SteeringError(
                    f"llama.cpp steers the outputs of blocks 1 to {self.num_blocks - 1} of this "
                    f"model, with {self.hidden_size} numbers; found layer {layer} with "
                    f"{array.size}. It would go on unsteered."
                )
            rows[layer - 1] = array
        self._set(rows, rows.size)

    def log_probabilities(self, token_ids: Sequence[int]) -> np.ndarray[Any, np.dtype[np.float64]]:
        """Log-probabilities of what follows each token of a prompt, ``[tokens, vocabulary]``.

        Raises:
            ModelError: The prompt is too long, or llama.cpp fails on it.
        """
        if not 0 < len(token_ids) <= self._max_tokens:
            raise ModelError(f"Expected 1 to {self._max_tokens} tokens; found {len(token_ids)}.")
        library = self._library
        library.llama_memory_clear(library.llama_get_memory(self._context), True)
        logits = self._decode(token_ids, first=0)
        shifted = logits - logits.max(axis=-1, keepdims=True)
        found: np.ndarray[Any, np.dtype[np.float64]] = shifted - np.log(
            np.exp(shifted).sum(axis=-1, keepdims=True)
        )
        return found

    def complete(self, token_ids: Sequence[int], *, max_new_tokens: int, end: int) -> list[int]:
        """Complete a prompt greedily, up to a number of tokens or the token that ends a text."""
        library = self._library
        library.llama_memory_clear(library.llama_get_memory(self._context), True)
        new: list[int] = []
        logits = self._decode(token_ids, first=0)
        while len(new) < max_new_tokens:
            new.append(int(logits[-1].argmax()))
            if new[-1] == end:
                break
            logits = self._decode(new[-1:], first=len(token_ids) + len(new) - 1)
        return new

    def _decode(self, token_ids: Sequence[int], *, first: int) -> np.ndarray[Any, np.dtype[Any]]:
        library, number = self._library, len(token_ids)
        batch = library.llama_batch_init(number, 0, 1)
        try:
            batch.n_tokens = number
            for place, token in enumerate(token_ids):
                batch.token[place] = token
                batch.pos[place] = first + place
                batch.n_seq_id[place], batch.seq_id[place][0] = 1, 0
                batch.logits[place] = 1
            if code := library.llama_decode(self._context, batch):
                raise ModelError(f"llama.cpp failed to run {number} tokens (code {code}).")
            rows = [
                np.ctypeslib.as_array(
                    library.llama_get_logits_ith(self._context, place), (self._vocabulary,)
                ).astype(np.float64)
                for place in range(number)
            ]
        finally:
            library.llama_batch_free(batch)
        return np.stack(rows)

    def _set(self, rows: np.ndarray[Any, np.dtype[np.float32]] | None, size: int) -> None:
        pointer = None if rows is None else rows.ctypes.data_as(ctypes.POINTER(ctypes.c_float))
        code = self._library.llama_set_adapter_cvec(
            self._context, pointer, size, self.hidden_size, 1, self.num_blocks - 1
        )
        if code:
            raise SteeringError(f"llama.cpp refused the control vector (code {code}).")
