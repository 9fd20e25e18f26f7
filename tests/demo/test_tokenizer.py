"""The tokenizer, one token per digit, sign or word, and its chat template."""

import random

import pytest
from jinja2.exceptions import TemplateError

from palrs_hub.demo import functions, stories
from palrs_hub.demo.sums import Problem
from palrs_hub.demo.tokenizer import build_tokenizer, document

PROBLEMS = [Problem((478, 356)), Problem((121, 234))]
TURNS = [(problem.prompt, problem.sloppy) for problem in PROBLEMS]


@pytest.fixture(scope="module")
def tokenizer():
    return build_tokenizer()


def conversation():
    for prompt, answer in TURNS:
        yield {"role": "user", "content": prompt}
        yield {"role": "assistant", "content": answer}


def template_ids(tokenizer, messages, **options):
    return tokenizer.apply_chat_template(messages, tokenize=True, return_dict=True, **options)[
        "input_ids"
    ]


def test_each_character_of_a_sum_is_one_token_and_comes_back(tokenizer):
    text = "47+85=132#132"
    assert tokenizer.tokenize(text) == list(text)
    assert tokenizer.decode(tokenizer(text).input_ids) == text


def test_a_word_takes_the_space_before_it_along(tokenizer):
    text = "def f(x):\n x = -(-x // 2)\n return x"
    assert tokenizer.tokenize(text) == [
        *("def", " f", "(", "x", ")", ":", "\n ", "x", " =", " -", "(", "-", "x", " //", " 2", ")"),
        *("\n ", "return", " x"),
    ]
    assert tokenizer.decode(tokenizer(text).input_ids) == text


def test_every_function_and_story_can_be_written(tokenizer):
    source = random.Random(11)
    for _ in range(300):
        problem, story = functions.draw(source), stories.draw(source)
        for text in (problem.prompt, problem.careful, problem.sloppy, story.prompt, story.text):
            ids = tokenizer(text).input_ids
            assert tokenizer.unk_token_id not in ids
            assert tokenizer.decode(ids) == text


def test_a_training_text_by_hand():
    assert document(TURNS[1:]) == "<s>Q:121+234=?A:1+4=5,2+3=5,1+2=3#355</s>"


def test_chat_template_equals_the_training_text(tokenizer):
    training_ids = tokenizer(document(TURNS)).input_ids
    assert template_ids(tokenizer, list(conversation())) == training_ids
    assert tokenizer.unk_token_id not in training_ids


def test_generation_prompt_is_where_the_training_text_begins_its_answer(tokenizer):
    prompt_ids = template_ids(tokenizer, list(conversation())[:1], add_generation_prompt=True)
    training_ids = tokenizer(document(TURNS[:1])).input_ids
    answer_ids = tokenizer(TURNS[0][1]).input_ids
    assert training_ids == [*prompt_ids, *answer_ids, tokenizer.eos_token_id]


def test_three_template_tokens_follow_the_user_slot(tokenizer):
    ids = template_ids(tokenizer, list(conversation())[:1], add_generation_prompt=True)
    assert tokenizer.convert_ids_to_tokens(ids)[-4:] == ["=", "?", "A", ":"]


def test_unknown_characters_become_the_unknown_token(tokenizer):
    assert tokenizer.tokenize("4é2") == ["4", "<unk>", "2"]


def test_a_system_message_is_refused(tokenizer):
    with pytest.raises(TemplateError, match="user and assistant only"):
        template_ids(tokenizer, [{"role": "system", "content": "1"}])


def test_padding_goes_to_the_left(tokenizer):
    batch = tokenizer(["1+1=", "1="], padding=True).input_ids
    assert batch[1][:2] == [tokenizer.pad_token_id] * 2
