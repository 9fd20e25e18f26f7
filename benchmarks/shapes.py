"""What is measured: a random Llama, a tokenizer of words, and pairs that share their prompts."""

from __future__ import annotations

import json
import random
from dataclasses import dataclass
from pathlib import Path
from typing import Any

VOCABULARY = 32_000


@dataclass(frozen=True)
class Shape:
    """A model's size.

    Attributes:
        hidden: Width of the residual stream.
        blocks: Number of blocks.
        vocabulary: Number of words.
    """

    hidden: int
    blocks: int
    vocabulary: int = VOCABULARY

    @property
    def name(self) -> str:
        """A name for people."""
        body = self.blocks * 12 * self.hidden**2
        millions = (body + self.vocabulary * self.hidden) / 1e6
        return f"Llama of {millions:.0f} M and {self.vocabulary:,} words"


LLAMA_30M = Shape(hidden=384, blocks=10)
LLAMA_37M = Shape(hidden=384, blocks=10, vocabulary=49_152)
LLAMA_TINY = Shape(hidden=64, blocks=2, vocabulary=1_000)


def write_model(folder: Path, shape: Shape) -> None:
    """Write a random model with tied embeddings, and its tokenizer, as transformers saves them."""
    import tokenizers
    import torch
    import transformers

    torch.manual_seed(0)
    config = transformers.LlamaConfig(
        vocab_size=shape.vocabulary,
        hidden_size=shape.hidden,
        intermediate_size=shape.hidden * 8 // 3,
        num_hidden_layers=shape.blocks,
        num_attention_heads=shape.hidden // 64,
        max_position_embeddings=2048,
        tie_word_embeddings=True,
        bos_token_id=None,
        eos_token_id=0,
        pad_token_id=0,
    )
    transformers.LlamaForCausalLM(config).save_pretrained(folder)
    words = {f"w{number}": number for number in range(shape.vocabulary)}
    tokenizer = tokenizers.Tokenizer(tokenizers.models.WordLevel(words, unk_token="w0"))
    tokenizer.pre_tokenizer = tokenizers.pre_tokenizers.WhitespaceSplit()
    transformers.PreTrainedTokenizerFast(
        tokenizer_object=tokenizer, pad_token="w0", eos_token="w0"
    ).save_pretrained(folder)


def write_pairs(path: Path, number: int, vocabulary: int = VOCABULARY) -> None:
    """Write pairs of texts of 80 to 280 tokens, half of them a prompt that both share."""
    chance = random.Random(0)

    def words() -> str:
        count = chance.randint(40, 140)
        return " ".join(f"w{chance.randrange(1, vocabulary)}" for _ in range(count))

    with path.open("w", encoding="utf-8") as file:
        for _ in range(number):
            pair = {"prompt": words(), "chosen": " " + words(), "rejected": " " + words()}
            file.write(json.dumps(pair) + "\n")


def read_texts(path: Path) -> list[dict[str, Any]]:
    """The pairs again, as plain strings."""
    return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]
