"""A model's facts from its files: the same that the loaded model would tell, and no surprises."""

import hashlib
import json

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from tokenizers import AddedToken, Tokenizer, models
from transformers import AutoTokenizer, PreTrainedTokenizerFast

from palrs_hub.compatibility import ModelFacts, check
from palrs_hub.errors import ModelError
from palrs_hub.model_config import chat_template_sha256, facts_from_folder, vocabulary_sha256
from tests.builders import a_manifest

TEMPLATE = "{% for m in messages %}<{{ m.role }}>{{ m.content }}\n{% endfor %}"
WORDS = {"[UNK]": 0, "hello": 1, "wörld": 2, "漢字": 3, "\u2028": 4}

LLAMA = {
    "model_type": "llama",
    "architectures": ["LlamaForCausalLM"],
    "hidden_size": 64,
    "num_hidden_layers": 4,
    "vocab_size": 100,
    "dtype": "bfloat16",
}


def facts_of(folder, config=LLAMA, **files):
    """Write ``config.json`` and other files, given as JSON values or text, and read the facts."""
    for name, content in {"config.json": config, **files}.items():
        text = content if isinstance(content, str) else json.dumps(content)
        (folder / name).write_text(text, encoding="utf-8")
    return facts_from_folder(folder, name="a model")


def sha256(text):
    return hashlib.sha256(text.encode()).hexdigest()


# The configuration.


def test_a_plain_configuration(tmp_path):
    assert facts_of(tmp_path) == ModelFacts(
        name="a model",
        model_type="llama",
        architecture="LlamaForCausalLM",
        hidden_size=64,
        num_blocks=4,
        vocab_size=100,
        dtype="bfloat16",
    )


def test_where_it_came_from_is_kept(tmp_path):
    (tmp_path / "config.json").write_text(json.dumps(LLAMA))
    facts = facts_from_folder(tmp_path, name="org/x", repo_id="org/x", revision="a" * 40)
    assert (facts.name, facts.repo_id, facts.revision) == ("org/x", "org/x", "a" * 40)


@pytest.mark.parametrize(
    ("width", "depth"),
    [
        ("hidden_size", "num_hidden_layers"),
        ("n_embd", "n_layer"),  # GPT-2
        ("hidden_size", "n_layer"),  # Bloom
        ("d_model", "n_layers"),  # MPT
        ("d_model", "num_layers"),
        ("dim", "n_layers"),
    ],
)
def test_older_names_of_width_and_depth(tmp_path, width, depth):
    facts = facts_of(tmp_path, {"model_type": "old", width: 48, depth: 6})
    assert (facts.hidden_size, facts.num_blocks) == (48, 6)


def test_the_language_model_inside_a_larger_one_counts(tmp_path):
    facts = facts_of(
        tmp_path,
        {
            "model_type": "gemma3",
            "architectures": ["Gemma3ForConditionalGeneration"],
            "hidden_size": 9999,
            "text_config": {
                "model_type": "gemma3_text",
                "hidden_size": 32,
                "num_hidden_layers": 3,
                "vocab_size": 50,
                "torch_dtype": "float16",
            },
            "vision_config": {"hidden_size": 16, "num_hidden_layers": 2},
        },
    )
    assert (facts.model_type, facts.architecture) == (
        "gemma3_text",
        "Gemma3ForConditionalGeneration",
    )
    assert (facts.hidden_size, facts.num_blocks, facts.vocab_size) == (32, 3, 50)
    assert facts.dtype == "float16"


@pytest.mark.parametrize("key", ["dtype", "torch_dtype"])
def test_the_dtype_under_its_new_and_its_old_name(tmp_path, key):
    assert facts_of(tmp_path, {"model_type": "llama", key: "float16"}).dtype == "float16"


def test_quantisation(tmp_path):
    quantised = {**LLAMA, "quantization_config": {"quant_method": "gptq", "bits": 4}}
    assert facts_of(tmp_path, quantised).quantization == "gptq"


@pytest.mark.parametrize("nothing", [None, {}, "gptq"])
def test_no_quantisation(tmp_path, nothing):
    assert facts_of(tmp_path, {**LLAMA, "quantization_config": nothing}).quantization is None


def test_what_is_not_said_is_not_known(tmp_path):
    assert facts_of(tmp_path, {}) == ModelFacts(name="a model")


# The tokenizer: its file and the live object give the same hash.


TOKENIZERS = {
    "WordLevel": lambda: models.WordLevel(WORDS, unk_token="[UNK]"),
    "BPE": lambda: models.BPE({"[UNK]": 0, "a": 1, "b": 2, "ab": 3}, [("a", "b")]),
    "Unigram": lambda: models.Unigram([("[UNK]", 0.0), ("a", -1.0), ("é", -2.0)], unk_id=0),
    "WordPiece": lambda: models.WordPiece({"[UNK]": 0, "a": 1, "##b": 2}, unk_token="[UNK]"),
}


@pytest.fixture(params=TOKENIZERS)
def tokenizer(request):
    tokenizer = Tokenizer(TOKENIZERS[request.param]())
    tokenizer.add_special_tokens([AddedToken("<|user|>", special=True)])
    tokenizer.add_tokens(["added word"])
    return PreTrainedTokenizerFast(tokenizer_object=tokenizer, unk_token="[UNK]")


def test_the_vocabulary_on_disk_is_that_of_the_live_tokenizer(tokenizer, tmp_path):
    tokenizer.save_pretrained(tmp_path)
    facts = facts_of(tmp_path)
    assert facts.tokenizer_known
    assert facts.tokenizer_sha256 == vocabulary_sha256(tokenizer.get_vocab())
    loaded = AutoTokenizer.from_pretrained(tmp_path)
    assert facts.tokenizer_sha256 == vocabulary_sha256(loaded.get_vocab())


def test_the_template_on_disk_is_that_of_the_live_tokenizer(tokenizer, tmp_path):
    tokenizer.chat_template = TEMPLATE
    tokenizer.save_pretrained(tmp_path)
    assert (tmp_path / "chat_template.jinja").is_file()
    facts = facts_of(tmp_path)
    assert facts.chat_template_sha256 == chat_template_sha256(tokenizer.chat_template)
    loaded = AutoTokenizer.from_pretrained(tmp_path)
    assert facts.chat_template_sha256 == chat_template_sha256(loaded.chat_template)


def test_another_order_of_the_same_vocabulary_is_the_same():
    assert vocabulary_sha256(WORDS) == vocabulary_sha256(dict(reversed(WORDS.items())))


@pytest.mark.parametrize(
    "other",
    [
        {**WORDS, "hello": 2, "wörld": 1},
        {**WORDS, "new": 5},
        {token: index for token, index in WORDS.items() if index},
        {**{token: index for token, index in WORDS.items() if index != 1}, "Hello": 1},
    ],
    ids=["swapped", "one more", "one less", "another case"],
)
def test_another_vocabulary_has_another_hash(other):
    assert vocabulary_sha256(other) != vocabulary_sha256(WORDS)


def test_the_vocabulary_hash_never_changes():
    # Published manifests hold it.
    assert (
        vocabulary_sha256(WORDS)
        == "542a5c4aa52c2d67d2fe9d72f608cc75e5336eb7c71b5bcf37ea90ae45e28b31"
    )


def test_without_tokenizer_nothing_is_known_of_it(tmp_path):
    facts = facts_of(tmp_path)
    assert (facts.tokenizer_known, facts.tokenizer_sha256) == (False, None)


# The chat template.

TOKENIZER = {"model": {"type": "WordLevel", "vocab": WORDS}, "added_tokens": []}


def test_a_template_in_its_own_file_comes_first(tmp_path):
    files = {
        "tokenizer.json": TOKENIZER,
        "tokenizer_config.json": {"chat_template": "older"},
        "chat_template.jinja": TEMPLATE,
    }
    assert facts_of(tmp_path, **files).chat_template_sha256 == sha256(TEMPLATE)


def test_a_template_in_the_tokenizers_configuration(tmp_path):
    files = {"tokenizer.json": TOKENIZER, "tokenizer_config.json": {"chat_template": TEMPLATE}}
    assert facts_of(tmp_path, **files).chat_template_sha256 == sha256(TEMPLATE)


def test_of_several_templates_the_default_counts(tmp_path):
    several = [
        {"name": "tool_use", "template": "another"},
        {"name": "default", "template": TEMPLATE},
    ]
    files = {"tokenizer.json": TOKENIZER, "tokenizer_config.json": {"chat_template": several}}
    assert facts_of(tmp_path, **files).chat_template_sha256 == sha256(TEMPLATE)
    # A live tokenizer holds the same list as a dict.
    assert chat_template_sha256({t["name"]: t["template"] for t in several}) == sha256(TEMPLATE)


@pytest.mark.parametrize("template", [None, [], [{"name": "rag", "template": "x"}], 3])
def test_no_template(tmp_path, template):
    files = {"tokenizer.json": TOKENIZER, "tokenizer_config.json": {"chat_template": template}}
    facts = facts_of(tmp_path, **files)
    assert (facts.tokenizer_known, facts.chat_template_sha256) == (True, None)


# Malformed files.


def test_a_folder_without_configuration_is_refused(tmp_path):
    with pytest.raises(ModelError, match=r"Cannot read .*config\.json"):
        facts_from_folder(tmp_path, name="a model")


@pytest.mark.parametrize("name", ["config.json", "tokenizer.json", "tokenizer_config.json"])
@pytest.mark.parametrize(
    "content", ["", "{", "[]", "null", '"text"', "[" * 100_000, "\x00"], ids=lambda t: f"{t!r:.10}"
)
def test_a_file_that_is_no_json_object_is_refused(tmp_path, name, content):
    with pytest.raises(ModelError, match=name):
        facts_of(tmp_path, **{name: content})


@pytest.mark.parametrize(
    "name", ["config.json", "tokenizer.json", "tokenizer_config.json", "chat_template.jinja"]
)
def test_a_file_that_is_not_utf_8_is_refused(tmp_path, name):
    (tmp_path / "config.json").write_text(json.dumps(LLAMA))
    (tmp_path / name).write_bytes(b"\xff\xfe\x00{")
    with pytest.raises(ModelError, match=name):
        facts_from_folder(tmp_path, name="a model")


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=5),
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3)
    ),
    max_leaves=5,
)
CONFIG_KEYS = [
    "model_type",
    "architectures",
    "hidden_size",
    "num_hidden_layers",
    "vocab_size",
    "dtype",
    "text_config",
    "quantization_config",
]
configs = st.dictionaries(
    st.sampled_from(CONFIG_KEYS),
    json_values | st.dictionaries(st.sampled_from([*CONFIG_KEYS, "quant_method"]), json_values),
)
reads = settings(
    deadline=None, max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture]
)


@reads
@given(config=configs)
def test_any_configuration_is_refused_or_can_be_checked(tmp_path, config):
    try:
        facts = facts_of(tmp_path, config)
    except ModelError:
        return
    assert check(a_manifest(), facts)


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("architectures", 3),
        ("architectures", "LlamaForCausalLM"),
        ("architectures", [3]),
        ("vocab_size", "100"),
        ("model_type", ["llama"]),
        ("hidden_size", "64"),
        ("hidden_size", True),
    ],
)
def test_a_fact_of_the_wrong_type_is_refused_or_unknown(tmp_path, key, value):
    try:
        facts = facts_of(tmp_path, {**LLAMA, key: value})
    except ModelError:
        return
    texts = (facts.model_type, facts.architecture)
    numbers = (facts.hidden_size, facts.num_blocks, facts.vocab_size)
    assert all(text is None or (isinstance(text, str) and len(text) > 1) for text in texts)
    assert all(number is None or type(number) is int for number in numbers)


MALFORMED_TOKENIZERS = {
    "pieces without text": {"model": {"vocab": [1, 2]}},
    "empty pieces": {"model": {"vocab": [[]]}},
    "a piece that is a list": {"model": {"vocab": [[["a"], 1.0]]}},
    "an id in words": {"model": {"vocab": {"a": "1", "b": 2}}},
    "no id": {"model": {"vocab": {"a": None, "b": 2}}},
    "an added token without id": {"model": {"vocab": WORDS}, "added_tokens": [{"content": "x"}]},
    "an added list": {"model": {"vocab": WORDS}, "added_tokens": [{"content": ["x"], "id": 9}]},
    "a number of added tokens": {"model": {"vocab": WORDS}, "added_tokens": 5},
    "no vocabulary": {"model": {}},
    "no model": {},
}


@pytest.mark.parametrize("content", MALFORMED_TOKENIZERS.values(), ids=MALFORMED_TOKENIZERS)
def test_a_malformed_tokenizer_is_refused_or_unknown(tmp_path, content):
    try:
        facts = facts_of(tmp_path, **{"tokenizer.json": content})
    except ModelError:
        return
    assert facts.tokenizer_sha256 is None


@pytest.mark.parametrize("template", [["text"], [None], [{"name": ["x"]}], [{}], {"default": 3}])
def test_a_malformed_list_of_templates_is_refused_or_unknown(tmp_path, template):
    try:
        facts = facts_of(tmp_path, **{"tokenizer_config.json": {"chat_template": template}})
    except ModelError:
        return
    assert facts.chat_template_sha256 is None
