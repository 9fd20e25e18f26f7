"""The playground without its page: two rows at once, live knobs, several vectors, saving."""

from pathlib import Path

import pytest

from palrs_hub.app.session import Knobs, Session, with_coefficients
from palrs_hub.errors import UsageError
from palrs_hub.generation import complete
from palrs_hub.steer import attached
from palrs_hub.vector import SteeringVector

VECTORS = Path(__file__).parents[2] / "registry" / "vectors"
PROMPT, SLOPPY, CAREFUL = "478+356=", "724", "834"


@pytest.fixture(scope="module")
def sums():
    return SteeringVector.load(VECTORS / "careful-sums-carry")


@pytest.fixture(scope="module")
def session(demo_model, demo_tokenizer, sums):
    return Session(demo_model, demo_tokenizer, [sums])


def answers(text):
    return text.partition("#")[2]


def last(session, knobs, prompt=PROMPT):
    return list(session.stream(prompt, knobs, max_new_tokens=40))[-1]


def test_both_texts_grow_together_and_one_is_steered(session, demo_model, demo_tokenizer):
    shown = list(session.stream(PROMPT, session.knobs(), max_new_tokens=40))
    assert len(shown) > 10
    assert shown[0].texts[0] == shown[-1].texts[0][: len(shown[0].texts[0])]
    assert [answers(text) for text in shown[-1].texts] == [SLOPPY, CAREFUL]
    assert [shown[-1].texts[0]] == complete(demo_model, demo_tokenizer, [PROMPT], max_new_tokens=40)
    assert attached(demo_model) == ()


def test_a_knob_changes_the_steered_text_and_not_the_other(session):
    off, on = last(session, Knobs([0.0])), last(session, session.knobs())
    assert off.texts[0] == on.texts[0]
    assert off.texts[1] == off.texts[0]
    assert on.texts[1] != off.texts[1]


def test_a_knob_takes_effect_in_the_middle(session):
    knobs = Knobs([0.0])
    texts = []
    for shown in session.stream(PROMPT, knobs, max_new_tokens=40):
        texts.append(shown.texts)
        if shown.texts[1].endswith("8+6=14,"):
            knobs.values = session.knobs().values
    assert answers(texts[-1][0]) == SLOPPY
    assert answers(texts[-1][1]) != SLOPPY


def test_several_vectors_are_mixed(demo_model, demo_tokenizer, sums):
    code = SteeringVector.load(VECTORS / "careful-code")
    session = Session(demo_model, demo_tokenizer, [sums, code])
    own = session.knobs().values
    both, first = last(session, session.knobs()), last(session, Knobs([own[0], 0.0]))
    assert answers(first.texts[1]) == CAREFUL
    assert both.texts[0] == first.texts[0]
    alone = last(session, Knobs([0.0, own[1]]))
    assert answers(alone.texts[1]) != CAREFUL  # the vector of code does nothing for sums


def test_a_reader_who_leaves_ends_the_generation(session, demo_model):
    stream = session.stream(PROMPT, session.knobs(), max_new_tokens=40)
    next(stream)
    stream.close()
    assert attached(demo_model) == ()
    assert answers(last(session, session.knobs()).texts[1]) == CAREFUL


def test_presence_is_read_off_every_token_of_both_texts(session):
    shown = last(session, session.knobs())
    plain, steered = session.presence(PROMPT, shown, 0)
    assert [len(plain), len(steered)] == [len(row) for row in shown.token_ids]
    mean = [sum(value for _, value in row) / len(row) for row in (plain, steered)]
    assert mean[1] > mean[0]  # the careful text itself points along the vector


def test_settings_are_saved_without_the_evaluations_of_other_ones(sums, tmp_path):
    changed = SteeringVector.load(with_coefficients(sums, 0.5).save_pretrained(tmp_path / "one"))
    assert changed.manifest.interventions[0].coefficient == 0.5
    assert changed.manifest.evaluations == ()
    own = sums.manifest.interventions[0].coefficient
    assert with_coefficients(sums, own).manifest == sums.manifest


def test_a_playground_of_nothing_is_refused(demo_model, demo_tokenizer):
    with pytest.raises(UsageError, match="at least one vector"):
        Session(demo_model, demo_tokenizer, [])
