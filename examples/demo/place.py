"""Where the demo keeps what it makes. Everything lies below ``.demo/`` in the checkout."""

from __future__ import annotations

import shutil
from dataclasses import dataclass
from pathlib import Path

CHECKOUT = Path(__file__).resolve().parents[2]


@dataclass(frozen=True)
class DemoPlace:
    """The directories of one demo."""

    root: Path

    @property
    def airflow_home(self) -> Path:
        """Airflow's configuration, database and task logs."""
        return self.root / "airflow"

    @property
    def specs(self) -> Path:
        """The model specs that the DAGs read: the examples' own, with this demo's folders and servers."""
        return self.root / "specs"

    @property
    def logs(self) -> Path:
        """What the programs that the demo starts write."""
        return self.root / "logs"

    def base_path(self, model_name: str) -> Path:
        """The directory that the model's Model Server watches."""
        return self.root / "models" / model_name

    def pictures(self, model_name: str) -> Path:
        """What goes in."""
        return self.root / "pictures" / model_name

    def results(self, model_name: str) -> Path:
        """What comes out, with the ledger and the reports."""
        return self.root / "results" / model_name

    def clear(self) -> None:
        """Start from nothing: a demo shows the whole road each time."""
        for name in ("airflow", "specs", "logs", "models", "pictures", "results"):
            shutil.rmtree(self.root / name, ignore_errors=True)
        for directory in (self.airflow_home, self.specs, self.logs):
            directory.mkdir(parents=True)
