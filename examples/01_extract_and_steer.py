# %% [markdown]
# # Extract a vector and steer with it
#
# A preference pair is a prompt with an answer that is preferred and one that is not. From a hundred
# of them a direction of the residual stream is read off, and added while the model generates. The
# demonstration model comes along: it is able to add with carries, and most often forgets them.

# %%
from transformers import AutoModelForCausalLM, AutoTokenizer

from palrs_hub import extract, read_pairs, select, split_pairs
from palrs_hub.demo import model_folder, pairs_file

model = AutoModelForCausalLM.from_pretrained(model_folder())
tokenizer = AutoTokenizer.from_pretrained(model_folder())
pairs = read_pairs(pairs_file())
print(pairs[0].prompt, "|", pairs[0].chosen, "|", pairs[0].rejected)

# %% [markdown]
# Some pairs are held out. The others go through the model once, which gives a candidate for every
# read position and layer; the pairs that were held out choose among them, and the coefficient.

# %%
training, validation = split_pairs(pairs, validation=0.2)
extraction = extract(model, tokenizer, training, "palrs", choice="validation")
chosen = select(model, tokenizer, extraction, validation)
print(f"layer {chosen.layer}, position {chosen.position}, coefficient {chosen.coefficient:g}")

# %% [markdown]
# `attach` checks the vector against the model and proves that steering takes effect, or refuses.
# Inside the `with` the model is steered; after it nothing is left behind.

# %%
vector = chosen.vector(name="careful-sums", task="careful arithmetic")


def answer(prompt: str) -> str:
    inputs = tokenizer.apply_chat_template(
        [{"role": "user", "content": prompt}],
        add_generation_prompt=True,
        return_dict=True,
        return_tensors="pt",
    )
    output = model.generate(**inputs, max_new_tokens=40, do_sample=False)
    return tokenizer.decode(output[0, inputs["input_ids"].shape[1] :], skip_special_tokens=True)


unsteered = answer("478+356=")
with vector.attach(model, tokenizer=tokenizer) as steering:
    steered = answer("478+356=")
    steering.coefficient = 0.0  # takes effect at once
    off = answer("478+356=")

print("unsteered:", unsteered)
print("steered:  ", steered)

# %% [markdown]
# Was it luck? One prompt proves nothing: [select and evaluate](03_select_and_evaluate.md) measures
# it, beside what it must be compared with.
