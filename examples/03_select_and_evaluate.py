# %% [markdown]
# # Select on validation, report on test
#
# What was chosen on a set of problems is too good on it. So there are three sets: pairs to read
# from, problems to choose with, and others to report with.

# %%
import random

from palrs_hub import Problems, compare, extract, read_pairs, select, split_pairs
from palrs_hub.demo import model_folder, pairs_file
from palrs_hub.loading import load_model_and_tokenizer

model, tokenizer = load_model_and_tokenizer(str(model_folder()))


def sums(split: str, count: int, seed: int) -> Problems:
    """Sums with a carry in the ones, and for each a judge of what the model writes."""
    source, found = random.Random(seed), {}
    while len(found) < count:
        left, right = source.randint(100, 499), source.randint(100, 499)
        if left % 10 + right % 10 >= 10:
            found[f"{left}+{right}="] = str(left + right)
    return Problems(
        name="sums with a carry",
        split=split,
        prompts=tuple(found),
        judges=tuple(
            lambda text, right=right: text.partition("#")[2] == right for right in found.values()
        ),
        max_new_tokens=40,
    )


# %% [markdown]
# Every position, layer and coefficient of a grid is scored by how much it prefers the held-out
# chosen answers, which is cheap. The best few then answer the validation problems.

# %%
training, held_out = split_pairs(read_pairs(pairs_file()), validation=0.2)
extraction = extract(model, tokenizer, training, "palrs", choice="validation")
chosen = select(
    model,
    tokenizer,
    extraction,
    held_out,
    problems=sums("validation", 24, seed=1),
    coefficients=(0.6, 1.2, 1.8),
    finalists=4,
)
print(chosen.selection.rule)
print(f"{len(chosen.selection.cells)} cells were tried")
vector = chosen.vector(name="careful-sums", task="careful arithmetic")

# %% [markdown]
# A number alone proves nothing. Beside the steered model stand the unsteered one, random directions
# of the same norm, and the vector's opposite; the gain has an interval.

# %%
found = compare(model, tokenizer, vector, sums("test", 40, seed=2), random_directions=3, seed=0)
for arm in ("unsteered", "steered", "random", "negated"):
    print(f"{arm:<10}{getattr(found, arm):7.1%}")
print(f"gain {found.gain.difference:.1%}, from {found.gain.low:.1%} to {found.gain.high:.1%}")
print(f"made worse: {found.worse:.1%}")
