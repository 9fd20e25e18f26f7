"""The arms of an evaluation, problem by problem, on real and on tiny random models."""

from types import SimpleNamespace

import numpy as np
import pytest

from palrs_hub.demo import pairs_file
from palrs_hub.errors import UsageError
from palrs_hub.evaluate import Problems, compare
from palrs_hub.experiment import addends_of, random_addends
from palrs_hub.extraction import extract
from palrs_hub.instruction import instructed, takes_system_message
from palrs_hub.pairs import read_pairs
from palrs_hub.pairs.pair import Message
from tests import tiny_models
from tests.builders import an_intervention


@pytest.fixture(scope="module")
def vector(demo_model, demo_tokenizer):
    extraction = extract(demo_model, demo_tokenizer, read_pairs(pairs_file()))
    return extraction.vector(position="-3", layer=5, coefficient=1.2, name="n", task="t")


def sums(*prompts):
    def judge(prompt):
        left, right = map(int, prompt.rstrip("=").split("+"))
        return lambda text: text.partition("#")[2] == str(left + right)

    return Problems("sums", "test", prompts, tuple(map(judge, prompts)), 40)


def test_outcomes_are_kept_problem_by_problem(demo_model, demo_tokenizer, vector):
    problems = sums("478+356=", "111+222=", "267+385=")
    found = compare(demo_model, demo_tokenizer, vector, problems, random_directions=2)
    # Without a carry, careful and sloppy agree: the middle problem is solved by both.
    assert found.outcomes.unsteered == (False, True, False)
    assert found.outcomes.steered == (True, True, True)
    assert (found.unsteered, found.steered) == (pytest.approx(1 / 3), 1)
    assert [len(solved) for solved in found.outcomes.random] == [3, 3]
    assert found.prompted is None
    assert found.gain.difference == pytest.approx(2 / 3)
    assert found.gain.low <= found.gain.difference <= found.gain.high
    assert found.worse == 0


def test_an_instruction_is_an_arm_of_its_own(demo_model, demo_tokenizer, vector):
    found = compare(
        demo_model,
        demo_tokenizer,
        vector,
        sums("111+222="),
        random_directions=1,
        instruction="Be careful.",
    )
    assert found.outcomes.prompted is not None
    assert found.prompted in (0, 1)


def test_no_random_direction_is_no_comparison(demo_model, demo_tokenizer, vector):
    with pytest.raises(UsageError, match="at least one random direction"):
        compare(demo_model, demo_tokenizer, vector, sums("1+1="), random_directions=0)


def test_several_layers_are_steered_together():
    """Each layer's random direction has the norm of that layer's vector."""
    interventions = [
        an_intervention(layer=layer, coefficient=2.0, tensor=f"t{layer}") for layer in (0, 2)
    ]
    arrays = {"t0": np.ones(8, np.float32), "t2": np.full(8, 3, np.float32)}
    several = SimpleNamespace(manifest=SimpleNamespace(interventions=interventions), arrays=arrays)
    addends = addends_of(several)
    drawn = random_addends(addends, 5, seed=0)
    assert len(drawn) == 5
    for directions in drawn:
        assert [layer for layer, _ in directions] == [0, 2]
        for (_, mine), (_, random) in zip(addends, directions, strict=True):
            assert np.linalg.norm(random) == pytest.approx(np.linalg.norm(mine))


class Templated:
    """The part of a tokenizer that renders, over a template of a test's own."""

    def __init__(self, tokenizer, template):
        self.tokenizer, self.chat_template = tokenizer, template

    def __call__(self, text, **options):
        return self.tokenizer(text, **options)

    def apply_chat_template(self, messages, **options):
        return self.tokenizer.apply_chat_template(
            messages, chat_template=self.chat_template, **options
        )


ALL = "{% for m in messages %}{{ '#' if m.role == 'system' else 'Q' }}{{ m.content }}{% endfor %}"
DROPS = "{% for m in messages if m.role != 'system' %}Q{{ m.content }}{% endfor %}"


@pytest.mark.parametrize(("template", "taken"), [(ALL, True), (DROPS, False), (None, False)])
def test_a_system_message_only_where_the_template_renders_it(demo_tokenizer, template, taken):
    tokenizer = demo_tokenizer if template is None else Templated(demo_tokenizer, template)
    assert takes_system_message(tokenizer) is taken
    (text,) = instructed(tokenizer, ["1+1="], "Be careful.")
    if taken:
        assert text == (Message("system", "Be careful."), Message("user", "1+1="))
    else:
        assert text == "Be careful.\n\n1+1="


def test_conversations_keep_their_turns(demo_tokenizer):
    templated = Templated(demo_tokenizer, ALL)
    system, user = Message("system", "s"), Message("user", "u")
    assert instructed(templated, [(user,)], "i") == ((Message("system", "i"), user),)
    assert instructed(templated, [(system, user)], "i") == ((Message("system", "i\n\ns"), user),)
    assert instructed(demo_tokenizer, [(user,)], "i") == ((Message("user", "i\n\nu"),),)


def test_without_a_template_it_begins_the_text():
    assert instructed(SimpleNamespace(chat_template=None), ["p"], "i") == ("i\n\np",)


def test_an_empty_instruction_is_refused(demo_tokenizer):
    with pytest.raises(UsageError, match="empty"):
        instructed(demo_tokenizer, ["p"], " ")


@pytest.mark.parametrize("name", ["llama", "gpt2"])
def test_a_tiny_random_model_can_be_compared(demo_tokenizer, name):
    model = tiny_models.build(name)
    extraction = extract(model, demo_tokenizer, read_pairs(pairs_file(), limit=6))
    tiny = extraction.vector(position="-1", layer=1, coefficient=1.0, name="n", task="t")
    problems = sums("1+1=", "2+2=")
    short = Problems(problems.name, "test", problems.prompts, problems.judges, 4)
    found = compare(model, demo_tokenizer, tiny, short, random_directions=2, instruction="i")
    assert len(found.outcomes.steered) == 2
    assert found.gain.low <= found.gain.high
