# %% [markdown]
# # Look into a package, and mix vectors
#
# Reading and checking a vector needs neither torch nor a model. These two packages lie in the
# registry of this repository.

# %%
from pathlib import Path

from palrs_hub import Row, SteeringVector, attach
from palrs_hub.demo import model_folder
from palrs_hub.generation import complete
from palrs_hub.loading import load_model_and_tokenizer

SHELF = Path("registry/vectors")
sums = SteeringVector.load(SHELF / "careful-sums-carry")
code = SteeringVector.load(SHELF / "careful-code")

for vector in (sums, code):
    manifest = vector.manifest
    change = manifest.interventions[0]
    print(manifest.name, "|", manifest.method.name, "| layer", change.layer, "| add", end=" ")
    print(f"{change.coefficient:g} {change.unit}, helped within {change.coefficient_range}")

# %% [markdown]
# What was measured stands in the manifest, each number beside its baselines.

# %%
for evaluation in sums.manifest.evaluations[:3]:
    baselines = ", ".join(f"{name} {value:.3g}" for name, value in evaluation.baselines.items())
    print(f"{evaluation.task}: {evaluation.metric} {evaluation.value:.3g} ({baselines})")

# %% [markdown]
# Both at once. A sum needs the one vector and this function the other, so beside each other both
# take effect.

# %%
model, tokenizer = load_model_and_tokenizer(str(model_folder()))
prompts = [
    "478+356=",
    "f(x): remove 7 but not below 0, add 3 then times 4, divide by 8 rounding up",
]


def answers(model: object) -> list[str]:
    return [complete(model, tokenizer, [prompt], max_new_tokens=96)[0] for prompt in prompts]


unsteered = answers(model)
with attach(model, [sums, code], tokenizer=tokenizer):
    both = answers(model)
for before, after in zip(unsteered, both, strict=True):
    print(before, after, sep="\n-- with both:\n", end="\n\n")

# %% [markdown]
# Each row of a batch may have its own vector and coefficient, or none.

# %%
batch = ["478+356="] * 3
with attach(model, [sums, code], rows=[None, 0, Row(0, coefficient=0.1)], tokenizer=tokenizer):
    rows = complete(model, tokenizer, batch, max_new_tokens=40)
for row, name in zip(rows, ("none", "its own coefficient", "a tenth"), strict=True):
    print(f"{name:<20}{row}")
