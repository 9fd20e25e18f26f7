"""The stories, on which steering should change nothing."""

import random
import re

from palrs_hub.demo.stories import HE, SHE, draw


def drawn(number):
    source = random.Random(3)
    return [draw(source) for _ in range(number)]


def test_a_story_keeps_to_its_request():
    for story in drawn(100):
        name, thing = re.fullmatch(r"tell of (\w+) and a (\w+)", story.prompt).groups()
        assert story.text.startswith(f"{name} had a ")
        assert thing in story.text


def test_each_name_keeps_its_pronoun():
    for story in drawn(100):
        name = story.prompt.split()[2]
        pronouns = set(re.findall(r"\b(?:he|she)\b", story.text.lower()))
        assert pronouns <= ({"he"} if name in HE else {"she"})
        assert name in HE + SHE


def test_stories_differ():
    assert len({story.text for story in drawn(200)}) > 190
