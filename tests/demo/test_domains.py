"""What a benchmark takes from each domain: pairs, problems with a judge, texts to guard."""

import json

import pytest

from palrs_hub.demo.domains import DOMAINS, ordinary_texts
from palrs_hub.pairs import read_pairs

each_domain = pytest.mark.parametrize("domain", DOMAINS.values(), ids=DOMAINS)


@each_domain
def test_the_pairs_file_is_what_the_generator_produces(domain):
    assert domain.pairs_file.read_text(encoding="utf-8") == domain.pairs_text()
    assert list(read_pairs(domain.pairs_file)) == domain.pairs()
    first = json.loads(domain.pairs_text().splitlines()[0])
    assert set(first) == {"prompt", "chosen", "rejected"}


@each_domain
def test_pairs_prefer_the_careful_answer(domain):
    problems, pairs = domain.worked("pairs", 100), domain.pairs()
    assert len({pair.prompt for pair in pairs}) == 100
    assert all(domain.judge(problems, [pair.chosen for pair in pairs]))
    assert not any(domain.judge(problems, [pair.rejected for pair in pairs]))


@each_domain
def test_problems_are_judged_alone_and_together(domain):
    problems, worked = domain.test_problems(6), domain.worked("test", 6)
    assert problems.solved([problem.careful for problem in worked]) == (True,) * 6
    assert problems.solved([problem.sloppy for problem in worked]) == (False,) * 6
    assert problems.judges[2](worked[2].careful)
    assert not problems.judges[2](worked[2].sloppy)
    assert problems.split == "test"


@each_domain
def test_what_must_not_leak_does_not(domain):
    told = [set(domain.validation_problems(100).prompts), set(domain.test_problems(200).prompts)]
    told.append({pair.prompt for pair in domain.pairs()})
    told.append(set(domain.guardrail_problems(200).prompts))
    assert sum(map(len, told)) == len(set().union(*told)) == 600


@each_domain
def test_guardrails_hold_problems_on_which_both_agree(domain):
    worked = domain.worked("guardrail", 20, agreed=True)
    assert all(problem.careful == problem.sloppy for problem in worked)
    assert domain.guardrail_problems(20).prompts == tuple(problem.prompt for problem in worked)
    assert domain.agreed_texts("guardrail", 20) == [(p.prompt, p.careful) for p in worked]


def test_ordinary_texts_are_held_out():
    assert len(set(ordinary_texts("guardrail", 200))) == 200
    assert not {text for _, text in ordinary_texts("guardrail", 200)} & {
        text for _, text in ordinary_texts("training", 1000)
    }
