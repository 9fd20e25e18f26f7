"""Token scopes: the same tokens are steered however the model is run.

The reference steers by hand, in a copy of the model that always runs the whole text without a
cache: there a column is just a column.
"""

import copy

import pytest
import torch
from transformers import DynamicCache, StaticCache

from palrs_hub.blocks import find_blocks
from palrs_hub.errors import SteeringError
from palrs_hub.intervention import Span
from palrs_hub.steer import attached, prompt_tokens, suspended
from tests.steer.by_hand import by_hand, logits_of, only
from tests.tiny_models import build
from tests.vectors import vector_for

WIDTH, NEW = 6, 7
IDS = torch.tensor([[5, 17, 42, 8, 23, 61], [33, 9, 71, 12, 50, 4]])
PADDING = (2, 0)  # columns at the left of each row
MASK = torch.tensor([[0, 0, 1, 1, 1, 1], [1, 1, 1, 1, 1, 1]])
PADDED = IDS * MASK
SPAN = Span(start=3, stop=8)
LATE = Span(start=WIDTH, stop=None)
SCOPES = ["prompt", "generated", SPAN, LATE]
NAMES = ["llama", "gemma2", "gpt2", "bloom", "opt", "mamba"]


def positions(rows, columns, padding=PADDING):
    return columns - torch.tensor(padding)[rows % len(padding)]


def chosen(scope, padding=(0,), width=WIDTH):
    def which(rows, columns):
        if scope == "prompt":
            return columns[None] < width
        if scope == "generated":
            return columns[None] >= width
        position = positions(rows, columns, padding)
        return (position >= scope.start) & (position < (scope.stop or 10**6))

    return which


def addend(vector):
    (change,) = vector.manifest.interventions
    return torch.tensor(vector.arrays[change.tensor]) * change.coefficient


def generate(model, ids=IDS, mask=None, **how):
    torch.manual_seed(0)
    mask = torch.ones_like(ids) if mask is None else mask
    return model.generate(
        **({"input_ids": ids} if ids.dim() == 2 else {"inputs_embeds": ids}),
        attention_mask=mask,
        max_new_tokens=NEW,
        min_new_tokens=NEW,
        pad_token_id=0,
        **{"do_sample": False, **how},
    )


@pytest.fixture(scope="module")
def models():
    return {name: build(name) for name in NAMES}


@pytest.fixture
def llama(models):
    return models["llama"]


def pushing(model, scope, **options):
    return vector_for(model, coefficient=60.0, tokens=scope, **options)


def reference(model, vector, scope, padding=(0,), width=WIDTH):
    added = addend(vector)
    change = only(chosen(scope, padding, width), lambda hidden: hidden + added)
    return by_hand(model, 2, change)


@pytest.mark.parametrize("scope", SCOPES, ids=str)
@pytest.mark.parametrize("name", NAMES)
def test_greedy_generation_with_a_cache_steers_the_same_tokens(models, name, scope):
    model = models[name]
    vector = pushing(model, scope)
    expected = generate(reference(model, vector, scope), use_cache=False)
    unsteered = generate(model)
    with vector.attach(model):
        assert torch.equal(generate(model), expected)
        assert torch.equal(generate(model, use_cache=False), expected)
    assert not torch.equal(expected, unsteered)
    assert torch.equal(generate(model), unsteered)


HOW = {
    "static cache": {"cache_implementation": "static"},
    "chunked prefill": {"prefill_chunk_size": 2},
    "beam search": {"num_beams": 3},
    "several sequences": {"do_sample": True, "num_return_sequences": 3, "top_k": 0},
    "sampling": {"do_sample": True, "temperature": 1.2, "top_k": 0},
}


@pytest.mark.parametrize("scope", SCOPES, ids=str)
@pytest.mark.parametrize("how", HOW.values(), ids=HOW)
def test_every_way_to_generate_steers_the_same_tokens(llama, how, scope):
    vector = pushing(llama, scope)
    plain = {
        k: v for k, v in how.items() if k not in ("cache_implementation", "prefill_chunk_size")
    }
    expected = generate(reference(llama, vector, scope), use_cache=False, **plain)
    with vector.attach(llama):
        assert torch.equal(generate(llama, **how), expected)


@pytest.mark.parametrize("scope", SCOPES, ids=str)
@pytest.mark.parametrize(
    "how", [{}, {"num_beams": 2}, {"cache_implementation": "static"}, {"prefill_chunk_size": 4}]
)
@pytest.mark.parametrize("name", ["llama", "bloom"])
def test_padding_at_the_left_does_not_count(models, name, how, scope):
    model = models[name]
    vector = pushing(model, scope)
    each = [
        generate(
            reference(model, vector, scope, width=WIDTH - padding),
            IDS[row : row + 1, padding:],
            use_cache=False,
            num_beams=how.get("num_beams", 1),
        )
        for row, padding in enumerate(PADDING)
    ]
    with vector.attach(model):
        found = generate(model, PADDED, MASK, **how)
    for row, padding in enumerate(PADDING):
        assert torch.equal(found[row, padding:], each[row][0])


@pytest.mark.parametrize("scope", SCOPES, ids=str)
def test_assisted_decoding_steers_what_is_accepted_where_it_stands(llama, scope):
    vector = pushing(llama, scope)
    ids = torch.tensor([[5, 17, 42, 8, 5, 17]])
    expected = generate(reference(llama, vector, scope), ids, use_cache=False)
    assistant = build("llama", seed=3)
    with vector.attach(llama):
        assert torch.equal(generate(llama, ids, prompt_lookup_num_tokens=3), expected)
        assert torch.equal(generate(llama, ids, assistant_model=assistant), expected)
        # The best guesser there is: itself. Its own passes are steered like all others.
        twin = copy.deepcopy(llama)
        with vector.attach(twin):
            assert torch.equal(generate(llama, ids, assistant_model=twin), expected)


@pytest.mark.parametrize("scope", SCOPES, ids=str)
def test_embeddings_instead_of_ids(llama, scope):
    vector = pushing(llama, scope)
    expected = generate(reference(llama, vector, scope), use_cache=False)[:, WIDTH:]
    with vector.attach(llama), torch.no_grad():
        embeds = llama.get_input_embeddings()(IDS)
        assert torch.equal(generate(llama, embeds, torch.ones_like(IDS)), expected)


def test_continuing_a_conversation_from_its_cache(llama):
    vector = pushing(llama, "generated")
    with vector.attach(llama):
        cache = DynamicCache(config=llama.config)
        first = generate(llama, past_key_values=cache)
        turn = torch.cat([first, torch.tensor([[7, 7], [9, 9]])], dim=1)
        second = generate(llama, turn, past_key_values=cache)
        # Everything given is the prompt; what the cache holds stays as it was computed.
        with pytest.raises(SteeringError, match="attention_mask"):
            llama.generate(input_ids=turn[:, -2:], past_key_values=cache, max_new_tokens=2)
    cache = DynamicCache(config=llama.config)
    with torch.no_grad():
        reference(llama, vector, "generated")(input_ids=first, past_key_values=DynamicCache())
        by_hand_first = by_hand(llama, 2, only(chosen("generated"), lambda h: h + addend(vector)))
        by_hand_first(input_ids=first[:, :-1], past_key_values=cache)
        width = turn.shape[1]
        text = turn
        for step in range(NEW):
            new = text[:, cache.get_seq_length() :]
            model = llama if step == 0 else by_hand(llama, 2, addend(vector))
            logits = model(input_ids=new, past_key_values=cache).logits[:, -1]
            text = torch.cat([text, logits.argmax(-1, keepdim=True)], dim=1)
    assert torch.equal(second[:, width:], text[:, width:])


@pytest.mark.parametrize("side", ["left", "right"])
@pytest.mark.parametrize("how", ["mask", "mask and positions"])
def test_a_plain_forward_counts_positions_by_its_mask(llama, side, how):
    vector = vector_for(llama, tokens=Span(start=1, stop=3))
    short, filler = IDS[:1, :4], torch.zeros(1, 3, dtype=torch.long)
    sides = (filler, short) if side == "left" else (short, filler)
    mask = torch.cat([torch.full_like(part, int(part is short)) for part in sides], dim=1)
    first = 3 if side == "left" else 0
    named = {"attention_mask": mask}
    if how != "mask":
        named["position_ids"] = (mask.cumsum(-1) - 1).clamp(min=0)
    added = addend(vector)
    steered = torch.tensor([first + 1, first + 2])
    wanted = only(lambda rows, columns: torch.isin(columns, steered), lambda h: h + added)
    ids = torch.cat(sides, dim=1)
    expected = logits_of(by_hand(llama, 2, wanted), ids, **named)
    with vector.attach(llama):
        found = logits_of(llama, ids, **named)
    kept = slice(first, first + 4)
    torch.testing.assert_close(found[:, kept], expected[:, kept], atol=1e-5, rtol=1e-5)


def test_a_plain_forward_without_a_mask_takes_every_column_for_a_token(llama):
    vector = vector_for(llama, tokens=Span(start=2, stop=4))
    added = addend(vector)
    wanted = only(lambda rows, columns: (columns >= 2) & (columns < 4), lambda h: h + added)
    expected = logits_of(by_hand(llama, 2, wanted), IDS)
    with vector.attach(llama), torch.no_grad():
        torch.testing.assert_close(logits_of(llama, IDS), expected)
        for cache in (
            DynamicCache(config=llama.config),
            StaticCache(llama.config, max_cache_len=9),
        ):
            steps = [llama(input_ids=t, past_key_values=cache).logits for t in IDS.split(1, 1)]
            found = torch.cat(steps, dim=1)
            torch.testing.assert_close(found, expected, atol=1e-4, rtol=1e-4)


@pytest.mark.parametrize("scope", ["prompt", "generated"])
def test_a_plain_forward_does_not_guess_where_the_prompt_ends(llama, scope):
    unsteered = logits_of(llama, IDS)
    with vector_for(llama, tokens=scope).attach(llama):
        with pytest.raises(SteeringError, match="prompt_tokens"):
            logits_of(llama, IDS)
        with suspended(llama):
            assert torch.equal(logits_of(llama, IDS), unsteered)
    assert torch.equal(logits_of(llama, IDS), unsteered)


@pytest.mark.parametrize("scope", ["prompt", "generated"])
def test_a_stated_prompt_steers_a_plain_forward(llama, scope):
    vector = vector_for(llama, tokens=scope)
    lengths = torch.tensor([[1], [4]])

    def which(rows, columns):
        prompt = columns[None] - torch.tensor(PADDING)[rows] < lengths[rows[:, 0]]
        return prompt if scope == "prompt" else ~prompt

    added = addend(vector)
    positions_ = (MASK.cumsum(-1) - 1).clamp(min=0)
    named = {"attention_mask": MASK, "position_ids": positions_}
    expected = logits_of(by_hand(llama, 2, only(which, lambda h: h + added)), PADDED, **named)
    with vector.attach(llama), prompt_tokens(llama, [1, 4]):
        found = logits_of(llama, PADDED, **named)
        with pytest.raises(SteeringError, match="2 texts"):
            logits_of(llama, PADDED[:1])
    torch.testing.assert_close(found[MASK.bool()], expected[MASK.bool()], atol=1e-5, rtol=1e-5)


def test_a_loop_of_ones_own_states_its_prompt(llama):
    vector = pushing(llama, "generated")
    expected = generate(reference(llama, vector, "generated"), use_cache=False)
    text, cache = IDS, DynamicCache(config=llama.config)
    with vector.attach(llama), prompt_tokens(llama, WIDTH), torch.no_grad():
        for _ in range(NEW):
            new = text[:, cache.get_seq_length() :]
            logits = llama(input_ids=new, past_key_values=cache).logits[:, -1]
            text = torch.cat([text, logits.argmax(-1, keepdim=True)], dim=1)
    assert torch.equal(text, expected)


def test_a_decoder_that_is_called_behind_the_models_back_is_refused(llama):
    with vector_for(llama, tokens=SPAN).attach(llama):
        with pytest.raises(SteeringError, match="Call the model itself"):
            llama.model(input_ids=IDS)
        with pytest.raises(SteeringError, match="Call the model itself"):
            llama.forward(input_ids=IDS)


def test_guidance_is_refused_where_tokens_matter(llama):
    with (
        vector_for(llama, tokens="generated").attach(llama),
        pytest.raises(SteeringError, match="guidance_scale"),
    ):
        generate(llama, guidance_scale=2.0)


def test_padding_that_transformers_guesses_is_counted_by_the_positions_it_gives(models):
    model = models["llama"]
    with vector_for(model, tokens=SPAN).attach(model):
        found = model.generate(input_ids=PADDED, pad_token_id=0, max_new_tokens=3, do_sample=False)
        stated = generate(model, PADDED, MASK)[:, : found.shape[1]]
    assert torch.equal(found, stated)  # transformers guesses the mask, and hands on positions


def test_nothing_is_left_behind(llama):
    before = set(llama.__dict__)
    steering = vector_for(llama, tokens="generated").attach(llama)
    assert "generate" in llama.__dict__
    twin = copy.deepcopy(llama)
    steering.detach()
    assert attached(llama) == ()
    assert set(llama.__dict__) == before
    assert not llama._forward_pre_hooks
    assert not llama._forward_hooks
    # The copy was made while it was steered: it generates by itself, and unsteered.
    assert twin.generate.__self__ is twin
    assert torch.equal(generate(twin), generate(llama))


def test_an_interrupted_generation_leaves_no_prompt_behind(llama):
    def interrupt(*_):
        raise RuntimeError("stopped")

    with vector_for(llama, tokens="generated").attach(llama):
        handle = llama.lm_head.register_forward_hook(interrupt)
        with pytest.raises(RuntimeError, match="stopped"):
            generate(llama)
        handle.remove()
        with pytest.raises(SteeringError, match="prompt_tokens"):
            logits_of(llama, IDS)


def test_hooks_of_scopes_do_not_outlive_their_handles_one_by_one(llama):
    scopes = ("generated", "prompt")
    first, second = [vector_for(llama, tokens=scope).attach for scope in scopes]
    first, second = first(llama), second(llama)
    first.detach()
    both = generate(llama)
    second.detach()
    assert not find_blocks(llama).modules[2]._forward_hooks
    assert both.shape == generate(llama).shape
