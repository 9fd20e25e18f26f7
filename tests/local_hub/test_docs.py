"""The page about the embedded Hub says what is so."""

import importlib.util
import re
from pathlib import Path

import pytest

from palrs_hub.local_hub import limits
from palrs_hub.local_hub.app import ROUTES

HERE = Path(__file__).parent


def load_table():
    # A file beside the tests that is a program too, and no module of any package.
    spec = importlib.util.spec_from_file_location("route_table", HERE / "route_table.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


route_table = load_table()


def test_the_table_is_that_of_the_application():
    assert route_table.written() == route_table.table(), "run python tests/local_hub/route_table.py"


def test_every_route_is_shown_by_a_test_and_no_other_is_named():
    assert {*route_table.SHOWN_BY} == {route_table.key(row) for row in ROUTES}


@pytest.mark.parametrize("shown_by", sorted(route_table.SHOWN))
def test_the_tests_that_are_named_are_there(shown_by):
    file, _, name = shown_by.partition("::")
    assert re.search(rf"^def {name}\(", (HERE / f"{file}.py").read_text(), re.MULTILINE)


def test_the_limits_are_those_of_the_code():
    page = route_table.PAGE.read_text(encoding="utf-8")
    told = dict(re.findall(r"^\| [^|]+ \| `([A-Z_]+)` \| ([^|]+) \|", page, re.MULTILINE))
    assert told
    for name, value in told.items():
        number = getattr(limits, name)
        for unit, size in (("GiB", limits.GIB), ("MiB", limits.MIB), ("", 1)):
            if number % size == 0:
                assert value.strip() == f"{number // size:,} {unit}".strip(), name
                break
