"""A checkpoint in an S3 bucket: exported by its URL, which the manifest names."""

from __future__ import annotations

from pathlib import Path

import pytest
import s3fs

from tendies_ops.errors import CheckpointMissingError, UsageError
from tendies_ops.export import export_model
from tendies_ops.export.checkpoint_cache import FOLDER_VARIABLE
from tendies_ops.spec import load_spec
from tendies_ops.spec.roots import require_allowed_checkpoint
from tests.support.examples import EXAMPLES
from tests.support.s3_server import s3_server

SPEC = EXAMPLES / "models" / "noise_to_stripes.yaml"


def test_a_checkpoint_is_exported_from_its_bucket(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(FOLDER_VARIABLE, str(tmp_path / "cache"))
    text = SPEC.read_text().replace("../noise_to_stripes/checkpoint", "s3://training/stripes/model.ckpt-1500")
    text = text.replace("../noise_to_stripes/model.py", str(EXAMPLES / "noise_to_stripes" / "model.py"))
    (tmp_path / "spec.yaml").write_text(text)
    spec = load_spec(tmp_path / "spec.yaml")
    with s3_server() as server:
        for name, value in server.environment.items():
            monkeypatch.setenv(name, value)
        s3fs.S3FileSystem.clear_instance_cache()
        files = s3fs.S3FileSystem()
        files.mkdir("training")
        for path in (EXAMPLES / "noise_to_stripes" / "checkpoint").iterdir():
            files.pipe_file(f"training/stripes/{path.name}", path.read_bytes())

        lines: list[str] = []
        result = export_model(spec, tmp_path / "made", on_line=lines.append)
        with pytest.raises(CheckpointMissingError, match=r"s3://training/stripes/model\.ckpt-9"):
            export_model(spec, tmp_path / "other", checkpoint="s3://training/stripes/model.ckpt-9")

    assert any(line.startswith("Fetching s3://training/stripes/model.ckpt-1500") for line in lines)
    assert result.manifest.source.checkpoint == "s3://training/stripes/model.ckpt-1500"
    assert result.manifest.source.digest == export_model(load_spec(SPEC), tmp_path / "local").manifest.source.digest


def test_a_run_may_name_urls_next_to_the_specs_own_and_no_others(tmp_path: Path) -> None:
    (tmp_path / "spec.yaml").write_text("model_name: m\nsource: {checkpoint: 's3://training/stripes/model.ckpt-1'}\n")
    spec = load_spec(tmp_path / "spec.yaml")

    assert require_allowed_checkpoint(spec, "s3://training/stripes/model.ckpt-1") == spec.source.checkpoint
    assert (
        require_allowed_checkpoint(spec, "s3://training/stripes/model.ckpt-2") == "s3://training/stripes/model.ckpt-2"
    )
    for place in ("s3://training/other", "s3://training/stripes/../other/x", "s3://other/stripes/x", "/etc/passwd"):
        with pytest.raises(UsageError, match="outside the places allowed"):
            require_allowed_checkpoint(spec, place)
