"""One pair: every shape that preference data come in, and what is no pair."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from palrs_hub.errors import PairsError
from palrs_hub.pairs import Message, PairSet, PreferencePair, parse_pair
from palrs_hub.pairs.pair import content_sha256, response_text


def user(text):
    return {"role": "user", "content": text}


def assistant(text):
    return {"role": "assistant", "content": text}


# The explicit shapes of TRL.


def test_strings():
    pair = parse_pair({"prompt": "1+1=", "chosen": "2", "rejected": "3"})
    assert pair == PreferencePair("1+1=", "2", "3")
    assert not pair.conversational


def test_conversations():
    pair = parse_pair(
        {
            "prompt": [{"role": "system", "content": "Add."}, user("1+1=")],
            "chosen": [assistant("2")],
            "rejected": [assistant("3")],
        }
    )
    assert pair == PreferencePair(
        (Message("system", "Add."), Message("user", "1+1=")),
        (Message("assistant", "2"),),
        (Message("assistant", "3"),),
    )
    assert pair.conversational
    assert response_text(pair.chosen) == "2"


def test_other_columns_are_ignored():
    record = {"prompt": "p", "chosen": "a", "rejected": "b", "score_chosen": 9.0, "source": None}
    assert parse_pair(record) == PreferencePair("p", "a", "b")


def test_other_keys_of_a_message_are_ignored():
    chosen = [{**assistant("2"), "weight": 1, "tool_calls": None}]
    pair = parse_pair({"prompt": "1+1=", "chosen": chosen, "rejected": [assistant("3")]})
    assert pair.chosen == (Message("assistant", "2"),)


# A prompt in a string beside conversations.


def test_a_string_prompt_is_the_users_turn():
    pair = parse_pair({"prompt": "1+1=", "chosen": [assistant("2")], "rejected": [assistant("3")]})
    assert pair.prompt == (Message("user", "1+1="),)


def test_a_prompt_that_both_sides_repeat_is_taken_once():
    record = {
        "prompt": "1+1=",
        "chosen": [user("1+1="), assistant("2")],
        "rejected": [user("1+1="), assistant("3")],
    }
    assert parse_pair(record) == PreferencePair(
        (Message("user", "1+1="),), (Message("assistant", "2"),), (Message("assistant", "3"),)
    )


# The implicit prompt: what both sides begin with.


@pytest.mark.parametrize(
    ("chosen", "rejected", "prompt"),
    [
        ("1+1=2", "1+1=3", "1+1="),
        ("The sky is blue.", "The sky is green.", "The sky is"),  # the space belongs to the word
        ("blue", "green", ""),
        ("Was 1. Then 2", "Was 1. Then 3", "Was 1. Then"),
    ],
)
def test_an_implicit_prompt_of_strings(chosen, rejected, prompt):
    pair = parse_pair({"chosen": chosen, "rejected": rejected})
    assert pair.prompt == prompt
    assert (pair.prompt + pair.chosen, pair.prompt + pair.rejected) == (chosen, rejected)


def test_a_dialogue_in_one_string_is_split_at_the_last_shared_turn():
    before = "\n\nHuman: Hi\n\nAssistant: Hello.\n\nHuman: 1+1?\n\nAssistant:"
    pair = parse_pair({"chosen": before + " It is 2.", "rejected": before + " It is 3."})
    assert pair == PreferencePair(before, " It is 2.", " It is 3.")


def test_a_dialogue_that_parts_in_an_earlier_turn():
    before = "\n\nHuman: Hi\n\nAssistant:"
    chosen, rejected = (
        f"{before} {hello}\n\nHuman: And?\n\nAssistant: {hello}" for hello in ("Hello.", "Go away.")
    )
    pair = parse_pair({"chosen": chosen, "rejected": rejected})
    assert (pair.prompt, before + pair.chosen) == (before, chosen)


def test_an_implicit_prompt_of_conversations():
    asked = [user("Hi"), assistant("Hello."), user("1+1?")]
    pair = parse_pair({"chosen": [*asked, assistant("2")], "rejected": [*asked, assistant("3")]})
    assert [message.content for message in pair.prompt] == ["Hi", "Hello.", "1+1?"]
    assert (response_text(pair.chosen), response_text(pair.rejected)) == ("2", "3")


def test_a_conversation_keeps_its_last_message_as_the_response():
    # One side is the beginning of the other: there is still something left to prefer.
    short, long = [user("Hi"), assistant("Yes")], [user("Hi"), assistant("Yes"), assistant("No")]
    pair = parse_pair({"chosen": short, "rejected": long})
    assert len(pair.prompt) == 1
    assert (len(pair.chosen), len(pair.rejected)) == (1, 2)


def test_a_prompt_of_null_is_an_implicit_one():
    # Parquet has every column in every row.
    assert parse_pair({"prompt": None, "chosen": "a b", "rejected": "a c"}).prompt == "a"


@settings(deadline=None)
@given(st.text(), st.text(), st.text())
def test_an_implicit_prompt_loses_no_character(prompt, chosen, rejected):
    try:
        pair = parse_pair({"chosen": prompt + chosen, "rejected": prompt + rejected})
    except PairsError:
        return
    assert pair.prompt + pair.chosen == prompt + chosen
    assert pair.prompt + pair.rejected == prompt + rejected


# What is no pair.


NO_PAIRS = {
    "a list": ([], "found an empty list"),
    "a text": ("prompt", "found str"),
    "nothing": (None, "found null"),
    "an empty object": ({}, "'chosen' is missing"),
    "no rejected": ({"prompt": "p", "chosen": "a"}, r"'rejected' is missing \(found: chosen, prom"),
    "null": ({"prompt": "p", "chosen": "a", "rejected": None}, "'rejected' is missing"),
    "a number": ({"prompt": "p", "chosen": 2, "rejected": "b"}, "'chosen' should be .* found int"),
    "bytes": ({"prompt": "p", "chosen": b"a", "rejected": "b"}, "found bytes"),
    "empty list": ({"prompt": [], "chosen": "a", "rejected": "b"}, "'prompt' .* an empty list"),
    "empty response": ({"prompt": "p", "chosen": "", "rejected": "b"}, "'chosen' has an empty"),
    "blank response": ({"prompt": "p", "chosen": "a", "rejected": " \n"}, "'rejected' has an emp"),
    "empty message": (
        {"prompt": "p", "chosen": [assistant("")], "rejected": [assistant("b")]},
        "'chosen' has an empty response",
    ),
    "only the prompt repeated": (
        {"prompt": "p", "chosen": [user("p")], "rejected": [user("p"), assistant("b")]},
        "'chosen' has an empty response",
    ),
    "the same": ({"prompt": "p", "chosen": "a", "rejected": "a"}, "nothing to prefer"),
    "mixed sides": ({"prompt": "p", "chosen": "a", "rejected": [assistant("b")]}, "all strings or"),
    "mixed implicit": ({"chosen": "a", "rejected": [assistant("b")]}, "both strings or both"),
    "messages and strings": ({"prompt": [user("p")], "chosen": "a", "rejected": "b"}, "all str"),
    "no role": ({"prompt": "p", "chosen": [{"content": "a"}], "rejected": "b"}, "'role'"),
    "no content": (
        {"prompt": "p", "chosen": [{"role": "user", "content": None}], "rejected": "b"},
        "'content'",
    ),
    "texts in a list": ({"prompt": "p", "chosen": ["a"], "rejected": ["b"]}, "each message"),
    "other beginnings": (
        {"chosen": [user("x"), assistant("a")], "rejected": [user("y"), assistant("b")]},
        "do not begin alike",
    ),
    "one is the beginning": ({"chosen": "1+1=2", "rejected": "1+1=2, or"}, "'chosen' has an empty"),
    "half a character": ({"prompt": "p", "chosen": "\ud83d", "rejected": "b"}, "'chosen'"),
    "half a character in a message": (
        {"prompt": "p", "chosen": [assistant("a")], "rejected": [assistant("b\udc00")]},
        "'rejected'",
    ),
}


@pytest.mark.parametrize(("record", "reason"), NO_PAIRS.values(), ids=NO_PAIRS)
def test_what_is_no_pair_is_refused_with_the_reason(record, reason):
    with pytest.raises(PairsError, match=reason):
        parse_pair(record)


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=5),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(["prompt", "chosen", "rejected", "role", "content"]), inner
        )
    ),
    max_leaves=12,
)


@settings(deadline=None)
@given(json_values)
def test_any_record_is_a_pair_or_refused(record):
    try:
        pair = parse_pair(record)
    except PairsError:
        return
    assert response_text(pair.chosen).strip()
    assert response_text(pair.rejected).strip()
    assert pair.chosen != pair.rejected


# Sets of pairs, and their hash.

PAIRS = (PreferencePair("p", "a", "b"), PreferencePair("q", "c", "d"))


def test_a_pair_set_is_a_sequence():
    pairs = PairSet(PAIRS, name="two.jsonl")
    assert (len(pairs), list(pairs), pairs[1], pairs[:1]) == (2, [*PAIRS], PAIRS[1], PAIRS[:1])
    assert PAIRS[0] in pairs


def test_the_hash_is_of_the_content_alone():
    assert content_sha256(PairSet(PAIRS, name="x", revision="a" * 40)) == content_sha256(PAIRS)


@pytest.mark.parametrize(
    "other",
    [
        PAIRS[::-1],
        PAIRS[:1],
        PAIRS + PAIRS[:1],
        (PreferencePair("pa", "a", "b"), PAIRS[1]),
        (PreferencePair("p", "b", "a"), PAIRS[1]),
        (
            PreferencePair(
                (Message("user", "p"),), (Message("assistant", "a"),), (Message("assistant", "b"),)
            ),
            PAIRS[1],
        ),
    ],
    ids=["order", "fewer", "more", "prompt", "swapped", "conversation"],
)
def test_other_pairs_have_another_hash(other):
    assert content_sha256(other) != content_sha256(PAIRS)


def test_the_hash_never_changes():
    # Published manifests hold it.
    assert (
        content_sha256(PAIRS) == "91a4d258c6ffc6bcc07b06d9efb87e11dca2e23afb2f1d9950f39c1b420e55bf"
    )
