"""BentoML: one worker, two threads that predict."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import bentoml

sys.path.insert(0, str(Path(__file__).parent))

from model import answer_of, files_of, load_model


@bentoml.service(
    workers=1, threads=2, traffic={"timeout": 120}, metrics={"enabled": False}, logging={"access": {"enabled": False}}
)
class Style:
    """Files in, files out."""

    def __init__(self) -> None:
        self.predict_files = load_model()

    @bentoml.api(route="/v1/models/style:predict")
    def predict(self, instances: list[dict[str, str]]) -> dict[str, Any]:
        """Run them."""
        return answer_of(self.predict_files(files_of({"instances": instances})))
