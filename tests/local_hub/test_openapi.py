"""The embedded Hub's description of itself; tests/openapi lets schemathesis attack it by that."""

import pytest

from palrs_hub.local_hub import openapi
from palrs_hub.local_hub.app import ROUTES

ROWS = {f"{row.method} {row.pattern}" for row in ROUTES}


@pytest.fixture(scope="module")
def description(bare_wire):
    return bare_wire.get(openapi.PATH).json()


def test_every_route_that_is_served_is_described(description):
    paths = description["paths"]
    assert {*paths["/api/models/{namespace}/{name}/tree/{revision}/{path}"]} == {"get"}
    assert {*paths["/datasets/{namespace}/{name}.git/info/lfs/verify"]} == {"post"}
    assert {*paths["/api/spaces/{namespace}/{name}/branch/{revision}"]} == {"post", "delete"}
    described = {operation["summary"] for path in paths.values() for operation in path.values()}
    told = {(row.handler.__doc__).strip().splitlines()[0] for row in ROUTES}
    assert told - described == {"Says that the path is none of this hub's."}


def test_bodies_and_queries_are_those_of_routes():
    assert {*openapi.BODIES, *openapi.QUERIES} <= ROWS


def test_every_parameter_of_a_path_is_named(description):
    for path, operations in description["paths"].items():
        for operation in operations.values():
            named = [each["name"] for each in operation["parameters"] if each["in"] == "path"]
            assert named == [part.split("}")[0] for part in path.split("{")[1:]]
