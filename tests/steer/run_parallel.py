"""One process of a model that is spread over several: ``torchrun``'s part in test_parallel.py.

Prints, on every rank, how far the steered model is from the same model in one process.
"""

import json
import os
import sys

import torch
import torch.distributed
from transformers import AutoModelForCausalLM, DistributedConfig

from palrs_hub.blocks import find_blocks
from palrs_hub.intervention import Span
from palrs_hub.steer import Row, attach, attached
from tests.steer.by_hand import by_hand, logits_of, only
from tests.vectors import vector_for

IDS = torch.tensor([[5, 17, 42, 8, 23, 61], [33, 9, 71, 12, 50, 4]])
LAYERS = (0, 2)


def addends(vector):
    changes = vector.manifest.interventions
    return [(c.layer, torch.tensor(vector.arrays[c.tensor]) * c.coefficient) for c in changes]


def reference(model, vector, which=None):
    for layer, addend in addends(vector):
        change = addend if which is None else only(which, lambda h, addend=addend: h + addend)
        model = by_hand(model, layer, change)
    return model


def generate(model, **how):
    return model.generate(
        input_ids=IDS,
        attention_mask=torch.ones_like(IDS),
        max_new_tokens=5,
        min_new_tokens=5,
        do_sample=False,
        **how,
    )


def main(folder, kind):
    whole = AutoModelForCausalLM.from_pretrained(folder)
    vector = vector_for(whole, layers=LAYERS)
    late = vector_for(whole, layers=LAYERS, tokens=Span(start=3, stop=None), coefficient=2.5)
    expected = logits_of(reference(whole, vector), IDS)
    rows = torch.cat([expected[:1], logits_of(whole, IDS[1:])])
    text = generate(reference(whole, late, lambda rows, columns: columns >= 3), use_cache=False)
    spread = AutoModelForCausalLM.from_pretrained(
        folder, distributed_config=DistributedConfig(**{f"{kind}_size": 2})
    )
    before = logits_of(spread, IDS)
    with vector.attach(spread) as steering:
        steered = logits_of(spread, IDS)
        doubts = [str(finding) for finding in steering.findings if finding.severity != "note"]
    with attach(spread, [vector], rows=[Row(0), None]):
        by_rows = logits_of(spread, IDS)
    with late.attach(spread):
        generated = generate(spread)
    after = logits_of(spread, IDS)
    return {
        "rank": torch.distributed.get_rank(),
        "blocks here": len(find_blocks(spread).local),
        "error": float((steered - expected).abs().max()),
        "error of rows": float((by_rows - rows).abs().max()),
        "effect": float((expected - before).abs().max()),
        "same text": bool(torch.equal(generated, text)),
        "restored": bool(torch.equal(before, after)) and attached(spread) == (),
        "doubts": doubts,
    }


if __name__ == "__main__":
    result = main(*sys.argv[1:])
    sys.stdout.write(json.dumps(result) + "\n")
    sys.stdout.flush()
    torch.distributed.barrier()
    torch.distributed.destroy_process_group()
    os._exit(0)  # gloo's threads may outlive an orderly exit
