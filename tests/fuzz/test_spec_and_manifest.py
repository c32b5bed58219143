"""Whatever a spec or a manifest holds: it is understood, or refused as text."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from tendies_ops.errors import PublishError, SpecError
from tendies_ops.release.checks.preconditions import check_promises
from tendies_ops.release.replicas.golden_images import read_golden
from tendies_ops.spec import ModelSpec, load_spec, read_manifest
from tendies_ops.spec.manifest import MANIFEST_PATH, Manifest, verify_files
from tests.fuzz.garbage import json_values, mutated, replaced
from tests.support.candidates import make_candidate

SPEC = {
    "model_name": "m",
    "source": {"checkpoint": "ck", "builder": "code.py:model"},
    "contract": {"input": {"range": {"low": -1.0, "high": 1.0}, "size": {"height": 8, "width": 8}}, "output": {}},
    "golden": ["a.png"],
    "release": {"model_base_path": "/m", "servers": ["http://h:1"], "gate": {"min_ssim": 0.5}, "limits": {}},
    "batch": {"input": "in", "output": "out", "include": ["*.png"]},
    "airflow": {},
}
KEYS = tuple(sorted({key for part in (SPEC, *SPEC.values()) if isinstance(part, dict) for key in part}))


def understood_or_refused(path: Path, data: bytes) -> None:
    path.write_bytes(data)
    try:
        assert isinstance(load_spec(path), ModelSpec)
    except SpecError as error:
        assert str(path) in str(error)


@given(st.binary(max_size=60) | st.text(max_size=60).map(lambda text: text.encode("utf-8", "surrogatepass")))
def test_any_file_is_a_spec_or_is_refused_in_words(folder: Path, data: bytes) -> None:
    understood_or_refused(folder / "any.yaml", data)


@given(replaced(SPEC, *KEYS))
def test_a_spec_with_something_wrong_in_it_is_refused_in_words(folder: Path, document: object) -> None:
    understood_or_refused(folder / "replaced.yaml", json.dumps(document).encode())


@given(mutated(yaml.safe_dump(SPEC).encode()))
def test_a_spec_with_a_slip_of_the_pen_is_refused_in_words(folder: Path, data: bytes) -> None:
    understood_or_refused(folder / "mutated.yaml", data)


@pytest.fixture(scope="module")
def version(folder: Path) -> Path:
    return make_candidate(folder / "version")


@pytest.fixture(scope="module")
def good(version: Path) -> bytes:
    return (version / MANIFEST_PATH).read_bytes()


@given(data=st.data())
def test_any_manifest_is_read_or_refused_in_words(version: Path, good: bytes, data: st.DataObject) -> None:
    document = json.loads(good)
    kinds = (
        st.binary(max_size=60),
        mutated(good),
        json_values("files", "golden", "parity").map(json.dumps).map(str.encode),
        replaced(document, *document).map(json.dumps).map(str.encode),
    )
    (version / MANIFEST_PATH).write_bytes(data.draw(st.one_of(*kinds)))
    try:
        manifest = read_manifest(version)
        assert isinstance(manifest, Manifest)
        verify_files(version, manifest)
        check_promises(version, manifest)
        read_golden(version, manifest)
    except PublishError as error:
        assert str(version) in str(error)
