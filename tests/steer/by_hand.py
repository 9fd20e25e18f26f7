"""References that steer without palrs_hub: blocks that change their own output, by plain means."""

import copy

import torch

from palrs_hub.blocks import find_blocks


def by_hand(model, layer, change):
    """A copy of the model whose block changes its own output: no hook, no palrs_hub.

    ``change`` is a tensor to add, or a function of the residual stream.
    """
    reference = copy.deepcopy(model)
    block = find_blocks(reference).modules[layer]
    inner = block.forward
    become = change if callable(change) else lambda hidden: hidden + change

    def forward(*arguments, **named):
        output = inner(*arguments, **named)
        if isinstance(output, tuple):
            return (become(output[0]), *output[1:])
        return become(output)

    block.forward = forward
    return reference


def only(chosen, change):
    """A change of some columns alone, for a model that always runs the whole text, uncached.

    ``chosen`` takes rows and columns, ``[rows, 1]`` and ``[columns]``, and says which.
    """

    def become(hidden):
        rows = torch.arange(hidden.shape[0])[:, None]
        where = torch.as_tensor(chosen(rows, torch.arange(hidden.shape[1])))
        return torch.where(where.expand(hidden.shape[:2])[..., None], change(hidden), hidden)

    return become


def logits_of(model, ids, **named):
    with torch.no_grad():
        return model(input_ids=ids, **named).logits
