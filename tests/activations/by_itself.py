"""The reference: a hook a block, a pass a text, no batching and nothing of ours."""

import numpy as np
import torch

from palrs_hub.blocks import find_blocks


def one_by_one(model, texts):
    """Mean activations, ``[positions, layers, hidden]``."""
    total = 0
    for text in texts:
        seen = {}
        handles = [
            block.register_forward_hook(
                lambda m, a, o, k=k, seen=seen: seen.update(
                    {k: o[0] if isinstance(o, tuple | list) else o}
                )
            )
            for k, block in enumerate(find_blocks(model).modules)
        ]
        with torch.no_grad():
            model(input_ids=torch.tensor([text.token_ids]), use_cache=False)
        for handle in handles:
            handle.remove()
        total += np.array(
            [
                [seen[k][0, start:stop].double().mean(0).numpy() for k in sorted(seen)]
                for start, stop in text.spans
            ]
        )
    return total / len(texts)
