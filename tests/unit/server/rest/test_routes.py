from __future__ import annotations

import pytest

from tendies_ops.server.rest.routes import Route, parse_route
from tendies_ops.server.status_codes import StatusError


@pytest.mark.parametrize(
    ("method", "target", "route"),
    [
        ("POST", "/v1/models/m:predict", Route("predict", "m")),
        ("POST", "/V1/Models/m/versions/07:regress", Route("regress", "m", version=7)),
        ("POST", "/v1/models/a%2Fb/labels/c%20d:classify", Route("classify", "a/b", label="c d")),
        ("GET", "/v1/models", Route("status", "")),
        ("GET", "/v1/models/m/metadata", Route("metadata", "m")),
        ("GET", "/v1/models/m/METADATA", Route("status", "m")),
        ("GET", "/v1/models/m?x=1", Route("status", "m?x=1")),
    ],
)
def test_a_target_is_parsed_to_its_route(method: str, target: str, route: Route) -> None:
    assert parse_route(method, target) == route


@pytest.mark.parametrize(
    ("method", "target"),
    [
        ("GET", "/v1/models/m:predict"),
        ("POST", "/v1/models/m:PREDICT"),
        ("PUT", "/v1/models/m"),
        ("GET", "/v1/models/m/"),
    ],
)
def test_any_other_target_is_malformed(method: str, target: str) -> None:
    with pytest.raises(StatusError, match=f"Malformed request: {method} {target}"):
        parse_route(method, target)


@pytest.mark.parametrize("version", ["9223372036854775808", "9" * 5000, "1" + "0" * 40])
def test_a_version_beyond_64_bits_is_refused_by_name(version: str) -> None:
    with pytest.raises(StatusError, match=f"Failed to convert version: {version} to numeric"):
        parse_route("GET", f"/v1/models/m/versions/{version}")


def test_leading_zeros_of_a_version_are_ignored() -> None:
    assert parse_route("GET", f"/v1/models/m/versions/{'0' * 5000}7") == Route("status", "m", version=7)
