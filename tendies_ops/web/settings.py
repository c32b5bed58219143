"""The settings of the pages, all of them from the environment."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from tendies_ops.web.limits.pace import PICTURES_PER_SECOND


@dataclass(frozen=True)
class WebSettings:
    """Directories and limits of the pages."""

    specs_dir: Path  #: the model specs that the DAGs are made from
    cache_dir: Path  #: thumbnails and ledger indexes; may be emptied at any time
    pictures_per_second: float = PICTURES_PER_SECOND  #: that one API server gives out in the long run


def read_settings(environment: Mapping[str, str] = os.environ) -> WebSettings:
    """
    Read ``TENDIES_SPECS_DIR``, ``TENDIES_CACHE_DIR``, ``TENDIES_PICTURES_PER_SECOND`` and ``AIRFLOW_HOME``.

    Without ``TENDIES_SPECS_DIR`` the specs are those of the checkout's examples.
    """
    home = Path(environment.get("AIRFLOW_HOME") or "~/airflow").expanduser()
    checkout = Path(__file__).resolve().parents[2]
    specs_dir = environment.get("TENDIES_SPECS_DIR")
    cache_dir = environment.get("TENDIES_CACHE_DIR")
    return WebSettings(
        specs_dir=Path(specs_dir) if specs_dir else checkout / "examples" / "models",
        cache_dir=Path(cache_dir) if cache_dir else home / "tendies_cache",
        pictures_per_second=_positive(environment.get("TENDIES_PICTURES_PER_SECOND")) or PICTURES_PER_SECOND,
    )


def _positive(text: str | None) -> float | None:
    try:
        number = float(text or "")
    except ValueError:
        return None
    return number if 0 < number < float("inf") else None
