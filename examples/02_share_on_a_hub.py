# %% [markdown]
# # Share a vector on a Hub
#
# The Hub is the one that `HF_ENDPOINT` names. For a try without an account start one of your own
# with `palrs-hub serve` in another terminal, and set what it tells you to.

# %%
import tempfile
from pathlib import Path

from palrs_hub import (
    AutoSteeredModelForCausalLM,
    SteeringVector,
    extract,
    pull,
    push,
    read_pairs,
    select,
    split_pairs,
)
from palrs_hub.demo import model_folder, pairs_file
from palrs_hub.generation import complete
from palrs_hub.hub import push_model
from palrs_hub.loading import load_model_and_tokenizer

# %% [markdown]
# A vector belongs to the weights that it was read from. So the base model is named with its commit,
# which goes into the manifest. (Models of huggingface.co are there already; this one is not.)

# %%
base = push_model(model_folder(), "my-lab/base")
model, tokenizer = load_model_and_tokenizer("my-lab/base", revision=base.commit)
training, validation = split_pairs(read_pairs(pairs_file()), validation=0.2)
extraction = extract(
    model,
    tokenizer,
    training,
    "palrs",
    choice="validation",
    base_model="my-lab/base",
    base_revision=base.commit,
)
chosen = select(model, tokenizer, extraction, validation)
vector = chosen.vector(name="careful-sums", task="careful arithmetic")

# %% [markdown]
# A package is a folder: a manifest, the tensors, a card. `push` verifies it and sends it in one
# commit; `pull` gets it by commit and verifies it again.

# %%
with tempfile.TemporaryDirectory() as folder:
    package = vector.save_pretrained(Path(folder) / "careful-sums")
    files = sorted(path.name for path in package.iterdir())
    pushed = push(package, "my-lab/careful-sums", force=True)
print(files)
pulled = pull(f"my-lab/careful-sums@{pushed.commit}")
print(f"{pulled.repo_id} at {pulled.commit[:12]}")

# %% [markdown]
# Somebody else needs the name alone. The base model is loaded at the commit that the manifest
# names, everything is checked, and the model is steered.

# %%
theirs = SteeringVector.from_pretrained("my-lab/careful-sums", revision=pushed.commit)
print(theirs.source, theirs.manifest.base_model.repo_id)

steered = AutoSteeredModelForCausalLM.from_pretrained("my-lab/careful-sums")
(text,) = complete(steered, tokenizer, ["478+356="], max_new_tokens=40)
print(text)
