"""What the demo brought: counted from the files themselves, not from what the runs say of them."""

from __future__ import annotations

import shutil
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from PIL import Image

from examples.demo.model_runs import ModelRuns
from tendies_ops.dev import Voice


@dataclass(frozen=True)
class ModelOutcome:
    """One model's release and batch."""

    model_name: str
    is_green: bool
    release: dict[str, Any]
    batch: dict[str, Any]
    pictures: Path
    results: Path
    missing: tuple[str, ...]
    contact_sheet: Path | None

    @property
    def is_complete(self) -> bool:
        """Both runs succeeded and every picture is there."""
        return self.is_green and not self.missing

    def report(self, voice: Voice) -> None:
        """Say it in a few lines."""
        release, batch = self.release, self.batch
        total = len(list(_files(self.pictures)))
        voice.line(f"\n{self.model_name}", style="bold")
        voice.line(f"  runs       {'release and batch succeeded' if self.is_green else 'FAILED (see the lines above)'}")
        voice.line(f"  version    {_name_version(release)}")
        voice.line(f"  pictures   {_counts(batch)}, {total} in all")
        voice.line(f"  speed      {batch.get('images_per_second') or 0:.1f} images per second")
        voice.line(f"  results    {short(self.results)}")
        if self.contact_sheet:
            voice.line(f"  look at    {short(self.contact_sheet)}  (before and after, side by side)")
        if self.missing:
            voice.line(f"  missing    {', '.join(self.missing[:5])} ({len(self.missing)} in all)", style="red")


def read_outcome(folder: Path, model: ModelRuns) -> ModelOutcome:
    """Ask Airflow for the tasks' results, and look at every picture."""
    pictures, results = (folder / kind / model.model_name for kind in ("pictures", "results"))
    release = model.release and model.api.result(model.release_dag_id, model.release.run_id, "release")
    batch = model.batch and model.api.result(model.batch_dag_id, model.batch.run_id, "infer")
    missing = find_missing(pictures, results)
    return ModelOutcome(
        model.model_name,
        model.is_green,
        release or {},
        batch or {},
        pictures,
        results,
        missing,
        _copy_contact_sheet(results, folder / f"{model.model_name}.png"),
    )


def _name_version(release: Mapping[str, Any]) -> str:
    return f"{release['version']}, digest {str(release['model_digest'])[:19]}" if release else "released earlier"


def _counts(batch: Mapping[str, Any]) -> str:
    skipped = f", {batch['skipped']} done before" if batch.get("skipped") else ""
    return f"{batch.get('done', 0)} done{skipped}, {batch.get('failed', 0)} failed"


def _copy_contact_sheet(results: Path, target: Path) -> Path | None:
    """Put the run's contact sheet where it is easy to find: its own folder is named after the run."""
    sheets = sorted(results.glob(".tendies/runs/*/contact_sheet.png"))
    return Path(shutil.copyfile(sheets[-1], target)) if sheets else None


def find_missing(pictures: Path, results: Path) -> tuple[str, ...]:
    """Pictures without a whole result, by name."""
    return tuple(str(path) for path in _files(pictures) if not _has_result(path, results))


def _files(directory: Path) -> list[Path]:
    return sorted(path.relative_to(directory) for path in directory.rglob("*") if path.is_file())


def _has_result(picture: Path, results: Path) -> bool:
    """Whether a whole picture of the same name is among the results; its ending may differ."""
    return any(_is_whole(path) for path in (results / picture.parent).glob(f"{picture.stem}.*"))


def _is_whole(path: Path) -> bool:
    try:
        with Image.open(path) as image:
            image.load()
    except (OSError, SyntaxError):
        return False
    return True


def short(path: Path) -> str:
    """Relative to where the reader is, if it is below."""
    return str(path.relative_to(Path.cwd())) if path.is_relative_to(Path.cwd()) else str(path)
