"""Conditions (CAST): each row decides on its prompt whether it is steered, and keeps to it."""

import pytest
import torch
from transformers import DynamicCache

from palrs_hub.blocks import find_blocks
from palrs_hub.errors import SteeringError
from palrs_hub.intervention import Condition
from palrs_hub.steer import Row, attach, prompt_tokens
from tests.steer.by_hand import by_hand, logits_of
from tests.tiny_models import build
from tests.vectors import vector_for

IDS = torch.tensor([[5, 17, 42, 8, 23, 61], [33, 9, 71, 12, 50, 4], [7, 7, 19, 2, 64, 80]])
MASK = torch.tensor([[1] * 6, [0, 0, 1, 1, 1, 1], [0, 1, 1, 1, 1, 1]])
WIDTH = IDS.shape[1]


@pytest.fixture(scope="module")
def llama():
    return build("llama")


def similarities(model, ids, mask, array, layer):
    """|cos| of the mean of each prompt's states, read by hand."""
    found = []
    for row, kept in zip(ids, mask.bool(), strict=True):
        seen = []
        handle = (
            find_blocks(model)
            .modules[layer]
            .register_forward_hook(lambda module, arguments, output, seen=seen: seen.append(output))
        )
        logits_of(model, row[kept][None])
        handle.remove()
        mean = seen[0][0].double().mean(dim=0)
        found.append(abs(float(torch.cosine_similarity(mean, array.double(), dim=0))))
    return found


@pytest.fixture(params=[1, 2], ids=["read earlier", "read at the same layer"])
def conditional(llama, request):
    """A vector whose condition holds for the middle of three prompts' similarities and above."""
    array = torch.randn(32, generator=torch.Generator().manual_seed(4))
    known = similarities(llama, IDS, MASK, array, request.param)
    low, middle, _ = sorted(known)

    def make(comparison="above", **options):
        threshold = (low + middle) / 2
        condition = Condition(
            layer=request.param, tensor="when", threshold=threshold, comparison=comparison
        )
        vector = vector_for(
            llama, coefficient=60.0, condition=condition, condition_array=array, **options
        )
        above = comparison == "above"
        return vector, [(similarity > threshold) == above for similarity in known]

    return make


def generate(model, ids, mask, **how):
    return model.generate(
        input_ids=ids,
        attention_mask=mask,
        max_new_tokens=6,
        min_new_tokens=6,
        pad_token_id=0,
        do_sample=False,
        **how,
    )


def each_alone(model, vector, gates, **how):
    (change,) = vector.manifest.interventions
    steered = by_hand(model, 2, torch.tensor(vector.arrays[change.tensor]) * change.coefficient)
    rows = zip(IDS, MASK.bool(), gates, strict=True)
    return [
        generate(steered if is_open else model, ids[kept][None], kept[kept][None].long(), **how)[0]
        for ids, kept, is_open in rows
    ]


HOW = [
    {},
    {"use_cache": False},
    {"cache_implementation": "static"},
    {"num_beams": 3},
    {"num_beams": 2, "num_return_sequences": 2},
]


@pytest.mark.parametrize("how", HOW, ids=str)
@pytest.mark.parametrize("comparison", ["above", "below"])
def test_a_row_is_steered_if_its_own_prompt_says_so(llama, conditional, comparison, how):
    vector, gates = conditional(comparison)
    assert len(set(gates)) == 2
    number = how.get("num_return_sequences", 1)
    beams = {"num_beams": how.get("num_beams", 1)}
    with vector.attach(llama):
        found = generate(llama, IDS * MASK, MASK, **how)
        again = generate(llama, IDS * MASK, MASK, **how)
    assert torch.equal(found, again)
    for row, expected in enumerate(each_alone(llama, vector, gates, **beams)):
        padding = int((MASK[row] == 0).sum())
        assert torch.equal(found[row * number, padding:], expected)


def test_assisted_decoding_decides_on_the_prompt_alone(llama, conditional):
    vector, gates = conditional()
    expected = each_alone(llama, vector, gates)[0]
    with vector.attach(llama):
        found = generate(llama, IDS[:1], MASK[:1], prompt_lookup_num_tokens=3)
        assisted = generate(llama, IDS[:1], MASK[:1], assistant_model=build("llama", seed=5))
    assert torch.equal(found[0], expected)
    assert torch.equal(assisted[0], expected)


def test_a_stated_prompt_decides_in_a_loop_of_ones_own(llama, conditional):
    vector, gates = conditional()
    expected = each_alone(llama, vector, gates)
    text, cache = IDS[:1], DynamicCache(config=llama.config)
    with vector.attach(llama), prompt_tokens(llama, WIDTH), torch.no_grad():
        for _ in range(6):
            new = text[:, cache.get_seq_length() :]
            logits = llama(input_ids=new, past_key_values=cache).logits[:, -1]
            text = torch.cat([text, logits.argmax(-1, keepdim=True)], dim=1)
        with pytest.raises(SteeringError, match="whole prompt"):
            llama(input_ids=IDS[:, :2])
    assert torch.equal(text[0], expected[0])


def test_a_prompt_in_parts_is_refused(llama, conditional):
    vector, _ = conditional()
    with vector.attach(llama):
        with pytest.raises(SteeringError, match="prefill_chunk_size"):
            generate(llama, IDS, torch.ones_like(IDS), prefill_chunk_size=2)
        with pytest.raises(SteeringError, match="prompt_tokens"):
            logits_of(llama, IDS)


def test_every_generation_decides_anew(llama, conditional):
    vector, gates = conditional()
    row_open, row_closed = gates.index(True), gates.index(False)
    expected = each_alone(llama, vector, gates)
    with vector.attach(llama):
        for row in (row_open, row_closed, row_open):
            kept = MASK[row].bool()
            ids = IDS[row][kept][None]
            assert torch.equal(generate(llama, ids, torch.ones_like(ids))[0], expected[row])


def test_rows_scopes_and_conditions_meet(llama, conditional):
    vector, gates = conditional(tokens="generated")
    with vector.attach(llama):
        alone = generate(llama, IDS * MASK, MASK)
    unsteered = generate(llama, IDS * MASK, MASK)
    with attach(llama, [vector], rows=[Row(0), None, Row(0)]):
        found = generate(llama, IDS * MASK, MASK)
    assert torch.equal(found[0::2], alone[0::2])
    assert torch.equal(found[1], unsteered[1])
    for row, is_open in enumerate(gates):
        assert torch.equal(alone[row], unsteered[row]) != is_open
