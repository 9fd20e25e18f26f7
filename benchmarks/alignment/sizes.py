"""How much is run: the sizes of the committed figures, and tiny ones for the tests."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Sizes:
    """Numbers of everything, and the grids of settings.

    Attributes:
        pairs: Pairs that every arm learns from.
        validation_pairs: For the margins of a vector's grid.
        validation_problems: Answered by both sides to choose their settings.
        neutral: Texts whose predictions a chosen setting may move but little, on both sides.
        test_problems: Of each domain, for the reported accuracy.
        guardrail: Texts for the reported perplexity.
        random_directions: Directions of the vector's norm.
        finalists: Cells of a vector's grid that answer the validation problems.
        batch_size: Pairs in a training batch.
        full_rates: Learning rates tried for full fine-tuning.
        lora_rates: Learning rates tried for LoRA.
        checks: Passes over the pairs after which a training run is judged on validation.
        ablation_pairs: Numbers of pairs.
        ablation_noise: Shares of pairs whose two responses change places.
        ablation_draws: Draws of the pairs (or of the noise) at each point of a vector's ablation.
        ablation_finalists: Finalists at each point.
        ablation_problems: Test problems at each point.
    """

    pairs: int = 100
    validation_pairs: int = 24
    validation_problems: int = 40
    neutral: int = 12
    test_problems: int = 200
    guardrail: int = 200
    random_directions: int = 4
    finalists: int = 8
    batch_size: int = 16
    full_rates: tuple[float, ...] = (1e-5, 3e-5, 1e-4)
    lora_rates: tuple[float, ...] = (1e-4, 3e-4, 1e-3)
    checks: tuple[int, ...] = (1, 2, 4, 8)
    ablation_pairs: tuple[int, ...] = (5, 10, 25, 50, 100, 200)
    ablation_noise: tuple[float, ...] = (0.0, 0.1, 0.2, 0.3, 0.4)
    ablation_draws: int = 2
    ablation_finalists: int = 3
    ablation_problems: int = 50

    @property
    def most_pairs(self) -> int:
        """The largest number of pairs that anything learns from."""
        return max(self.pairs, *self.ablation_pairs)


TINY = Sizes(
    pairs=10,
    validation_pairs=6,
    validation_problems=8,
    neutral=4,
    test_problems=8,
    guardrail=8,
    random_directions=2,
    finalists=2,
    full_rates=(1e-4,),
    lora_rates=(1e-3,),
    checks=(1, 2),
    ablation_pairs=(5, 10),
    ablation_noise=(0.4,),
    ablation_draws=1,
    ablation_problems=8,
)
