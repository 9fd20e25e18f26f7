"""From pairs to tokens: which tokens a text has, and which of them are read."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from palrs_hub.demo.tokenizer import build_tokenizer
from palrs_hub.errors import ExtractionError, UsageError
from palrs_hub.inputs import encode_prompt, encode_response, natural_format, prepare_pairs
from palrs_hub.pairs import Message, PreferencePair
from palrs_hub.positions import read_positions

PAIR = PreferencePair("47+85=", "47+85=132#132", "47+85=122#122")
TALK = PreferencePair(
    (Message("user", "47+85="),),
    (Message("assistant", "47+85=132#132"),),
    (Message("assistant", "47+85=122#122"),),
)


@pytest.fixture(scope="module")
def tokenizer():
    """One token a character; its template is <s>Q:{user}?A:{assistant}</s>."""
    return build_tokenizer()


@pytest.fixture
def bare(tokenizer):
    """The same without a chat template."""
    without = build_tokenizer()
    without.chat_template = None
    return without


def read(tokenizer, sample):
    """The text of a sample, and of each span."""
    spans = [
        "".join(tokenizer.convert_ids_to_tokens(sample.token_ids[a:b])) for a, b in sample.spans
    ]
    return "".join(tokenizer.convert_ids_to_tokens(sample.token_ids)), spans


@pytest.mark.parametrize(
    ("input_format", "positions", "text", "spans"),
    [
        ("response_as_user", "template_suffix", "<s>Q:47+85=132#132?A:", ["?", "A", ":"]),
        ("response_as_user", "last", "<s>Q:47+85=132#132?A:", [":"]),
        ("response_as_user", "response_mean", "<s>Q:47+85=132#132?A:", ["47+85=132#132"]),
        ("conversation", "response_mean", "<s>Q:47+85=?A:47+85=132#132</s>", ["47+85=132#132"]),
        ("conversation", "last", "<s>Q:47+85=?A:47+85=132#132</s>", ["</s>"]),
        (
            "conversation",
            "template_suffix",
            "<s>Q:47+85=?A:47+85=132#132</s>A:",
            ["</s>", "A", ":"],
        ),
    ],
)
@pytest.mark.parametrize("pair", [PAIR, TALK], ids=["strings", "messages"])
def test_every_reading_of_a_pair(tokenizer, pair, input_format, positions, text, spans):
    prepared = prepare_pairs(tokenizer, [pair], input_format=input_format, positions=positions)
    assert read(tokenizer, prepared.chosen[0]) == (text, spans)
    assert len(prepared.positions) == len(spans)


def test_raw_text_is_prompt_and_response(bare):
    prepared = prepare_pairs(bare, [PAIR], input_format="raw", positions="response_mean")
    assert read(bare, prepared.chosen[0]) == ("47+85=47+85=132#132", ["47+85=132#132"])
    assert read(bare, prepared.rejected[0])[1] == ["47+85=122#122"]


def test_a_response_that_stands_in_the_template_too_is_still_found(tokenizer):
    pair = PreferencePair("1+1=", "A", "?")
    prepared = prepare_pairs(
        tokenizer, [pair], input_format="response_as_user", positions="response_mean"
    )
    assert read(tokenizer, prepared.chosen[0]) == ("<s>Q:A?A:", ["A"])
    assert prepared.chosen[0].spans == ((3, 4),)


def test_only_the_response_of_an_answer_is_read_in_a_longer_conversation(tokenizer):
    before = (Message("user", "1+1="), Message("assistant", "2"), Message("user", "2+2="))
    pair = PreferencePair(before, (Message("assistant", "4"),), (Message("assistant", "5"),))
    prepared = prepare_pairs(
        tokenizer, [pair], input_format="conversation", positions="response_mean"
    )
    assert read(tokenizer, prepared.chosen[0]) == ("<s>Q:1+1=?A:2</s>Q:2+2=?A:4</s>", ["4"])


def test_prompts_are_ready_to_be_answered(tokenizer, bare):
    assert natural_format(tokenizer) == "conversation"
    assert natural_format(bare) == "raw"
    for prompt in (PAIR.prompt, TALK.prompt):
        ids = encode_prompt(tokenizer, prompt)
        assert "".join(tokenizer.convert_ids_to_tokens(ids)) == "<s>Q:47+85=?A:"
    assert "".join(bare.convert_ids_to_tokens(encode_prompt(bare, "47+85="))) == "47+85="


def test_a_scored_response_continues_its_prompt(tokenizer):
    prompt = encode_prompt(tokenizer, PAIR.prompt)
    sample = encode_response(tokenizer, PAIR.prompt, PAIR.chosen)
    ((start, _),) = sample.spans
    assert sample.token_ids[:start] == prompt
    assert read(tokenizer, sample)[1] == ["47+85=132#132"]


def test_a_template_is_asked_for_where_there_is_none(bare):
    with pytest.raises(ExtractionError, match="input format 'raw'"):
        prepare_pairs(bare, [PAIR], input_format="conversation", positions="last")


def test_raw_text_has_no_template_suffix(tokenizer):
    with pytest.raises(UsageError, match="response_mean"):
        prepare_pairs(tokenizer, [PAIR], input_format="raw", positions="template_suffix")


def test_raw_text_cannot_be_made_of_conversations(bare):
    with pytest.raises(ExtractionError, match="plain strings"):
        prepare_pairs(bare, [TALK], input_format="raw", positions="last")


def test_a_template_that_refuses_a_role_gives_its_reason(tokenizer):
    pair = PreferencePair((Message("system", "Add."), *TALK.prompt), TALK.chosen, TALK.rejected)
    with pytest.raises(ExtractionError, match="roles user and assistant only"):
        prepare_pairs(tokenizer, [pair], input_format="conversation", positions="last")


def test_a_template_that_rewrites_a_text_is_refused(tokenizer):
    shouting = build_tokenizer()
    shouting.chat_template = (
        "{% for m in messages %}{{ m.content | length }}:{{ m.content }}{% endfor %}"
    )
    with pytest.raises(ExtractionError, match="differently depending on its text"):
        prepare_pairs(shouting, [PAIR], input_format="conversation", positions="response_mean")


# Any subset by index.


@pytest.mark.parametrize(
    ("input_format", "positions", "spans", "names"),
    [
        ("response_as_user", "suffix:-3,-1", ["?", ":"], ("-3", "-1")),
        ("conversation", "suffix:-1", [":"], ("-1",)),
        ("conversation", (-2, -1), ["2", "</s>"], ("-2", "-1")),
        ("conversation", "-1, 1", ["</s>", "Q"], ("-1", "1")),
        ("conversation", [0], ["<s>"], ("0",)),
        ("conversation", "response:0,-1", ["4", "2"], ("response:0", "response:-1")),
        ("response_as_user", "response:2", ["+"], ("response:2",)),
    ],
)
def test_any_subset_of_tokens_can_be_read(tokenizer, input_format, positions, spans, names):
    prepared = prepare_pairs(tokenizer, [PAIR], input_format=input_format, positions=positions)
    assert read(tokenizer, prepared.chosen[0])[1] == spans
    assert prepared.positions == names


def test_indices_are_written_one_way_that_is_understood_again():
    for asked in ((-2, -1), "-2, -1", "suffix:-3,-1", "response:0,-1", "last", "template_suffix"):
        written = read_positions(asked).name
        assert read_positions(written) == read_positions(asked)
    assert read_positions((-2, -1)).name == "-2,-1"


@pytest.mark.parametrize(
    ("positions", "message"),
    [
        ("first", "Expected read positions as template_suffix, last"),
        ("", "Expected read positions"),
        ((), "Expected read positions"),
        ("prompt:1", "Expected read positions"),
        ("1.5", "Expected read positions"),
        ("-1,-1", "different indices"),
        ("suffix:0", "counted from the end"),
    ],
)
def test_positions_that_cannot_be_meant_are_refused(positions, message):
    with pytest.raises(UsageError, match=message):
        read_positions(positions)


def test_an_index_outside_a_text_names_the_pair(tokenizer):
    short = PreferencePair("1+1=", "2", "11")
    for positions, message in (
        ("response:1", r"Pair 2: the chosen response has 1 token\(s\); index 1 is outside"),
        ("response:-2", "Pair 2: the chosen response"),
        ("99", r"Pair 1: the chosen text has \d+ token"),
        ("suffix:-9", r"writes 3 token\(s\) after every text.*no -9"),
    ):
        with pytest.raises(ExtractionError, match=message):
            prepare_pairs(
                tokenizer, [PAIR, short], input_format="conversation", positions=positions
            )


@given(st.text(max_size=20) | st.lists(st.integers(), max_size=5))
def test_whatever_is_asked_for_is_understood_or_refused(positions):
    try:
        found = read_positions(positions)
    except UsageError:
        return
    assert read_positions(found.name) == found


@pytest.mark.parametrize("input_format", ["response_as_user", "conversation", "raw"])
def test_a_text_is_rendered_once_and_all_are_tokenised_in_one_call(input_format, monkeypatch):
    """A guard in counts: what texts share is not rendered again for each of them."""
    counted = build_tokenizer()
    called, rendered = [], []
    tokenize, render = type(counted).__call__, counted.apply_chat_template

    def counting(self, texts, **options):
        called.append(texts)
        return tokenize(self, texts, **options)

    monkeypatch.setattr(type(counted), "__call__", counting)
    counted.apply_chat_template = lambda *a, **options: rendered.append(a) or render(*a, **options)
    pairs = [PreferencePair(f"{n}+1=", f"{n + 1}", f"{n + 2}") for n in range(20)]
    prepare_pairs(counted, pairs, input_format=input_format, positions="last")
    assert len(called) == 1
    assert len(set(called[0])) == len(called[0])
    # Every text, and once what stands around it: around all of them, or those of one prompt.
    around = {"response_as_user": 1, "conversation": len(pairs), "raw": 0}[input_format]
    texts = 0 if input_format == "raw" else 22 if input_format == "response_as_user" else 40
    assert len(rendered) <= texts + around
