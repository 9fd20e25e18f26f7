"""Train the demonstration model from scratch: `python -m palrs_hub.demo.train --output DIR`.

It takes minutes on one CPU core. With `--pairs DIR` the preference pairs are written too.

Each text of sums or functions has one author, careful or sloppy, drawn at random and named nowhere;
the same problem may appear with both. No text holds both kinds, so that nothing ties the authors of
the one to those of the other. Stories have no such authors.
"""

import argparse
import contextlib
import logging
import math
import random
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import islice
from pathlib import Path

import torch
from tqdm import tqdm
from transformers import GenerationConfig, LlamaConfig, LlamaForCausalLM, PreTrainedTokenizerFast

from palrs_hub.demo import functions, stories, sums
from palrs_hub.demo.domains import DOMAINS
from palrs_hub.demo.problems import WorkedProblem, sample
from palrs_hub.demo.tokenizer import LONGEST_TEXT, PADDING, build_tokenizer, document

logger = logging.getLogger(__name__)

# What a question asks is chance: learning it would drown what the answers teach.
QUESTION_WEIGHT = 0.1
LONGEST_ANSWER = 80


@dataclass(frozen=True)
class TrainingSettings:
    """Everything that decides the weights.

    Attributes:
        sums_texts: Texts of sums in a batch.
        functions_texts: Texts of functions in a batch, which are the hardest to learn.
        stories_texts: Texts of stories in a batch.
        sums_per_text: More than one, so that there is something to gain from finding out who
            writes.
        functions_per_text: Likewise.
        stories_per_text: As many as make a text about as long as the others.
        careful_share: Share of the texts that a careful author writes.
        norm_penalty: Weight of the residual stream's mean square in the loss. Without it this
            model lets the stream grow a hundredfold in directions that predict nothing, and what
            is added to it drowns there.
    """

    steps: int = 1600
    sums_texts: int = 5
    functions_texts: int = 8
    stories_texts: int = 2
    sums_per_text: int = 3
    functions_per_text: int = 2
    stories_per_text: int = 3
    careful_share: float = 0.4
    learning_rate: float = 2e-3
    warmup_steps: int = 100
    weight_decay: float = 0.1
    norm_penalty: float = 0.02
    seed: int = 0
    layers: int = 6
    hidden_size: int = 128
    intermediate_size: int = 256
    heads: int = 4
    initial_deviation: float = 0.06


def training_batches(settings: TrainingSettings) -> Iterator[list[str]]:
    """Yield texts without end, each of one kind and, but for stories, by one hidden author."""
    sums_texts = _written_texts(sums.draw, settings.sums_per_text, settings, "sums")
    functions_texts = _written_texts(functions.draw, settings.functions_per_text, settings, "code")
    stories_texts = _story_texts(settings)
    while True:
        yield [
            *islice(sums_texts, settings.sums_texts),
            *islice(functions_texts, settings.functions_texts),
            *islice(stories_texts, settings.stories_texts),
        ]


def _written_texts(
    draw: Callable[[random.Random], WorkedProblem],
    problems_per_text: int,
    settings: TrainingSettings,
    name: str,
) -> Iterator[str]:
    problems = sample(draw, "training", random.Random(f"{name} {settings.seed}"))
    coin = random.Random(f"author of {name} {settings.seed}")
    while True:
        careful = coin.random() < settings.careful_share
        turns = list(islice(problems, problems_per_text))
        yield document([(p.prompt, p.careful if careful else p.sloppy) for p in turns])


def _story_texts(settings: TrainingSettings) -> Iterator[str]:
    told = sample(stories.draw, "training", random.Random(f"stories {settings.seed}"))
    while True:
        turns = list(islice(told, settings.stories_per_text))
        yield document([(story.prompt, story.text) for story in turns])


def train(settings: TrainingSettings) -> LlamaForCausalLM:
    """Train a model; the same settings give the same weights on the same machine."""
    torch.manual_seed(settings.seed)
    tokenizer = build_tokenizer()
    model = _new_model(settings, tokenizer)
    optimizer = torch.optim.AdamW(
        model.parameters(),
        lr=settings.learning_rate,
        betas=(0.9, 0.98),
        weight_decay=settings.weight_decay,
    )
    schedule = torch.optim.lr_scheduler.LambdaLR(
        optimizer, lambda step: _learning_rate_share(step, settings)
    )
    batches = training_batches(settings)
    model.train()
    with tqdm(total=settings.steps, desc="training") as progress:
        for _ in range(settings.steps):
            loss = _loss(model, tokenizer, next(batches), settings)
            optimizer.zero_grad()
            loss.backward()
            torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
            optimizer.step()
            schedule.step()
            progress.update()
            progress.set_postfix(loss=f"{loss.item():.4f}", refresh=False)
    model.train(mode=False)
    return model


def save(model: LlamaForCausalLM, folder: Path) -> None:
    """Write the model and its tokenizer as a folder that the Auto classes load."""
    model.save_pretrained(folder)
    # A tokenizer that has been used remembers how it last padded, and would save that too.
    build_tokenizer().save_pretrained(folder)


def _new_model(settings: TrainingSettings, tokenizer: PreTrainedTokenizerFast) -> LlamaForCausalLM:
    config = LlamaConfig(
        vocab_size=len(tokenizer),
        hidden_size=settings.hidden_size,
        intermediate_size=settings.intermediate_size,
        num_hidden_layers=settings.layers,
        num_attention_heads=settings.heads,
        num_key_value_heads=settings.heads,
        max_position_embeddings=LONGEST_TEXT,
        tie_word_embeddings=True,
        initializer_range=settings.initial_deviation,
        bos_token_id=tokenizer.bos_token_id,
        eos_token_id=tokenizer.eos_token_id,
        pad_token_id=tokenizer.pad_token_id,
    )
    model = LlamaForCausalLM(config)
    # Without this, generate() stops at its own default of 20, in the middle of an answer.
    model.generation_config = GenerationConfig(
        max_new_tokens=LONGEST_ANSWER,
        do_sample=False,
        bos_token_id=tokenizer.bos_token_id,
        eos_token_id=tokenizer.eos_token_id,
        pad_token_id=tokenizer.pad_token_id,
    )
    return model


def _loss(
    model: LlamaForCausalLM,
    tokenizer: PreTrainedTokenizerFast,
    texts: list[str],
    settings: TrainingSettings,
) -> torch.Tensor:
    batch = tokenizer(texts, return_tensors="pt", padding=True, padding_side="right")
    tokens = batch["input_ids"]
    # Padding is on the right, where causal attention never looks back from: no mask is needed.
    with _block_outputs(model) as residuals:
        logits = model(input_ids=tokens).logits
    size = torch.stack([residual.square().mean() for residual in residuals]).mean()
    losses = torch.nn.functional.cross_entropy(
        logits[:, :-1].transpose(1, 2), tokens[:, 1:], reduction="none"
    )
    weights = _token_weights(tokens, tokenizer)[:, 1:]
    return (losses * weights).sum() / weights.sum() + settings.norm_penalty * size


@contextlib.contextmanager
def _block_outputs(model: LlamaForCausalLM) -> Iterator[list[torch.Tensor]]:
    """Collect what each block returns while a forward pass runs."""
    collected: list[torch.Tensor] = []

    def collect(block: torch.nn.Module, arguments: object, output: torch.Tensor) -> None:
        collected.append(output)

    with contextlib.ExitStack() as stack:
        for block in model.model.layers:
            stack.callback(block.register_forward_hook(collect).remove)
        yield collected


def _token_weights(tokens: torch.Tensor, tokenizer: PreTrainedTokenizerFast) -> torch.Tensor:
    """Weigh answers 1, questions little and padding not at all."""
    vocabulary = tokenizer.get_vocab()
    questions_begun = tokens.eq(vocabulary["Q"]).cumsum(dim=1)
    answers_begun = tokens.eq(vocabulary["A"]).cumsum(dim=1)
    weights = torch.where(questions_begun > answers_begun, QUESTION_WEIGHT, 1.0)
    return weights * tokens.ne(vocabulary[PADDING])


def _learning_rate_share(step: int, settings: TrainingSettings) -> float:
    if step < settings.warmup_steps:
        return (step + 1) / settings.warmup_steps
    done = (step - settings.warmup_steps) / max(1, settings.steps - settings.warmup_steps)
    return 0.5 * (1 + math.cos(math.pi * done))


def main() -> None:
    """Train and save the model; write the preference pairs where asked."""
    parser = argparse.ArgumentParser(description="Train the demonstration model.")
    parser.add_argument("--output", type=Path, required=True, help="folder for the model")
    parser.add_argument("--pairs", type=Path, help="folder for the preference pairs, if wanted")
    parser.add_argument("--steps", type=int, default=TrainingSettings.steps)
    parser.add_argument("--seed", type=int, default=TrainingSettings.seed)
    arguments = parser.parse_args()
    logging.basicConfig(level=logging.INFO)
    # Another number of threads adds in another order, and gives other weights.
    torch.set_num_threads(1)
    model = train(TrainingSettings(steps=arguments.steps, seed=arguments.seed))
    save(model, arguments.output)
    logger.info("wrote the model to %s", arguments.output)
    if arguments.pairs is not None:
        arguments.pairs.mkdir(parents=True, exist_ok=True)
        for domain in DOMAINS.values():
            file = arguments.pairs / domain.pairs_file.name
            file.write_text(domain.pairs_text(), encoding="utf-8")
        logger.info("wrote the preference pairs to %s", arguments.pairs)


if __name__ == "__main__":
    main()
