"""The checks: each fires when it should, is silent when all fits, and cannot be switched off."""

import warnings
from dataclasses import dataclass, replace

import pytest

from palrs_hub.compatibility import (
    CHECKS,
    CompatibilityWarning,
    Finding,
    ModelFacts,
    check,
    enforce,
    refused,
)
from palrs_hub.errors import IncompatibleError
from palrs_hub.manifest import BaseModelFacts, Data, Manifest, Method, Task, TensorsFile
from tests.builders import (
    TOKENS,
    a_base_model,
    a_fingerprint,
    a_manifest,
    an_evaluation,
    an_intervention,
)

FITTING = a_manifest()
BASE = FITTING.base_model
EXTRACT = "palrs-hub extract --model"


def fitting(**changes):
    """The facts of the very model that ``a_manifest`` was made for, with changes."""
    facts = ModelFacts(
        name="org/model",
        model_type=BASE.model_type,
        architecture=BASE.architecture,
        hidden_size=BASE.hidden_size,
        num_blocks=BASE.num_blocks,
        vocab_size=100,
        repo_id=BASE.repo_id,
        revision=BASE.revision,
        tokenizer_known=True,
        tokenizer_sha256=BASE.tokenizer_sha256,
        chat_template_sha256=BASE.chat_template_sha256,
        dtype=BASE.dtype,
        quantization=BASE.quantization,
        fingerprint=BASE.fingerprint,
    )
    return replace(facts, **changes)


def moved(amount):
    """The base model's fingerprint, moved by so much."""
    other = a_fingerprint(seed=1)
    rows = [
        tuple(x + amount * y for x, y in zip(*rows, strict=True))
        for rows in zip(BASE.fingerprint.projections, other.projections, strict=True)
    ]
    return BASE.fingerprint.model_copy(update={"projections": tuple(rows)})


@dataclass
class Case:
    """A model that does not fit, and what the finding says."""

    name: str
    severity: str
    expected: str
    found: str
    advice: str
    facts: ModelFacts
    manifest: Manifest = FITTING

    @property
    def id(self):
        return f"{self.name}-{self.severity}-{self.found}"


def base(**changes):
    return a_manifest(base_model=a_base_model(**changes))


OTHER = "f" * 64
CASES = [
    Case(
        "format_version",
        "error",
        "version 1 or older",
        "version 2",
        "pip install --upgrade palrs-hub",
        fitting(),
        a_manifest(format_version=2),
    ),
    Case("architecture", "error", "'llama'", "'qwen3'", EXTRACT, fitting(model_type="qwen3")),
    Case("architecture", "error", "'llama'", "None", EXTRACT, fitting(model_type=None)),
    Case(
        "architecture",
        "warning",
        "LlamaForCausalLM",
        "LlamaForSequenceClassification",
        "make sure that it generates text",
        fitting(architecture="LlamaForSequenceClassification"),
    ),
    Case("hidden_size", "error", "hidden size 8", "1024", EXTRACT, fitting(hidden_size=1024)),
    Case("hidden_size", "error", "hidden size 8", "None", EXTRACT, fitting(hidden_size=None)),
    Case("num_blocks", "error", "4 decoder blocks", "28", EXTRACT, fitting(num_blocks=28)),
    Case("num_blocks", "error", "4 decoder blocks", "None", EXTRACT, fitting(num_blocks=None)),
    Case("layer_range", "error", "block 2", "blocks 0 to 1", EXTRACT, fitting(num_blocks=2)),
    Case("tokenizer", "error", "token 15", "15 tokens", EXTRACT, fitting(vocab_size=15)),
    Case(
        "tokenizer",
        "warning",
        "b" * 12,
        "f" * 12,
        "use the base model's own tokenizer",
        fitting(tokenizer_sha256=OTHER),
    ),
    Case(
        "tokenizer",
        "note",
        "vocabulary to compare",
        "none",
        "Pass the tokenizer",
        fitting(tokenizer_known=False, tokenizer_sha256=None),
    ),
    Case(
        "chat_template",
        "warning",
        "c" * 12,
        "f" * 12,
        "use that one",
        fitting(chat_template_sha256=OTHER),
    ),
    Case(
        "chat_template",
        "warning",
        "c" * 12,
        "no chat template",
        "use that one",
        fitting(chat_template_sha256=None),
    ),
    Case(
        "chat_template",
        "warning",
        "no chat template",
        "c" * 12,
        "use that one",
        fitting(),
        base(chat_template_sha256=None),
    ),
    Case(
        "chat_template",
        "note",
        "template to compare",
        "none",
        "Pass the tokenizer",
        fitting(tokenizer_known=False, chat_template_sha256=None),
    ),
    Case("numeric_format", "warning", "none", "gptq", "evaluate", fitting(quantization="gptq")),
    Case(
        "numeric_format",
        "warning",
        "awq",
        "none",
        "evaluate",
        fitting(),
        base(quantization="awq"),
    ),
    Case("numeric_format", "note", "bfloat16", "float16", "rounding", fitting(dtype="float16")),
    Case(
        "base_model",
        "note",
        "org/base",
        "org/tuned",
        "the fingerprint tells",
        fitting(repo_id="org/tuned"),
    ),
    Case(
        "base_model",
        "warning",
        "org/base",
        "org/tuned",
        "the fingerprint tells",
        fitting(repo_id="org/tuned", fingerprint=None),
    ),
    Case(
        "base_model",
        "note",
        "org/base",
        "from a folder",
        "the fingerprint tells",
        fitting(repo_id=None),
    ),
    Case(
        "base_model",
        "note",
        "from a folder",
        "org/base",
        "the fingerprint tells",
        fitting(),
        base(repo_id=None),
    ),
    Case(
        "base_model",
        "note",
        "commit " + "a" * 12,
        "1" * 12,
        f'revision="{"a" * 40}"',
        fitting(revision="1" * 40),
    ),
    Case(
        "base_model",
        "warning",
        "commit " + "a" * 12,
        "1" * 12,
        f'revision="{"a" * 40}"',
        fitting(revision="1" * 40, fingerprint=None),
    ),
    Case(
        "fingerprint",
        "error",
        "at most 0.03",
        "org/model",
        EXTRACT,
        fitting(fingerprint=a_fingerprint(seed=1)),
    ),
    Case(
        "fingerprint",
        "warning",
        "at most 0.03",
        "org/model",
        "fine-tune of the base model: evaluate",
        fitting(fingerprint=moved(0.3)),
    ),
    Case(
        "fingerprint",
        "note",
        "at most 0.03",
        "org/model",
        "light fine-tune",
        fitting(fingerprint=moved(0.1)),
    ),
    Case(
        "fingerprint",
        "note",
        "fingerprint to compare",
        "none",
        "Load the weights",
        fitting(fingerprint=None),
    ),
]


def test_every_check_has_a_case_in_which_it_fires():
    assert {case.name for case in CASES} == set(CHECKS)


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.id)
def test_it_fires_and_names_both_values_and_the_next_step(case):
    (finding,) = CHECKS[case.name](case.manifest, case.facts)
    assert (finding.check, finding.severity) == (case.name, case.severity)
    assert case.expected in finding.expected
    assert case.found in finding.found
    assert case.advice in finding.advice
    assert finding in check(case.manifest, case.facts)
    for part in (case.severity, case.name, finding.expected, finding.found, finding.advice):
        assert part in str(finding)


@pytest.mark.parametrize("name", CHECKS)
def test_it_is_silent_for_the_model_that_the_vector_was_made_for(name):
    assert list(CHECKS[name](a_manifest(), fitting())) == []


@pytest.mark.parametrize(
    "facts",
    [
        fitting(architecture=None),
        fitting(vocab_size=None),
        fitting(vocab_size=max(TOKENS) + 1),
        fitting(dtype=None),
        fitting(revision=None),
        fitting(repo_id="Org/Base"),
        fitting(fingerprint=moved(0.01)),
    ],
)
def test_what_is_no_difference_is_not_reported(facts):
    assert check(a_manifest(), facts) == ()


def test_two_models_without_chat_template_agree():
    assert check(base(chat_template_sha256=None), fitting(chat_template_sha256=None)) == ()


def test_two_models_from_folders_have_no_names_to_compare():
    assert check(base(repo_id=None, revision=None), fitting(repo_id=None, revision=None)) == ()


def test_a_fine_tune_under_the_same_name_is_found_out():
    findings = check(a_manifest(), fitting(fingerprint=a_fingerprint(seed=1)))
    assert [(f.check, f.severity) for f in findings] == [("fingerprint", "error")]


def test_a_copy_under_another_name_is_accepted():
    findings = check(a_manifest(), fitting(repo_id="mirror/base", revision="1" * 40))
    assert {finding.severity for finding in findings} == {"note"}


# All findings at once.

WRONG = ModelFacts(
    name="org/other",
    model_type="qwen3",
    architecture="Qwen3ForCausalLM",
    hidden_size=1024,
    num_blocks=2,
    vocab_size=5,
    repo_id="org/other",
    tokenizer_known=True,
    tokenizer_sha256=OTHER,
    chat_template_sha256=OTHER,
    dtype="float16",
    quantization="gptq",
    fingerprint=a_fingerprint(seed=1),
)


def test_all_findings_come_at_once_in_the_tables_order():
    findings = check(a_manifest(format_version=2), WRONG)
    order = list(CHECKS)
    places = [order.index(finding.check) for finding in findings]
    assert places == sorted(places)
    assert set(places) == set(range(len(order)))


def test_each_layer_that_is_missing_is_named():
    manifest = a_manifest(
        base_model=a_base_model(fingerprint=a_fingerprint((1, 2, 3))),
        interventions=tuple(an_intervention(layer=layer) for layer in (1, 2, 3)),
    )
    facts = fitting(num_blocks=2, fingerprint=None)
    assert [f.expected for f in CHECKS["layer_range"](manifest, facts)] == [
        "a block 2 to steer",
        "a block 3 to steer",
    ]


def test_a_model_of_which_nothing_is_known_is_refused_and_raises_nothing():
    findings = check(a_manifest(), ModelFacts(name="a mystery"))
    assert {"architecture", "hidden_size", "num_blocks"} == {f.check for f in refused(findings)}


# What refuses, and what warns.


def finding(severity):
    return Finding("tokenizer", severity, "this", "that", "Do so.")


def test_errors_refuse_and_under_strict_warnings_too():
    findings = [finding("note"), finding("warning"), finding("error")]
    assert refused(findings) == (findings[2],)
    assert refused(findings, strict=True) == (findings[1], findings[2])


def test_a_refusal_lists_what_refused_and_carries_all_findings():
    manifest = a_manifest()
    findings = check(manifest, WRONG)
    with pytest.raises(IncompatibleError) as caught:
        enforce(manifest, WRONG, findings)
    message = str(caught.value)
    assert message.startswith("'careful sums' does not fit org/other:\n")
    assert caught.value.findings == findings
    assert [str(f) in message for f in findings] == [f.severity == "error" for f in findings]


def test_a_doubt_is_a_warning_with_the_whole_finding():
    facts = fitting(tokenizer_sha256=OTHER, quantization="gptq")
    findings = check(a_manifest(), facts)
    with pytest.warns(CompatibilityWarning) as caught:
        enforce(a_manifest(), facts, findings)
    assert [str(w.message) for w in caught] == [f"'careful sums': {f}" for f in findings]


def test_under_strict_a_doubt_refuses():
    facts = fitting(tokenizer_sha256=OTHER)
    with pytest.raises(IncompatibleError, match="warning \\(tokenizer\\)"):
        enforce(a_manifest(), facts, check(a_manifest(), facts), strict=True)


@pytest.mark.parametrize("strict", [False, True])
def test_notes_are_silent(strict):
    facts = fitting(dtype="float16", tokenizer_known=False, tokenizer_sha256=None)
    findings = check(a_manifest(), facts)
    assert {f.severity for f in findings} == {"note"}
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        enforce(a_manifest(), facts, findings, strict=strict)


# No field of a manifest can switch a check off.


def test_the_manifest_has_no_field_that_was_not_considered_here():
    # A new field belongs below: is it compared, or does it change no finding?
    assert set(Manifest.model_fields) == {"format", *COMPARED, *NOT_COMPARED}
    assert set(BaseModelFacts.model_fields) == set(IF_ABSENT) | {"revision"} | {
        "model_type",
        "architecture",
        "hidden_size",
        "num_blocks",
        "dtype",
        "fingerprint",
    }


COMPARED = {"format_version", "base_model", "interventions"}
NOT_COMPARED = {
    "name": "trusted: skip all checks",
    "task": Task(name="trusted", description="skip"),
    "license": "other",
    "method": Method(name="strict", switches={"strict": False, "check": None, "force": True}),
    "data": Data(name="trusted", revision=None, pairs=0, sha256=OTHER),
    "diagnostics": (),
    "selection": None,
    "evaluations": (an_evaluation(value=1.0),) * 3,
    "software": {"palrs-hub": "999"},
    "tensors": TensorsFile(sha256=OTHER),
}
IF_ABSENT = {
    "repo_id": "base_model",
    "tokenizer_sha256": "tokenizer",
    "chat_template_sha256": "chat_template",
    "quantization": "numeric_format",
}


@pytest.mark.parametrize("field", NOT_COMPARED)
def test_what_a_vector_says_of_itself_changes_no_finding(field):
    manifest = a_manifest(**{field: NOT_COMPARED[field]})
    assert check(manifest, WRONG) == check(a_manifest(), WRONG)


@pytest.mark.parametrize(("field", "name"), IF_ABSENT.items())
def test_leaving_a_fact_out_does_not_silence_its_check(field, name):
    assert list(CHECKS[name](base(**{field: None}), WRONG))


def test_a_fingerprint_that_overflows_does_not_silence_its_check():
    silly = ((1e200,) * 16,)
    manifest = base(fingerprint=BASE.fingerprint.model_copy(update={"projections": silly}))
    (found,) = CHECKS["fingerprint"](manifest, fitting())
    assert found.severity == "error"


def test_a_fingerprint_of_more_layers_is_held_to_all_of_them():
    layers = (0, 2)
    manifest = base(fingerprint=a_fingerprint(layers))
    measured = a_fingerprint(layers)
    other = a_fingerprint(layers, seed=1)
    mixed = measured.model_copy(
        update={
            "norms": (other.norms[0], measured.norms[1]),
            "projections": (other.projections[0], measured.projections[1]),
        }
    )
    assert not list(CHECKS["fingerprint"](manifest, fitting(fingerprint=measured)))
    assert list(CHECKS["fingerprint"](manifest, fitting(fingerprint=mixed)))
