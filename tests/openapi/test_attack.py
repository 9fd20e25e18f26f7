"""Schemathesis attacks the embedded Hub, by the Hub's own description: ``make test-openapi``.

Whatever the requests are, wrong ones among them, the Hub answers without failing (no 5xx) and with
what the description promises. In half of them the names are those of a repository that is there,
so that they get as far as what is done.
"""

import json

import pytest

schemathesis = pytest.importorskip("schemathesis", reason="make test-openapi sets it up")

from huggingface_hub import HfApi  # noqa: E402
from hypothesis import HealthCheck, given, settings  # noqa: E402
from schemathesis.checks import not_a_server_error  # noqa: E402
from schemathesis.specs.openapi.checks import (  # noqa: E402
    content_type_conformance,
    response_schema_conformance,
    status_code_conformance,
)

from palrs_hub.local_hub import Token, running_hub  # noqa: E402
from palrs_hub.local_hub.app import describe_routes  # noqa: E402

OWNER = Token("hf_owner", "ada", "write", ("lab",))
CHECKS = [
    not_a_server_error,
    status_code_conformance,
    content_type_conformance,
    response_schema_conformance,
]
THERE = {"namespace": "lab", "name": "there", "revision": "main", "num": "1", "user": "ada"}


@pytest.fixture(scope="module")
def attacked(tmp_path_factory):
    with running_hub(tmp_path_factory.mktemp("attacked"), tokens=[OWNER]) as hub:
        yield hub


@pytest.fixture(scope="module")
def there(attacked):
    """Makes the repository anew where an attack has deleted, renamed or hidden it."""
    api = HfApi(endpoint=attacked.url, token=OWNER.value)

    def make():
        for kind in ("model", "dataset", "space"):
            if api.repo_exists("lab/there", repo_type=kind):
                continue
            sdk = {"space_sdk": "static"} if kind == "space" else {}
            api.create_repo("lab/there", repo_type=kind, **sdk)
            api.create_discussion("lab/there", "A draft", repo_type=kind, pull_request=True)

    return make


@schemathesis.serializer("application/x-ndjson", "application/octet-stream")
def as_it_is(context, value):
    return value.encode("utf-8", "replace")


SCHEMA = schemathesis.openapi.from_dict(json.loads(describe_routes(None).body))
OPERATIONS = {each.ok().label: each.ok() for each in SCHEMA.get_all_operations()}
RUN = settings(max_examples=10, deadline=None, suppress_health_check=[*HealthCheck], database=None)


def attack(hub, operation, before=lambda case: None):
    @RUN
    @given(case=operation.as_strategy())
    def all_of_them(case):
        before(case)
        headers = {"Authorization": f"Bearer {OWNER.value}"}
        case.call_and_validate(base_url=hub.url, headers=headers, checks=CHECKS)

    all_of_them()


@pytest.mark.parametrize("label", OPERATIONS)
def test_any_request_is_answered_without_failing(attacked, label):
    attack(attacked, OPERATIONS[label])


@pytest.mark.parametrize("label", [label for label in OPERATIONS if "{namespace}" in label])
def test_so_is_any_request_about_what_is_there(attacked, there, label):
    def aim(case):
        there()
        named = {name: value for name, value in THERE.items() if name in case.path_parameters}
        case.path_parameters.update(named)

    attack(attacked, OPERATIONS[label], aim)
