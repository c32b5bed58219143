from __future__ import annotations

from pathlib import Path

import pytest

from tendies_ops.spec import ModelSpec, load_spec
from tests.support.examples import EXAMPLES

SPECS = sorted((EXAMPLES / "models").glob("*.yaml"))
INDEX = EXAMPLES / "models" / "index.txt"


def weights_of(spec: ModelSpec) -> list[Path]:
    checkpoint = spec.source.local_checkpoint.resolve()
    if checkpoint.is_dir():
        return sorted(p for p in checkpoint.iterdir() if p.is_file())
    return [checkpoint] if checkpoint.is_file() else sorted(checkpoint.parent.glob(f"{checkpoint.name}.*"))


@pytest.mark.parametrize("path", SPECS, ids=lambda path: path.stem)
def test_a_spec_is_named_like_its_model_and_finds_its_files(path: Path) -> None:
    spec = load_spec(path)
    assert spec.model_name == path.stem
    assert weights_of(spec)
    assert spec.source.builder is not None
    assert Path(spec.source.builder.rpartition(":")[0]).is_file()


@pytest.mark.parametrize(
    ("name", "limit_bytes"),
    [("noise_to_stripes", 3_000_000), ("brush_strokes", 2_000_000), ("five_styles", 400_000)],
)
def test_committed_weights_are_small(name: str, limit_bytes: int) -> None:
    files = weights_of(load_spec(EXAMPLES / "models" / f"{name}.yaml"))
    assert 0 < sum(p.stat().st_size for p in files) <= limit_bytes


def test_the_checkpoint_names_no_folder_of_the_machine_that_made_it() -> None:
    state = (EXAMPLES / "noise_to_stripes" / "checkpoint" / "checkpoint").read_text(encoding="utf-8")
    assert "/" not in state


def test_every_spec_is_in_the_index() -> None:
    lines = INDEX.read_text(encoding="utf-8").splitlines()
    assert sorted(line for line in lines if not line.startswith("#")) == [path.name for path in SPECS]


def test_a_folder_of_pictures_is_taken_from_where_the_spec_lies(tmp_path: Path) -> None:
    spec = load_spec(_spec_with_batch(tmp_path, "../pictures", "/srv/results"))
    assert spec.batch.input == str(tmp_path.parent / "pictures")
    assert spec.batch.output == "/srv/results"


def test_a_url_of_pictures_stays_as_it_is(tmp_path: Path) -> None:
    spec = load_spec(_spec_with_batch(tmp_path, "s3://bucket/in", "memory://out"))
    assert (spec.batch.input, spec.batch.output) == ("s3://bucket/in", "memory://out")


def _spec_with_batch(folder: Path, pictures: str, results: str) -> Path:
    path = folder / "spec.yaml"
    path.write_text(
        f"model_name: m\nsource: {{checkpoint: w}}\nbatch: {{input: '{pictures}', output: '{results}'}}\n",
        encoding="utf-8",
    )
    return path
