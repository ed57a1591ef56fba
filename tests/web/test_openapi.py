"""No request, valid under the OpenAPI document or not, causes a server error."""

import pytest
from hypothesis import HealthCheck, given, settings

schemathesis = pytest.importorskip("schemathesis", reason="schemathesis is not installed")


def test_no_request_causes_a_server_error(reading_app):
    schema = schemathesis.openapi.from_asgi("/openapi.json", reading_app)
    seen = []
    for operation in schema.get_all_operations():
        found = operation.ok()

        @given(case=found.as_strategy())
        @settings(
            max_examples=20, deadline=None, derandomize=True, suppress_health_check=list(HealthCheck), database=None
        )
        def ask(case):
            seen.append(case.call(headers={"host": "testserver"}).status_code)

        ask()
    assert len(seen) > 200
    assert {200, 404} <= set(seen)
    assert max(seen) < 500
