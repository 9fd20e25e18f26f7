"""torch.compile: attached before or after, steering takes effect, and its strength stays live."""

import pytest
import torch
import torch._dynamo
from transformers import CompileConfig

from palrs_hub import extract, read_pairs
from palrs_hub.blocks import find_blocks
from palrs_hub.demo import pairs_file
from palrs_hub.intervention import Condition, Span
from palrs_hub.operations import OPERATIONS
from palrs_hub.steer import Row, adding, attach, attached, prompt_tokens, suspended
from tests.steer.by_hand import by_hand, logits_of
from tests.tiny_models import build
from tests.vectors import vector_for as random_vector

IDS = torch.tensor([[5, 17, 42, 8, 23, 61], [33, 9, 71, 12, 50, 4]])
pytestmark = pytest.mark.filterwarnings(
    "ignore:.*torch.jit.script_method:DeprecationWarning",
)


@pytest.fixture
def llama():
    torch.compiler.reset()
    yield small()
    torch.compiler.reset()


def small():
    return build("llama", num_hidden_layers=2)


def vector_for(model, **options):
    return random_vector(model, **{"layers": (1,), **options})


class Graphs:
    """A backend that runs what it is given as it is, and counts how often it is given something."""

    def __init__(self):
        self.number = 0

    def __call__(self, graph, inputs):
        self.number += 1
        return graph


def wrapper(model, backend):
    return torch.compile(model, backend=backend, fullgraph=True)


def in_place(model, backend):
    model.compile(backend=backend, fullgraph=True)
    return model


def function(model, backend):
    @torch.compile(backend=backend)
    def call(**named):
        return model(**named)

    return call


def block_by_block(model, backend):
    for block in find_blocks(model).modules:
        block.compile(backend=backend)
    return model


COMPILED = [wrapper, in_place, function, block_by_block]


def run(call):
    with torch.no_grad():
        return call(input_ids=IDS, use_cache=False).logits


def addend(vector):
    (change,) = vector.manifest.interventions
    return torch.tensor(vector.arrays[change.tensor]) * change.coefficient


@pytest.mark.parametrize("compiled", COMPILED)
def test_attaching_after_compilation_is_noticed(llama, compiled):
    reference = by_hand(llama, 1, addend(vector_for(llama)))
    vector = vector_for(llama)
    unsteered = logits_of(llama, IDS)
    call = compiled(llama, Graphs())
    torch.testing.assert_close(run(call), unsteered)
    with vector.attach(llama):
        torch.testing.assert_close(run(call), logits_of(reference, IDS), atol=1e-5, rtol=1e-5)
        with suspended(llama):
            torch.testing.assert_close(run(call), unsteered)
    torch.testing.assert_close(run(call), unsteered)


@pytest.mark.parametrize("compiled", COMPILED)
def test_attaching_before_compilation_stays_live_and_compiles_nothing_anew(llama, compiled):
    vector = vector_for(llama)
    references = {value: by_hand(llama, 1, addend(vector) * value) for value in (1.0, -1.0, 0.5)}
    unsteered = logits_of(llama, IDS)
    graphs = Graphs()
    with vector.attach(llama) as steering:
        call = compiled(llama, graphs)
        run(call)
        before = graphs.number
        for value, reference in references.items():
            steering.coefficient = 1.5 * value
            torch.testing.assert_close(run(call), logits_of(reference, IDS), atol=1e-5, rtol=1e-5)
        assert graphs.number == before > 0
    torch.testing.assert_close(run(call), unsteered)


def test_a_wrapper_is_as_good_as_its_model(llama):
    vector = vector_for(llama)
    expected = logits_of(by_hand(llama, 1, addend(vector)), IDS)
    compiled = torch.compile(llama, backend="eager")
    run(compiled)
    with vector.attach(compiled) as steering:
        assert attached(llama) == attached(compiled) == (steering,)
        torch.testing.assert_close(run(compiled), expected, atol=1e-5, rtol=1e-5)
    assert attached(compiled) == ()


def test_the_last_of_two_to_attach_and_to_detach_is_noticed(llama):
    first, second = vector_for(llama, seed=1), vector_for(llama, seed=2, layers=(0,))
    both = logits_of(by_hand(by_hand(llama, 1, addend(first)), 0, addend(second)), IDS)
    one = logits_of(by_hand(llama, 1, addend(first)), IDS)
    call = torch.compile(llama, backend="eager")
    with first.attach(llama):
        torch.testing.assert_close(run(call), one, atol=1e-5, rtol=1e-5)
        with second.attach(llama):
            torch.testing.assert_close(run(call), both, atol=1e-5, rtol=1e-5)
        torch.testing.assert_close(run(call), one, atol=1e-5, rtol=1e-5)


def test_candidates_too_are_noticed(llama):
    call = torch.compile(llama, backend="eager")
    unsteered = run(call)
    candidate = torch.linspace(-1, 1, 32)
    with adding(llama, 1, candidate.numpy()):
        expected = logits_of(by_hand(small(), 1, candidate), IDS)
        torch.testing.assert_close(run(call), expected, atol=1e-5, rtol=1e-5)
    torch.testing.assert_close(run(call), unsteered)


@pytest.mark.parametrize(
    ("operation", "rows"),
    [*((name, None) for name in OPERATIONS), ("add", [Row(0, 0.7), None])],
)
def test_every_operation_in_one_graph_with_live_coefficients(llama, operation, rows):
    vector = vector_for(llama, operation=operation, coefficient=0.7)
    graphs = Graphs()
    call = torch.compile(llama, backend=graphs, fullgraph=True)
    with attach(llama, [vector], rows=rows) as steering:
        for value in (0.7, -0.4, 0.2):
            if rows:
                steering.rows = [None, Row(0, value)]
            else:
                steering.coefficient = value
            torch.testing.assert_close(run(call), logits_of(llama, IDS), atol=1e-5, rtol=1e-5)
        assert graphs.number == 1


@pytest.mark.parametrize("scope", ["prompt", "generated", Span(start=1, stop=3)], ids=str)
def test_scopes_compile_once_for_any_prompt(llama, scope):
    vector = vector_for(llama, tokens=scope)
    graphs, first = Graphs(), 0
    call = torch.compile(llama, backend=graphs, fullgraph=True)
    with vector.attach(llama):
        for number in (4, 3, 2):
            with prompt_tokens(llama, number):
                found, expected = run(call), logits_of(llama, IDS)
            torch.testing.assert_close(found, expected, atol=1e-5, rtol=1e-5)
            first = first if number < 4 else graphs.number
    assert graphs.number == first


def generate(model, backend=None, ids=IDS, **how):
    if backend is not None:
        how["compile_config"] = CompileConfig(backend=backend, fullgraph=True, mode=None)
        how["compile_config"]._compile_all_devices = True  # on CPU too
    return model.generate(
        input_ids=ids,
        attention_mask=torch.ones_like(ids),
        max_new_tokens=5,
        min_new_tokens=5,
        pad_token_id=0,
        do_sample=False,
        cache_implementation="static",
        **how,
    )


def condition_for(model):
    array = torch.randn(32, generator=torch.Generator().manual_seed(4)).numpy()
    return {
        "condition": Condition(layer=0, tensor="when", threshold=0.0, comparison="above"),
        "condition_array": array,
    }


@pytest.mark.parametrize(
    "how",
    [
        {"tokens": "generated"},
        {"tokens": Span(start=3, stop=9)},
        {"condition": None},
        {"rows": [Row(0, 60.0), None], "operation": "clamp"},
    ],
    ids=lambda how: " ".join(map(str, how.values())) or "condition",
)
def test_compiled_generation_with_a_static_cache(llama, how):
    how = dict(how)
    rows = how.pop("rows", None)
    if "condition" in how:
        how = condition_for(llama)
    vector = vector_for(llama, coefficient=60.0, **how)
    graphs = Graphs()
    unsteered = generate(llama, graphs)
    with attach(llama, [vector], rows=rows) as steering:
        expected = generate(llama)
        assert torch.equal(generate(llama, graphs), expected)
        assert not torch.equal(expected, unsteered)
        first = graphs.number
        # Another coefficient: the same graphs.
        if rows:
            steering.rows = [None, Row(0, -60.0)]
        else:
            steering.coefficient = -60.0
        assert torch.equal(generate(llama, graphs), generate(llama))
        assert graphs.number == first
    assert torch.equal(generate(llama, graphs), unsteered)


def test_a_compiled_model_can_be_extracted_from(demo_model, demo_tokenizer):
    pairs = read_pairs(pairs_file(), limit=8)
    plain = extract(demo_model, demo_tokenizer, pairs, "palrs")
    compiled = torch.compile(demo_model, backend="eager")
    with torch.no_grad():
        compiled(input_ids=IDS % 10)
    found = extract(compiled, demo_tokenizer, pairs, "palrs")
    assert (found.candidates == plain.candidates).all()
    torch.compiler.reset()
