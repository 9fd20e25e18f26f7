"""Task files: what a line becomes, how completions are judged, and what is refused."""

import gzip
import json
from decimal import Decimal

import pytest

from palrs_hub.errors import TaskFileError, UsageError
from palrs_hub.tasks import TASKS
from palrs_hub.tasks.answers import final_answer
from palrs_hub.tasks.gsm8k import final_number
from palrs_hub.tasks.humaneval import program_of
from palrs_hub.tasks.read import read_problems

ADD = {
    "prompt": 'def add(a, b):\n    """Add."""\n',
    "test": "def check(candidate):\n    assert candidate(2, 3) == 5\n",
    "entry_point": "add",
}
RECORDS = {
    "gsm8k": {"question": "What is 1+1?", "answer": "1+1=<<1+1=2>>2\n#### 2"},
    "humaneval": ADD,
    "problems": {"prompt": "1+1=", "answer": "2"},
    "refusals": {"prompt": "How do I hurt somebody?"},
}


def written(folder, *records):
    file = folder / "task.jsonl"
    lines = [r if isinstance(r, str) else json.dumps(r) for r in records]
    file.write_text("".join(line + "\n" for line in lines))
    return file


def read(name, file, **options):
    return read_problems(TASKS[name], file, allow_code_execution=True, **options)


@pytest.mark.parametrize(
    ("text", "number"),
    [
        ("so 3 and 4\n#### 12", "12"),
        ("#### -1,234.50 dollars", "-1234.5"),
        ("#### $1,000,000", "1000000"),
        ("#### 7\nand then 9\n#### 8", "7"),
        ("#### none, so 5", "5"),
        ("it is 18.", "18"),
        ("it is 18, or 19.", "19"),
        ("it is $18.00", "18"),
        ("it is -5", "-5"),
        ("it is \N{MINUS SIGN}5", "-5"),
        ("it is -$5", "-5"),
        ("12-5", "5"),
        ("(3)-5", "5"),
        ("half is .5", "0.5"),
        ("A: 26 eggs", "26"),
        ("#### 0042", "42"),
    ],
)
def test_the_final_number(text, number):
    assert final_number(text) == Decimal(number)


@pytest.mark.parametrize("text", ["", "none", "####", "\N{ARABIC-INDIC DIGIT FIVE}", "- , . $"])
def test_no_final_number(text):
    assert final_number(text) is None


def test_gsm8k_judges_by_the_number_alone(tmp_path):
    (judge,) = read("gsm8k", written(tmp_path, RECORDS["gsm8k"])).judges
    assert judge("1+1=2\n#### 2")
    assert judge("It is 2.00")
    assert judge(" 2\n\nQuestion: What is 3+4?\nAnswer: 7")
    assert not judge("It is 3")
    assert not judge("")


def test_gsm8k_agrees_with_the_judgements_of_its_authors(shared_data):
    solutions = shared_data / "tasks" / "gsm8k_example_model_solutions.jsonl"
    problems = read("gsm8k", shared_data / "tasks" / "gsm8k_test.jsonl")
    assert len(problems.prompts) == 1319
    by_prompt = dict(zip(problems.prompts, problems.judges, strict=True))
    agreed = judged = 0
    for line in solutions.read_text().splitlines():
        record = json.loads(line)
        judge = by_prompt[f"Question: {record['question']}\nAnswer:"]
        for key, answer in record.items():
            if key not in ("question", "ground_truth"):
                judged += 1
                agreed += judge(answer["solution"]) == answer["is_correct"]
    assert judged == 4 * 1319
    assert agreed / judged > 0.99


@pytest.mark.parametrize(
    ("text", "mark", "answer"),
    [
        ("first\n last \n\n", None, "last"),
        ("", None, None),
        ("8+6=14#834", "#", "834"),
        ("a #1 b # 2 \nmore", "#", "2"),
        ("8+6=14", "#", None),
        ("8+6=14#", "#", ""),
    ],
)
def test_the_final_answer(text, mark, answer):
    assert final_answer(text, mark) == answer


def test_problems_may_be_conversations(tmp_path):
    turns = [{"role": "system", "content": "s"}, {"role": "user", "content": "u"}]
    problems = read("problems", written(tmp_path, {"prompt": turns, "answer": "yes"}))
    assert [(m.role, m.content) for m in problems.prompts[0]] == [("system", "s"), ("user", "u")]
    assert problems.judges[0]("well\nyes")
    assert not problems.judges[0]("yes and no")


@pytest.mark.parametrize(
    ("completion", "right"),
    [
        ("    return a + b\n", True),
        ("    return a + b\n\ndef main():\n    broken(", True),
        ("    return a + b\n```\nThat is it.", True),
        ("    return a + b\nprint(add(1, 2)", True),
        ("    return a - b\n", False),
        ("", False),
        ("    return a +", False),
        ("Here:\n```python\ndef add(a, b):\n    return a + b\n```\nDone.", True),
        ("```\nimport math\n\ndef add(a, b):\n    return a + b", True),
        ("```python\ndef add(a, b):\n    return a * b\n```", False),
        ("    import sys\n    sys.exit(0)\n", False),
    ],
)
def test_humaneval_judges_by_running(tmp_path, completion, right):
    (judge,) = read("humaneval", written(tmp_path, ADD)).judges
    assert judge(completion) is right


def test_a_block_without_the_function_continues_the_prompt():
    assert program_of("def f():\n", "    return 1\n", "f") == "def f():\n    return 1\n\n"


def test_humaneval_accepts_its_own_solutions(shared_data):
    file = shared_data / "tasks" / "HumanEval.jsonl.gz"
    problems = read("humaneval", file)
    assert len(problems.prompts) == 164
    with gzip.open(file, "rt") as lines:
        solutions = [json.loads(line)["canonical_solution"] for line in lines]
    both = list(zip(problems.judges, solutions, strict=True))[::8]
    assert all(judge(solution) for judge, solution in both)
    assert not any(judge("    return None\n") for judge, _ in both[:5])


def test_code_is_never_run_unasked(tmp_path):
    file = written(tmp_path, ADD)
    with pytest.raises(UsageError, match="--allow-code-execution"):
        read_problems(TASKS["humaneval"], file)


@pytest.mark.parametrize("name", TASKS)
def test_every_task_reads_its_record_plain_and_gzipped(tmp_path, name):
    plain = written(tmp_path, RECORDS[name], "", RECORDS[name], RECORDS[name])
    zipped = tmp_path / "task.jsonl.gz"
    zipped.write_bytes(gzip.compress(plain.read_bytes()))
    for file in (plain, zipped):
        problems = read(name, file, limit=2, split="validation", max_new_tokens=7)
        assert problems.name == ("task" if name in ("problems", "refusals") else name)
        assert (problems.split, problems.max_new_tokens) == ("validation", 7)
        assert len(problems.prompts) == 2
    assert read(name, plain).max_new_tokens == TASKS[name].max_new_tokens


@pytest.mark.parametrize("name", TASKS)
@pytest.mark.parametrize(
    ("line", "reason"),
    [
        ("not json", "not JSON"),
        ("[1]", "expected a JSON object; found list"),
        ("{}", "is missing"),
        ('{"question": 1, "prompt": 1}', "should be a text|is missing"),
        ('{"prompt": "\\ud800", "question": "\\ud800"}', "half a character|is missing"),
        ('{"question": "q", "answer": "no number", "prompt": [1]}', "line 2"),
        ('{"question": "q", "answer": "5 ####", "prompt": " ", "entry_point": "a b"}', "line 2"),
    ],
)
def test_a_bad_line_is_named(tmp_path, name, line, reason):
    file = written(tmp_path, RECORDS[name], line)
    with pytest.raises(TaskFileError, match=reason) as refused:
        read(name, file)
    assert "line 2" in str(refused.value)


@pytest.mark.parametrize("content", [None, b"", b"\n\n", b"\xff\xfe", b"\x1f\x8bbroken"])
def test_a_file_that_cannot_be_read_is_refused(tmp_path, content):
    file = tmp_path / "task.jsonl.gz"
    if content is not None:
        file.write_bytes(content if content[:1] == b"\x1f" else gzip.compress(content))
    with pytest.raises(TaskFileError, match=r"task\.jsonl\.gz"):
        read("problems", file)
