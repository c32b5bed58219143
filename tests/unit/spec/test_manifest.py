"""The manifest between versions of tendies."""

from __future__ import annotations

import json

import pytest
from pydantic import ValidationError

from tendies_ops.spec.manifest import parse_manifest

MANIFEST = {
    "model_name": "m",
    "model_digest": "0",
    "files": {},
    "source": {"kind": "keras", "checkpoint": "c", "digest": "1"},
    "signatures": {},
    "contract": {"input": {"multiple_of": 4}},
    "created_at": "2024-01-01T00:00:00+00:00",
}


def test_what_a_newer_tendies_wrote_is_left_out_wherever_it_stands() -> None:
    newer = {
        **MANIFEST,
        "weather": "fair",
        "source": {**MANIFEST["source"], "author": "Ada"},  # type: ignore[dict-item]
        "contract": {"input": {"multiple_of": 4, "rotate": True}, "outputs": {"a": {"kind": "tensor", "unit": "m"}}},
    }
    manifest = parse_manifest(json.dumps(newer).encode())

    assert manifest.contract.input.multiple_of == 4
    assert manifest.contract.outputs["a"].kind == "tensor"


def test_a_manifest_that_lacks_something_is_none() -> None:
    with pytest.raises(ValidationError):
        parse_manifest(b"{}")
