"""Names that could be taken for another publisher's."""

import datetime

import pytest

from palrs_hub.registry.imitation import Named, imitations, skeleton

ALIKE = (
    ("careful-sums", "carefu1-sums"),
    ("careful-sums", "Careful_Sums"),
    ("careful-sums", "саreful-sums"),  # two Cyrillic letters
    ("careful-sums", "carefull-sums"),
    ("careful-sums", "carefu-sums"),
    ("careful-sums", "cafeful-sums"),
    ("careful-sums", "craeful-sums"),
    ("modern-manners", "rnodern-manners"),
    ("truthful", "truthful"),
)
DIFFERENT = (
    ("careful-sums", "careful-code"),
    ("careful-sums-7b", "careful-sums-8b"),
    ("terse", "tense"),
    ("polite-letters", "formal-letters"),
)


def named(name, owner, slug=None, day=1):
    return Named(slug or f"{owner}-{name}", name, owner, datetime.date(2026, 1, day))


@pytest.mark.parametrize(("original", "other"), ALIKE)
def test_a_name_that_looks_like_anothers_is_found(original, other):
    pair = [named(other, "stranger", day=2), named(original, "lab")]
    ((imitator, imitated, _),) = imitations(pair)
    assert (imitator.owner, imitated.owner) == ("stranger", "lab")


@pytest.mark.parametrize(("original", "other"), ALIKE)
def test_one_publisher_may_name_theirs_alike(original, other):
    assert not list(imitations([named(original, "lab", "a"), named(other, "lab", "b")]))


@pytest.mark.parametrize(("one", "other"), DIFFERENT)
def test_names_that_differ_are_left_alone(one, other):
    assert not list(imitations([named(one, "lab"), named(other, "stranger")]))


def test_the_registrys_own_is_the_original():
    ((imitator, _, _),) = imitations([named("careful", "lab"), named("careful", "", day=9)])
    assert imitator.owner == "lab"


def test_a_publisher_that_looks_like_another_is_found():
    ((imitator, _, why),) = imitations([named("one", "openlab"), named("other", "0penlab", day=2)])
    assert imitator.owner == "0penlab"
    assert "publisher" in why


def test_a_skeleton_tells_apart_what_looks_apart():
    assert skeleton("Lab_One") == skeleton("lab-0ne")
    assert skeleton("lab-one") != skeleton("lab-two")
